"""JSON Schemas of tools and of the `schema` operator: each keyword is understood exactly, or the schema is refused."""

from __future__ import annotations

import pytest

from agentgate.core.events import Json
from agentgate.core.schemas import InvalidSchema, Schema, ToolSet, check_keywords, closed, tool_set

from .building import tool

DRAFT_6, DRAFT_7 = "http://json-schema.org/draft-06/schema", "http://json-schema.org/draft-07/schema"
DRAFT_2019, DRAFT_2020 = "https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema"
ONLY_IF = {"if": {"type": "string"}, "then": False}
TUPLES = {"prefixItems": [{"type": "string"}]}
DEPENDENT = {"dependentRequired": {"a": ["b"]}}


@pytest.mark.parametrize(
    ("dialect", "schema", "value", "valid"),
    [
        (DRAFT_6, ONLY_IF, "x", True),
        (DRAFT_7, ONLY_IF, "x", False),
        (DRAFT_7, DEPENDENT, {"a": 1}, True),
        (DRAFT_2019, DEPENDENT, {"a": 1}, False),
        (DRAFT_2019, TUPLES, [1], True),
        (DRAFT_2020, TUPLES, [1], False),
        (None, TUPLES, [1], False),
        (DRAFT_7 + "#", ONLY_IF, "x", False),
    ],
)
def test_each_dialect_is_judged_by_its_own_rules(dialect: str | None, schema: dict[str, Json], value: Json, valid: bool) -> None:
    """What a dialect does not know, it passes over; the newest is meant where nothing is said."""
    said = schema if dialect is None else {**schema, "$schema": dialect}
    assert Schema(said).is_valid(value) is valid


NESTED: Json = {"type": "integer"}
for _ in range(64):
    NESTED = {"not": NESTED}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ([], "the schema is not an object"),
        (True, "the schema is not an object"),
        (None, "the schema is not an object"),
        ({"properties": []}, "properties is not an object"),
        ({"properties": {"a": 1}}, "properties.a is not an object"),
        ({"anyOf": [True, 1]}, "anyOf[1] is not an object"),
        ({"items": 1}, "items is not an object"),
        ({"properties": {"a": {"maxlen": 1}}}, "unknown keyword `maxlen` in properties.a"),
        ({"maxlen": 1}, "unknown keyword `maxlen`"),
        ({"x-exact": True}, "unknown keyword `x-exact`"),
        ({"$schema": "https://example.com/x"}, "unknown dialect `https://example.com/x`"),
        ({"not": {"$schema": 1}}, "unknown dialect `1`"),
        ({"$ref": "other.json"}, "`$ref` to `other.json`: only references within the schema itself are followed"),
        ({"$ref": 1}, "`$ref` to `1`: only references within the schema itself are followed"),
        ({"not": {"not": NESTED}}, "nested too deeply"),
        ({"properties": {"a": NESTED}} | {"not": {"not": NESTED}}, "nested too deeply"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(schema: Json, reason: str) -> None:
    """Nothing that might have been meant to restrict is passed over."""
    with pytest.raises(InvalidSchema) as refused:
        check_keywords(schema)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    "schema", [NESTED, {}, {"items": True}, {"$schema": DRAFT_7, "items": [True, {}]}, {"$ref": "#"}, {"properties": {"a": False}}]
)
def test_what_is_understood_is_not_refused(schema: Json) -> None:
    """Schemas that are `true` or `false` inside, references within, and 64 levels."""
    check_keywords(schema)
    Schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"$ref": "#/$defs/none"},
        {"pattern": "("},
        {"format": "telephone"},
        {"maxLength": -1},
        {"enum": []} | {"type": 5},
        {"pattern": "(?=a)"},
        {"pattern": r"(a)\1"},
    ],
)
def test_a_schema_that_cannot_be_compiled_is_refused_in_one_line(schema: Json) -> None:
    """Also patterns that look around or back, and formats that nobody checks."""
    with pytest.raises(InvalidSchema) as refused:
        Schema(schema)
    assert "\n" not in str(refused.value)
    assert not str(refused.value).endswith(".")


def test_a_tool_may_name_formats_that_nobody_checks() -> None:
    """They are a remark there; known formats are checked all the same."""
    assert Schema({"format": "telephone"}, strict_formats=False).is_valid("x")
    assert not Schema({"format": "date"}, strict_formats=False).is_valid("x")
    assert not Schema({"format": "date"}).is_valid("x")


WHOLE: list[tuple[Json, Json, bool]] = [
    ({"type": "integer"}, 1, True),
    ({"type": "integer"}, 1.0, False),
    ({"type": "integer"}, -0.0, False),
    ({"type": "integer"}, 1e20, False),
    ({"type": ["integer", "string"]}, 1.0, False),
    ({"type": ["integer", "string"]}, "x", True),
    ({"type": ["integer", "number"]}, 1.0, True),
    ({"type": "number"}, 1.0, True),
    ({"type": "string"}, 1.0, False),
    ({"items": {"type": "integer"}}, [1, 2.0], False),
    ({"items": {"type": "integer"}}, [[], {}, 2.0], False),
    ({"items": {"items": {"type": "integer"}}}, [[1], [2.0]], False),
    ({"properties": {"a": {"properties": {"b": {"type": "integer"}}}}}, {"a": {"b": 1.0}}, False),
    ({"properties": {"a": {"type": "integer"}}}, {"a": 1, "b": 1.0}, True),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 2.0, False),
    ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, 2.0, True),
    ({"const": {"type": "integer"}}, {"type": "integer"}, True),
    ({"enum": [{"type": "integer"}, 2.0]}, 2.0, True),
    ({"default": {"type": "integer"}, "type": "number"}, 2.0, True),
    ({"type": "number", "examples": [{"type": "integer"}]}, 2.0, True),
    ({"type": "integer", "minimum": 2}, 1.0, False),
]


@pytest.mark.parametrize(("schema", "value", "valid"), WHOLE, ids=lambda value: repr(value)[:40])
def test_a_whole_number_is_no_integer(schema: Json, value: Json, valid: bool) -> None:
    """A tool that was promised an `int` never gets a `float`, at whatever depth; a number may be either."""
    compiled = Schema(schema)
    assert compiled.is_valid(value) is valid
    assert compiled.is_valid(value) is valid
    assert (compiled.first_error(value) is None) is valid


@pytest.mark.parametrize(
    ("schema", "value", "error"),
    [
        ({"type": "integer"}, "x", '"x" is not of type "integer"'),
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "x"]}, 'a[1]: "x" is not of type "integer"'),
        ({"items": {"properties": {"a": {"type": "null"}}}}, [{"a": 1}], '[0].a: 1 is not of type "null"'),
        ({"type": "integer"}, 1, None),
    ],
)
def test_an_error_names_its_place(schema: Json, value: Json, error: str | None) -> None:
    """The way through objects and lists, then what is wrong; None where nothing is."""
    assert Schema(schema).first_error(value) == error


@pytest.mark.parametrize(("length", "shown"), [(300, 300), (301, 300), (5000, 300)])
def test_an_error_is_cut_where_it_is_long(length: int, shown: int) -> None:
    """A value of a model never makes a reason longer than that."""
    ending = len(' is not of type "integer"') + 2
    said = Schema({"type": "integer"}).first_error("x" * (length - ending))
    assert said is not None
    assert len(said) == shown
    assert said.endswith("…") is (length > 300)


OBJECT = {"type": "object", "properties": {"b": {}}}
CLOSED = {**OBJECT, "additionalProperties": False}
OPEN = {**OBJECT, "additionalProperties": True}


@pytest.mark.parametrize(
    ("schema", "shut"),
    [
        (OBJECT, CLOSED),
        (OPEN, OPEN),
        ({}, {"additionalProperties": False}),
        (True, True),
        ({**OBJECT, "unevaluatedProperties": True}, {**OBJECT, "unevaluatedProperties": True}),
        ({"properties": {"a": OBJECT, "c": OPEN, "d": True}}, {"properties": {"a": CLOSED, "c": OPEN, "d": True}}),
        ({"properties": {"a": {"type": "object"}}}, {"properties": {"a": {"type": "object"}}}),
        ({"patternProperties": {"^x": OBJECT}}, {"patternProperties": {"^x": CLOSED}}),
        ({"properties": {"a": {"items": OBJECT}}}, {"properties": {"a": {"items": CLOSED}}}),
        ({"properties": {"a": {"prefixItems": [OBJECT, True]}}}, {"properties": {"a": {"prefixItems": [CLOSED, True]}}}),
        ({"properties": {"a": {"items": [OBJECT]}}}, {"properties": {"a": {"items": [CLOSED]}}}),
        ({"additionalProperties": OBJECT}, {"additionalProperties": CLOSED}),
        ({"properties": {"a": {"anyOf": [OBJECT, OPEN]}}}, {"properties": {"a": {"anyOf": [CLOSED, OPEN]}}}),
        ({"properties": {"a": {"patternProperties": {}}}}, {"properties": {"a": {"patternProperties": {}, "additionalProperties": False}}}),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_objects_are_closed_where_the_schema_does_not_open_them(schema: Json, shut: Json) -> None:
    """At the top always, below it where the properties are listed."""
    if isinstance(shut, dict) and "additionalProperties" not in shut and "unevaluatedProperties" not in shut:
        shut = {**shut, "additionalProperties": False}
    assert closed(schema) == shut


PARTS: list[tuple[Json, Json, bool]] = [
    ({"allOf": [OBJECT, {"properties": {"c": {}}}]}, {"b": 1, "c": 2}, True),
    ({"allOf": [OBJECT, {"properties": {"c": {}}}]}, {"d": 1}, False),
    ({"properties": {"a": {"allOf": [OBJECT, {"properties": {"c": {}}}]}}}, {"a": {"b": 1, "c": 2}}, True),
    ({"properties": {"a": {"allOf": [OBJECT, {"properties": {"c": {}}}]}}}, {"a": {"d": 1}}, False),
    ({"properties": {"a": {"allOf": [{"required": ["b"]}]}}}, {"a": {"b": 1}}, True),
    ({"$ref": "#/$defs/part", "$defs": {"part": OBJECT}}, {"c": 1}, False),
    ({"$ref": "#/$defs/part", "$defs": {"part": OBJECT}}, {"b": 1}, True),
    ({"properties": {"a": {"$ref": "#/$defs/part"}}, "$defs": {"part": OBJECT}}, {"a": {"c": 1}}, False),
    ({"properties": {"a": {"$ref": "#/$defs/part"}}, "$defs": {"part": OBJECT}}, {"a": {"b": 1}}, True),
    ({"properties": {"a": {"$ref": "#/$defs/part"}}, "$defs": {"part": OPEN}}, {"a": {"c": 1}}, True),
    ({"properties": {"a": {"$ref": "#/$defs/a~1b~0c"}}, "$defs": {"a/b~c": OBJECT}}, {"a": {"c": 1}}, False),
    ({"properties": {"a": {"$ref": "#"}}}, {"a": {"a": {}}}, True),
    ({"properties": {"a": {"$ref": "#"}}}, {"a": {"c": 1}}, False),
    ({"properties": {"a": {"$ref": "#one"}}, "$defs": {"part": {**OBJECT, "$anchor": "one"}}}, {"a": {"b": 1}}, True),
    ({"$schema": DRAFT_7, "properties": {"a": {"$ref": "#/definitions/p"}}, "definitions": {"p": OBJECT}}, {"a": {"c": 1}}, False),
    ({"$schema": DRAFT_7, "properties": {"a": {"$ref": "#/definitions/p"}}, "definitions": {"p": OBJECT}}, {"a": {"b": 1}}, True),
    ({"properties": {"a": {"properties": {"b": {}}, "anyOf": [{"properties": {"c": {}}}, {}]}}}, {"a": {"b": 1, "c": 1}}, True),
    ({"properties": {"a": {"properties": {"b": {}}, "anyOf": [{"properties": {"c": {}}}, {}]}}}, {"a": {"b": 1, "d": 1}}, False),
]


@pytest.mark.parametrize(("schema", "value", "valid"), PARTS, ids=lambda value: repr(value)[:50])
def test_parts_of_an_object_are_closed_together(schema: Json, value: Json, valid: bool) -> None:
    """What one part lists another may use; what none lists is refused."""
    assert Schema(closed(schema)).is_valid(value) is valid


def test_references_that_go_round_end() -> None:
    """A schema that refers to itself is closed like any other, or refused, in bounded time."""
    for there, back in (
        ({"$ref": "#/$defs/y"}, {"$ref": "#/$defs/x"}),
        ({"allOf": [{"$ref": "#/$defs/y"}]}, {"allOf": [{}, {"$ref": "#/$defs/x"}]}),
        ({"allOf": [{"$ref": "#/$defs/x"}]}, {}),
    ):
        round_about = {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": there, "y": back}}
        assert closed(round_about)["additionalProperties"] is False


def test_tools_have_names_of_their_own() -> None:
    """A tool without a name, or two with the same, could be mistaken for each other."""
    nameless: list[Json] = [{}, {"function": {}}, {"function": {"name": 5}}, {"function": "read"}, {"type": "function", "function": None}]
    for definition in nameless:
        with pytest.raises(InvalidSchema, match="a tool without a name"):
            ToolSet([definition])
    with pytest.raises(InvalidSchema, match="two tools are called `read`"):
        ToolSet([tool("read"), tool("send"), tool("read", {})])


def test_tools_are_equal_where_their_definitions_are() -> None:
    """So that two runs with the same tools are in the same state."""
    assert ToolSet([tool("read")]) == ToolSet([tool("read")])
    assert ToolSet([tool("read")]) != ToolSet([tool("send")])
    assert ToolSet([tool("read")]) != [tool("read")]
    assert "read" in ToolSet([tool("read")])
    assert "send" not in ToolSet([tool("read")])
    with pytest.raises(KeyError):
        ToolSet([tool("read")]).schema("send")


def test_the_same_tools_are_compiled_once() -> None:
    """Until so many others have come by that they are forgotten."""
    first = tool_set([tool("first")])
    assert tool_set([tool("first")]) is first
    assert first.schema("first") is first.schema("first")
    for number in range(100):
        tool_set([tool(f"other_{number}")])
    again = tool_set([tool("first")])
    assert again is not first
    assert again == first


@pytest.mark.parametrize("key", ["not", "properties", "anyOf", "items"])
@pytest.mark.parametrize(("levels", "refused"), [(64, False), (65, True)])
def test_each_way_down_counts_as_a_level(key: str, levels: int, refused: bool) -> None:
    """Through a keyword, a mapping of schemas or a list of them."""
    schema: Json = {}
    for _ in range(levels):
        schema = {key: {"a": schema} if key == "properties" else [schema] if key == "anyOf" else schema}
    if refused:
        with pytest.raises(InvalidSchema, match="nested too deeply"):
            check_keywords(schema)
    else:
        check_keywords(schema)


@pytest.mark.parametrize("dialect", ["https://example.com/dialect", 5, None, []])
@pytest.mark.parametrize("schema", [{"$defs": {"p": OBJECT}}, {"$ref": "#/$defs/p", "$defs": {"p": OBJECT}}, {"allOf": [OBJECT]}])
def test_a_tool_in_an_unknown_dialect_is_unusable(dialect: Json, schema: Json) -> None:
    """However it describes its arguments; nobody is asked what the dialect might mean."""
    with pytest.raises(InvalidSchema):
        ToolSet([tool("read", {**schema, "$schema": dialect})]).schema("read")
