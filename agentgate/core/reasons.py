"""Why no rule let a call through, in one sentence: the argument of the rule that came nearest."""

from __future__ import annotations

from collections.abc import Mapping

from agentgate.core.conditions import Unjudgeable, World
from agentgate.core.conditions.test import shown
from agentgate.core.events import Json
from agentgate.core.index import Plan
from agentgate.core.rules import ABSENT, CompiledCondition, CompiledRule
from agentgate.core.state import State

_LONGEST_VALUE = 80


def not_allowed(plan: Plan, tool: str, arguments: Mapping[str, Json], world: World, state: State) -> str:
    """The sentence for a call that the default blocks."""
    nearest: list[CompiledCondition] = []
    for rule in plan.nearest:
        missed = [condition for condition in rule.when if not condition.outcome(arguments, world, state)]
        if missed and (not nearest or len(missed) < len(nearest)):
            nearest = missed
        if len(nearest) == 1:  # none that comes later lacks less, or has more that holds
            break
    if nearest:
        return f"{_value(nearest[0], arguments)} is not allowed for tool '{tool}'"
    waiting = next((rule for rule in plan.permissive if not rule.in_time(state)), None)
    if waiting is not None:
        return f"tool '{tool}' is not allowed {_when(waiting)}"
    return f"tool '{tool}' is not allowed here"


def _value(condition: CompiledCondition, arguments: Mapping[str, Json]) -> str:
    name = condition.condition.argument
    if condition.parts is None:
        return "an argument"
    try:
        value = condition.value(arguments)
    except Unjudgeable:
        return f"{name}"
    if value is ABSENT:
        return f"a missing {name}"
    if isinstance(value, str) and len(value) <= _LONGEST_VALUE:
        return f"{name} '{value}'"
    return f"{name} {shown(value, _LONGEST_VALUE)}"


def _when(rule: CompiledRule) -> str:
    def names(written: tuple[str, ...]) -> str:
        return ", ".join(name.removeprefix("@") for name in written)

    if rule.after is not None:
        return f"before one of these has returned: {names(rule.after.written)}"
    return f"after one of these has returned: {names(rule.before.written if rule.before is not None else ())}"
