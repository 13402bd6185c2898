"""A pattern that stops a text only in the spelling in which it is written."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.patterns import other_case
from agentgate.core.lint.weaknesses import overlooked

_WRONG = "the pattern depends on upper and lower case"


def case_sensitive(subject: Subject, report: Report) -> Iterable[Finding]:
    """What both the native and the flat form say about it."""
    return overlooked(subject, report, lambda pattern: None if pattern.in_any_case else _WRONG, other_case, "put `(?i)` in front of it")


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return () if subject.flat else case_sensitive(subject, report)


AUDIT = Audit(
    code="case-sensitive",
    severity=Severity.WARNING,
    summary="a block or ask rule looks for a text in one spelling of upper and lower case only",
    documentation="What a pattern in a block or ask rule does not find goes on. `DROP` does not find `drop`, which means the same to a "
    "database. Put `(?i)` in front of the pattern. Where case does matter (paths on Linux), list the values under `in`.",
    find=_find,
)
