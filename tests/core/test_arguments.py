"""The canonical form that is hashed, and the edges of what is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from agentgate.core.arguments import (
    InvalidJson,
    arguments_hash,
    canonical,
    digest,
    digest_arguments,
    digest_text,
    is_plain,
    is_usual,
    parse_arguments,
    parse_json,
    read_arguments,
)
from agentgate.core.events import Code, Decision, Effect, Json, ToolCall

GREATEST = int(1.7976931348623157e308)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"a":[true,null,"x"],"b":1}'),
        ({}, b"{}"),
        ("é\n😀", b'"\\u00e9\\n\\ud83d\\ude00"'),
        ([1.0, 0.1, -0.0, 1e100, 10**20], b"[1.0,0.1,-0.0,1e+100,100000000000000000000]"),
    ],
)
def test_a_value_has_one_canonical_form(value: Json, form: bytes) -> None:
    """Sorted keys, no spaces, only ASCII, floats as Python writes them; the digest is over that."""
    assert canonical(value) == form
    assert digest(value) == digest_text(form.decode())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_no_json_holds_has_no_canonical_form(value: Json) -> None:
    """NaN and Infinity are not quietly written down, nor hashed."""
    for made in (canonical, digest):
        with pytest.raises(ValueError, match="JSON compliant"):
            made(value)
    with pytest.raises(TypeError):
        canonical({"a": object()})


FLOATS = [0.0, -0.0, 1.0, 0.5, 1e-4, 9.999e-5, 1e-5, -1e-7, 5e-324, 123456.789, 9999999999999998.0, 1e16, -1e16, 1e17, 1e22, 1.5e300]


def written(value: Json) -> bytes:
    """As Python's own JSON writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


@given(st.sampled_from(FLOATS) | st.floats(allow_nan=False, allow_infinity=False))
@example(1e16)
@example(9.999e-5)
def test_a_float_that_is_usual_is_written_alike_by_the_quick_way(number: float) -> None:
    """So a record has one hash, whichever way it was written."""
    assert canonical({"a": number}) == written({"a": number})
    if is_usual(number):
        assert canonical({"a": number}, usual=True) == written({"a": number})


def test_most_floats_are_usual() -> None:
    """The quick way is taken at all."""
    assert [number for number in FLOATS if is_usual(number)] == [0.0, -0.0, 1.0, 0.5, 1e-4, 123456.789, 9999999999999998.0]


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_plain_arguments_have_the_same_form_by_the_quick_way(value: dict[str, Json]) -> None:
    """Whatever is in their keys and texts."""
    for usual in (True, False):
        assert canonical(value, usual=usual) == written(value)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": NaN}', "\ud800", None, 5])
def test_arguments_that_do_not_parse_have_the_digest_of_their_text(text: Json) -> None:
    """Those that do have the one of what they parse to."""
    assert digest_arguments(text) == digest_text(text)
    assert digest_arguments(' {"b": 1, "a": 2.0} ') == digest({"a": 2.0, "b": 1})


def test_a_lone_surrogate_is_told() -> None:
    """By its name."""
    with pytest.raises(InvalidJson, match=r"^lone surrogate$"):
        parse_json('"\ud800"')


def test_whatever_a_model_writes_has_a_digest() -> None:
    """Lone surrogates, and what is no text at all; different texts differ."""
    texts: list[Json] = ["", "{", "\ud800", "é", None, "1", b"{}", {"a": 1}]
    assert len({digest_text(text) for text in texts}) == len(texts)
    assert digest_text("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("number", [GREATEST, -GREATEST, 2**1023, 1.7976931348623157e308, -1.7976931348623157e308, 0, -(2**63)])
@pytest.mark.parametrize("around", ["%s", "[%s]", '{"a":%s}', '{"a":[[{"b":%s}]]}'])
def test_every_number_that_a_double_can_hold_is_read(number: float, around: str) -> None:
    """Whole numbers exactly, at every depth."""
    assert str(number) in str(parse_json(around % number))


@pytest.mark.parametrize("number", [str(GREATEST + 1), str(-GREATEST - 1), str(2**1024), "1e309", "-1e309", "1" * 400])
@pytest.mark.parametrize("around", ["%s", "[%s]", '{"a":%s}', '{"a":[[{"b":%s}]]}'])
def test_no_number_that_a_double_cannot_hold_is_read(number: str, around: str) -> None:
    """However deep it is hidden."""
    with pytest.raises(InvalidJson, match="number out of range"):
        parse_json(around % number)


@pytest.mark.parametrize("length", range(300, 320))
def test_no_length_of_a_text_lets_a_number_slip_through(length: int) -> None:
    """Short texts are not searched for great whole numbers, because there is no room for one; every length near that is tried."""
    for digits, read in ((length - len('{"a":}'), length < 315), (308, True), (309, False)):
        text = '{"a":' + "9" * digits + "}"
        if read:
            assert parse_arguments(text) == {"a": 10**digits - 1}
        else:
            with pytest.raises(InvalidJson, match="number out of range"):
                parse_arguments(text)


@pytest.mark.parametrize(
    "text", ['{"a":1e400}', '{"a":"x","b":-1E+999}', '{"a":1,"b":[1e400]}', '{"a":{"b":1e400}}', '{"a":null,"b":1.0e310}']
)
def test_the_shortest_number_that_overflows_is_found(text: str) -> None:
    """A power of ten needs few characters."""
    with pytest.raises(InvalidJson, match="number out of range"):
        parse_arguments(text)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({}, True),
        ({"a": 1, "b": "x", "c": None, "d": True}, True),
        ({"a": 1.0}, False),
        ({"a": 1, "b": 0.5}, False),
        ({"a": []}, False),
        ({"a": {}}, False),
        ([], False),
        ("x", False),
        (1, False),
        (1.0, False),
        (None, False),
    ],
)
def test_plain_is_what_holds_no_float_and_nothing_below(value: Json, plain: bool) -> None:
    """Whatever else there might be has to be walked through."""
    assert is_plain(value) is plain


@pytest.mark.parametrize(("levels", "read"), [(63, True), (64, True), (65, False)])
def test_depth_is_counted_beside_other_brackets(levels: int, read: bool) -> None:
    """Many lists beside one another are no depth; the deepest of them counts."""
    for inner in ("[]", '{"b":1}', "[1,[],{}]"):
        depth = 2 if inner == "[1,[],{}]" else 1
        text = '{"a":' + "[" * (levels - 1 - depth) + ",".join([inner] * 40) + "]" * (levels - 1 - depth) + "}"
        if read:
            assert parse_arguments(text)
        else:
            with pytest.raises(InvalidJson, match="nested deeper than 64 levels"):
                parse_arguments(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("{}x", "trailing characters at line 1 column 3"),
        ("[]", "not an object"),
        (b"{}", "not a string"),
        ('{"a":1,"a":2}', 'detected duplicate key "a"'),
    ],
)
def test_a_refusal_says_what_and_where(text: Json, reason: str) -> None:
    """In lower case, like every reason."""
    with pytest.raises(InvalidJson) as refused:
        parse_arguments(text)
    assert str(refused.value).startswith(reason)


def test_the_limit_of_a_text_is_in_bytes() -> None:
    """And may be another one than that for arguments."""
    assert parse_json('"é"', limit=4) == "é"
    with pytest.raises(InvalidJson, match="4 bytes, at most 3 are read"):
        parse_json('"é"', limit=3)


@given(
    st.dictionaries(
        st.text(max_size=5) | st.just("\x7f"),
        st.text() | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(st.integers()),
    )
)
def test_the_canonical_form_is_the_same_whoever_writes_it(value: Json) -> None:
    """Plain objects are written by a quicker writer, which must not differ in a byte."""
    assert canonical(value) == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"\udc00": 1}])
def test_lone_surrogates_have_a_canonical_form(value: Json) -> None:
    """They can be written as escapes, and what models say must be recordable."""
    assert canonical(value) == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_the_hash_of_a_call_is_that_of_what_was_judged() -> None:
    """Of the parsed arguments; of the text where the decision fell before that; the recorded one where there is one."""
    call = ToolCall("c", "t", '{"b": 1, "a": 1}')
    parsed = Decision(Effect.ALLOW, Code.RULE, "r", "", arguments={"x": 5})
    assert arguments_hash(call, parsed) == digest({"x": 5})
    assert arguments_hash(call, replace(parsed, arguments=None)) == digest({"a": 1, "b": 1})
    assert arguments_hash(replace(call, arguments="{"), replace(parsed, arguments=None)) == digest_text("{")
    assert arguments_hash(replace(call, args_hash="known"), parsed) == "known"


def test_bytes_are_read_as_texts_are() -> None:
    """And what is out of range is said in whole words."""
    assert parse_json(b'{"a": 1}') == {"a": 1}
    with pytest.raises(InvalidJson, match=r"^number out of range$"):
        parse_json("[1e999]")
    with pytest.raises(InvalidJson, match=r"^number out of range$"):
        parse_json("1" + "0" * 400)


@pytest.mark.parametrize("value", [1.0, [1], {"b": 1}])
@pytest.mark.parametrize("length", [1, 1000])
def test_what_is_read_as_plain_is_plain(value: Json, length: int) -> None:
    """Whoever goes on with arguments that are known to be plain looks for no floats in them, nor for anything below."""
    assert read_arguments(json.dumps({"a": value, "b": "x" * length}))[1] is False
