"""A pattern that a line break gets past."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.patterns import broken_line
from agentgate.core.lint.weaknesses import overlooked

_WRONG = "`.` does not stand for a line break"


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return overlooked(
        subject, report, lambda pattern: _WRONG if "." in pattern.text else None, broken_line, "put `(?s)` in front of the pattern"
    )


AUDIT = Audit(
    code="dot-misses-newline",
    severity=Severity.WARNING,
    summary="a block or ask rule has a pattern with `.` that a line break gets past",
    documentation="Without `(?s)` the dot in a pattern matches anything but a line break, so a line break in the right place makes a "
    "block rule overlook the text. Put `(?s)` in front of the pattern (`(?is)` together with `(?i)`).",
    find=_find,
)
