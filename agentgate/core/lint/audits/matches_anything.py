"""A pattern that every text matches."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.escapes import Pattern, lets_in, loosening
from agentgate.core.patterns import compile_pattern

_PROBES = ("x", "; rm -rf /", "https://evil.example/?a=b", "an Löwen <b>", "1 OR 1=1 --")


def anything(pattern: Pattern) -> bool:
    """Whether the pattern matches all sorts of texts that have nothing in common."""
    compiled = compile_pattern(pattern.text)
    match = compiled.search if pattern.operator == "search" else compiled.fullmatch
    return all(match(probe) is not None for probe in _PROBES)


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for pattern in loosening(subject):
        if not anything(pattern):
            continue
        trial = lets_in(subject.calls, pattern, lambda sample: _PROBES[1:])
        if trial is not None:
            yield report(
                subject.place_of(pattern.condition.condition, pattern.rule.rule),
                f"{pattern.named}: the pattern matches every text",
                help=f"say what the text may be; {trial.says}",
            )


AUDIT = Audit(
    code="matches-anything",
    severity=Severity.NOTE,
    summary="a pattern that is meant to restrict matches every text",
    documentation="A pattern like `.*` in an allow rule restricts the argument to being a string, and nothing more. Say what it may be, "
    "or leave the condition out so that no reader takes it for a restriction.",
    find=_find,
)
