"""Arguments are one strict JSON object or refused; nothing is ever repaired."""

from __future__ import annotations

import pytest

from agentgate.core.events import Code, Effect, Json

from .building import decision, policy, rule

OPEN = policy(rule("allow", "read"))
MEBIBYTE = 1024 * 1024


def nested(levels: int, brackets: str = "[]") -> str:
    """An object whose one value makes it so many levels deep, itself included."""
    opening, closing = ('{"a":', "}") if brackets == "{}" else ("[", "]")
    return '{"a":' + opening * (levels - 1) + ("1" if brackets == "{}" else "") + closing * (levels - 1) + "}"


def sized(size: int, filling: str = "x") -> str:
    """An object that takes exactly so many bytes of UTF-8."""
    room = size - len('{"a":""}')
    width = len(filling.encode())
    return '{"a":"' + filling * (room // width) + "x" * (room % width) + '"}'


STRICT: list[tuple[str, str, Json]] = [
    ("empty", "", {}),
    ("empty object", "{}", {}),
    ("white space around", ' \t\r\n{"a": 1}\n', {"a": 1}),
    ("escaped spelling", '{"\\u0061":"\\u0078"}', {"a": "x"}),
    ("numbers", '{"a":[0,-0,1.5,-2e3,1E+2,1e-400]}', {"a": [0, 0, 1.5, -2000.0, 100.0, 0.0]}),
    ("large integer", '{"a":123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ("largest float", '{"a":1.7976931348623157e308}', {"a": 1.7976931348623157e308}),
    ("pair of surrogates", '{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    ("NUL in a string", '{"a":"x\\u0000"}', {"a": "x\x00"}),
    ("line separators", '{"a":"\u2028\u2029"}', {"a": "\u2028\u2029"}),
    ("the same key in two objects", '{"a":{"b":1},"b":{"b":1}}', {"a": {"b": 1}, "b": {"b": 1}}),
    ("keys that differ by case", '{"a":1,"A":2}', {"a": 1, "A": 2}),
    ("keys that normalise to one", '{"\u00e9":1,"e\u0301":2}', {"\u00e9": 1, "e\u0301": 2}),
    ("empty key", '{"":1}', {"": 1}),
    ("prototype", '{"__proto__":{"a":1}}', {"__proto__": {"a": 1}}),
]

REFUSED: list[tuple[str, Json]] = [
    ("duplicate key", '{"a":1,"a":1}'),
    ("duplicate key in an object", '{"x":{"a":1,"a":2}}'),
    ("duplicate key in a list", '{"x":[1,{"a":1,"a":2}]}'),
    ("duplicate key by escape", '{"a":1,"\\u0061":2}'),
    ("duplicate key by escaped slash", '{"a/b":1,"a\\/b":2}'),
    ("duplicate empty key", '{"":1,"":2}'),
    ("duplicate key far down", nested(60, "{}").replace("1}", '{"k":1,"k":1}}', 1)),
    ("NaN", '{"a":NaN}'),
    ("Infinity", '{"a":Infinity}'),
    ("-Infinity", '{"a":-Infinity}'),
    ("nested NaN", '{"a":[{"b":NaN}]}'),
    ("overflow", '{"a":1e999}'),
    ("negative overflow", '{"a":-1e999}'),
    ("overflow by a hair", '{"a":1.8e308}'),
    ("integer overflow", '{"a":1' + "0" * 400 + "}"),
    ("high surrogate", '{"a":"\\ud800"}'),
    ("low surrogate", '{"a":"\\udc00"}'),
    ("surrogates the wrong way round", '{"a":"\\ude00\\ud83d"}'),
    ("surrogate in a key", '{"\\ud800":1}'),
    ("surrogate as it is", '{"a":"\ud800"}'),
    ("surrogate outside", '{"a":1}\udc00'),
    ("65 levels of lists", nested(65)),
    ("65 levels of objects", nested(65, "{}")),
    ("100,000 levels", nested(100_000)),
    ("unclosed levels", "[" * 100_000),
    ("a byte too many", sized(MEBIBYTE + 1)),
    ("a character too many bytes", sized(MEBIBYTE + 2, "é")),
    ("white space too large", " " * MEBIBYTE + "{}"),
    ("trailing object", "{}{}"),
    ("trailing text", "{} x"),
    ("trailing comma", '{"a":1,}'),
    ("trailing NUL", "{}\x00"),
    ("leading text", "x {}"),
    ("BOM", "\ufeff{}"),
    ("no-break space", "\u00a0{}"),
    ("vertical tab", "\x0b{}"),
    ("form feed", "{}\x0c"),
    ("null", "null"),
    ("true", "true"),
    ("number", "0"),
    ("string", '"{}"'),
    ("list", "[]"),
    ("list of an object", "[{}]"),
    ("single quotes", "{'a':1}"),
    ("bare key", "{a:1}"),
    ("comment", '{"a":1/**/}'),
    ("line comment", "{}//"),
    ("Python", "{'a': True}"),
    ("hexadecimal", '{"a":0x1}'),
    ("leading zero", '{"a":01}'),
    ("plus", '{"a":+1}'),
    ("leading point", '{"a":.5}'),
    ("trailing point", '{"a":5.}'),
    ("underscore", '{"a":1_0}'),
    ("Arabic digit", '{"a":\u0661}'),
    ("raw newline", '{"a":"x\ny"}'),
    ("raw tab", '{"a":"x\ty"}'),
    ("raw NUL", '{"a":"\x00"}'),
    ("short escape", '{"a":"\\u12"}'),
    ("unknown escape", '{"a":"\\x41"}'),
    ("unclosed", '{"a":1'),
    ("unclosed string", '{"a":"x'),
    ("undefined", "undefined"),
    ("form encoding", "a=1"),
    ("fenced", "```json\n{}\n```"),
]


@pytest.mark.parametrize(("text", "value"), [case[1:] for case in STRICT], ids=[case[0] for case in STRICT])
def test_strict_json_is_parsed(text: str, value: Json) -> None:
    """What was parsed is what the decision carries, exact in values and types."""
    said = decision(OPEN, "read", text)
    assert said.effect is Effect.ALLOW
    assert repr(said.arguments) == repr(value)


@pytest.mark.parametrize("text", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_anything_else_is_refused(text: Json) -> None:
    """With one code, and a reason of bearable length."""
    said = decision(OPEN, "read", text)
    assert (said.effect, said.code, said.rule, said.arguments) == (Effect.BLOCK, Code.MALFORMED_ARGUMENTS, None, None)
    assert said.reason.startswith("invalid JSON arguments: ")
    assert len(said.reason) < 300


@pytest.mark.parametrize("text", [" ", "\n", "\t\r\n "])
def test_white_space_alone_is_not_empty(text: str) -> None:
    """Empty arguments mean none at all; white space is not one JSON object."""
    assert decision(OPEN, "read", text).code is Code.MALFORMED_ARGUMENTS


@pytest.mark.parametrize(
    "text", [nested(64), nested(64, "{}"), '{"a":"' + "[" * 200 + '"}'], ids=["lists", "objects", "brackets in a string"]
)
def test_64_levels_are_enough(text: str) -> None:
    """The last depth that is read; brackets in strings are no depth."""
    assert decision(OPEN, "read", text).effect is Effect.ALLOW


@pytest.mark.parametrize("filling", ["x", "é", "😀"])
def test_a_mebibyte_is_enough(filling: str) -> None:
    """The last size that is read, in bytes of UTF-8."""
    text = sized(MEBIBYTE, filling)
    assert len(text.encode()) == MEBIBYTE
    assert decision(OPEN, "read", text).effect is Effect.ALLOW


@pytest.mark.parametrize("text", [None, 1, True, b"{}", {}, {"a": 1}, [], ["{}"], 1.5])
def test_arguments_that_are_no_text_are_refused(text: Json) -> None:
    """A model's answer may hold anything where text belongs."""
    from agentgate.core.events import ToolCall
    from agentgate.session import Session

    assert Session(OPEN).propose(ToolCall("c", "read", text)).code is Code.MALFORMED_ARGUMENTS
