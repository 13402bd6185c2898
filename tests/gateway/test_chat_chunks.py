"""Streamed answers of Chat Completions, chunk by chunk: what goes out when, what is held, what is a doubt, and what is no stream."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from agentgate.core.events import Json, ToolCall, Usage
from agentgate.core.state import CUT_OFF
from agentgate.gateway.chat_stream import DONE, KEEP_ALIVE, MAX_CALLS, MAX_STREAM, ChatStream
from agentgate.gateway.shapes import Answer, Broken
from agentgate.gateway.sse import SseReader, write

HEAD = {"id": "x", "model": "m-1", "created": 5, "system_fingerprint": "p", "service_tier": "t"}
CHUNK = "chat.completion.chunk"


def delta(index: Json = 0, finish: Json = None, /, **said: Json) -> dict[str, Json]:
    """A chunk with one choice."""
    return {**HEAD, "choices": [{"index": index, "delta": said, "finish_reason": finish}]}


def part(index: Json = 0, **more: Json) -> dict[str, Json]:
    """A chunk with a part of a call."""
    return delta(tool_calls=[{"index": index, **more}])


def named(name: Json = "f", arguments: Json = "", **more: Json) -> dict[str, Json]:
    """The beginning of a call of a function."""
    return part(id="a", type="function", function={"name": name, "arguments": arguments}, **more)


def old(**said: Json) -> dict[str, Json]:
    """A part of a call in the old form."""
    return delta(function_call=said)


END = delta(0, "tool_calls")
STOP = delta(0, "stop")
TEXT = delta(role="assistant", content="t")


class Seen(NamedTuple):
    """What became of a stream."""

    at_once: list[Json]
    """What went out for each chunk: None for nothing."""
    answer: Answer
    released: list[Json]
    untouched: list[Json]


def events(data: bytes) -> list[Json]:
    """The chunks in some bytes; the end as a word."""
    assert not data or data.endswith(b"\n\n")
    return ["done" if one.data == DONE else json.loads(one.data or b"null") for one in SseReader().feed(data)]


def read(*chunks: Json, hold: bool = False, keep_usage: bool = True, legacy: int = 0, done: bool = True) -> Seen:
    """A stream of these chunks."""
    streams = [ChatStream(hold=hold, keep_usage=keep_usage, legacy=legacy) for _ in range(2)]
    at_once: list[Json] = []
    for chunk in chunks:
        sent = [stream.feed(write(chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode())) for stream in streams]
        at_once.append(events(sent[0]) if sent[0] else None)
    if done:
        assert [stream.feed(write(DONE)) for stream in streams] == [b"", b""]
    answers = [stream.end() for stream in streams]
    return Seen(at_once, answers[0], events(streams[0].released()), events(streams[1].untouched()))


def call(number: int = 0, id: Json = "a", arguments: str = "{}", name: str = "f") -> dict[str, Json]:
    """A call as it goes out: one fresh chunk."""
    function = {"name": name, "arguments": arguments}
    made = {"tool_calls": [{"index": number, "id": id, "type": "function", "function": function}]}
    return {**HEAD, "object": CHUNK, "choices": [{"index": 0, "delta": made, "finish_reason": None}]}


def test_text_goes_out_at_once() -> None:
    """Byte for byte; only what says nothing waits for the next that does."""
    role = delta(role="assistant")
    seen = read(role, delta(content="t"), delta(content="u"), STOP)
    assert seen.at_once == [None, [role, delta(content="t")], [delta(content="u")], None]
    assert seen.released == seen.untouched == [STOP, "done"]
    assert seen.answer == Answer(finish_reason="stop", id="x", model="m-1")


def test_with_hold_nothing_goes_out_before_the_end() -> None:
    """Not even text."""
    seen = read(TEXT, STOP, hold=True)
    assert seen.at_once == [None, None]
    assert seen.released == seen.untouched == [TEXT, STOP, "done"]


def test_a_call_goes_out_as_one_fresh_chunk() -> None:
    """After all text, with what the first chunk says about the answer; the end comes after it."""
    chunks = [TEXT, named(), part(function={"arguments": "{"}), part(function={"arguments": "}"}), delta(content="u"), END]
    seen = read(*chunks)
    assert seen.at_once == [[TEXT], None, None, None, [delta(content="u")], None]
    assert seen.released == [call(), END, "done"]
    assert seen.untouched == [*chunks[1:4], END, "done"]
    assert seen.answer.calls == (ToolCall("a", "f", "{}"),)


def test_calls_of_every_form_in_their_order() -> None:
    """By choice and number, the old form last; the old form is numbered, a custom call has one argument."""
    seen = read(
        delta(tool_calls=[{"index": 5, "id": "b", "type": "custom", "custom": {"name": "c", "input": "fr"}}]),
        delta(tool_calls=[{"index": 5, "custom": {"input": "ee"}}, {"index": 2, "id": "a", "function": {"name": "f"}}]),
        old(name="o", arguments="["),
        old(arguments="]"),
        delta(1, None, function_call={"name": "p"}),
        END,
        delta(1, "function_call"),
        legacy=3,
    )
    assert seen.answer.calls == (
        ToolCall("a", "f", ""),
        ToolCall("b", "c", '{"input": "free"}'),
        ToolCall("legacy_3", "o", "[]"),
        ToolCall("legacy_4", "p", ""),
    )
    made = [chunk["choices"][0] for chunk in seen.released[:-3]]
    function = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    custom = {"index": 1, "id": "b", "type": "custom", "custom": {"name": "c", "input": "free"}}
    assert made == [
        {"index": 0, "delta": {"tool_calls": [function]}, "finish_reason": None},
        {"index": 0, "delta": {"tool_calls": [custom]}, "finish_reason": None},
        {"index": 0, "delta": {"function_call": {"name": "o", "arguments": "[]"}}, "finish_reason": None},
        {"index": 1, "delta": {"function_call": {"name": "p", "arguments": ""}}, "finish_reason": None},
    ]
    assert seen.released[-3:] == [END, delta(1, "function_call"), "done"]
    assert seen.answer.unusable is None


def test_a_chunk_with_text_and_a_part_of_a_call_is_divided() -> None:
    """The text goes out without what spells the call; in observe mode the part comes later."""
    piece = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}
    both = {**HEAD, "choices": [{"index": 0, "delta": {"content": "t", **piece}, "logprobs": {"x": 1}}]}
    alone = delta(**piece)
    seen = read(both, END)
    assert seen.at_once == [[delta(content="t")], None]
    assert seen.released == [call(arguments=""), END, "done"]
    assert seen.untouched == [alone, END, "done"]
    more = {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}
    assert read(both, delta(content="u", **more), END).untouched == [alone, delta(**more), END, "done"]
    beside: Json = {"index": 1, "delta": {"content": "u"}, "logprobs": {"y": 2}, "finish_reason": None}
    first: Json = {"index": 0, "delta": {"content": "t", **piece}}
    two = read({**HEAD, "choices": [first, beside]}, END, delta(1, "stop"))
    divided = {"index": 0, "delta": {"content": "t"}, "finish_reason": None}
    assert two.at_once[0] == [{**HEAD, "choices": [divided, beside]}]
    turned = read({**HEAD, "choices": [beside, first]}, END, delta(1, "stop"))
    assert turned.at_once[0] == [{**HEAD, "choices": [beside, divided]}]
    assert turned.answer.calls == two.answer.calls == (ToolCall("a", "f", ""),)


def test_what_holds_no_call_goes_out_byte_for_byte() -> None:
    """However it is written, and however long it is."""
    raw = json.dumps(delta(content="t" * 2**21), indent=1).encode().replace(b"\n", b"")
    assert ChatStream().feed(write(raw)) == write(raw)
    assert read({**HEAD, "choices": []}).answer.finish_reason is None


def test_a_chunk_that_ends_and_holds_a_call_is_divided() -> None:
    """Its end goes out after the call."""
    chunk = delta(0, "tool_calls", tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}])
    seen = read(chunk)
    assert seen.at_once == [None]
    assert seen.released == [call(), delta(0, "tool_calls"), "done"]
    assert seen.untouched == [chunk, "done"]


def test_a_text_at_the_end_of_a_call_waits() -> None:
    """It would come before the call else."""
    last = delta(0, "tool_calls", content="u")
    seen = read(named(arguments="{}"), last)
    assert seen.at_once == [None, None]
    assert seen.released == [call(), last, "done"]
    plain = delta(0, "stop", content="u")
    assert read(TEXT, plain).at_once == [[TEXT], [plain]]


@pytest.mark.parametrize("wanted", [True, False])
def test_usage_goes_out_where_it_is_wanted(wanted: bool) -> None:
    """It is known in any case."""
    usage = {**HEAD, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    seen = read(TEXT, STOP, usage, keep_usage=wanted)
    assert seen.released == ([STOP, usage, "done"] if wanted else [STOP, "done"])
    assert seen.untouched == [STOP, usage, "done"]
    assert seen.answer.usage == Usage(1, 2)
    empty = {**HEAD, "choices": [], "usage": None}
    assert read(TEXT, empty, STOP, keep_usage=wanted).released == [empty, STOP, "done"]


def test_comments_keep_the_connection_once_something_went_out() -> None:
    """Not before; they are our own."""
    stream = ChatStream()
    assert (stream.started, stream.feed(b": wait\n\n")) == (False, b"")
    assert stream.feed(write(json.dumps(TEXT).encode()))
    assert (stream.started, stream.feed(b": wait\n\n")) == (True, KEEP_ALIVE)
    for give in (ChatStream.released, ChatStream.untouched):
        begun = ChatStream()
        give(begun)
        assert begun.started


@pytest.mark.parametrize(
    ("chunks", "doubt"),
    [
        ([named(arguments="{}"), END], None),
        ([TEXT, delta(0, "length")], None),
        ([named(), delta(0, "length")], CUT_OFF["length"]),
        ([named(), delta(0, "odd")], "the answer ended for a reason that is not known, `odd`"),
        ([TEXT, END], "the answer announces tool calls and has none"),
        ([{**TEXT, "message": {"x": 1}}, STOP], "a chunk of the stream has a whole `message`"),
        ([{**TEXT, "output": [1]}, STOP], "a chunk of the stream has a whole `output`"),
        ([{**TEXT, "output": []}, STOP], None),
        ([{**TEXT, "my_calls": [1]}, STOP], "the answer has a field that is not known, `my_calls`"),
        ([{**HEAD, "choices": [{"index": 0, "message": {"x": 1}}]}, STOP], "a chunk of the stream has a whole `message`"),
        ([{**HEAD, "choices": [{"index": 0, "tool_use": 1}]}, STOP], "the answer has a field that is not known, `tool_use`"),
        ([delta(tool_use=1), STOP], "the answer has a field that is not known, `tool_use`"),
        ([delta(role="user"), STOP], "the answer's role is `user`, not `assistant`"),
        ([delta(role=""), STOP], None),
        ([delta(content=5), STOP], "the answer's `content` is not text"),
        ([delta(refusal=5), STOP], "the answer's `refusal` is not text"),
        ([delta(refusal="no"), STOP], None),
        ([named(), END, part(function={"arguments": "{}"})], "the stream goes on with a call after its choice has ended"),
        ([named(), END, delta(tool_calls=[], function_call={})], None),
        ([delta(tool_calls=5), STOP], "`tool_calls` is not a list"),
        ([delta(function_call=5), STOP], "`function_call` is not an object"),
        ([delta(tool_calls=[5]), STOP], "a tool call is not an object"),
        ([part(None), STOP], "a part of a call has no sound index"),
        ([part(-1), STOP], "a part of a call has no sound index"),
        ([part(MAX_CALLS), STOP], "a part of a call has no sound index"),
        ([part(True), STOP], "a part of a call has no sound index"),
        ([part(MAX_CALLS - 1, id="a", function={"name": "f"}), END], None),
        ([named(), part(type="shell"), END], "a tool call has the type `shell`, not `function`"),
        ([named(), part(type="custom"), END], "a tool call has the type `custom`, not `function`"),
        ([named(), part(type="", id=""), END], None),
        ([named(), part(id=5), END], "the id of a call is not text"),
        ([named(), part(id="b"), END], "the id of a call changes"),
        ([named(), part(id="a"), END], None),
        ([named(), part(custom={"input": "x"}), END], "a part of a call has no sound `custom`"),
        ([part(type="custom", custom={"name": "c"}), part(function={"name": "x"}), END], "a part of a call has no sound `function`"),
        ([part(function=5), END], "a part of a call has no sound `function`"),
        ([named(5), END], "a part of a call is not text"),
        ([named(arguments=5), END], "a part of a call is not text"),
        ([old(name=5), END], "a part of a call is not text"),
        ([named(arguments="{"), part(function={"name": "g"}), END], "the name of a call goes on after its arguments began"),
        ([named(), part(function={"name": "f"}), END], "the name of a call comes twice"),
        ([named(), part(function={"name": "g"}), END], None),
        ([named(), part(function={"name": "", "arguments": None}), END], None),
        ([TEXT, delta(0, 5)], "a finish reason is not text"),
        ([TEXT, STOP, delta(0, "length")], "the finish reason of a choice changes"),
        ([TEXT, STOP, STOP], None),
        ([TEXT, delta(0, ""), STOP], None),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_doubtful_in_a_stream(chunks: list[Json], doubt: str | None) -> None:
    """The first of it is told; from then on nothing goes out, and all of it is there in observe mode."""
    seen = read(*chunks)
    assert seen.answer.unusable == doubt
    if doubt is not None and all(chunk is None for chunk in seen.at_once):
        assert seen.untouched == [*chunks, "done"]


def test_names_in_pieces_are_put_together() -> None:
    """Before the arguments begin."""
    seen = read(named("f"), part(function={"name": "g", "arguments": "{}"}), END)
    assert seen.answer.calls == (ToolCall("a", "fg", "{}"),)
    assert read(part(id="a"), END).answer.calls == (ToolCall("a", None, ""),)


def test_a_stream_that_goes_on_after_its_end_is_doubtful() -> None:
    """Whatever it says."""
    stream = ChatStream()
    stream.feed(write(json.dumps(TEXT).encode()) + write(b" [DONE] ") + write(json.dumps(STOP).encode()))
    assert stream.end().unusable == "the stream goes on after its end"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the stream had no chunk at all"),
        (b"data: [DONE]\n\n", "the stream had no chunk at all"),
        (write(b"{"), "a chunk of the stream is not strict JSON: EOF while parsing an object at line 1 column 1"),
        (write(b"[]"), "a chunk of the stream is not an object"),
        (write(b'{"error": {"message": "no money"}}'), "the upstream reports an error: no money"),
        (write(b"{}"), "a chunk of the stream has no list of choices"),
        (write(b'{"choices": [5]}'), "a choice of the stream is not an object"),
        (write(b'{"choices": [{}]}'), "a choice of the stream has no sound index"),
        (write(b'{"choices": [{"index": 1000}]}'), "a choice of the stream has no sound index"),
        (write(b'{"choices": [{"index": -1}]}'), "a choice of the stream has no sound index"),
        (write(b'{"choices": [{"index": true}]}'), "a choice of the stream has no sound index"),
        (write(b'{"choices": [{"index": 0, "delta": 5}]}'), "a `delta` of the stream is not an object"),
        (write(json.dumps(TEXT).encode()), "the stream was cut off before its end"),
        (write(json.dumps(STOP).encode()) + b"data: x", "the stream was cut off inside an event"),
        (write(json.dumps(STOP).encode()) + write(b'{"choices": [], "usage": 5}'), "`usage` is not an object"),
    ],
)
def test_what_is_no_stream(data: bytes, why: str) -> None:
    """Nothing more of it is read."""
    stream = ChatStream()
    stream.feed(data)
    with pytest.raises(Broken) as broken:
        stream.end()
    assert str(broken.value) == why
    if stream.broken is not None:
        assert stream.feed(write(json.dumps(TEXT).encode())) == b""


@pytest.mark.parametrize("rest", [b"data: [DONE]", b"data:[DONE]\n", b"data: [DONE] \r\n"])
def test_the_end_need_not_be_ended(rest: bytes) -> None:
    """And where every choice has ended, it may be missing."""
    stream = ChatStream()
    stream.feed(write(json.dumps(TEXT).encode()) + rest)
    assert stream.end().unusable is None
    assert read(TEXT, STOP, done=False).answer.finish_reason == "stop"


def test_a_stream_has_a_greatest_length() -> None:
    """However it comes."""
    stream, most = ChatStream(), b":" * (2**20 - 1) + b"\n"
    for _ in range(MAX_STREAM // 2**20):
        stream.feed(most)
    assert stream.broken is None
    stream.feed(b"\n")
    assert str(stream.broken) == f"the stream is longer than {MAX_STREAM} bytes"


def test_a_stream_begins_with_text_kept_and_nothing_held() -> None:
    """By default, and calls in the old form are numbered from 0."""
    stream = ChatStream()
    assert stream.feed(write(json.dumps(TEXT).encode()))
    usage = {**HEAD, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    for chunk in (old(name="o"), delta(0, "function_call"), usage):
        stream.feed(write(json.dumps(chunk).encode()))
    assert stream.end().calls == (ToolCall("legacy_0", "o", ""),)
    assert events(stream.released())[-2] == usage
