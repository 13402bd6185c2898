"""Values that satisfy a condition, found by trying: made from the operand, confirmed by the operator itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentgate.core.conditions import Unjudgeable, World
from agentgate.core.conditions.test import exactly
from agentgate.core.events import Json
from agentgate.core.lint import shapes
from agentgate.core.lint.patterns import matching, text_of
from agentgate.core.policy import Condition
from agentgate.core.rules import ABSENT, CompiledCondition
from agentgate.core.state import State

STOCK: tuple[Json, ...] = ("x", "somebody-else", 1, 0, True, False, 0.5, -1, 10**6, [], ["x"], {}, None)
"""Values of every kind, for what says little about the values it wants."""
_MOST = 24

TAKES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("matches", "glob", "path", "url", "email", "command", "sql"), frozenset(("string",))),
    **dict.fromkeys(("min", "max"), frozenset(("number",))),
    **dict.fromkeys(("min_length", "max_length"), frozenset(("string", "array"))),
    **dict.fromkeys(("search", "links_seen_in"), frozenset(("string", "array", "object"))),
}
"""The JSON types that an operator can judge; those that are not here judge all of them."""


def satisfying(condition: CompiledCondition, schema: Json, world: World, state: State) -> list[Json]:
    """Values with which the condition certainly holds; ABSENT among them where leaving the argument out does it."""
    found: dict[Json, Json] = {}
    for value in _candidates(condition.condition.operators, schema):
        if _holds(condition, value, world, state):
            found.setdefault(exactly(value), value)
        if len(found) >= _MOST:
            break
    values = list(found.values())
    if condition.condition.optional or all(test.holds_absent for test in condition.tests):
        values.append(ABSENT)
    return values


def _holds(condition: CompiledCondition, value: Json, world: World, state: State) -> bool:
    try:
        return all(test.holds(value, world, state) for test in condition.tests)
    except Unjudgeable:
        return False


def _candidates(operators: tuple[tuple[str, Json], ...], schema: Json) -> Iterator[Json]:
    for key, operand in operators:
        yield from of_operator(key, operand)
    if schema is not shapes.UNKNOWN and schema is not shapes.MISSING:
        yield from shapes.examples(schema, schema)
    yield from STOCK


def of_operator(key: str, operand: Json) -> Iterator[Json]:
    """Values that an operator probably holds for."""
    match key:
        case "equals":
            yield operand
        case "in":
            yield from operand[:_MOST]
        case "search" | "matches":
            yield from (text_of(sample) for sample in matching(operand, whole=key == "matches"))
        case "glob":
            yield operand.replace("*", "x")
            yield operand.replace("*", "")
        case "min":
            yield from (operand, operand + 1)
        case "max":
            yield from (operand, operand - 1)
        case "min_length" | "max_length" if operand <= 10_000:
            yield from ("x" * operand, ["x"] * operand)
        case "schema":
            yield from shapes.examples(operand, operand)
        case "path" | "url" | "email" | "command" | "sql":
            yield from _of_kind(key, operand)


_STATEMENTS = {
    "select": "select * from {}",
    "insert": "insert into {} (id) values (1)",
    "update": "update {} set id = 1 where id = 2",
    "delete": "delete from {} where id = 1",
}


def _of_kind(key: str, operand: Json) -> Iterator[str]:
    """Values for the operators that know what a text means, `sql` last."""
    given = operand if isinstance(operand, Mapping) else {"": operand}
    listed = {name: value if isinstance(value, list | tuple) else [value] for name, value in given.items()}
    match key:
        case "path":
            for folder in listed.get("", ()):
                yield from (f"{str(folder).rstrip('/')}/x", str(folder))
        case "url":
            for host in listed.get("hosts", ()):
                for scheme in listed.get("schemes", ("https",)):
                    yield f"{scheme}://{str(host).replace('*', 'www')}/x"
        case "email":
            yield from (f"anna@{str(domain).replace('*', 'www')}" for domain in listed.get("", ()))
        case "command":
            yield from (" ".join(str(pattern).replace("**", "x").replace("*", "x").split()) for pattern in listed.get("", ()))
        case _:
            tables = ["customers" if table == "*" else table for table in listed.get("tables", ["*"])]
            forms = [_STATEMENTS[kind] for kind in listed.get("statements", ()) if kind in _STATEMENTS]
            yield from (form.format(table) for form in forms for table in tables)


def finite(condition: Condition) -> list[Json] | None:
    """The only values with which a condition can hold, where its operators list them; None where they do not, or absence will do."""
    if condition.optional or condition.argument == "*":
        return None
    for key, operand in condition.operators:
        if key == "equals":
            return [operand]
        if key == "in":
            return list(operand)
    return None
