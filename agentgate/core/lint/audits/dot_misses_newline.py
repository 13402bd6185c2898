"""A pattern that a line break gets past."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import gets_past, restricting, says
from agentgate.core.lint.patterns import broken_line


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for pattern in restricting(subject):
        trial = gets_past(subject.calls, pattern, broken_line)
        if trial is not None:
            yield report(
                subject.place_of(pattern.condition.condition, pattern.rule.rule),
                f"{pattern.named}: `.` does not stand for a line break",
                help=f"put `(?s)` in front of the pattern; {says(trial)}",
            )


AUDIT = Audit(
    code="dot-misses-newline",
    severity=Severity.WARNING,
    summary="a block or ask rule has a pattern with `.` that a line break gets past",
    documentation="Without `(?s)` the dot in a pattern matches anything but a line break, so a line break in the right place makes a "
    "block rule overlook the text. Put `(?s)` in front of the pattern (`(?is)` together with `(?i)`).",
    find=_find,
)
