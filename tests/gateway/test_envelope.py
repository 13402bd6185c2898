"""The strict reading of request bodies and of streams of events, piece by piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.events import Json, RunStarted, ToolCall
from agentgate.files.transcript import Item, Proposed
from agentgate.gateway.envelope import BadRequest, chosen, field, objects, read_object
from agentgate.gateway.shapes import Asked, Broken, no_longer_offered
from agentgate.gateway.sse import COMMENT, MAX_EVENT, Sse, SseReader, write

SOUND = "`tool_choice` is not a sound form of `allowed_tools`"
NO_FUNCTION = "`tool_choice` names something that is no function"


def function(name: Json) -> dict[str, Json]:
    """A function as Chat Completions names it."""
    return {"type": "function", "function": {"name": name}}


def test_a_body_is_one_strict_object() -> None:
    """Of so many bytes at most."""
    assert read_object(b'{"a": [1]}', 10) == {"a": [1]}
    for raw in (b'{"a": [1]} ', b'{"a": 1', b'{"a": 1, "a": 1}', b'{"a": NaN}', b'{"a": 1} x', b'"\xff"', b"[" * 65 + b"]" * 65):
        with pytest.raises(BadRequest, match=r"^the body is not strict JSON: .") as refused:
            read_object(raw, 10 if raw.endswith(b" ") else 1000)
        assert refused.value.param is None
    for raw in (b"[]", b"1", b"null", b'"{}"'):
        with pytest.raises(BadRequest, match=r"^the body is not a JSON object$"):
            read_object(raw, 10)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "wanted"),
    [
        (str, "x", 1, "a text"),
        (bool, False, 0, "true or false"),
        (list, [1], {}, "a list"),
        (dict, {"b": 1}, [], "an object"),
        (int, 0, False, "a whole number"),
    ],
)
def test_a_field_is_of_the_type_that_it_must_have(kind: type, good: Json, bad: Json, wanted: str) -> None:
    """Where it is there and not null; truth is no number."""
    assert field({"a": good}, "a", kind, "default") == good
    assert field({"a": None}, "a", kind, "default") == "default"
    assert field({}, "a", kind, "default") == "default"
    with pytest.raises(BadRequest) as refused:
        field({"a": bad}, "a", kind, "default")
    assert (str(refused.value), refused.value.param) == (f"`a` is not {wanted}", "a")


def test_a_list_of_objects_holds_nothing_else() -> None:
    """Not even null; an empty one where there is none."""
    assert objects({"a": [{}, {"b": 1}]}, "a") == [{}, {"b": 1}]
    assert objects({}, "a") == objects({"a": None}, "a") == []
    for value, why in (([{}, None], "`a` holds something that is not an object"), ([[]], "`a` holds something that is not an object")):
        with pytest.raises(BadRequest) as refused:
            objects({"a": value}, "a")
        assert (str(refused.value), refused.value.param) == (why, "a")
    with pytest.raises(BadRequest, match=r"^`a` is not a list$"):
        objects({"a": {}}, "a")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, "auto"),
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ("any", "required"),
        (function("f"), {"mode": "required", "required_function_name": "f"}),
        ({"type": "function", "name": "f"}, {"mode": "required", "required_function_name": "f"}),
        ({"type": "custom", "custom": {"name": "f"}}, {"mode": "required", "required_function_name": "f"}),
        ({"type": "custom", "name": "f"}, {"mode": "required", "required_function_name": "f"}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function("f"), {"type": "function", "name": "g"}]}},
            {"mode": "required", "allowed_tools": ["f", "g"]},
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, {"mode": "auto", "allowed_tools": []}),
        ({"type": "allowed_tools", "tools": [function("f")]}, {"mode": "auto", "allowed_tools": ["f"]}),
    ],
    ids=str,
)
def test_a_choice_of_tools_is_read(choice: Json, expected: Json) -> None:
    """A word, one function, or some of them, in the forms of both APIs."""
    assert chosen(choice) == expected


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ("sometimes", "`tool_choice` is the unknown word `sometimes`"),
        ("x" * 50, f"`tool_choice` is the unknown word `{'x' * 40}`"),
        ("", "`tool_choice` is the unknown word ``"),
        (5, "`tool_choice` is neither a word nor an object"),
        ([], "`tool_choice` is neither a word nor an object"),
        ({}, "`tool_choice` is of a type that is not known"),
        ({"type": "web_search"}, "`tool_choice` is of a type that is not known"),
        ({"type": "allowed_tools"}, SOUND),
        ({"type": "allowed_tools", "allowed_tools": []}, SOUND),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": []}}, SOUND),
        ({"type": "allowed_tools", "tools": {}}, SOUND),
        ({"type": "allowed_tools", "mode": None, "tools": []}, SOUND),
        ({"type": "allowed_tools", "tools": ["f"]}, NO_FUNCTION),
        ({"type": "allowed_tools", "tools": [{"type": "web_search", "name": "f"}]}, NO_FUNCTION),
        ({"type": "allowed_tools", "tools": [{"name": "f"}]}, NO_FUNCTION),
        ({"type": "function"}, NO_FUNCTION),
        ({"type": "function", "function": "f"}, NO_FUNCTION),
        ({"type": "function", "function": {}}, NO_FUNCTION),
        (function(5), NO_FUNCTION),
        (function(None), NO_FUNCTION),
    ],
    ids=str,
)
def test_a_choice_that_nobody_could_hold_a_model_to_is_refused(choice: Json, why: str) -> None:
    """With what is wrong, and the name of the field."""
    with pytest.raises(BadRequest) as refused:
        chosen(choice)
    assert (str(refused.value), refused.value.param) == (why, "tool_choice")


def read(stream: bytes, *sizes: int) -> tuple[list[Sse], bytes | None]:
    """The events of a stream that comes in pieces of these sizes, and what is left of it."""
    reader, found, place = SseReader(), list[Sse](), 0
    for size in sizes:
        found += reader.feed(stream[place : place + size])
        place += size
    return found + reader.feed(stream[place:]), reader.leftover()


@pytest.mark.parametrize(
    ("stream", "events", "left"),
    [
        (b"data: a\n\n", [Sse(b"a")], None),
        (b"data:a\r\rdata:  b\r\n\r\n", [Sse(b"a"), Sse(b" b")], None),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [Sse(b"a")], None),
        (b"event: e\ndata: a\ndata\ndata: b\n\ndata: c\n\n", [Sse(b"a\n\nb", b"e"), Sse(b"c")], None),
        (b"event: e\n\ndata: c\n\n", [Sse(b"c")], None),
        (b": comment\n:\ndata: a\n\n", [COMMENT, COMMENT, Sse(b"a")], None),
        (b"id: 1\nretry: 5\nDATA: x\n data: y\ndata: a\n\n", [Sse(b"a")], None),
        (b"data: a\n\ndata: b", [Sse(b"a")], b"data: b"),
        (b"data: a\n\ndata: b\n", [Sse(b"a")], b"b"),
        (b"data: a\ndata: b\ndata: c", [], b"abdata: c"),
        (b"data: a\x0bb\x0cc\x1cd\xc2\x85e\n\n", [Sse(b"a\x0bb\x0cc\x1cd\xc2\x85e")], None),
        (b"data: a\r\ndata: bX\r\n\r\n", [Sse(b"a\nbX")], None),
        (b"data: a\r\rdata: b\r\r", [Sse(b"a"), Sse(b"b")], None),
        (b"data: a\rdata: b\n\ndata: c\n\n", [Sse(b"a\nb"), Sse(b"c")], None),
        (b"data: a\ndata: b\n", [], b"a\nb"),
        (b"", [], None),
        (b"\n\n\r\n", [], None),
    ],
)
def test_a_stream_says_the_same_however_it_is_cut(stream: bytes, events: list[Sse], left: bytes | None) -> None:
    """Lines end in LF, CR or CRLF, and in nothing else."""
    assert read(stream) == (events, left)
    assert read(stream, *[1] * len(stream)) == (events, left)
    for place in range(len(stream)):
        for size in range(len(stream) - place):
            assert read(stream, place, size) == (events, left)


@pytest.mark.parametrize("part", [b"data: ", b"data: x\n", b":\n", b"\n"])
def test_an_event_has_a_greatest_length(part: bytes) -> None:
    """However it comes; what ended is no longer counted, and what was begun is."""
    reader = SseReader()
    assert reader.feed(b"data:" + b"x" * (MAX_EVENT - 7) + b"\n\n")
    reader.feed(b"data: " + b"x" * 100 + b"\n\n" + part)
    kept = len(part) if part == b"data: " else len(part) - 7 if part == b"data: x\n" else 0
    reader.feed(b"y" * (MAX_EVENT - kept))
    with pytest.raises(Broken, match=rf"^an event of the stream is longer than {MAX_EVENT} bytes$"):
        reader.feed(b"y")


@given(st.text("ab\n\r\u2028\u2029\x85 :", max_size=20), st.sampled_from([b"", b"name"]))
def test_what_is_written_is_read_as_one_event(data: str, name: bytes) -> None:
    """Whatever it holds; characters that some clients take for ends of lines are escaped."""
    escaped = data.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085").encode()
    assert SseReader().feed(write(data.encode(), name)) == [Sse(b"\n".join(escaped.splitlines()), name)]


def test_an_event_as_it_goes_out() -> None:
    """Its name before its data, and line feeds alone."""
    assert write(b"{}") == b"data: {}\n\n"
    assert write(b"{}", b"e") == b"event: e\ndata: {}\n\n"
    assert write(b"a\rb\r\nc\nd") == b"data: a\ndata: b\ndata: c\ndata: d\n\n"
    assert write("\u2028\u2029\x85".encode(), b"e") == b"event: e\ndata: \\u2028\\u2029\\u0085\n\n"
    assert write("…\u0080".encode()) == "data: …\u0080\n\n".encode()


def asked(tools: tuple[str, ...], *called: Json) -> Asked:
    """A request with these tools and these calls in its past."""
    items: tuple[Item, ...] = (
        RunStarted(run_id="r"),
        *(Proposed(ToolCall(f"c{place}", name, "{}"), place) for place, name in enumerate(called)),
    )
    return Asked(body={}, raw=b"", model="m", stream=False, items=items, tools=tuple(function(name) for name in tools), tool_choice="auto")


def test_tools_of_the_past_that_are_not_offered_now() -> None:
    """By their names, in order, with anything for arguments."""
    anything: Json = {"type": "object", "additionalProperties": True}
    assert no_longer_offered(asked(("a",), "b", "a", "c", "b", 5)) == (
        {"type": "function", "function": {"name": "b", "parameters": anything}},
        {"type": "function", "function": {"name": "c", "parameters": anything}},
    )
    assert no_longer_offered(asked(("a",))) == ()
