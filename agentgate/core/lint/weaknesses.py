"""What many audits of patterns share: texts made of what a pattern matches, tried on the rule, and a finding where one comes through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from agentgate.core.events import Json
from agentgate.core.findings import Finding, Place
from agentgate.core.lint.audit import Report, Subject
from agentgate.core.lint.escapes import PATTERNS, Pattern, gets_past, lets_in, loosening, restricting, says
from agentgate.core.lint.patterns import Mutation, Sample

CONVERT = "write the policy in the native form (`agentgate convert`), and "
"""What comes before the way on where the flat form has no words for it."""
What = Callable[[Pattern], str | None]
"""What is wrong with a pattern, to stand after its name; None where an audit is not about it."""


def overlooked(subject: Subject, report: Report, what: What, mutation: Mutation, help: str) -> Iterable[Finding]:
    """A finding for each pattern that stops a text, but not the same text after the mutation."""
    for pattern in restricting(subject):
        wrong = what(pattern)
        trial = gets_past(subject.calls, pattern, mutation) if wrong is not None else None
        if trial is not None:
            yield report(_place(subject, pattern), f"{pattern.named}: {wrong}", help=help, proof=says(trial))


def let_in(
    subject: Subject,
    report: Report,
    what: What,
    texts: Callable[[Sample], Iterable[Json]],
    help: str,
    operators: Sequence[str] = PATTERNS,
) -> Iterable[Finding]:
    """A finding for each pattern that lets one of the texts through, though it is made to go elsewhere."""
    for pattern in loosening(subject, operators):
        wrong = what(pattern)
        trial = lets_in(subject.calls, pattern, texts) if wrong is not None else None
        if trial is not None:
            yield report(_place(subject, pattern), f"{pattern.named}: {wrong}", help=help, proof=trial)


def _place(subject: Subject, pattern: Pattern) -> Place:
    return subject.place_of(pattern.condition.condition, pattern.rule.rule)
