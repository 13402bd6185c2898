"""The short way to arguments leads where the long one leads, or nowhere."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.core.arguments import InvalidJson, is_plain, parse_arguments
from agentgate.core.events import Json
from agentgate.core.flat import short_way
from agentgate.core.schemas import DIALECTS, InvalidSchema, Schema, closed
from tests.reference.judging import EXACT

TYPES = ("string", "integer", "number", "boolean", "null", "array", "object")
NAMES = ("a", "b", "c", "ä", "a:b", "")
TEXTS = ("", "x", "read", "a:b", "http://x/", "é", "\u2028", "\x7f", '"', "\\", "\n", "😀", "true", "1")
VALUES: tuple[Json, ...] = (
    *TEXTS, 0, 1, -1, 2**63, -(2**64), 10**300, True, False, None, 1.0, -0.0, 0.5, 1e300, [], ["x"], {}, {"a": 1}, [{"a": "x"}],
)  # fmt: skip
SPACES = ("", "", "", " ", "\n\t", "\r  ")
ODD_NUMBERS = ("01", "-0", "1e5", "1E400", "NaN", "Infinity", "-", "1.", ".5", "+1", "0x1", "9" * 308, "9" * 309, "1e-400")
ODD_TEXTS = (r'"\ud800"', r'"\ud83d\ude00"', r'"\u0000"', r'"\x"', '"\t"', r'"\/"', '"\x7f"', '"unended', "'x'", '"\ud800"', r'"\u003a"')


def short_or_long(schema: dict[str, Json], text: str) -> tuple[Json, Json]:
    """What comes of a text the short way, and the long way: None where it is refused."""
    compiled = Schema(closed(schema), strict_formats=False)
    way = short_way(compiled.document)
    short = None if way is None else way(text)
    try:
        arguments = parse_arguments(text)
    except InvalidJson:
        return short, None
    # Where the short way leads somewhere, a second validator is asked as well.
    valid = compiled.is_valid(arguments) and (short is None or EXACT(compiled.document).is_valid(arguments))
    return short, arguments if valid else None


def typed(**properties: Json) -> dict[str, Json]:
    """A schema of these properties, none of them required."""
    return {"type": "object", "properties": properties}


def of_type(kind: Json, **more: Json) -> dict[str, Json]:
    """A schema with one argument `a` of this type."""
    return typed(a={"type": kind, **more})


ANY = typed(a={}, b={"title": "B", "description": "…", "default": 5, "examples": [1]})
TAKEN: list[tuple[dict[str, Json], str]] = [
    (typed(), "{}"),
    (ANY, '{"a": "x", "b": null}'),
    (ANY, ' {\n"b" : 5 } '),
    (ANY, '{"a": true}'),
    (of_type("string"), r'{"\u0061": "x"}'),
    (of_type("integer"), '{"a": 1234567890123456789012345}'),
    (ANY, '{"a": "time: now", "b": "http://x:80/"}'),
    (ANY, r'{"a": "one\ntwo \"three\""}'),
    (of_type("number"), '{"a": -5}'),
    (of_type("boolean"), '{"a": false}'),
    (of_type(["string", "null"]), '{"a": null}'),
    (of_type("string", enum=["x", "y"]), '{"a": "y"}'),
    (typed(a={"enum": ["x", "y"]}), '{"a": "x"}'),
    (of_type("string", enum=["x"]), "{}"),
    ({**typed(a={}, b={}), "required": ["a"]}, '{"a": 1}'),
    ({**typed(a={}, b={}), "required": ["a"], "additionalProperties": False, "title": "T", "description": "…"}, '{"a": 1, "b": 2}'),
    ({"properties": {"a": {}}, "$schema": "http://json-schema.org/draft-07/schema#"}, '{"a": 1}'),
    (of_type("string"), json.dumps({"a": "x" * 299})),
]
PASSED_OVER: list[tuple[dict[str, Json], str]] = [
    (of_type("string"), r'{"a": "time: now\n"}'),
    (of_type("number"), '{"a": 1.5}'),
    (of_type("array"), '{"a": []}'),
    (of_type("object"), '{"a": {}}'),
    (of_type("string"), json.dumps({"a": "x" * 300})),
    (of_type("string", minLength=1), '{"a": "x"}'),
    (of_type("integer", enum=[1, 2]), '{"a": 1}'),
    (typed(a={"enum": ["x", 1]}), '{"a": "x"}'),
    (typed(a=True), '{"a": 1}'),
    ({**typed(a={}), "additionalProperties": True}, '{"b": 1}'),
    ({**typed(a={}), "minProperties": 1}, '{"a": 1}'),
    ({"type": ["object"], "properties": {"a": {}}}, '{"a": 1}'),
    ({"type": "object"}, "{}"),
]
REFUSED: list[tuple[dict[str, Json], str]] = [
    (of_type("integer"), '{"a": true}'),
    (of_type("integer"), '{"a": 1.0}'),
    (of_type("boolean"), '{"a": 1}'),
    (of_type("string"), '{"b": "x"}'),
    (of_type("integer", enum=["x"]), '{"a": "x"}'),
    (of_type("string", enum=["x"]), '{"a": "y"}'),
    (of_type("string", enum=["x"]), '{"a": "X"}'),
    ({**typed(a={}, b={}), "required": ["a"]}, '{"b": 1}'),
    ({**typed(a={}), "required": ["c"]}, '{"a": 1}'),
    (ANY, '{"a": 1, "a": 1}'),
    (ANY, r'{"a": 1, "\u0061": 2}'),
    (ANY, '{"a": 1, "a": 2, "b": "x"}'),
    (ANY, '{"a": "x:y", "b": 1, "b": 2}'),
    (ANY, '{"a": "x:y", "a": "x:y"}'),
    (ANY, '{"a": "x:y", "c": 1}'),
    (ANY, r'{"a": "\":", "a": 1}'),
    (ANY, r'{"a": "::\"", "b": 1, "b": 2}'),
    (ANY, '{"a": 1} {}'),
    (ANY, '{"a": "\ud800"}'),
    (ANY, "[]"),
    (ANY, "5"),
    (ANY, '"a"'),
    (ANY, "{"),
    (ANY, '{"a": 1e999}'),
]


@pytest.mark.parametrize(("schema", "text"), TAKEN, ids=[text[:30] for _, text in TAKEN])
def test_what_is_small_and_flat_is_taken(schema: dict[str, Json], text: str) -> None:
    """As nearly all calls are, and it is what the long way gives."""
    short, strict = short_or_long(schema, text)
    assert short == strict == json.loads(text)
    assert is_plain(short)


@pytest.mark.parametrize(("schema", "text"), PASSED_OVER, ids=[f"{list(schema)[-1]} {text[:30]}" for schema, text in PASSED_OVER])
def test_what_needs_a_closer_look_is_left_to_the_long_way(schema: dict[str, Json], text: str) -> None:
    """It is good, but that takes more than types to see."""
    assert short_or_long(schema, text) == (None, json.loads(text))


@pytest.mark.parametrize(("schema", "text"), REFUSED, ids=[ascii(text)[:30] for _, text in REFUSED])
def test_what_is_refused_is_not_let_through_the_short_way(schema: dict[str, Json], text: str) -> None:
    """Other types, other names, a key twice, something missing, and what is no JSON."""
    assert short_or_long(schema, text) == (None, None)


def random_below(random: Random) -> Json:
    """What a tool says about one argument: often a type alone, sometimes anything else."""
    made: dict[str, Json] = {}
    if random.random() < 0.9:
        made["type"] = random.choice(TYPES) if random.random() < 0.8 else random.sample(TYPES, random.randint(1, 3))
    if random.random() < 0.2:
        made["enum"] = random.sample(TEXTS if random.random() < 0.7 else VALUES, random.randint(1, 4))
    others: tuple[dict[str, Json], ...] = (
        {"description": "…"}, {"default": "x"}, {"minLength": 2}, {"maximum": 5}, {"items": {"type": "string"}}, {"pattern": "^x"},
        {"const": "x"}, {"anyOf": [{"type": "string"}]}, {"not": {"type": "null"}}, {"properties": {"a": {"type": "integer"}}},
    )  # fmt: skip
    if random.random() < 0.15:
        made |= random.choice(others)
    return made if random.random() < 0.97 else random.choice((True, False))


def random_schema(random: Random) -> dict[str, Json]:
    """Parameters of a tool."""
    names = random.sample(NAMES, random.randint(0, 4))
    made: dict[str, Json] = {"type": "object", "properties": {name: random_below(random) for name in names}}
    if random.random() < 0.5:
        made["required"] = random.sample(NAMES if random.random() < 0.2 else names, random.randint(0, min(2, len(names))))
    if random.random() < 0.1:
        del made["type"]
    if random.random() < 0.1:
        made["$schema"] = random.choice(list(DIALECTS)[:2])
    if random.random() < 0.1:
        made["additionalProperties"] = random.choice((True, False, {"type": "string"}))
    return made


def random_text(random: Random, schema: dict[str, Json]) -> str:
    """Arguments as models write them, mostly of the names and types that are asked for; sometimes spoilt."""
    members = []
    for name, below in schema["properties"].items():
        if random.random() < 0.8:
            members.append((name, random_value(random, below)))
    if random.random() < 0.15:
        members.append((random.choice(NAMES), json.dumps(random.choice(VALUES))))
    if random.random() < 0.1 and members:
        members.append(random.choice(members))
    random.shuffle(members)

    def space() -> str:
        return random.choice(SPACES)

    def key(name: str) -> str:
        return "".join(f"\\u{ord(one):04x}" for one in name).join('""') if random.random() < 0.1 else json.dumps(name)

    inside = ",".join(f"{space()}{key(name)}{space()}:{space()}{value}{space()}" for name, value in members)
    text = f"{space()}{{{inside}}}{space()}"
    if random.random() < 0.1 and text:
        place = random.randrange(len(text))
        text = text[:place] + random.choice(("", ",", '"', "}", ":", "x", "\\", "\x00")) + text[place + random.randint(0, 1) :]
    return text


def random_value(random: Random, below: Json) -> str:
    """The text of a value, mostly one that is asked for."""
    fitting: dict[str, Any] = {
        "string": TEXTS,
        "integer": (0, 1, -5, 2**70),
        "number": (1, 0.5, 2.0),
        "boolean": (True, False),
        "null": (None,),
    }
    kinds = below.get("type") if isinstance(below, dict) else None
    kind = random.choice(kinds) if isinstance(kinds, list) else kinds
    if isinstance(below, dict) and "enum" in below and random.random() < 0.7:
        return json.dumps(random.choice(below["enum"]))
    if kind in fitting and random.random() < 0.85:
        return json.dumps(random.choice(fitting[kind]), ensure_ascii=random.random() < 0.5)
    if random.random() < 0.2:
        return random.choice((*ODD_NUMBERS, *ODD_TEXTS))
    return json.dumps(random.choice(VALUES))


@settings(max_examples=600, database=None)
@given(st.randoms(use_true_random=False))
def test_the_short_way_leads_where_the_long_one_leads(random: Random) -> None:
    """Whatever a tool asks for and a model writes: the same object, of the same types, valid by two validators; or nothing."""
    schema = random_schema(random)
    for _ in range(4):
        try:
            short, strict = short_or_long(schema, random_text(random, schema))
        except InvalidSchema:
            return
        if short is not None:
            assert short == strict
            assert [(name, type(value)) for name, value in short.items()] == [(name, type(value)) for name, value in strict.items()]


def test_most_of_what_is_written_goes_the_short_way() -> None:
    """So the property above has something to say."""
    random = Random(1)
    taken = 0
    for _ in range(300):
        schema = random_schema(random)
        try:
            short, _ = short_or_long(schema, random_text(random, schema))
        except InvalidSchema:
            continue
        taken += short is not None
    assert taken > 30


def test_only_schemas_of_flat_objects_have_a_short_way() -> None:
    """Whatever else a schema says, it is left to the validator."""
    for schema, text in TAKEN:
        assert short_way(closed(schema)) is not None, text
    more: dict[str, Json]
    for more in ({"patternProperties": {}}, {"dependentRequired": {}}, {"allOf": []}, {"required": ["a"]}, {"properties": 5}):
        assert short_way({"properties": {}, "additionalProperties": False, **more}) is None
    assert short_way({"properties": {}, "additionalProperties": {"type": "string"}}) is None
