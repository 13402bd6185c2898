"""Mail domains allowed by a pattern."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.audits.matches_anything import anything
from agentgate.core.lint.escapes import TEXTS, Pattern
from agentgate.core.lint.patterns import Sample, text_of
from agentgate.core.lint.weaknesses import let_in


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return let_in(subject, report, _wrong, _one_more, "use `email`: `email: [example.com]`", TEXTS)


def _wrong(pattern: Pattern) -> str | None:
    # `search` is worse than this, and reported as such.
    if "@" not in pattern.text or pattern.operator == "search" or (pattern.operator == "matches" and anything(pattern)):
        return None
    return "a pattern does not know where one mail address ends and the next begins"


def _one_more(sample: Sample) -> Iterable[str]:
    text = text_of(sample)
    if "@" in text and "://" not in text:
        yield f"mallory@evil.example,{text}"
        yield f"{text},mallory@evil.example"


AUDIT = Audit(
    code="email-by-pattern",
    severity=Severity.WARNING,
    summary="a pattern that allows a mail domain also allows further addresses",
    documentation="`.*@example\\.com` covers `mallory@evil.example,anna@example.com`, which a mail server takes for two addresses. The "
    "operator `email` holds for exactly one address with a listed domain.",
    find=_find,
)
