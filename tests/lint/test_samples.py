"""Texts and values that lint makes up to show what it talks about."""

from __future__ import annotations

import pytest
import re2

from agentgate.core.conditions import World
from agentgate.core.events import Json
from agentgate.core.lint import shapes
from agentgate.core.lint.patterns import matching, other_case, samples, shell_quotes, sql_comment, text_of
from agentgate.core.lint.values import satisfying
from agentgate.core.policy import Condition
from agentgate.core.rules import ABSENT, CompiledCondition
from agentgate.core.state import State

FOLLOWED = (
    "abc", "a|b", "(a|b)c", "a?b+c*", "a{3}", "a{2,}", "a{0,0}b", "a+?b??", "(?i)ab", "(?i:a)b", "(?P<name>a)", "(?:a)", "[a-z]", "[^a-z]",
    "[]a]", "[[:digit:]]", r"[\d\]]", r"\d\s\w", r"\x41\x{42}", r"\Qa.b\E", r"\Qa.b", r"^a$", r"\bx\b", ".", ".*", "a.c", r"\pL\p{Greek}",
    "(?s).x", "(?is)a(?-i)b", "{", "a{x}", "",
)  # fmt: skip


@pytest.mark.parametrize("pattern", FOLLOWED)
def test_a_pattern_gets_texts_that_it_matches(pattern: str) -> None:
    """Made by reading it, and confirmed by RE2."""
    made = matching(pattern, whole=True)
    assert made
    assert all(re2.fullmatch(pattern, text_of(sample)) for sample in made)


@pytest.mark.parametrize(
    "pattern",
    [
        "a)",
        "(a",
        "[a",
        "*a",
        "\\",
        "(?'x')",
        "(?=a)",
        r"[^\x{0}-\x{10FFFF}]",
        r"\x{10FFFF}",
        "a{300}b{300}",
        "a{999}",
        "(" * 2000 + ")" * 2000,
    ],
    ids=lambda pattern: pattern[:20],
)
def test_a_pattern_that_is_too_clever_gets_none(pattern: str) -> None:
    """Not understood, not possible, or too long to be worth reading."""
    assert samples(pattern) == ()


@pytest.mark.parametrize(
    ("pattern", "others"),
    [(r"drop\s+table", ["drop/**/table"]), ("drop ", ["drop/**/table customers", "drop/**/"]), ("drop", [])],
)
def test_a_space_may_be_a_comment_in_sql(pattern: str, others: list[str]) -> None:
    """With something behind it where the pattern ends with the space."""
    assert list(sql_comment(samples(pattern)[0])) == others


def test_a_text_may_be_spelt_differently() -> None:
    """In another case, or for a shell."""
    assert list(other_case(samples("Ab")[0])) == ["ab", "AB", "aB"]
    assert list(shell_quotes(samples("1 2")[0])) == ["1${IFS}2", "1  2"]
    assert list(shell_quotes(samples("rm")[0])) == ["r''m", "r\\m"]
    assert list(shell_quotes(samples("r")[0])) == []


@pytest.mark.parametrize(
    ("schema", "parts", "found"),
    [
        ({"properties": {"a": {"type": "null"}}}, "a", {"type": "null"}),
        ({"properties": {"a": {}}}, "b", shapes.MISSING),
        ({"properties": {"a": {}}, "additionalProperties": True}, "b", shapes.UNKNOWN),
        ({"anyOf": [{}]}, "b", shapes.UNKNOWN),
        ({"anyOf": []}, "b", shapes.MISSING),
        ({"properties": {"a": {"type": "object"}}}, "a.b", shapes.UNKNOWN),
        ({"properties": {"a": {"type": "string"}}}, "a.b", shapes.MISSING),
        ({"properties": {"a": {"properties": {"b": {}}}}}, "a.c", shapes.MISSING),
        ({"properties": {"a": True}}, "a.b", shapes.UNKNOWN),
        ({"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"const": 1}}}, "a", {"const": 1}),
        ({"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"$ref": "#/$defs/x"}}}, "a.b", shapes.UNKNOWN),
        ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, "a", None),
    ],
    ids=lambda value: repr(value).split(" at 0x")[0][:40],
)
def test_an_argument_is_looked_up_in_its_schema(schema: Json, parts: str, found: Json) -> None:
    """Known, certainly missing, or left open."""
    assert shapes.argument(schema, tuple(parts.split("."))) == found


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, "boolean"), (1, "number"), (1.5, "number"), ("x", "string"), (None, "null"), ({}, "object"), ([], "array")],
)
def test_a_value_has_one_type(value: Json, kind: str) -> None:
    """JSON's own, where a boolean is no number; an argument with only that value has it too."""
    assert shapes.kind(value) == kind
    assert shapes.kinds({"const": value}, {}) == {kind}


@pytest.mark.parametrize(
    ("schema", "first"),
    [
        (True, "x"),
        ({"const": 5}, 5),
        ({"examples": ["e"], "default": "d"}, "e"),
        ({"default": "d"}, "d"),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": "array", "minItems": 2, "items": {"const": 1}}, [1, 1]),
        ({"type": "object", "required": ["a"], "properties": {"a": {"const": 1}}}, {"a": 1}),
        ({"type": "string", "format": "email"}, "anna@example.com"),
        ({"type": "string", "pattern": "[a-c]{3}"}, "aaa"),
        ({"type": "string", "minLength": 4}, "xxxx"),
        ({"type": "number", "minimum": 3}, 3),
        ({"oneOf": [{"const": "o"}]}, "o"),
        ({"$ref": "#"}, "x"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_schema_gets_a_plain_example(schema: Json, first: Json) -> None:
    """The one that it names itself, else the plainest that fits."""
    assert next(iter(shapes.examples(schema, schema))) == first


def test_a_schema_without_end_gets_examples_all_the_same() -> None:
    """Alternatives within alternatives are followed only so far."""
    round_about: Json = {"anyOf": [{"anyOf": [{"$ref": "#"}]}]}
    assert "x" in list(shapes.examples(round_about, round_about))
    assert list(shapes.examples(True, True)) == ["x"]


def test_a_condition_gets_values_that_satisfy_it() -> None:
    """At most two dozen, absence among them where it will do."""
    world, state = World(), State()

    def values(operators: dict[str, Json], *, optional: bool = False) -> list[Json]:
        condition = Condition("a", tuple(operators.items()), optional=optional)
        return satisfying(CompiledCondition(condition, every=True), shapes.UNKNOWN, world, state)

    assert values({"in": list(range(100))}) == list(range(24))
    assert values({"equals": 1, "min": 2}) == []
    assert values({"exists": False}) == [ABSENT]
    assert ABSENT in values({"min": 5}, optional=True)
    assert values({"sql": {"statements": ["delete", "drop"], "tables": ["orders"]}}) == ["delete from orders where id = 1"]
    assert values({"command": ["git log **"]}) == ["git log x"]
    assert values({"url": {"hosts": ["*.example.org"], "schemes": ["http"]}}) == ["http://www.example.org/x"]
    assert values({"email": ["*.example.org"]}) == ["anna@www.example.org"]
