"""A streamed answer of the Responses API. Text passes at once; from the first call on everything waits for the end, to keep its order.

What is judged, and what goes out, are the calls of the last event, which holds the whole answer. Those that were streamed before it must be
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json, ToolCall
from agentgate.gateway.chat_stream import DONE, KEEP_ALIVE, MAX_STREAM
from agentgate.gateway.shapes import Answer, Broken
from agentgate.gateway.sse import Sse, SseReader, write
from agentgate.models.replies import Doubts, error_text, look_for_other_calls, present, quoted

_QUIET = frozenset(("response.created", "response.in_progress", "response.queued"))
"""What says nothing to a reader yet."""
_LAST = frozenset(("response.completed", "response.incomplete", "response.failed"))
_TEXT = frozenset(
    f"response.{name}"
    for name in (
        "output_text.delta",
        "output_text.done",
        "output_text.annotation.added",
        "refusal.delta",
        "refusal.done",
        "reasoning_text.delta",
        "reasoning_text.done",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.added",
        "reasoning_summary_part.done",
        "content_part.added",
        "content_part.done",
    )
)
_OF_CALLS = frozenset(
    (
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
    )
)
_ITEMS = ("response.output_item.added", "response.output_item.done")
_CALLS = ("function_call", "custom_tool_call")
_PLAIN_ITEMS = ("message", "reasoning")
_PLAIN_PARTS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text", "summary_text": "text"}
"""Kinds of parts → the field with their text."""
_NUMBERS = ("item_id", "output_index", "content_index", "summary_index", "annotation_index")
_WORDS = ("delta", "text", "refusal")
_BESIDE = ("annotation", "logprobs")
"""What else stands beside a text."""
_REPEATED = ("tools", "tool_choice", "parallel_tool_calls", "max_tool_calls", "metadata", "instructions", "prompt")
"""What a response repeats of its request."""
_OF_TEXT = (*_NUMBERS, *_WORDS, "part", *_BESIDE, "obfuscation")
_OF_ITEM = ("output_index", "item")
"""What of an event goes out before the end. Whatever else it holds, nobody needs to read."""


class Final(Protocol):
    """A whole response, taken apart."""

    answer: Answer
    body: dict[str, Json]
    calls: list[tuple[int, ToolCall, dict[str, Json]]]


class ResponsesStream:
    """See `Stream`."""

    def __init__(self, final: Callable[[Json, Doubts], Final], *, hold: bool = False) -> None:
        """Begins it.

        Args:
            final: reads the whole response at the end.
            hold: whether even text waits for the end.
        """
        self.started = False
        self.broken: Broken | None = None
        self._read_final = final
        self._hold = hold
        self._reader = SseReader()
        self._doubts = Doubts()
        self._size = 0
        self._sequence = 0
        """The number of the next event that goes out. Held events come later than they came in, so all are numbered anew."""
        self._held: list[dict[str, Json] | int] = []
        """Events that wait; a number stands for the call at that place of the output."""
        self._raw: list[Sse] = []
        """All that has not gone out, as it came."""
        self._streamed: dict[int, dict[str, Json]] = {}
        """Place in the output → the call as it was streamed."""
        self._last: dict[str, Json] | None = None
        self._final: Final | None = None
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """See `Stream.feed`."""
        if self.broken is not None:
            return b""
        out: list[bytes] = []
        try:
            self._size += len(data)
            if self._size > MAX_STREAM:
                raise Broken(f"the stream is longer than {MAX_STREAM} bytes")
            out.extend(self._take(event) for event in self._reader.feed(data))
        except Broken as error:
            self.broken = error
        return b"".join(out)

    def end(self) -> Answer:
        """See `Stream.end`."""
        if self.broken is not None:
            raise self.broken
        rest = self._reader.leftover()
        if rest is not None and rest.strip().removeprefix(b"data:").strip() != DONE:
            raise Broken("the stream was cut off inside an event")
        if self._last is None:
            raise Broken("the stream was cut off before its end")
        self._final = self._read_final(self._last.get("response"), self._doubts)
        calls = {place: item for place, _, item in self._final.calls}
        if self._streamed and {place: _identity(item) for place, item in calls.items()} != {
            place: _identity(item) for place, item in self._streamed.items()
        }:
            self._doubts.add("the calls of the stream are not those of its last event")
        return msgspec.structs.replace(self._final.answer, unusable=self._doubts.first)

    def released(self) -> bytes:
        """See `Stream.released`."""
        assert self._final is not None
        assert self._last is not None
        self.started = True
        calls = {place: item for place, _, item in self._final.calls}
        out: list[bytes] = []
        for held in self._held:
            if not isinstance(held, int):
                out.append(self._write(held))
            elif held in calls:
                out += [self._write(event) for event in _written(held, calls.pop(held))]
        for place, item in calls.items():
            out += [self._write(event) for event in _written(place, item)]
        out.append(self._write({"type": self._last["type"], "response": self._final.body}))
        return b"".join(out) + (write(DONE) if self._done else b"")

    def untouched(self) -> bytes:
        """See `Stream.untouched`."""
        self.started = True
        return b"".join([write(event.data, event.name) for event in self._raw if event.data is not None])

    def _take(self, event: Sse) -> bytes:
        if event.data is None:
            return KEEP_ALIVE if self.started else b""
        if event.data.strip() == DONE:
            self._done = True
            return b""
        said = _event(event.data)
        if self._last is not None or self._done:
            self._doubts.add("the stream goes on after its end")
        kind = said["type"]
        says = self._look(kind, said)
        if kind not in _LAST:
            said = {key: said[key] for key in ("type", *_keys(kind)) if key in said}
        if self._doubts.first is not None or self._last is not None:
            self._raw.append(event)
            return b""
        if (says or self.started) and not self._hold and not self._streamed:
            sent = b"".join([self._write(held) for held in self._held if not isinstance(held, int)]) + self._write(said)
            self._held, self._raw = [], []
            self.started = True
            return sent
        self._raw.append(event)
        if kind not in _OF_CALLS and not self._is_call(said):
            self._held.append(said)
        return b""

    def _look(self, kind: str, said: dict[str, Json]) -> bool:
        """Takes note of an event; whether it says something to a reader."""
        if kind in _LAST:
            self._last = said
        elif kind in _TEXT:
            self._look_at_text(said)
            return present(said.get("delta"))
        elif kind in _ITEMS:
            self._look_at_item(said)
        elif kind in _OF_CALLS:
            place = said.get("output_index")
            if type(place) is not int or place not in self._streamed:
                self._doubts.add("a part of a call comes before the call")
        elif kind not in _QUIET:
            self._doubts.add(f"the stream has an event of the type {quoted(kind)}, which is not understood")
        else:
            begun = said.get("response")
            if not isinstance(begun, Mapping) or present(begun.get("output")) or present(begun.get("choices")):
                self._doubts.add("the stream begins with an answer that is not empty")
            else:
                look_at_response(begun, self._doubts)
        return False

    def _look_at_text(self, said: Mapping[str, Json]) -> None:
        if not all(isinstance(said.get(key), str | None) for key in _WORDS):
            self._doubts.add("a text of the stream is not text")
        if any(type(said.get(key)) in (dict, list) for key in (*_NUMBERS, "obfuscation")) or any(
            key in said for key in ("response", "item")
        ):
            self._doubts.add("a text of the stream has more than text")
        look_for_other_calls({key: said[key] for key in _BESIDE if key in said}, self._doubts)
        part = said.get("part")
        if part is not None:
            look_at_parts([part], self._doubts)

    def _look_at_item(self, said: dict[str, Json]) -> None:
        item, place = said.get("item"), said.get("output_index")
        name = item.get("type") if isinstance(item, Mapping) else None
        if type(place) is not int or place < 0:
            self._doubts.add("an item of the stream has no sound place")
        elif name in _CALLS:
            if place not in self._streamed:
                self._held.append(place)
            self._streamed[place] = dict(item or {})
        elif name in _PLAIN_ITEMS:
            look_at_plain_item(item or {}, self._doubts)
        else:
            self._doubts.add(f"the answer has an item of the type {quoted(name)}, which is not understood")

    def _is_call(self, said: dict[str, Json]) -> bool:
        return said["type"] in _ITEMS and said["item"].get("type") in _CALLS

    def _write(self, said: dict[str, Json]) -> bytes:
        data = msgspec.json.encode({**said, "sequence_number": self._sequence})
        self._sequence += 1
        return write(data, said["type"].encode())


def _keys(kind: str) -> tuple[str, ...]:
    """What an event of this kind is made of."""
    if kind in _TEXT:
        return _OF_TEXT
    return _OF_ITEM if kind in _ITEMS else ("response",)


def look_at_response(body: Mapping[str, Json], doubts: Doubts) -> None:
    """Whether a response holds anything beside its output that may be a call."""
    look_for_other_calls(body, doubts, known=("output", *_REPEATED))


def look_at_plain_item(item: Mapping[str, Json], doubts: Doubts) -> None:
    """Whether a message or a reasoning item is that and nothing else."""
    look_for_other_calls(item, doubts)
    for key in ("content", "summary"):
        parts = item.get(key)
        if isinstance(parts, list):
            look_at_parts(parts, doubts)
        elif parts is not None:
            doubts.add(f"the `{key}` of an item is not a list")


def look_at_parts(parts: Sequence[Json], doubts: Doubts) -> None:
    """Whether parts of an item are texts."""
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        text = _PLAIN_PARTS.get(kind) if isinstance(kind, str) else None
        if text is None or not isinstance(part.get(text), str):
            doubts.add("the answer has a part that is not understood")
        else:
            look_for_other_calls(part, doubts)


def _written(place: int, item: dict[str, Json]) -> list[dict[str, Json]]:
    """A call as the fresh events that a client puts it together from."""
    text, kind = ("arguments", "function_call_arguments") if item["type"] == "function_call" else ("input", "custom_tool_call_input")
    begun = {**item, text: "", "status": "in_progress"}
    about = {"item_id": item.get("id"), "output_index": place}
    return [
        {"type": _ITEMS[0], "output_index": place, "item": begun},
        {"type": f"response.{kind}.delta", **about, "delta": item.get(text)},
        {"type": f"response.{kind}.done", **about, text: item.get(text), **({"name": item.get("name")} if text == "arguments" else {})},
        {"type": _ITEMS[1], "output_index": place, "item": item},
    ]


def _identity(item: Mapping[str, Json]) -> tuple[Json, ...]:
    """What makes two items the same call."""
    return tuple(item.get(key) for key in ("type", "call_id", "name", "arguments", "input"))


def _event(data: bytes) -> dict[str, Json]:
    try:
        said = parse_json(data, limit=MAX_STREAM)
    except InvalidJson as error:
        raise Broken(f"an event of the stream is not strict JSON: {error}") from None
    if not isinstance(said, dict) or not isinstance(said.get("type"), str):
        if isinstance(said, dict) and present(said.get("error")):
            raise Broken(f"the upstream reports an error: {error_text(said)}")
        raise Broken("an event of the stream has no type")
    if said["type"] == "error":
        raise Broken(f"the upstream reports an error: {error_text(said)}")
    return said
