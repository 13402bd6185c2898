"""A rule that can never decide anything."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Place, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.contradictions import contradiction
from agentgate.core.lint.implies import Cell, cells, selectors, takes_all
from agentgate.core.lint.trial import Trial
from agentgate.core.rules import CompiledRule

_VERB = {Effect.ASK: "asks about", Effect.BLOCK: "blocks"}
_MOST_SHOWN = 3


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for rule in subject.enforced:
        if not subject.calls.roles(rule):
            continue
        found = contradiction(subject.calls, rule)
        if found is not None:
            # A block or ask rule still matches what cannot be judged, so there only the condition is spoken of.
            certain = rule.rule.effect is Effect.ALLOW or found.condition is None
            what = f"rule `{rule.rule.id}` can never match" if certain else f"nothing satisfies the condition of rule `{rule.rule.id}`"
            yield report(
                subject.place_of(found.condition, rule.rule),
                f"{what}: {found.why}",
                proof=found.trial,
            )
            continue
        shadows = _shadows(subject, rule)
        trial = _confirmed(subject, rule) if shadows else None
        if trial is not None:
            yield report(
                subject.place_of(rule.rule),
                f"rule `{rule.rule.id}` can never decide anything",
                proof=trial.told(f"{trial.fate} by rule `{trial.decision.rule}`"),
                related=[_related(subject, other, rule) for other in shadows[:_MOST_SHOWN]],
            )


def _shadows(subject: Subject, rule: CompiledRule) -> list[CompiledRule]:
    """Stricter rules that together match whatever the rule matches; empty where something is left to it."""
    if rule.rule.effect is Effect.BLOCK or not all(
        subject.calls.stricter(tool, rule.rule.effect) for tool in selectors(subject.calls, rule)
    ):
        return []
    parts = cells(subject.calls, rule)
    found: dict[str, CompiledRule] = {}
    for cell in parts or ():
        other = _shadow(subject, cell)
        if other is None:
            return []
        found[other.rule.id] = other
    return list(found.values())


def _shadow(subject: Subject, cell: Cell) -> CompiledRule | None:
    stricter = subject.calls.stricter(cell.tool, cell.rule.rule.effect)
    return next((other for other in stricter if takes_all(subject.calls, other, cell)), None)


def _confirmed(subject: Subject, rule: CompiledRule) -> Trial | None:
    """A call that the rule matches and a stricter one decides; None where `decide` ever names the rule itself."""
    trials = [
        subject.calls.judge(tool, arguments, role=role, after=subject.calls.history(rule), limits=False)
        for tool in subject.calls.tool_names(rule)
        for role in subject.calls.roles(rule)
        for arguments in subject.calls.matching(rule, tool, role)
    ]
    others = [trial for trial in trials if trial.decision.effect in _VERB and trial.decision.rule not in (None, rule.rule.id)]
    return others[0] if others and all(trial.decision.rule != rule.rule.id for trial in trials) else None


def _related(subject: Subject, other: CompiledRule, rule: CompiledRule) -> tuple[Place, str]:
    what = f"every {rule.rule.tools[0]} call" if other.rule.unconditional and len(rule.rule.tools) == 1 else "what that one matches"
    return subject.place_of(other.rule), f"this rule already {_VERB[other.rule.effect]} {what}"


AUDIT = Audit(
    code="never-matches",
    severity=Severity.WARNING,
    summary="a rule can never decide anything",
    documentation="Either no call can satisfy the rule (its conditions contradict each other, or its exception takes away all that it "
    "matches), or a stricter rule matches every call that this one does: block wins over ask, and ask over allow, whatever "
    "their order. An exception from a block rule is an `unless` on that rule, never an allow rule beside it.",
    find=_find,
)
