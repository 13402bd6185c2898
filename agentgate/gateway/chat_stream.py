"""A streamed answer of Chat Completions. Text passes at once; everything that could be part of a call is held until the answer is whole."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json, ToolCall
from agentgate.gateway.calls import check_finish, custom_arguments, text_or_none, usage_of
from agentgate.gateway.shapes import Answer, Broken
from agentgate.gateway.sse import Sse, SseReader, write
from agentgate.models.replies import Doubts, error_text, look_for_other_calls, present, quoted

MAX_STREAM = 64 * 1024 * 1024
"""Bytes of one stream, at most."""

MAX_CALLS = 1000
"""Calls of one choice, at most."""

_CALLS = ("tool_calls", "function_call")
_TEXTS = (str, type(None))
_SILENT = ("role", *_CALLS)
"""What a delta can hold without saying anything to a reader."""

DONE = b"[DONE]"
KEEP_ALIVE = b": keep-alive\n\n"


class _Call(Struct):
    """A call, as far as it has come."""

    id: str | None = None
    kind: str = "function"
    name: str = ""
    pieces: list[str] = msgspec.field(default_factory=list)
    begun: bool = False
    """Whether arguments have come."""


class _Choice(Struct):
    """One choice, as far as it has come."""

    calls: dict[int, _Call] = msgspec.field(default_factory=dict)
    legacy: _Call | None = None
    finish: str | None = None

    @property
    def proposes(self) -> bool:
        return bool(self.calls) or self.legacy is not None


class ChatStream:
    """See `Stream`."""

    def __init__(self, *, hold: bool = False, keep_usage: bool = True, legacy: int = 0) -> None:
        """Begins it.

        Args:
            hold: whether even text waits for the end.
            keep_usage: whether the client wants to see the usage.
            legacy: how many calls without an id there were before.
        """
        self.started = False
        self.broken: Broken | None = None
        self._reader = SseReader()
        self._hold = hold
        self._keep_usage = keep_usage
        self._legacy = legacy
        self._doubts = Doubts()
        self._choices: dict[int, _Choice] = {}
        self._usage: Json = None
        self._size = 0
        self._done = False
        self._first: dict[str, Json] | None = None
        """The first chunk: what it says about the answer stands in the chunks that are made anew."""
        self._head: list[bytes] = []
        """What waits for the first text, or for the decision."""
        self._tail: list[bytes] = []
        """What comes after all calls: how the choices ended, and the usage."""
        self._left: list[dict[str, Json]] = []
        """Of chunks that went out without their parts of calls: those parts."""
        self._raw: list[tuple[bytes, dict[str, Json] | None]] = []
        """Chunks that have not gone out, as they came, and their parts of calls alone."""
        self._late: list[bytes] = []
        """The same for what ends choices, and for all that comes after a doubt."""
        self._order: list[tuple[int, _Choice]] = []

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
        if rest is not None and rest.strip().removeprefix(b"data:").strip() == DONE:
            self._done = True
        elif rest is not None:
            raise Broken("the stream was cut off inside an event")
        if self._first is None:
            raise Broken("the stream had no chunk at all")
        for choice in self._choices.values():
            self._check_end(choice)
        self._order = sorted(self._choices.items())
        calls = [call for _, choice in self._order for call in self._judged(choice)]
        finish = next((choice.finish for _, choice in self._order), None)
        return Answer(
            calls=tuple(calls),
            finish_reason=finish,
            usage=usage_of(self._usage),
            unusable=self._doubts.first,
            id=text_or_none(self._first.get("id")),
            model=text_or_none(self._first.get("model")),
        )

    def released(self) -> bytes:
        """See `Stream.released`."""
        self.started = True
        calls = [chunk for index, choice in self._order for chunk in self._written(index, choice)]
        return b"".join(map(write, [*self._head, *calls, *self._tail, DONE]))

    def untouched(self) -> bytes:
        """See `Stream.untouched`."""
        self.started = True
        return b"".join(map(write, [*map(msgspec.json.encode, self._left), *(raw for raw, _ in self._raw), *self._late, DONE]))

    def _take(self, event: Sse) -> bytes:
        if event.data is None:
            return KEEP_ALIVE if self.started else b""
        if event.data.strip() == DONE:
            self._done = True
            return b""
        if self._done:
            self._doubts.add("the stream goes on after its end")
        chunk = _chunk(event.data)
        if self._first is None:
            self._first = {key: chunk[key] for key in ("id", "created", "model", "system_fingerprint", "service_tier") if key in chunk}
        if present(chunk.get("usage")):
            self._usage = chunk["usage"]
        rest, says, ends = self._read(chunk)
        if self._doubts.first is not None:
            self._late.append(event.data)
            return b""
        out = event.data if rest is chunk else None if rest is None else msgspec.json.encode(rest)
        came = (event.data, None if rest is chunk else _calls_alone(chunk))
        if says and out is not None and not self._hold and not (ends and any(choice.proposes for choice in self._choices.values())):
            return self._send(out, came)
        if ends:
            self._late.append(event.data)
        else:
            self._raw.append(came)
        if out is not None:
            (self._tail if ends else self._head).append(out)
        return b""

    def _send(self, out: bytes, came: tuple[bytes, dict[str, Json] | None]) -> bytes:
        """A chunk that goes out, with all that waited for it."""
        sent = b"".join(map(write, [*self._head, out]))
        self._left += [calls for _, calls in (*self._raw, came) if calls is not None]
        self._head, self._raw = [], []
        self.started = True
        return sent

    def _read(self, chunk: dict[str, Json]) -> tuple[dict[str, Json] | None, bool, bool]:
        """What of a chunk may go out, whether that says anything to a reader, and whether it belongs to the end."""
        choices = chunk.get("choices")
        if type(choices) is not list:
            raise Broken("a chunk of the stream has no list of choices")
        look_for_other_calls(chunk, self._doubts, known=("choices",))
        for key in ("message", "output"):
            if present(chunk.get(key)):
                self._doubts.add(f"a chunk of the stream has a whole `{key}`")
        if not choices:
            hidden = not self._keep_usage and present(chunk.get("usage"))
            return (None if hidden else chunk), False, any(choice.finish for choice in self._choices.values())
        kept, says, ends, changed = [], False, False, False
        for choice in choices:
            delta = self._read_choice(choice)
            for key, value in delta.items():
                says = says or (key not in _SILENT and present(value))
            ends = ends or choice.get("finish_reason") is not None
            if "tool_calls" not in delta and "function_call" not in delta:
                kept.append(choice)
                continue
            changed = True
            rest = {key: value for key, value in delta.items() if key not in _CALLS}
            if rest or choice.get("finish_reason") is not None:
                # What else such a choice holds, its log probabilities for instance, spells the call.
                kept.append({"index": choice["index"], "delta": rest, "finish_reason": choice.get("finish_reason")})
        if not changed:
            return chunk, says, ends
        return ({**chunk, "choices": kept} if kept else None), says, ends

    def _read_choice(self, choice: Json) -> Mapping[str, Json]:
        """Takes the parts of calls out of a choice; gives its delta."""
        doubts = self._doubts
        if type(choice) is not dict:
            raise Broken("a choice of the stream is not an object")
        index = choice.get("index")
        if type(index) is not int or not 0 <= index < MAX_CALLS:
            raise Broken("a choice of the stream has no sound index")
        if present(choice.get("message")):
            doubts.add("a chunk of the stream has a whole `message`")
        delta = choice.get("delta")
        if delta is None:
            delta = {}
        elif type(delta) is not dict:
            raise Broken("a `delta` of the stream is not an object")
        look_for_other_calls(choice, doubts, known=("delta",))
        look_for_other_calls(delta, doubts, known=_CALLS)
        if delta.get("role") not in (None, "", "assistant"):
            doubts.add(f"the answer's role is {quoted(delta['role'])}, not `assistant`")
        for key in ("content", "refusal"):
            if type(delta.get(key)) not in _TEXTS:
                doubts.add(f"the answer's `{key}` is not text")
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _Choice()
        if "tool_calls" in delta or "function_call" in delta:
            self._add_calls(found, delta)
        self._add_finish(found, choice.get("finish_reason"))
        return delta

    def _add_calls(self, choice: _Choice, delta: Mapping[str, Json]) -> None:
        proposed, old = delta.get("tool_calls"), delta.get("function_call")
        if not present(proposed) and not present(old):
            return
        if choice.finish is not None:
            self._doubts.add("the stream goes on with a call after its choice has ended")
        if not isinstance(proposed, list | None):
            self._doubts.add("`tool_calls` is not a list")
            return
        for piece in proposed or ():
            self._add_piece(choice, piece)
        if isinstance(old, Mapping):
            choice.legacy = choice.legacy or _Call()
            self._add_body(choice.legacy, old, "arguments")
        elif old is not None:
            self._doubts.add("`function_call` is not an object")

    def _add_piece(self, choice: _Choice, piece: Json) -> None:
        doubts = self._doubts
        if not isinstance(piece, Mapping):
            doubts.add("a tool call is not an object")
            return
        index, kind = piece.get("index"), piece.get("type") or None
        if type(index) is not int or not 0 <= index < MAX_CALLS:
            doubts.add("a part of a call has no sound index")
            return
        call = choice.calls.get(index)
        if call is None:
            call = choice.calls[index] = _Call(kind="custom" if kind == "custom" else "function")
        if kind not in (None, call.kind):
            doubts.add(f"a tool call has the type {quoted(kind)}, not `function`")
        id = piece.get("id")
        if not isinstance(id, str | None):
            doubts.add("the id of a call is not text")
        elif id:
            if call.id not in (None, id):
                doubts.add("the id of a call changes")
            call.id = id
        for key, name in (("function", "arguments"), ("custom", "input")):
            body = piece.get(key)
            if body is None:
                continue
            if key != call.kind or not isinstance(body, Mapping):
                doubts.add(f"a part of a call has no sound `{key}`")
                continue
            self._add_body(call, body, name)

    def _add_body(self, call: _Call, body: Mapping[str, Json], arguments: str) -> None:
        """Adds to name and arguments. A name in pieces is put together; whatever could be read in two ways is a doubt."""
        name, piece = body.get("name"), body.get(arguments)
        if not isinstance(name, str | None) or not isinstance(piece, str | None):
            self._doubts.add("a part of a call is not text")
            return
        if name:
            if call.begun:
                self._doubts.add("the name of a call goes on after its arguments began")
            elif name == call.name:
                self._doubts.add("the name of a call comes twice")
            call.name += name
        if piece:
            call.begun = True
            call.pieces.append(piece)

    def _add_finish(self, choice: _Choice, reason: Json) -> None:
        if reason is None or reason == "":
            return
        if not isinstance(reason, str):
            self._doubts.add("a finish reason is not text")
        elif choice.finish not in (None, reason):
            self._doubts.add("the finish reason of a choice changes")
        else:
            choice.finish = reason

    def _check_end(self, choice: _Choice) -> None:
        if choice.finish is None and not self._done:
            raise Broken("the stream was cut off before its end")
        check_finish(choice.finish, choice.proposes, self._doubts)

    def _judged(self, choice: _Choice) -> list[ToolCall]:
        calls = []
        for _, call in sorted(choice.calls.items()):
            text = "".join(call.pieces)
            calls.append(ToolCall(call.id, call.name or None, custom_arguments(text) if call.kind == "custom" else text))
        if choice.legacy is not None:
            calls.append(ToolCall(f"legacy_{self._legacy}", choice.legacy.name or None, "".join(choice.legacy.pieces)))
            self._legacy += 1
        return calls

    def _written(self, index: int, choice: _Choice) -> list[bytes]:
        """The calls of a choice as fresh chunks, one each, numbered from 0."""
        deltas: list[dict[str, Json]] = []
        for number, (_, call) in enumerate(sorted(choice.calls.items())):
            key = "input" if call.kind == "custom" else "arguments"
            body = {"name": call.name, key: "".join(call.pieces)}
            deltas.append({"tool_calls": [{"index": number, "id": call.id, "type": call.kind, call.kind: body}]})
        if choice.legacy is not None:
            deltas.append({"function_call": {"name": choice.legacy.name, "arguments": "".join(choice.legacy.pieces)}})
        about = {**(self._first or {}), "object": "chat.completion.chunk"}
        return [msgspec.json.encode({**about, "choices": [{"index": index, "delta": delta, "finish_reason": None}]}) for delta in deltas]


def _calls_alone(chunk: Mapping[str, Json]) -> dict[str, Json]:
    """A chunk with nothing in it but its parts of calls."""
    choices = []
    for choice in chunk["choices"]:
        delta = {key: value for key, value in (choice.get("delta") or {}).items() if key in _CALLS}
        if delta:
            choices.append({"index": choice["index"], "delta": delta, "finish_reason": None})
    return {**chunk, "choices": choices}


def _chunk(data: bytes) -> dict[str, Json]:
    try:
        chunk = parse_json(data, limit=MAX_STREAM)
    except InvalidJson as error:
        raise Broken(f"a chunk of the stream is not strict JSON: {error}") from None
    if type(chunk) is not dict:
        raise Broken("a chunk of the stream is not an object")
    if present(chunk.get("error")):
        raise Broken(f"the upstream reports an error: {error_text(chunk)}")
    return chunk
