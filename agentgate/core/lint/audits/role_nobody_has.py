"""A rule for a role that nobody can be in."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for rule in subject.rules:
        if subject.calls.roles(rule):
            continue
        written = rule.rule.roles or ()
        if not written:
            why = "its `roles` is empty"
        elif not rule.roles:
            why = f"there is no role `{written[0]}`"
        else:
            why = "`except_roles` takes all of its `roles` out again, because a role counts as those that it includes"
        tool = next(iter(subject.calls.tool_names(rule)), None)
        help = "say who it is for, or leave `roles` out"
        if tool is not None and not rule.rule.observe:
            help += f"; {subject.calls.judge(tool, subject.calls.least(tool), role=next(iter(subject.policy.roles), None)).says}"
        yield report(subject.place_of(rule.rule), f"rule `{rule.rule.id}` is for nobody: {why}", help=help)


AUDIT = Audit(
    code="role-nobody-has",
    severity=Severity.WARNING,
    summary="a rule is for roles that nobody can have",
    documentation="A rule with `roles` applies to those roles and to the roles that include them, `except_roles` takes away likewise. "
    "Where nothing is left, the rule never decides: an allow rule is useless, and a block rule protects nothing.",
    find=_find,
)
