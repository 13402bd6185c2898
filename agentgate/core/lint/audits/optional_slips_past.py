"""Block rules that a call gets past by leaving an argument out."""

from collections.abc import Iterable

from agentgate.core.conditions.test import shown
from agentgate.core.events import Effect, Json
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint import shapes
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.calls import put
from agentgate.core.lint.escapes import past, says
from agentgate.core.lint.values import satisfying
from agentgate.core.rules import ABSENT, CompiledCondition, CompiledRule

_OPEN_ENDED = frozenset(("not_in", "min", "max"))
"""Operators under which a missing argument is as suspicious as a wrong one: nobody said that it is not the forbidden value."""


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if subject.tools is None:
        return
    for rule in subject.enforced:
        if rule.rule.effect is Effect.ALLOW:
            continue
        for condition in rule.when:
            default = _default(subject, rule, condition)
            if default is None:
                continue
            values = satisfying(condition, shapes.UNKNOWN, subject.calls.world, subject.calls.state(None))[:4]
            trial = past(subject.calls, rule, condition, [(value, ABSENT) for value in values if value is not ABSENT])
            if trial is not None:
                yield report(
                    subject.place_of(condition.condition, rule.rule),
                    f"`{condition.condition.argument}` may be left out, and rule `{rule.rule.id}` then does not apply",
                    help=f"{default}add `optional: true` to the condition",
                    proof=says(trial),
                )


def _default(subject: Subject, rule: CompiledRule, condition: CompiledCondition) -> str | None:
    """What the tool puts in place of the argument, in words; None where leaving it out is harmless, or not possible."""
    if condition.parts is None or condition.condition.optional or any(test.holds_absent for test in condition.tests):
        return None
    for tool in subject.calls.tool_names(rule):
        schema = subject.calls.argument(tool, condition.condition.argument)
        if not isinstance(schema, dict) or shapes.always_given(subject.calls.schema(tool), condition.parts):
            continue
        if "default" in schema:
            if _holds(subject, condition, schema["default"]):
                return f"the tool then takes {shown(schema['default'])}; "
        elif any(key in _OPEN_ENDED for key, _ in condition.condition.operators):
            return ""
    return None


def _holds(subject: Subject, condition: CompiledCondition, value: Json) -> bool:
    assert condition.parts is not None
    return condition.outcome(put({}, condition.parts, value), subject.calls.world, subject.calls.state(None)) is True


AUDIT = Audit(
    code="optional-slips-past",
    severity=Severity.WARNING,
    summary="a call gets past a block or ask rule by leaving out an optional argument",
    documentation="An absent argument does not satisfy a condition, so a block rule on an optional argument does not apply where it is "
    "left out, and the tool takes its own default. Add `optional: true`: the condition then holds without the argument too. "
    "Reported with `--task`.",
    find=_find,
)
