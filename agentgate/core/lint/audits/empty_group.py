"""A group of tools with nothing in it."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.policy import Rule, expand


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for group in subject.policy.groups:
        if expand(subject.policy, (f"@{group}",)):
            continue
        used = next((rule.rule for rule in subject.rules if f"@{group}" in _written(rule.rule)), None)
        effect = f"; rule `{used.id}` names it" if used is not None else ""
        yield report(subject.place_of(used), f"group `{group}` is empty{effect}", help="list its tools, or take the group away")


def _written(rule: Rule) -> tuple[str, ...]:
    return (*rule.tools, *rule.except_tools, *(rule.after or ()), *(rule.before or ()))


AUDIT = Audit(
    code="empty-group",
    severity=Severity.NOTE,
    summary="a group has no tools in it",
    documentation="An empty group means no tool at all: a rule about it never decides, `after` it never holds, and `before` it always "
    "does. Usually its tools were forgotten or renamed.",
    find=_find,
)
