"""An allow rule that looks for a pattern inside a text."""

from collections.abc import Iterable

from agentgate.core.events import Effect, Json
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.audits.matches_anything import anything
from agentgate.core.lint.escapes import Pattern
from agentgate.core.lint.patterns import Sample, text_of
from agentgate.core.lint.weaknesses import let_in


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return let_in(subject, report, _wrong, _around, "use `matches`, which must cover the whole text")


def _wrong(pattern: Pattern) -> str | None:
    if pattern.operator != "search" or anything(pattern):
        return None
    verb = "allows" if pattern.rule.rule.effect is Effect.ALLOW else "excepts"
    return f"`search` {verb} every text that merely contains the pattern"


def _around(sample: Sample) -> Iterable[Json]:
    text = text_of(sample)
    yield f"anything {text} anything"
    yield f"{text}.evil.example"
    yield f"{text} anything"
    yield f"anything {text}"
    yield [text, "anything"]
    yield f"{text[:1]}\u200b{text[1:]}"


AUDIT = Audit(
    code="search-in-allow",
    severity=Severity.WARNING,
    summary="`search` where it loosens: in an allow rule, or in the exception from a block rule",
    documentation="`search` holds for every text that contains the pattern somewhere, in any string below the argument, also after "
    "invisible characters are taken out. That is right for finding what must not pass, and wrong for saying what may: "
    "`@example.com` is also in `x@example.com.evil.example`. Use `matches`, which must cover the whole text, or `in`, "
    "`glob`, `email`, `url`.",
    find=_find,
)
