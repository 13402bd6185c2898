"""A dot in a host or domain that stands for any character."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.late import late
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import Pattern
from agentgate.core.lint.patterns import Sample, text_of
from agentgate.core.lint.weaknesses import let_in

_DOT = late(r"(?<=[A-Za-z0-9)])\.(?=[A-Za-z])")


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return let_in(subject, report, _wrong, _with_other_letter, "write `\\.` for a dot")


def _wrong(pattern: Pattern) -> str | None:
    return "a `.` between letters stands for any character" if _DOT.search(pattern.text) else None


def _with_other_letter(sample: Sample) -> Iterable[str]:
    text = text_of(sample)
    for index in range(1, len(sample) - 1):
        if sample[index].atom == "." and sample[index - 1].text.isalnum() and sample[index + 1].atom.isalpha():
            yield f"{text[:index]}x{text[index + 1 :]}"


AUDIT = Audit(
    code="unescaped-dot",
    severity=Severity.WARNING,
    summary="a dot between letters, in a pattern that allows, stands for any character",
    documentation="In a pattern `.` matches any character: `example.com` also matches `example-com` or `examplexcom`, which somebody else "
    "may own. Write `\\.`, or use `glob`, `email` or `url`, where a dot is a dot.",
    find=_find,
)
