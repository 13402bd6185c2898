"""Folders allowed by a pattern."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import TEXTS, Pattern
from agentgate.core.lint.near import PATHS
from agentgate.core.lint.patterns import Sample, text_of
from agentgate.core.lint.weaknesses import let_in


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return let_in(subject, report, _wrong, _out_again, "use `path`, which resolves `..` and links: `path: [docs]`", TEXTS)


def _wrong(pattern: Pattern) -> str | None:
    about = pattern.condition.condition.argument.split(".")[-1] in PATHS
    return "a pattern does not know that `..` leads out of a folder" if about else None


def _out_again(sample: Sample) -> Iterable[str]:
    text = text_of(sample)
    if "/" in text:
        folder = text[: text.rindex("/")]
        yield folder + "/.." * (folder.count("/") + 2) + "/etc/passwd"
        yield f"{folder}/../x{text[text.rindex('/') :]}"


AUDIT = Audit(
    code="path-by-pattern",
    severity=Severity.WARNING,
    summary="a pattern that allows a folder also allows `..` out of it",
    documentation="`docs/*` and `docs/.*` cover `docs/../../etc/passwd`, and say nothing about where a link leads. The operator `path` "
    "resolves both before it looks whether a path lies within a folder.",
    find=_find,
)
