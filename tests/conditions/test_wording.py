"""What operators say of themselves and of values, as people read it under a decision."""

from __future__ import annotations

import pytest

from agentgate.core.conditions import OPERATORS, Unjudgeable
from agentgate.core.conditions.test import exactly, kind_of, shown
from agentgate.core.events import Json
from agentgate.core.state import State

from .cases import world

WANTED: list[tuple[str, Json, str]] = [
    ("equals", "read", '"read"'),
    ("equals", None, "null"),
    ("in", ["free", 1, True], 'one of "free", 1, true'),
    ("not_in", ["root"], 'anything but "root"'),
    ("matches", "a+", "a whole match of /a+/"),
    ("search", "a+", "something that contains /a+/"),
    ("glob", "a*", "a string like `a*`"),
    ("min", 5, "at least 5"),
    ("max", 2.5, "at most 2.5"),
    ("min_length", 3, "of length 3 or more"),
    ("max_length", 3, "of length 3 or less"),
    ("exists", True, "present"),
    ("exists", False, "absent"),
    ("schema", {"type": "string"}, "valid against the schema"),
    ("path", ["src", "docs"], "a path within `src` or `docs`"),
    ("path", [], "a path within no folder"),
    ("url", {"hosts": ["a.org", "*.b.org"]}, "a URL to a.org or *.b.org"),
    ("url", {"hosts": []}, "a URL to no host"),
    ("email", ["a.org"], "a mail address at a.org"),
    ("email", [], "a mail address at no domain"),
    ("command", ["ls *", "git status"], "one of the commands `ls *`, `git status`"),
    ("command", [], "one of the commands in an empty list"),
    ("sql", {"statements": ["select", "delete"], "tables": ["orders", "x"]}, "one SELECT or DELETE statement over orders, x"),
    ("sql", {"statements": [], "tables": ["*"]}, "one no statement over any table"),
    ("sql", {"statements": ["select"], "tables": []}, "one SELECT statement over no table"),
    ("seen_in", "prompt", "a value that occurs in prompt"),
    ("seen_in", ["prompt", "read"], "a value that occurs in prompt or read"),
    ("seen_in", [], "a value that occurs in nothing"),
]


@pytest.mark.parametrize(("key", "operand", "wanted"), WANTED, ids=[f"{key} {operand}"[:40] for key, operand, _ in WANTED])
def test_a_test_says_what_it_wants(key: str, operand: Json, wanted: str) -> None:
    """In words that follow "is not" and "must be"."""
    assert OPERATORS[key].compile(operand).wanted == wanted


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "a boolean"),
        (0, "a number"),
        (1.5, "a number"),
        ("", "a string"),
        ({}, "an object"),
        ([], "a list"),
        ((), "a list"),
    ],
)
def test_a_value_has_a_kind(value: Json, kind: str) -> None:
    """JSON's types, with an article."""
    assert kind_of(value) == kind


@pytest.mark.parametrize("length", [10, 58, 59, 200])
def test_a_long_value_is_cut_in_the_middle(length: int) -> None:
    """Its beginning and its end stay; sixty characters do, quotes included."""
    text = shown("b" + "x" * (length - 2) + "e")
    assert len(text) == min(length + 2, 60)
    assert text.startswith('"bx')
    assert text.endswith('xe"')
    assert ("…" in text) == (length > 58)


def test_values_are_told_apart_by_type() -> None:
    """`true` is not `1`, `1` is not `"1"`, but `1` is `1.0`; also inside lists and objects."""
    values: list[Json] = [1, "1", True, False, 0, None, "null", [], {}, [1], [True], ["1"], {"a": 1}, {"a": True}, {"b": 1}, "true", [[1]]]
    assert len({exactly(value) for value in values}) == len(values)
    assert exactly([1, {"a": 2.0, "b": None}]) == exactly([1.0, {"b": None, "a": 2}])


UNJUDGEABLE: list[tuple[str, Json, Json, str]] = [
    ("seen_in", "prompt", [], "is an empty list"),
    ("seen_in", "prompt", ["one", "two"], "is a list of which some items occur and some do not"),
    ("seen_in", "prompt", True, "is a boolean, which does not occur in a text"),
    ("seen_in", "prompt", 10**40, "is not a number that somebody writes out"),
    ("seen_in", "prompt", "ab", "is not between 3 and 1000 characters, or has space around it"),
    ("path", ["src"], "a\\b", "contains `\\`, which some tools expand"),
    ("min", 1, "1", "is a string, not a number"),
    ("max_length", 1, 1, "is a number, not a string or a list"),
    ("search", "x", None, "is null, not a string"),
]


@pytest.mark.parametrize(("key", "operand", "value", "why"), UNJUDGEABLE)
def test_what_cannot_be_judged_says_why(key: str, operand: Json, value: Json, why: str) -> None:
    """In words that follow the argument's name."""
    with pytest.raises(Unjudgeable) as doubt:
        OPERATORS[key].compile(operand).holds(value, world(), State(prompt=("one and only",)))
    assert str(doubt.value) == why
