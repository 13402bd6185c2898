"""Arguments against a tool's JSON Schema: closed objects, exact types, exact numbers, nothing fetched."""

from __future__ import annotations

from typing import Any

import pytest

from agentgate.core.events import Code, Decision, Effect, Json
from agentgate.core.schemas import InvalidSchema, tool_set

from .building import decision, policy, rule, tool

OPEN = policy(rule("allow", "*"))


def against(parameters: Json, arguments: Json) -> Decision:
    """The decision on a call of a tool with these parameters."""
    offered = tool("read", parameters) if parameters is not None else {"type": "function", "function": {"name": "read"}}
    return decision(OPEN, "read", arguments, tools=[offered])


def typed(schema: Json) -> Json:
    """Parameters with one required argument `a` of this schema."""
    return {"type": "object", "properties": {"a": schema}, "required": ["a"]}


LIKE_A_SCHEMA = {"type": "integer"}
OTHERS: dict[str, Json] = {"type": "object", "additionalProperties": True}
CENTS = {"type": "number", "multipleOf": 0.01}
VALID: list[tuple[str, Json, Json]] = [
    ("no arguments", {"type": "object", "properties": {}}, {}),
    ("no schema", {}, {}),
    ("optional argument left out", {"type": "object", "properties": {"a": {}}}, {}),
    ("integer", typed({"type": "integer"}), '{"a":5}'),
    ("integer beyond 64 bits", typed({"type": "integer"}), '{"a":18446744073709551617}'),
    ("number that is whole", typed({"type": "number"}), '{"a":5}'),
    ("cents", typed(CENTS), '{"a":19.99}'),
    ("a cent", typed(CENTS), '{"a":0.01}'),
    ("seven cents", typed(CENTS), '{"a":0.07}'),
    ("many cents", typed(CENTS), '{"a":1234567.89}'),
    ("whole cents", typed(CENTS), '{"a":100}'),
    ("open by its own word", {"type": "object", "properties": {}, "additionalProperties": True}, {"b": 1}),
    ("open for strings", {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}, {"b": "x"}),
    ("nested and open by its own word", typed({"type": "object", "properties": {}, "additionalProperties": True}), {"a": {"b": 1}}),
    ("object without properties", typed({"type": "object"}), {"a": {}}),
    ("reference within", {**typed({"$ref": "#/$defs/name"}), "$defs": {"name": {"type": "string"}}}, {"a": "x"}),
    ("null where it may be", typed({"type": ["string", "null"]}), {"a": None}),
    ("pattern", typed({"type": "string", "pattern": "^[a-z]+$"}), {"a": "abc"}),
    ("enum", typed({"enum": ["x", 1]}), {"a": 1}),
    (
        "a constant that looks like a schema",
        OTHERS | {"properties": {"a": {"const": {"type": "integer"}}}},
        '{"a":{"type":"integer"},"b":1.0}',
    ),
    (
        "an enum that looks like schemas",
        OTHERS | {"properties": {"a": {"enum": [{"type": "integer"}]}}},
        '{"a":{"type":"integer"},"b":1.0}',
    ),
    ("unknown format", typed({"type": "string", "format": "phone"}), {"a": "x"}),
    ("no parameters", None, {}),
]

INVALID: list[tuple[str, Json, Json]] = [
    ("unknown argument", typed({}), {"a": 1, "b": 2}),
    ("unknown argument of none", {"type": "object", "properties": {}}, {"a": 1}),
    ("unknown argument without schema", {}, {"a": 1}),
    ("closed by its own word", {"type": "object", "additionalProperties": False}, {"a": 1}),
    ("unknown key of a nested object", typed({"type": "object", "properties": {"b": {}}}), {"a": {"b": 1, "c": 2}}),
    ("unknown key in a list", typed({"type": "array", "items": {"type": "object", "properties": {"b": {}}}}), {"a": [{"b": 1}, {"c": 1}]}),
    ("unknown argument by look", typed({}), {"a": 1, "\u0430": 2}),
    ("missing argument", typed({}), {}),
    ("not open for numbers", {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}, {"b": 1}),
    ("true for an integer", typed({"type": "integer"}), {"a": True}),
    ("true for a number", typed({"type": "number"}), {"a": True}),
    ("number for a boolean", typed({"type": "boolean"}), {"a": 1}),
    ("text for a number", typed({"type": "number"}), {"a": "1"}),
    ("number for text", typed({"type": "string"}), {"a": 1}),
    ("null for text", typed({"type": "string"}), {"a": None}),
    ("fraction for an integer", typed({"type": "integer"}), {"a": 1.5}),
    ("float for an integer", typed({"type": "integer"}), '{"a":1.0}'),
    ("exponent for an integer", typed({"type": "integer"}), '{"a":1e3}'),
    ("true for 1 in an enum", typed({"enum": [1]}), {"a": True}),
    ("1 for true in an enum", typed({"enum": [True]}), {"a": 1}),
    ("true for 1 as a constant", typed({"const": 1}), {"a": True}),
    ("0 for false as a constant", typed({"const": False}), {"a": 0}),
    ("true in a list of 1", typed({"const": [1]}), {"a": [True]}),
    ("tenth of a cent", typed(CENTS), '{"a":0.001}'),
    ("nearly a cent", typed(CENTS), '{"a":19.990000000000002}'),
    ("tiny", typed(CENTS), '{"a":1e-300}'),
    ("above the maximum", typed({"type": "number", "maximum": 100}), '{"a":100.00000001}'),
    ("huge", typed({"type": "number", "maximum": 100}), '{"a":1e308}'),
    ("negative zero and zero excluded", typed({"exclusiveMinimum": 0}), '{"a":-0.0}'),
    ("newline after a pattern", typed({"type": "string", "pattern": "^[a-z]+$"}), {"a": "abc\n"}),
    ("digits of another script", typed({"type": "string", "pattern": "^[0-9]+$"}), {"a": "\u0661"}),
    ("too long by characters", typed({"type": "string", "maxLength": 1}), {"a": "\U0001f600\U0001f600"}),
    ("equal items", typed({"type": "array", "uniqueItems": True}), {"a": [{"b": 1}, {"b": 1}]}),
    ("unknown argument without parameters", None, {"a": 1}),
]


@pytest.mark.parametrize(("parameters", "arguments"), [case[1:] for case in VALID], ids=[case[0] for case in VALID])
def test_valid_arguments_reach_the_rules(parameters: Json, arguments: Json) -> None:
    """Nothing that the schema permits is refused."""
    assert against(parameters, arguments).effect is Effect.ALLOW


@pytest.mark.parametrize(("parameters", "arguments"), [case[1:] for case in INVALID], ids=[case[0] for case in INVALID])
def test_invalid_arguments_are_refused(parameters: Json, arguments: Json) -> None:
    """Types are exact and unknown arguments refused at every level, with one code and a reason."""
    said = against(parameters, arguments)
    assert (said.effect, said.code, said.rule) == (Effect.BLOCK, Code.INVALID_ARGUMENTS, None)
    assert said.reason.startswith("invalid arguments: ")


INNER: dict[str, Json] = {"type": "object", "properties": {"b": {}}}
DRAFT_7 = {"$schema": "http://json-schema.org/draft-07/schema#"}
DRAFT_2019 = {"$schema": "https://json-schema.org/draft/2019-09/schema"}
BASED = {"allOf": [{"$ref": "#/$defs/inner"}, {"properties": {"d": {}}}]}
PLACES: list[tuple[str, Any, Any]] = [
    ("properties", lambda inner: typed(inner), lambda value: {"a": value}),
    ("patternProperties", lambda inner: {"patternProperties": {"^a": inner}}, lambda value: {"abc": value}),
    ("additionalProperties", lambda inner: {"additionalProperties": inner}, lambda value: {"x": value}),
    ("unevaluatedProperties", lambda inner: {"properties": {"a": {}}, "unevaluatedProperties": inner}, lambda value: {"x": value}),
    ("items", lambda inner: typed({"items": inner}), lambda value: {"a": [{"b": 1}, value]}),
    ("list of items", lambda inner: DRAFT_7 | typed({"items": [{}, inner]}), lambda value: {"a": [1, value]}),
    ("prefixItems", lambda inner: typed({"prefixItems": [{}, inner]}), lambda value: {"a": [1, value]}),
    ("additionalItems", lambda inner: DRAFT_7 | typed({"items": [{}], "additionalItems": inner}), lambda value: {"a": [1, value]}),
    ("unevaluatedItems", lambda inner: typed({"prefixItems": [{}], "unevaluatedItems": inner}), lambda value: {"a": [1, value]}),
    ("anyOf", lambda inner: typed({"anyOf": [{"type": "null"}, inner]}), lambda value: {"a": value}),
    ("oneOf", lambda inner: typed({"oneOf": [{"type": "null"}, inner]}), lambda value: {"a": value}),
    ("allOf", lambda inner: typed({"allOf": [inner, {"required": ["b"]}]}), lambda value: {"a": value}),
    ("$defs", lambda inner: {**typed({"$ref": "#/$defs/o"}), "$defs": {"o": inner}}, lambda value: {"a": value}),
    (
        "definitions",
        lambda inner: DRAFT_7 | {**typed({"$ref": "#/definitions/o"}), "definitions": {"o": inner}},
        lambda value: {"a": value},
    ),
    (
        "below a reference",
        lambda inner: {**typed({"$ref": "#/$defs/o"}), "$defs": {"o": {"properties": {"deep": inner}}}},
        lambda value: {"a": {"deep": value}},
    ),
    ("below a part", lambda inner: typed({"allOf": [{"properties": {"deep": inner}}]}), lambda value: {"a": {"deep": value}}),
    ("the whole again", lambda inner: {**INNER, "properties": {"b": {}, "more": {"$ref": "#"}}}, lambda value: {"more": {"more": value}}),
]


@pytest.mark.parametrize("inner", [INNER, {"allOf": [INNER]}], ids=["listed", "combined"])
@pytest.mark.parametrize(("around", "argument"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES])
def test_unknown_keys_are_refused_wherever_an_object_is_described(around: Any, argument: Any, inner: Json) -> None:
    """The object's own keys pass, in every place where a schema can stand."""
    if "$schema" in around(inner) and inner is not INNER:
        inner = INNER  # those dialects cannot say of parts what all of them leave over
    assert against(around(inner), argument({"b": 1})).effect is Effect.ALLOW
    said = against(around(inner), argument({"b": 1, "c": 2}))
    assert (said.effect, said.code) == (Effect.BLOCK, Code.INVALID_ARGUMENTS)


@pytest.mark.parametrize("dialect", [{}, DRAFT_2019], ids=["2020-12", "2019-09"])
def test_parts_of_an_object_are_closed_as_a_whole(dialect: dict[str, Json]) -> None:
    """What one part does not know, another may; what none of them knows is refused."""
    parameters = {**dialect, **typed(BASED), "$defs": {"inner": INNER}}
    assert against(parameters, {"a": {"b": 1, "d": 2}}).effect is Effect.ALLOW
    assert against(parameters, {"a": {"b": 1, "c": 2}}).code is Code.INVALID_ARGUMENTS


def test_an_object_that_lists_nothing_stays_open_behind_a_reference() -> None:
    """Its schema says that anything may be in it."""
    assert against({**typed({"$ref": "#/$defs/free"}), "$defs": {"free": {"type": "object"}}}, {"a": {"x": 1}}).effect is Effect.ALLOW


REASONS: list[tuple[str, Json, Json, str]] = [
    ("float", typed({"type": "integer"}), '{"a":1.0}', "invalid arguments: a: 1.0 is not an integer"),
    ("place", {"properties": {"X1": {"items": {"type": "null"}}}}, {"X1": [None, 5]}, 'invalid arguments: X1[1]: 5 is not of type "null"'),
    ("length", typed({"maxLength": -1}), {}, "the schema of tool 'read' cannot be used: -1 is less than the minimum of 0"),
    (
        "keyword",
        typed({"items": {"maxlen": 5}}),
        {},
        "the schema of tool 'read' cannot be used: unknown keyword `maxlen` in properties.a.items",
    ),
]


@pytest.mark.parametrize(("parameters", "arguments", "reason"), [case[1:] for case in REASONS], ids=[case[0] for case in REASONS])
def test_the_reason_says_what_and_where(parameters: Json, arguments: Json, reason: str) -> None:
    """For the model, and for whoever wrote the tool."""
    assert against(parameters, arguments).reason == reason


def test_equal_definitions_are_one_set_of_tools() -> None:
    """Also where there are many; and no other set is taken for it."""
    definitions = (tool("x", INNER),)
    for _ in range(2):
        assert tool_set(definitions) is tool_set((tool("x", INNER),))
        for number in range(200):
            assert set(tool_set((tool(f"t{number}"),)).names) == {f"t{number}"}


UNUSABLE: list[tuple[str, Json]] = [
    ("remote reference", typed({"$ref": "https://example.com/schema.json"})),
    ("reference to a file", typed({"$ref": "file:///etc/passwd"})),
    ("reference to nothing", typed({"$ref": "#/$defs/none"})),
    ("unknown type", typed({"type": "strin"})),
    ("type that is a number", typed({"type": 1})),
    ("unknown keyword", typed({"type": "string", "maxlen": 5})),
    ("pattern that is none", typed({"type": "string", "pattern": "("})),
    ("dialect from elsewhere", {**typed({}), "$schema": "https://example.com/dialect"}),
    ("list", []),
    ("text", "object"),
    ("negative length", typed({"maxLength": -1})),
]


@pytest.mark.parametrize("parameters", [case[1] for case in UNUSABLE], ids=[case[0] for case in UNUSABLE])
def test_a_schema_that_cannot_be_used_lets_nothing_through(parameters: Json) -> None:
    """Nothing is fetched, nothing is allowed, and it is said."""
    said = against(parameters, {"a": "x"})
    assert said.effect is Effect.BLOCK
    assert said.code in (Code.INVALID_ARGUMENTS, Code.INTERNAL_ERROR)
    assert said.reason


def test_the_refusal_of_a_huge_value_is_short() -> None:
    """A reason is for people and for the model, not for carrying the value back."""
    assert len(against(typed({"type": "string", "maxLength": 5}), {"a": "x" * 200_000}).reason) < 1000
    assert len(against(typed({}), {"a": 1, "k" * 200_000: 1}).reason) < 1000


def test_the_given_schema_is_not_changed() -> None:
    """Closing objects is done on a copy."""
    parameters = typed({"type": "object", "properties": {"b": {}}})
    kept = repr(parameters)
    against(parameters, {"a": {}})
    assert repr(parameters) == kept


PART = {"type": "object", "properties": {"b": {}}}


@pytest.mark.parametrize(
    "parameters",
    [{**typed({"$ref": "#/$defs/part"}), "$defs": {"part": PART}}, typed({"anyOf": [PART, {"type": "null"}]}), typed({"allOf": [PART]})],
    ids=["reference", "alternative", "combination"],
)
def test_nested_objects_are_closed_wherever_they_are_described(parameters: Json) -> None:
    """Unknown keys are refused at every level, however the schema arrives at the object."""
    assert against(parameters, {"a": {"b": 1}}).effect is Effect.ALLOW
    assert against(parameters, {"a": {"c": 1}}).code is Code.INVALID_ARGUMENTS


@pytest.mark.parametrize("word", ["$ref", "anyOf", "allOf"])
def test_arguments_are_closed_however_the_schema_describes_them(word: str) -> None:
    """An unknown argument is refused behind a reference or an alternative too."""
    parameters = {"$ref": "#/$defs/part", "$defs": {"part": PART}} if word == "$ref" else {"type": "object", word: [PART]}
    assert against(parameters, {"b": 1}).effect is Effect.ALLOW
    assert against(parameters, {"c": 1}).code is Code.INVALID_ARGUMENTS


def test_pattern_properties_do_not_open_a_schema() -> None:
    """Only `additionalProperties` opens a schema; names that no pattern matches stay unknown."""
    parameters = {"type": "object", "properties": {"a": {}}, "patternProperties": {"^x_": {}}}
    assert against(parameters, {"a": 1, "x_b": 1}).effect is Effect.ALLOW
    assert against(parameters, {"c": 1}).code is Code.INVALID_ARGUMENTS


def test_a_schema_that_nothing_satisfies_lets_nothing_through() -> None:
    """`false` is a JSON Schema that no arguments are valid against."""
    assert against(False, {}).effect is Effect.BLOCK


def test_equal_tools_are_one_set_of_tools() -> None:
    """Known by what they say, and at a glance by the very object; a tool without a name is refused."""
    first = tool_set([tool("read", typed({"type": "integer"}))])
    assert tool_set((tool("read", typed({"type": "integer"})),)) is first
    for _ in range(2):
        assert tool_set(first.definitions) is first
    assert tool_set([tool("write")]) is not first
    with pytest.raises(InvalidSchema, match=r"^a tool without a name$"):
        tool_set([{"type": "function", "function": {}}])
