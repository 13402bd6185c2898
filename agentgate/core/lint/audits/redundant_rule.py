"""A rule that another one of the same effect makes unnecessary."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.implies import cells, core, takes_all
from agentgate.core.lint.trial import Trial
from agentgate.core.rules import EVERYTHING, CompiledRule


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for rule in subject.enforced:
        if rule.rule.message or rule.rule.hint:
            continue
        other = _wider(subject, rule)
        trial = _confirmed(subject, rule, other) if other is not None else None
        if other is not None and trial is not None:
            yield report(
                subject.place_of(rule.rule),
                f"rule `{rule.rule.id}` changes nothing: rule `{other.rule.id}` already {_VERB[rule.rule.effect]} all that it matches",
                help="take it away, or narrow the other one",
                proof=trial.told(f"matches both and {trial.fate}"),
                related=[(subject.place_of(other.rule), "the wider rule")],
            )


_VERB = {Effect.ALLOW: "allows", Effect.ASK: "asks about", Effect.BLOCK: "blocks"}


def _wider(subject: Subject, rule: CompiledRule) -> CompiledRule | None:
    parts = cells(subject.calls, rule)
    if not parts:
        return None
    for other in subject.calls.about(parts[0].tool):
        if other is rule or other.rule.effect is not rule.rule.effect:
            continue
        if EVERYTHING in other.selector.globs and other.rule.unconditional:
            continue
        if all(takes_all(subject.calls, other, cell) for cell in parts) and core(other) != core(rule):
            return other
    return None


def _confirmed(subject: Subject, rule: CompiledRule, other: CompiledRule) -> Trial | None:
    """A call that both rules match and that one of them decides."""
    for tool in subject.calls.tool_names(rule)[:1]:
        for role in subject.calls.roles(rule)[:1]:
            history = subject.calls.history(rule)
            for arguments in subject.calls.matching(rule, tool, role, most=1):
                trial = subject.calls.judge(tool, arguments, role=role, after=history, limits=False)
                both = other.matches(arguments, subject.calls.world, subject.calls.state(role, history))
                if both and trial.decision.rule in (rule.rule.id, other.rule.id):
                    return trial
    return None


AUDIT = Audit(
    code="redundant-rule",
    severity=Severity.NOTE,
    summary="a wider rule of the same effect already covers all that a rule matches",
    documentation="Taking the rule away would change no decision. That is harmless by itself, but a reader may take its conditions for a "
    "restriction that is not there: where one rule allows a tool with any arguments, a second that allows it with some of "
    "them restricts nothing. Rules with a `message` or `hint` of their own are not reported.",
    find=_find,
)
