"""Whether conditions hold, naively, in three values: True, False, and None for what cannot be judged."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import jsonschema
import re2

from agentgate.core.policy import Condition

Truth = bool | None
ABSENT = object()
UNREACHABLE = object()
INTEGERS = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, one: isinstance(one, int) and not isinstance(one, bool)
)
EXACT = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=INTEGERS)  # type: ignore[no-untyped-call] # the stubs leave it out


def both(truths: Iterable[Truth]) -> Truth:
    """All of them hold: one False decides, else one that cannot be judged does."""
    seen = list(truths)
    if False in seen:
        return False
    return None if None in seen else True


def either(truths: Iterable[Truth]) -> Truth:
    """One of them holds: one True decides, else one that cannot be judged does."""
    seen = list(truths)
    if True in seen:
        return True
    return None if None in seen else False


def conditions_hold(conditions: Sequence[Condition], arguments: dict[str, Any], *, every_string: bool) -> Truth:
    """Whether all of the conditions hold; `every_string` says how `*` is read."""
    return both(condition_holds(condition, arguments, every_string=every_string) for condition in conditions)


def condition_holds(condition: Condition, arguments: dict[str, Any], *, every_string: bool) -> Truth:
    """Whether one condition holds."""
    if condition.argument == "*":
        strings = [text for value in arguments.values() for text in strings_in(value)]
        if not strings:
            return value_holds(condition, ABSENT)
        truths = [value_holds(condition, text) for text in strings]
        return both(truths) if every_string else either(truths)
    return value_holds(condition, look_up(arguments, condition.argument))


def strings_in(value: Any) -> list[str]:
    """Every string in a value, keys of nested objects too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in strings_in(item)]
    if isinstance(value, dict):
        return [*value, *(text for item in value.values() for text in strings_in(item))]
    return []


def look_up(arguments: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, ABSENT, or UNREACHABLE where the path leads through something that is no object."""
    value: Any = arguments
    for key in path.split("."):
        if not isinstance(value, dict):
            return UNREACHABLE
        if key not in value:
            return ABSENT
        value = value[key]
    return value


def value_holds(condition: Condition, value: Any) -> Truth:
    """Whether all operators of a condition hold for a value."""
    if value is UNREACHABLE:
        return None
    if value is ABSENT:
        if condition.optional:
            return True
        return all(operator == "exists" and wanted is False for operator, wanted in condition.operators)
    return both(operator_holds(operator, wanted, value) for operator, wanted in condition.operators)


def operator_holds(operator: str, wanted: Any, value: Any) -> Truth:
    """Whether one operator holds for a value that is present."""
    match operator:
        case "equals":
            return same(value, wanted)
        case "in":
            return any(same(value, one) for one in wanted)
        case "not_in":
            return not any(same(value, one) for one in wanted)
        case "exists":
            return bool(wanted is True)
        case "schema":
            return valid(value, wanted)
        case "matches":
            return re2.fullmatch(wanted, value) is not None if isinstance(value, str) else None
        case "glob":
            return glob_matches(wanted, value) if isinstance(value, str) else None
        case "search":
            return search(wanted, value)
        case "min":
            return bool(value >= wanted) if is_number(value) else None
        case "max":
            return bool(value <= wanted) if is_number(value) else None
        case "min_length":
            return len(value) >= wanted if isinstance(value, str | list) else None
        case "max_length":
            return len(value) <= wanted if isinstance(value, str | list) else None
    raise AssertionError(operator)


def valid(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is valid against a JSON Schema whose integers are exact: 1.0 is none."""
    return bool(EXACT(schema).is_valid(value))


def is_number(value: Any) -> bool:
    """Whether it is a number; booleans are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    """Equality with exact types, except that 1 and 1.0 are one number."""
    if is_number(one) and is_number(other):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def glob_matches(pattern: str, text: str) -> bool:
    """Whether a pattern with `*` for any characters covers the whole text; tries every way to split it."""
    if "*" not in pattern:
        return pattern == text
    head, _, rest = pattern.partition("*")
    return text.startswith(head) and any(glob_matches(rest, text[at:]) for at in range(len(head), len(text) + 1))


def search(pattern: str, value: Any) -> Truth:
    """Whether the pattern occurs in a string, or in one below a list or object, as it stands or laid bare."""
    if not isinstance(value, str | list | dict):
        return None
    return any(re2.search(pattern, form) is not None for text in strings_in(value) for form in (text, laid_bare(text)))


def laid_bare(text: str) -> str:
    """The text after NFKC normalisation without invisible characters."""
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return "".join(character for character in unicodedata.normalize("NFKC", visible) if unicodedata.category(character) != "Cf")
