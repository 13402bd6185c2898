"""Conditions that nothing satisfies, told from what they say: never wrong when they say so, whatever the run and the files are like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import permutations

from agentgate.core.conditions import OPERATORS, Unjudgeable, World
from agentgate.core.conditions.test import shown
from agentgate.core.events import Json
from agentgate.core.lint import shapes
from agentgate.core.lint.calls import put
from agentgate.core.lint.languages import no_text
from agentgate.core.lint.values import TAKES
from agentgate.core.patterns import glob_pattern
from agentgate.core.policy import Condition
from agentgate.core.rules import ABSENT, CompiledCondition
from agentgate.core.state import State

_EVERY_TYPE = frozenset(("string", "number", "boolean", "null", "object", "array"))
_WORLD, _STATE = World(), State()


def impossible(condition: CompiledCondition) -> str | None:
    """Why no value satisfies the condition, or None where one may."""
    said = condition.condition
    if said.optional or (len(said.operators) == 1 and said.operators[0][0] == "equals"):
        return None
    operators = dict(said.operators)
    if operators.get("exists") is False:
        return f"`{said.argument}` cannot be absent and tested at the same time" if len(operators) > 1 else None
    values = _listed(said)
    if values is not None:
        return None if any(_may_be(condition, value) for value in values) else _no_value(said.argument, operators, values)
    empty = next((key for (key, _), test in zip(said.operators, condition.tests, strict=True) if test.never), None)
    if empty is not None:
        return f"`{empty}` has an empty list, so no value of `{said.argument}` satisfies it"
    if not _kinds(said):
        what = _joined(operators) + (" together" if len(operators) > 1 else "")
        return f"no value of `{said.argument}` can be judged by {what}"
    return next(_crossed(said.argument, operators), None)


def incompatible(conditions: Iterable[CompiledCondition]) -> tuple[str, CompiledCondition] | None:
    """Why no arguments satisfy all of the conditions, though each by itself can be satisfied, and the one where that shows."""
    for outer, inner in permutations(conditions, 2):
        if inner.parts is None:
            continue
        if outer.parts is None:
            why = _any_string(outer, inner)
        elif len(outer.parts) < len(inner.parts) and inner.parts[: len(outer.parts)] == outer.parts:
            why = _nested(outer, inner)
        else:
            continue
        if why is not None:
            return why, inner
    return None


def _nested(outer: CompiledCondition, inner: CompiledCondition) -> str | None:
    """Why an argument and something inside it cannot both be as the conditions want them."""
    whole, part = outer.condition.argument, inner.condition.argument
    if not _must_be_there(outer) and not _must_be_there(inner):
        return None
    if not outer.condition.optional and dict(outer.condition.operators).get("exists") is False:
        return f"`{whole}` must be absent, and `{part}` is inside it"
    values = _listed(outer.condition)
    if values is None:
        return None if "object" in _kinds(outer.condition) else f"`{whole}` is no object, so there is no `{part}` in it"
    assert outer.parts is not None
    if any(_may_be(outer, value) and _may_hold(inner, put({}, outer.parts, value)) for value in values):
        return None
    return f"no value that `{whole}` may have satisfies the condition on `{part}`"


def _any_string(every: CompiledCondition, condition: CompiledCondition) -> str | None:
    """Why an argument cannot be as wanted where every string must pass a test."""
    if not every.every or not _must_be_there(condition):
        return None
    assert condition.parts is not None
    name, values = condition.condition.argument, _listed(condition.condition)
    if values is not None:
        if any(_may_be(condition, value) and _may_hold(every, put({}, condition.parts, value)) for value in values):
            return None
        return f"no value that `{name}` may have satisfies the condition on every string"
    if dict(every.condition.operators) == {"exists": False} and _kinds(condition.condition) == {"string"}:
        return f"no string may be there, and `{name}` must be one"
    return None


def _must_be_there(condition: CompiledCondition) -> bool:
    return not condition.condition.optional and not all(test.holds_absent for test in condition.tests)


def _listed(condition: Condition) -> list[Json] | None:
    """The only values that the condition leaves, where its operators list them."""
    operators = dict(condition.operators)
    if "equals" in operators:
        return [operators["equals"]]
    if "in" in operators:
        return list(operators["in"])
    schema = operators.get("schema")
    if isinstance(schema, Mapping) and "$ref" not in schema:
        values = shapes.listed(schema)
        if values is not None:
            return values
    if "min" in operators and operators["min"] == operators.get("max"):
        return [operators["min"]]
    return None


def _kinds(condition: Condition) -> frozenset[str]:
    """The JSON types that a value may have; the strings alone for a condition on any of them."""
    kinds = _EVERY_TYPE if condition.argument != "*" else frozenset(("string",))
    for key, operand in condition.operators:
        kinds &= shapes.kinds(operand, operand) if key == "schema" else TAKES.get(key, _EVERY_TYPE)
    return kinds


def _may_be(condition: CompiledCondition, value: Json) -> bool:
    """Whether a value may satisfy the condition. What depends on the run or on files may always."""
    if condition.parts is None and not isinstance(value, str):
        return False
    for (key, _), test in zip(condition.condition.operators, condition.tests, strict=True):
        if test.asks_world or OPERATORS[key].names_tools:
            if test.never or shapes.kind(value) not in TAKES.get(key, _EVERY_TYPE):
                return False
            continue
        try:
            if not test.holds(value, _WORLD, _STATE):
                return False
        except Unjudgeable:
            return False
    return True


def _may_hold(condition: CompiledCondition, arguments: Mapping[str, Json]) -> bool:
    """The same for arguments."""
    try:
        value = condition.value(arguments)
    except Unjudgeable:
        return False
    if condition.parts is None:
        # Other arguments may bring strings that pass.
        return value is ABSENT or all(_may_be(condition, text) for text in value)
    return not _must_be_there(condition) if value is ABSENT else _may_be(condition, value)


def _no_value(argument: str, operators: dict[str, Json], values: list[Json]) -> str:
    if not values:
        return f"the list for `{argument}` is empty, so no value is in it"
    if len(values) == 1:
        return f"`{argument}` must be {shown(values[0])}, which the other operators beside it exclude"
    return f"the other operators beside it exclude every value that `{argument}` may have"


def _crossed(argument: str, operators: dict[str, Json]) -> Iterator[str]:
    """Bounds that leave no room between them, and patterns that have no text in common."""
    for low, high, what in (("min", "max", "number"), ("min_length", "max_length", "length")):
        if low in operators and high in operators and operators[low] > operators[high]:
            yield f"no {what} of `{argument}` is at least {operators[low]} and at most {operators[high]}"
    globs = [operators["glob"]] if "glob" in operators else []
    patterns = [text(operators[key]) for key, text in _AS_PATTERN.items() if key in operators]
    if (patterns or globs) and no_text(patterns, globs, operators.get("min_length", 0), operators.get("max_length")):
        keys = [key for key in operators if key in (*_AS_PATTERN, "glob", "min_length", "max_length")]
        yield f"no text of `{argument}` satisfies {_joined(keys)}" + (" together" if len(keys) > 1 else "")


def _addresses(domains: Json) -> str:
    return f"(?i)[^@]+@(?:{_names(domains)})"


def _urls(operand: Json) -> str:
    return rf"(?is)[a-z]+://(?:{_names(operand['hosts'])})(?:[:/].*)?"


def _names(hosts: Json) -> str:
    """Any of the hosts, which may be addresses in brackets, or patterns with `*`."""
    return "|".join(rf"\[?{glob_pattern(host.strip('[]')).removeprefix('(?s)')}\]?" for host in hosts)


_AS_PATTERN: Mapping[str, Callable[[Json], str]] = {"matches": str, "email": _addresses, "url": _urls}
"""Operators, and a pattern that covers at least what they hold for."""


def _joined(keys: Iterable[str]) -> str:
    *first, last = (f"`{key}`" for key in keys)
    return f"{', '.join(first)} and {last}" if first else last
