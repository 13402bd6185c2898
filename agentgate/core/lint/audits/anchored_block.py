"""A pattern that stops a text only at the beginning or the end of an argument."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.late import late
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import Pattern
from agentgate.core.lint.patterns import Sample, text_of
from agentgate.core.lint.weaknesses import overlooked

_BEGINNING = late(r"(\(\?[imsU]+\))?(\^|\\A)")
_END = late(r"(?<!\\)(\$|\\z)$")


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return overlooked(subject, report, _wrong, _padded, "take the anchor away, or write `\\b`")


def _wrong(pattern: Pattern) -> str | None:
    if pattern.operator != "search" or not (_BEGINNING.match(pattern.text) or _END.search(pattern.text)):
        return None
    return f"the pattern is only looked for at the {'beginning' if _BEGINNING.match(pattern.text) else 'end'}"


def _padded(sample: Sample) -> Iterable[str]:
    text = text_of(sample)
    yield from (f" {text}", f"{text} ", f"x; {text}")


AUDIT = Audit(
    code="anchored-block",
    severity=Severity.WARNING,
    summary="a block or ask rule looks for a text only at the beginning or end of an argument",
    documentation="`^` and `$` tie a pattern to the beginning and the end: one space more, and a block rule overlooks the text. Take the "
    "anchor away. Where the whole argument is meant, say so with `in` or `matches`.",
    find=_find,
)
