"""Streamed answers of the Responses API, event by event: what goes out when, what is held, what is a doubt, and what is no stream."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from agentgate.core.events import Json, ToolCall
from agentgate.gateway import responses
from agentgate.gateway.chat_stream import DONE, KEEP_ALIVE, MAX_STREAM
from agentgate.gateway.responses_stream import ResponsesStream
from agentgate.gateway.shapes import Answer, Asked, Broken
from agentgate.gateway.sse import SseReader, write

ASKED = Asked(body={}, raw=b"", model="m", stream=True, items=(), tools=(), tool_choice="auto")
CALL = {"type": "function_call", "id": "i", "call_id": "a", "name": "f", "arguments": "{}", "status": "completed"}
FREE = {"type": "custom_tool_call", "id": "j", "call_id": "b", "name": "c", "input": "free", "status": "completed"}
MESSAGE = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "t"}]}


def of(kind: str, **more: Json) -> dict[str, Json]:
    """An event."""
    return {"type": f"response.{kind}", **more}


def text(word: Json = "t", **more: Json) -> dict[str, Json]:
    """A piece of text."""
    return of("output_text.delta", item_id="m", output_index=0, content_index=0, delta=word, **more)


def item(made: Json, place: Json = 0, done: bool = False) -> dict[str, Json]:
    """The beginning or the end of an item."""
    return of(f"output_item.{'done' if done else 'added'}", output_index=place, item=made)


def last(*output: Json, kind: str = "completed", **more: Json) -> dict[str, Json]:
    """The last event, with the whole answer."""
    return of(kind, response={"id": "x", "status": "completed", "output": list(output), **more})


CREATED = of("created", response={"id": "x", "output": []})


class Seen(NamedTuple):
    """What became of a stream."""

    at_once: list[Json]
    """What went out for each event: None for nothing."""
    answer: Answer
    released: list[Json]
    untouched: list[Json]


def events(data: bytes) -> list[Json]:
    """The events in some bytes; the end as a word. Their names are their types."""
    assert not data or data.endswith(b"\n\n")
    found: list[Json] = []
    for one in SseReader().feed(data):
        found.append("done" if one.data == DONE else json.loads(one.data or b"null"))
        assert one.data == DONE or one.name == found[-1]["type"].encode()
    return found


def sent(said: Json) -> bytes:
    """An event as it comes."""
    return write(json.dumps(said).encode(), said["type"].encode())


def read(*said: Json, hold: bool = False) -> Seen:
    """A stream of these events."""
    streams = [responses.open_stream(ASKED, hold=hold) for _ in range(2)]
    at_once: list[Json] = []
    for one in said:
        gone = [stream.feed(sent(one)) for stream in streams]
        at_once.append(events(gone[0]) if gone[0] else None)
    answers = [stream.end() for stream in streams]
    return Seen(at_once, answers[0], events(streams[0].released()), events(streams[1].untouched()))


def numbered(first: int, *said: Json) -> list[Json]:
    """Events as they go out, with their numbers."""
    return [{**one, "sequence_number": number} for number, one in enumerate(said, first)]


def test_text_goes_out_at_once() -> None:
    """What says nothing to a reader waits for it; all events are numbered anew."""
    added, whole = item({**MESSAGE, "content": []}), last(MESSAGE)
    seen = read(CREATED, added, text("t", sequence_number=7, odd=1), of("output_text.done", text="t"), item(MESSAGE, done=True), whole)
    assert seen.at_once == [
        None,
        None,
        numbered(0, CREATED, added, text("t")),
        numbered(3, of("output_text.done", text="t")),
        numbered(4, item(MESSAGE, done=True)),
        None,
    ]
    assert seen.released == numbered(5, whole)
    assert seen.untouched == [whole]
    assert (seen.answer.finish_reason, seen.answer.unusable) == ("stop", None)


def test_with_hold_nothing_goes_out_before_the_end() -> None:
    """Not even text."""
    said = [CREATED, text(), last(MESSAGE)]
    seen = read(*said, hold=True)
    assert seen.at_once == [None] * 3
    assert seen.released == numbered(0, *said)
    assert seen.untouched == said


def test_calls_go_out_as_fresh_events_in_their_places() -> None:
    """With the arguments in one piece; what comes behind a call waits for it."""
    begun = {**CALL, "arguments": "", "status": "in_progress"}
    said = [
        item(begun, 0),
        of("function_call_arguments.delta", output_index=0, delta="{"),
        of("function_call_arguments.done", output_index=0, arguments="{}"),
        item(CALL, 0, done=True),
        text("u"),
        item(FREE, 2),
        of("custom_tool_call_input.delta", output_index=2, delta="free"),
        of("custom_tool_call_input.done", output_index=2, input="free"),
        last(CALL, MESSAGE, FREE),
    ]
    seen = read(*said)
    assert seen.at_once == [None] * len(said)
    about, other = {"item_id": "i", "output_index": 0}, {"item_id": "j", "output_index": 2}
    assert seen.released == numbered(
        0,
        item(begun, 0),
        of("function_call_arguments.delta", **about, delta="{}"),
        of("function_call_arguments.done", **about, arguments="{}", name="f"),
        item(CALL, 0, done=True),
        text("u"),
        item({**FREE, "input": "", "status": "in_progress"}, 2),
        of("custom_tool_call_input.delta", **other, delta="free"),
        of("custom_tool_call_input.done", **other, input="free"),
        item(FREE, 2, done=True),
        last(CALL, MESSAGE, FREE),
    )
    assert seen.untouched == said
    assert seen.answer.calls == (ToolCall("a", "f", "{}"), ToolCall("b", "c", '{"input": "free"}'))
    assert seen.answer.unusable is None


def test_calls_of_the_last_event_alone_go_out_before_it() -> None:
    """Some servers stream none."""
    seen = read(text(), last(MESSAGE, CALL))
    assert [one["type"] for one in seen.released] == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert seen.released[0]["output_index"] == 1
    assert [one.get("output_index") for one in read(last(CALL, FREE)).released] == [0] * 4 + [1] * 4 + [None]
    assert seen.answer.unusable is None


def test_text_after_a_call_waits() -> None:
    """So that the order stays."""
    seen = read(text(), item(CALL, 1), text("u"), last(MESSAGE, CALL))
    assert seen.at_once == [numbered(0, text()), None, None, None]
    assert seen.released[-2:] == numbered(5, text("u"), last(MESSAGE, CALL))


def test_an_end_in_a_word_goes_out_too() -> None:
    """Where it came."""
    stream = responses.open_stream(ASKED, hold=False)
    stream.feed(sent(last(MESSAGE)) + write(b" [DONE] "))
    assert stream.end().unusable is None
    assert events(stream.released()) == [*numbered(0, last(MESSAGE)), "done"]
    for rest in (b"data: [DONE]", b"data:[DONE]\n"):
        begun = responses.open_stream(ASKED, hold=False)
        begun.feed(sent(last(MESSAGE)) + rest)
        assert begun.end().unusable is None


def test_comments_keep_the_connection_once_something_went_out() -> None:
    """Not before; they are our own."""
    stream = responses.open_stream(ASKED, hold=False)
    assert (stream.started, stream.feed(b": wait\n\n")) == (False, b"")
    assert stream.feed(sent(text()))
    assert (stream.started, stream.feed(b": wait\n\n")) == (True, KEEP_ALIVE)
    other = responses.open_stream(ASKED, hold=False)
    other.untouched()
    assert other.started
    third = responses.open_stream(ASKED, hold=False)
    third.feed(sent(last(MESSAGE)))
    third.end()
    third.released()
    assert third.started


NOT_EMPTY = "the stream begins with an answer that is not empty"
MORE = "a text of the stream has more than text"
AUDIO = "the stream has an event of the type `response.audio.delta`, which is not understood"
SEARCH = "the answer has an item of the type `web_search_call`, which is not understood"
BEFORE = "a part of a call comes before the call"
OTHERS = "the calls of the stream are not those of its last event"


@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ([CREATED, of("in_progress", response={"output": []}), of("queued", response={}), last(MESSAGE)], None),
        ([of("created", response={"output": [1]}), last(MESSAGE)], NOT_EMPTY),
        ([of("created", response={"choices": [1]}), last(MESSAGE)], NOT_EMPTY),
        ([of("created", response=5), last(MESSAGE)], NOT_EMPTY),
        ([of("created"), last(MESSAGE)], NOT_EMPTY),
        ([of("created", response={"my_calls": [1]}), last(MESSAGE)], "the answer has a field that is not known, `my_calls`"),
        ([of("created", response={"tools": [{"type": "function"}], "tool_choice": {"type": "x"}}), last(MESSAGE)], None),
        ([of("audio.delta", delta="x"), last(MESSAGE)], AUDIO),
        ([text(5), last(MESSAGE)], "a text of the stream is not text"),
        ([text(text=5), last(MESSAGE)], "a text of the stream is not text"),
        ([text(refusal=5), last(MESSAGE)], "a text of the stream is not text"),
        ([of("output_text.delta", item_id=[1], delta="t"), last(MESSAGE)], MORE),
        ([of("output_text.delta", output_index={}, delta="t"), last(MESSAGE)], MORE),
        ([text(obfuscation=[1]), last(MESSAGE)], MORE),
        ([text(obfuscation="x"), last(MESSAGE)], None),
        ([text(response=1), last(MESSAGE)], MORE),
        ([text(item=None), last(MESSAGE)], MORE),
        ([text(annotation={"tool_call": "x"}), last(MESSAGE)], "the answer has a field that is not known, `tool_call`"),
        ([text(logprobs=[{"token": "x"}]), last(MESSAGE)], None),
        ([of("content_part.added", part={"type": "output_text", "text": ""}), last(MESSAGE)], None),
        ([of("content_part.added", part={"type": "odd"}), last(MESSAGE)], "the answer has a part that is not understood"),
        ([item(CALL, None), last(CALL)], "an item of the stream has no sound place"),
        ([item(CALL, -1), last(CALL)], "an item of the stream has no sound place"),
        ([item(CALL, True), last(CALL)], "an item of the stream has no sound place"),
        ([item(5), last(MESSAGE)], "the answer has an item of the type `missing`, which is not understood"),
        ([item({"type": "web_search_call"}), last(MESSAGE)], SEARCH),
        ([item({**MESSAGE, "my_call": [1]}), last(MESSAGE)], "the answer has a field that is not known, `my_call`"),
        ([item({"type": "reasoning", "summary": []}), last(MESSAGE)], None),
        ([of("function_call_arguments.delta", output_index=0, delta="{"), last(CALL)], BEFORE),
        ([item(CALL), of("function_call_arguments.delta", output_index=1, delta="{"), last(CALL)], BEFORE),
        ([item(CALL), of("function_call_arguments.delta", output_index="0", delta="{"), last(CALL)], BEFORE),
        ([item(CALL), last(CALL)], None),
        ([item(CALL), last(MESSAGE)], OTHERS),
        ([item(CALL), last(CALL, FREE)], OTHERS),
        ([item(CALL, 1), last(CALL)], OTHERS),
        *[([item({**CALL, key: "other"}), last(CALL)], OTHERS) for key in ("call_id", "name", "arguments")],
        ([item({**FREE, "input": "other"}), last(FREE)], OTHERS),
        ([item({**CALL, "type": "custom_tool_call"}), last(CALL)], OTHERS),
        ([text("t" * 2**21), last(MESSAGE)], None),
        ([item({**CALL, "id": "other", "status": "x"}), last(CALL)], None),
        ([last(MESSAGE), text()], "the stream goes on after its end"),
        ([last(CALL, status="failed")], "the answer's status is `failed`, not `completed`"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_doubtful_in_a_stream(said: list[Json], doubt: str | None) -> None:
    """The first of it is told; from then on nothing goes out, and all of it is there in observe mode."""
    seen = read(*said)
    assert seen.answer.unusable == doubt
    if doubt is not None and all(one is None for one in seen.at_once):
        assert seen.untouched == said


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
def test_a_stream_ends_in_several_ways(kind: str) -> None:
    """Each holds the whole answer."""
    assert read(last(MESSAGE, kind=kind)).released == numbered(0, last(MESSAGE, kind=kind))


def test_what_comes_after_the_end_is_doubtful() -> None:
    """Also where the end was a word."""
    stream = responses.open_stream(ASKED, hold=False)
    assert stream.feed(write(DONE)) == stream.feed(sent(last(MESSAGE))) == b""
    assert stream.end().unusable == "the stream goes on after its end"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the stream was cut off before its end"),
        (sent(text()), "the stream was cut off before its end"),
        (sent(last(MESSAGE)) + b"data: x", "the stream was cut off inside an event"),
        (write(b"{"), "an event of the stream is not strict JSON: EOF while parsing an object at line 1 column 1"),
        (write(b"[]"), "an event of the stream has no type"),
        (write(b'{"type": 5}'), "an event of the stream has no type"),
        (write(b'{"error": {"message": "no money"}}'), "the upstream reports an error: no money"),
        (write(b'{"type": "error", "message": "no money"}'), "the upstream reports an error: no money"),
        (sent(of("completed")), "the answer has no output"),
    ],
)
def test_what_is_no_stream(data: bytes, why: str) -> None:
    """Nothing more of it is read."""
    stream = responses.open_stream(ASKED, hold=False)
    stream.feed(data)
    with pytest.raises(Broken) as broken:
        stream.end()
    assert str(broken.value) == why
    if stream.broken is not None:
        assert stream.feed(sent(text())) == b""


def test_a_stream_has_a_greatest_length() -> None:
    """However it comes."""
    stream, most = responses.open_stream(ASKED, hold=False), b":" * (2**20 - 1) + b"\n"
    for _ in range(MAX_STREAM // 2**20):
        stream.feed(most)
    assert stream.broken is None
    stream.feed(b"\n")
    assert str(stream.broken) == f"the stream is longer than {MAX_STREAM} bytes"


def test_a_stream_holds_nothing_by_default() -> None:
    """Text goes out."""
    held = responses.open_stream(ASKED, hold=True)
    assert ResponsesStream(held._read_final).feed(sent(text()))
