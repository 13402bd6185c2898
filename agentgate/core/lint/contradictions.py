"""Rules that no call can satisfy, told from what they say."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from agentgate.core.conditions.test import shown
from agentgate.core.events import Json
from agentgate.core.lint.calls import Calls, put
from agentgate.core.lint.implies import cells, certain
from agentgate.core.lint.trial import Trial
from agentgate.core.lint.values import TAKES, finite, of_operator
from agentgate.core.policy import Condition
from agentgate.core.rules import CompiledCondition, CompiledRule

_EVERY_TYPE = frozenset(("string", "number", "boolean", "null", "object", "array"))


class Contradiction(Struct, frozen=True):
    """Why a rule cannot match, where, and a call that shows it."""

    why: str
    condition: Condition | None = None
    trial: Trial | None = None


def contradiction(calls: Calls, rule: CompiledRule) -> Contradiction | None:
    """Why no call can satisfy the rule, or None where one may."""
    for condition in rule.when:
        why = impossible(calls, condition)
        if why is not None:
            return Contradiction(why, condition.condition, _nearest(calls, rule, condition))
    role = next(iter(calls.roles(rule)), None)
    if rule.selector.exact and not rule.selector.globs and all(tool in rule.excepted for tool in rule.selector.exact):
        tool = min(rule.selector.exact)
        return Contradiction("`except` takes out all of its tools", None, calls.judge(tool, calls.least(tool), role=role))
    if _out_of_time(rule):
        why, tools = "`before` excludes every tool that `after` asks for", calls.tool_names(rule)
        after = sorted(rule.after.exact)[:1] if rule.after is not None else []
        trial = calls.judge(tools[0], calls.least(tools[0]), role=role, after=after) if tools else None
        return Contradiction(why, None, trial)
    return _excepted(calls, rule)


def impossible(calls: Calls, condition: CompiledCondition) -> str | None:
    """Why no value satisfies the condition, or None where one may."""
    said = condition.condition
    operators = dict(said.operators)
    if said.optional:
        return None
    if operators.get("exists") is False:
        return f"`{said.argument}` cannot be absent and tested at the same time" if len(operators) > 1 else None
    values = finite(said)
    if values is not None:
        if any(_true(calls, condition, value) for value in values):
            return None
        return _no_value(said.argument, operators, values)
    kinds = frozenset.intersection(_EVERY_TYPE, *(TAKES.get(key, _EVERY_TYPE) for key in operators))
    if not kinds:
        return f"no value of `{said.argument}` can be judged by {_joined(operators)} together"
    return next(_crossed(said.argument, operators), None)


def _no_value(argument: str, operators: dict[str, Json], values: list[Json]) -> str:
    if not values:
        return f"the list for `{argument}` is empty, so no value is in it"
    if len(values) == 1:
        return f"`{argument}` must be {shown(values[0])}, which the other operators beside it exclude"
    return f"the other operators beside it exclude every value that `{argument}` may have"


def _crossed(argument: str, operators: dict[str, Json]) -> Iterator[str]:
    """Bounds that leave no room between them."""
    for low, high, what in (("min", "max", "number"), ("min_length", "max_length", "length")):
        if low in operators and high in operators and operators[low] > operators[high]:
            yield f"no {what} of `{argument}` is at least {operators[low]} and at most {operators[high]}"


def _true(calls: Calls, condition: CompiledCondition, value: Json) -> bool:
    assert condition.parts is not None
    return condition.outcome(put({}, condition.parts, value), calls.world, calls.state(None)) is True


def _joined(operators: dict[str, Json]) -> str:
    return " and ".join(f"`{key}`" for key in operators)


def _nearest(calls: Calls, rule: CompiledRule, condition: CompiledCondition) -> Trial | None:
    """A call with the value that somebody probably had in mind, which the rule does not decide."""
    for tool in calls.tool_names(rule)[:1]:
        for role in calls.roles(rule)[:1]:
            values = [value for key, operand in condition.condition.operators for value in of_operator(key, operand)]
            for value in (*values, "x"):
                arguments = calls.with_value(tool, calls.least(tool), condition, value)
                trial = calls.judge(tool, arguments, role=role, after=calls.history(rule))
                if trial.decision.rule != rule.rule.id and calls.valid(tool, arguments):
                    return trial
    return None


def _out_of_time(rule: CompiledRule) -> bool:
    if rule.after is None or rule.before is None or not rule.after.exact or rule.after.globs:
        return False
    return all(tool in rule.before for tool in rule.after.exact)


def _excepted(calls: Calls, rule: CompiledRule) -> Contradiction | None:
    """Whether `unless` takes away everything that `when` picks out."""
    if not rule.unless:
        return None
    parts = cells(calls, rule)
    if not parts or not all(certain(calls, condition, cell) for cell in parts for condition in rule.unless):
        return None
    trial = None
    for tool in calls.tool_names(rule)[:1]:
        for role in calls.roles(rule)[:1]:
            arguments = dict(parts[0].arguments)
            trial = calls.judge(tool, arguments, role=role, after=calls.history(rule))
    return Contradiction("`unless` holds whenever `when` does", rule.unless[0].condition, trial)
