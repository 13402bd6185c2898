"""The audits, one file each. A new one is a file and a line here."""

from agentgate.core.lint.audit import Audit
from agentgate.core.lint.audits import (
    allow_everything,
    always_true,
    anchored_block,
    case_sensitive,
    default_allow,
    dot_misses_newline,
    duplicate_rule,
    email_by_pattern,
    empty_group,
    exception_never_holds,
    flat_case_sensitive,
    flat_default_allow,
    idle_result_rule,
    left_out_and_not_allowed,
    limit_never_binds,
    limit_stops_everything,
    literal_space,
    matches_anything,
    never_matches,
    no_limits,
    no_such_argument,
    no_such_tool,
    nothing_allowed,
    optional_slips_past,
    path_by_pattern,
    redundant_rule,
    role_nobody_has,
    search_in_allow,
    shell_by_pattern,
    sql_by_pattern,
    type_cannot_match,
    unescaped_dot,
    url_by_pattern,
    value_never_occurs,
    within_reach,
)

AUDITS: dict[str, Audit] = {
    module.AUDIT.code: module.AUDIT
    for module in (
        default_allow, flat_default_allow, allow_everything, nothing_allowed, left_out_and_not_allowed, no_limits, limit_stops_everything,
        limit_never_binds, never_matches, exception_never_holds, duplicate_rule, redundant_rule, idle_result_rule,
        role_nobody_has, empty_group, search_in_allow,
        matches_anything, unescaped_dot, path_by_pattern, url_by_pattern, email_by_pattern, case_sensitive, flat_case_sensitive,
        dot_misses_newline, literal_space, anchored_block, sql_by_pattern, shell_by_pattern, within_reach, no_such_tool, no_such_argument,
        value_never_occurs, type_cannot_match, always_true, optional_slips_past,
    )
}  # fmt: skip
"""Every audit by its code, in the order of the documentation."""
