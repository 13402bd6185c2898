"""Most JSON is read in a quick way, which takes nothing that the slow one refuses, and reads nothing otherwise."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentgate.core.arguments import InvalidJson, _read, parse_json
from agentgate.core.events import Json
from agentgate.core.quick_json import UNREAD, read_quickly

SPACES = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n", "\x0c", "\u00a0"])
CHARACTERS = ("a", "b", ":", '\\"', ",", "{", "[", "}", "\\\\", "\\u003a", "\\u003A", "\\u003b", "\\u0061", "\\n", "é", "😀",
              "\\ud83d\\ude00", "\\ud800", "\\udc00", "\\x", "\n", "\x7f", '"')  # fmt: skip
TEXTS = st.lists(st.sampled_from(CHARACTERS), max_size=4).map(lambda found: f'"{"".join(found)}"')
KEYS = st.sampled_from(['"a"', '"b"', '"\\u0061"', '":"', '"\\u003a"', '""', '"a:"']) | TEXTS
NUMBERS = st.sampled_from(
    ["0", "-0", "1", "-0.0", "1.5", "1e5", "1E+5", "1e-7", "1e22", "1e999", "-1e400", "1e-999", "0e999", "5e-324", "1.7976931348623157e308",
     "1.7976931348623159e308", "9007199254740993", "0.1000000000000000055511151231257827", "9223372036854775807", "9223372036854775808",
     "-9223372036854775809", "18446744073709551616", "9" * 308, "9" * 309, "1" + "0" * 400, "-" + "9" * 5000, "01", "1.", ".5", "+1", "1e",
     "NaN", "-Infinity", "tru", "null", "true", "false"]
)  # fmt: skip


def spaced(parts: st.SearchStrategy[str], opening: str, closing: str) -> st.SearchStrategy[str]:
    """A list or an object of these parts, with white space here and there."""
    inner = st.tuples(st.lists(parts, max_size=4), SPACES)
    return inner.map(lambda found: opening + found[1] + f",{found[1]}".join(found[0]) + found[1] + closing)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Lists and objects of other values; an object may have a key twice."""
    entry = st.tuples(KEYS, SPACES, SPACES, inner).map(lambda found: f"{found[0]}{found[1]}:{found[2]}{found[3]}")
    return spaced(inner, "[", "]") | spaced(entry, "{", "}")


JSONS = st.recursive(NUMBERS | TEXTS, grown, max_leaves=12)
SOUND = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=4),
    max_leaves=20,
)


def slowly(data: bytes) -> Json:
    """The value as the slow way reads it; UNREAD where it refuses."""
    try:
        return _read(data)[0]
    except InvalidJson:
        return UNREAD


@given(JSONS)
@example('{"a":1,"a":"\\u003a"}')
@example('{"a" :1,"a":2,"b":"\\":"}')
@example('{"a":1e5,"a":1}')
@example('{"a":"x","a":"\\u003A"}')
@example('{"a":1,"\\u0061":":"}')
@example('{"\\u003a":1,":":2,"b":"\\u003a"}')
@settings(max_examples=600)
def test_the_quick_way_takes_nothing_that_the_slow_one_refuses(text: str) -> None:
    """A key twice however it is spelt, numbers that no double holds, half characters; and what both take is the same value."""
    data = text.encode()
    quick = read_quickly(data)
    assert quick is UNREAD or repr(quick) == repr(slowly(data))


@given(SOUND, st.binary(min_size=1, max_size=2), st.data())
@settings(max_examples=300)
def test_a_spoilt_text_is_not_taken_either(value: Json, bytes: bytes, data: st.DataObject) -> None:
    """Bytes anywhere in it."""
    text = json.dumps(value, ensure_ascii=False).encode()
    place = data.draw(st.integers(0, len(text)))
    spoilt = text[:place] + bytes + text[place + data.draw(st.integers(0, 2)) :]
    quick = read_quickly(spoilt)
    assert quick is UNREAD or repr(quick) == repr(slowly(spoilt))


@given(SOUND, st.sampled_from([None, 2]), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_what_is_written_is_read(value: Json, indent: int | None, separators: tuple[str, str], ascii: bool) -> None:
    """In whatever form, and by whichever way."""
    data = json.dumps(value, indent=indent, separators=separators, ensure_ascii=ascii).encode()
    assert repr(parse_json(data)) == repr(value)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":[1,{"b":"x:y"}]}',
        '{"a": [1, {"b": "x:\\n"}]}',
        '{\n  "a": null\n}\n',
        '{"a":1.50,"b":"\\u00e9"}',
        '{"a":"\\u003ctag\\u003e: x"}',
        "[]",
        "null",
        "[" * 8 + "1" + "]" * 8,
    ],
)
def test_most_texts_are_read_quickly(text: str) -> None:
    """With or without spaces, and with characters spelt by their number."""
    assert repr(read_quickly(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text",
    ["[" * 9 + "]" * 9, "[9223372036854775808]", '{"a":"\\u003a"}', '{"a":1,"a":"\\u003A"}', '{"a":1,"a":1}', "[1e999]", '["\\ud800"]', ""],
)
def test_what_is_not_usual_is_left_to_the_slow_way(text: str) -> None:
    """Which knows more levels, greater numbers, and how to say what is wrong."""
    assert read_quickly(text.encode()) is UNREAD


@pytest.mark.parametrize("levels", [1, 7, 8, 9, 63, 64, 65, 199, 201, 5000, 100_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_the_way_does_not_change_how_deep_is_too_deep(levels: int, brackets: tuple[str, str]) -> None:
    """64 levels are read, and no more."""
    opening, closing = brackets
    data = (opening * levels + "1" + closing * levels).encode()
    if levels <= 64:
        assert parse_json(data) == json.loads(data)
    else:
        with pytest.raises(InvalidJson, match=r"nested deeper than 64 levels|recursion limit exceeded"):
            parse_json(data)
