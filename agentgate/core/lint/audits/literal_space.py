"""A pattern that a line break in place of a space gets past."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.patterns import other_space
from agentgate.core.lint.weaknesses import overlooked

_WRONG = "the pattern knows a single space between words and nothing else"


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return overlooked(
        subject, report, lambda pattern: _WRONG if " " in pattern.text else None, other_space, "write `\\s+` in place of the space"
    )


AUDIT = Audit(
    code="literal-space",
    severity=Severity.WARNING,
    summary="a block or ask rule has a pattern with a space that a line break, or a second space, gets past",
    documentation="To whoever reads a text, `ignore previous` is the same with a line break or two spaces in the middle; to a pattern "
    "with a plain space it is not. Write `\\s+` for any space between words.",
    find=_find,
)
