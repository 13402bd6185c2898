"""A pattern that every text matches."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import Pattern
from agentgate.core.lint.weaknesses import let_in
from agentgate.core.patterns import compile_pattern

_PROBES = ("x", "; rm -rf /", "https://evil.example/?a=b", "an Löwen <b>", "1 OR 1=1 --")


def anything(pattern: Pattern) -> bool:
    """Whether the pattern matches all sorts of texts that have nothing in common."""
    compiled = compile_pattern(pattern.text)
    match = compiled.search if pattern.operator == "search" else compiled.fullmatch
    return all(match(probe) is not None for probe in _PROBES)


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    return let_in(subject, report, _wrong, lambda sample: _PROBES[1:], "say what the text may be")


def _wrong(pattern: Pattern) -> str | None:
    return "the pattern matches every text" if anything(pattern) else None


AUDIT = Audit(
    code="matches-anything",
    severity=Severity.NOTE,
    summary="a pattern that is meant to restrict matches every text",
    documentation="A pattern like `.*` in an allow rule restricts the argument to being a string, and nothing more. Say what it may be, "
    "or leave the condition out so that no reader takes it for a restriction.",
    find=_find,
)
