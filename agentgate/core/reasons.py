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
    rules = plan.permissive
    near = [(rule, *_misses(rule, arguments, world, state)) for rule in rules]
    near = [entry for entry in near if entry[1]]
    if near:
        _, missed, _ = min(near, key=lambda entry: (len(entry[1]), -entry[2], entry[0].rule.id))
        return f"{_value(missed[0], arguments)} is not allowed for tool '{tool}'"
    waiting = next((rule for rule in rules if not rule.in_time(state)), None)
    if waiting is not None:
        return f"tool '{tool}' is not allowed {_when(waiting)}"
    return f"tool '{tool}' is not allowed here"


def _misses(rule: CompiledRule, arguments: Mapping[str, Json], world: World, state: State) -> tuple[list[CompiledCondition], int]:
    """The conditions of `when` that do not hold, and how many do."""
    missed = [condition for condition in rule.when if not condition.outcome(arguments, world, state)]
    return missed, len(rule.when) - len(missed)


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
