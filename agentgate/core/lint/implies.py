"""Whether one rule's matching implies another's: reasoning that may say "perhaps not", but is never wrong when it says yes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product

from msgspec import Struct

from agentgate.core.events import Effect, Json
from agentgate.core.lint.calls import Calls, put
from agentgate.core.lint.values import finite
from agentgate.core.policy import Condition
from agentgate.core.rules import CompiledCondition, CompiledRule, Selector

_MOST_CELLS = 128
"""A rule that lists more combinations of values than this is looked at as a whole."""


class Cell(Struct, frozen=True):
    """A part of what a rule matches: one tool (or pattern of tools), one role, one value for each argument that has a list of values."""

    rule: CompiledRule
    tool: str
    role: str | None
    arguments: Mapping[str, Json]
    fixed: frozenset[str]
    """The arguments whose values are fixed, by their dotted names."""


def cells(calls: Calls, rule: CompiledRule) -> list[Cell] | None:
    """Everything that the rule can match, in parts; None where that is too much to look at."""
    found = list(islice(_cells(calls, rule), _MOST_CELLS + 1))
    return found if len(found) <= _MOST_CELLS else None


def selectors(calls: Calls, rule: CompiledRule) -> list[str]:
    """The tools that the rule is about: by name where they are known, else as it names them."""
    named = calls.tool_names(rule) if calls.tools is not None else [*sorted(rule.selector.exact), *rule.selector.globs]
    return [tool for tool in named if tool not in rule.excepted]


def _cells(calls: Calls, rule: CompiledRule) -> Iterator[Cell]:
    listed = [(condition, values) for condition in rule.when if (values := finite(condition.condition)) is not None]
    fixed = frozenset(condition.condition.argument for condition, _ in listed)
    for tool in selectors(calls, rule):
        for role in calls.roles(rule):
            for choice in product(*(values for _, values in listed)):
                arguments: dict[str, Json] = {}
                for (condition, _), value in zip(listed, choice, strict=True):
                    assert condition.parts is not None
                    arguments = put(arguments, condition.parts, value)
                yield Cell(rule, tool, role, arguments, fixed)


def takes_all(calls: Calls, other: CompiledRule, cell: Cell) -> bool:
    """Whether the other rule certainly matches whenever this part of a rule does."""
    return (
        covers(other, cell.rule, cell.tool)
        and other.binds(cell.role)
        and _in_time(other, cell.rule)
        and _no_exception(other, cell.rule)
        and all(_implied(calls, condition, other, cell) for condition in other.when)
    )


def covers(other: CompiledRule, rule: CompiledRule, tool: str) -> bool:
    """Whether the other rule covers every tool that `tool`, a name or a pattern of the rule, stands for."""
    if "*" not in tool:
        return other.covers(tool)
    if other.excepted.exact or other.excepted.globs:
        taken_out = {*rule.excepted.exact, *rule.excepted.globs}
        if not {*other.excepted.exact, *other.excepted.globs} <= taken_out:
            return False
    # A pattern lies within another if that one matches it with a letter of its own in place of the star.
    return tool.replace("*", "\x01") in other.selector


def _in_time(other: CompiledRule, rule: CompiledRule) -> bool:
    if other.after is not None and (rule.after is None or not _within(rule.after, other.after)):
        return False
    return other.before is None or (rule.before is not None and _within(other.before, rule.before))


def _within(inner: Selector, outer: Selector) -> bool:
    return inner.exact <= {name for name in inner.exact if name in outer} and set(inner.globs) <= set(outer.globs)


def _no_exception(other: CompiledRule, rule: CompiledRule) -> bool:
    """Whether the other's exception cannot hold where the rule matches: it has none, or the rule makes that exception itself."""
    if not other.rule.unless:
        return True
    theirs = [_said(condition) for condition in other.rule.unless]
    return bool(rule.rule.unless) and all(_said(condition) in theirs for condition in rule.rule.unless)


def _said(condition: Condition) -> tuple[str, tuple[tuple[str, Json], ...], bool]:
    return condition.argument, tuple(sorted(condition.operators)), condition.optional


def _implied(calls: Calls, wanted: CompiledCondition, other: CompiledRule, cell: Cell) -> bool:
    if wanted.condition.argument in cell.fixed and not _asks(wanted):
        outcome = wanted.outcome(cell.arguments, calls.world, calls.state(cell.role))
        return outcome is True or (outcome is None and other.rule.effect is not Effect.ALLOW)
    return any(_says_more(known.condition, wanted.condition) for known in cell.rule.when)


def certain(calls: Calls, wanted: CompiledCondition, cell: Cell) -> bool:
    """Whether a condition certainly holds whenever this part of a rule matches, leaving nothing in doubt."""
    if wanted.parts is None:
        return False
    if wanted.condition.argument in cell.fixed and not _asks(wanted):
        return wanted.outcome(cell.arguments, calls.world, calls.state(cell.role)) is True
    return any(_says_more(known.condition, wanted.condition) for known in cell.rule.when)


def _asks(condition: CompiledCondition) -> bool:
    """Whether files, which may change, have a say in it."""
    return any(test.asks_world for test in condition.tests)


def _says_more(known: Condition, wanted: Condition) -> bool:
    """Whether the one condition cannot hold without the other, by what is written alone."""
    if known.argument != wanted.argument or (known.optional and not wanted.optional):
        return False
    return all(any(_as_strict(operator, operand, key, bound) for operator, operand in known.operators) for key, bound in wanted.operators)


def _as_strict(operator: str, operand: Json, key: str, bound: Json) -> bool:
    if key == "exists":
        return bound is True if operator != "exists" else operand is bound
    if operator != key:
        return False
    match key:
        case "min" | "min_length":
            return bool(operand >= bound)
        case "max" | "max_length":
            return bool(operand <= bound)
        case "in":
            return all(any(value is item or (type(value) is type(item) and value == item) for item in bound) for value in operand)
        case "not_in":
            return all(any(type(value) is type(item) and value == item for item in operand) for value in bound)
        case "path" | "email" | "command":
            return set(operand) <= set(bound)
        case "url":
            same = all(operand.get(name) == bound.get(name) for name in ("schemes", "ports"))
            return same and set(operand["hosts"]) <= set(bound["hosts"])
        case "seen_in" | "links_seen_in":
            return set(_many(operand)) <= set(_many(bound))
    return type(operand) is type(bound) and bool(operand == bound)


def _many(names: Json) -> Iterable[str]:
    return (names,) if isinstance(names, str) else names


def core(rule: CompiledRule) -> tuple[object, ...]:
    """What a rule says (effect, tools, roles, conditions and times, in whatever order), equal for rules that say the same."""

    def conditions(written: tuple[Condition, ...]) -> tuple[object, ...]:
        if len(written) == 1 and all(type(operand) is str for _, operand in written[0].operators):
            return _said(written[0])  # a text is equal to nothing but itself, so it need not be written out
        return tuple(sorted(repr(_said(condition)) for condition in written))

    def tools(selector: Selector | None) -> frozenset[str] | None:
        return None if selector is None else selector.exact | frozenset(selector.globs)

    said = rule.rule
    return (
        said.effect, said.observe, tools(rule.selector), tools(rule.excepted), rule.roles, rule.without_roles,
        conditions(said.when), conditions(said.unless), tools(rule.after), tools(rule.before),
    )  # fmt: skip
