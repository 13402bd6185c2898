"""Chat Completions lines as most programs write them, read for judging alone: calls, and where they matter results and what the user said.

As strict as the slow way, which reads whatever this one declines. A line is decoded by its types and written again from what was
decoded, in the shortest form there is. Whatever could be read in two ways (a key twice, a key spelt with escapes) or is not understood
here (another key) makes the line longer than that: so a line of the same length holds nothing but what was decoded.
"""

from __future__ import annotations

from itertools import count
from struct import Struct as BytesOf
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, defstruct

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import Json, ModelReplied, RunStarted, ToolCall, ToolReturned
from agentgate.core.state import State, evolve
from agentgate.files.transcript import Item, Proposed
from agentgate.files.transcript_chain import MAX_DEPTH, MAX_LINE, parse_line

_MOST_KEYS = 64
_MEANT_OTHERWISE = frozenset(("type", "hash", "prev", "system", "items", "output"))
"""Keys that make something else of a line, or may do so."""
_MOST_TOOLS = 64
_MOST_PLAIN = 1_024
_SHORT = 256
_Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]
_Kind: TypeAlias = Literal["function"]


class _Function(Struct, gc=False):
    name: str
    arguments: str


class _Call(Struct, gc=False):
    id: str
    function: _Function
    type: _Kind | UnsetType = UNSET


class _Message(Struct, gc=False):
    role: _Role
    content: str | UnsetType | None = UNSET
    tool_calls: list[_Call] | UnsetType | None = UNSET
    tool_call_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET


class _EscapedFunction(Struct, gc=False):
    name: str
    arguments: Raw


class _EscapedCall(Struct, gc=False):
    id: str
    function: _EscapedFunction
    type: _Kind | UnsetType = UNSET


class _EscapedMessage(Struct, gc=False):
    """The same with texts as they are spelt: more characters are written as escapes in them than need be."""

    role: _Role
    content: Raw | UnsetType = UNSET
    tool_calls: list[_EscapedCall] | UnsetType | None = UNSET
    tool_call_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET


class _Way(Struct, frozen=True):
    """How a line may be written."""

    spaced: bool
    escaped: bool


_WAYS = tuple(_Way(spaced, escaped) for spaced in (False, True) for escaped in (False, True))


class Head(Struct, frozen=True):
    """What a line says beside its messages."""

    id: str | None
    """None where it has no usable one."""
    tools: Json
    """As they stand."""
    attacked: bool


class QuickLines:
    """Reads lines whose top-level keys are known."""

    def __init__(self, *, history: bool) -> None:
        """Begins without knowing any line.

        Args:
            history: whether results and what the user said are wanted.
        """
        self._history = history
        self._keys: dict[str, bool] = {}
        """Top-level keys, and whether all their values were texts."""
        self._decoders: dict[bool, Any] = {}
        """By whether texts are kept as they are spelt."""
        self._encode_into = msgspec.json.Encoder().encode_into
        self._written = bytearray()
        self._usual = _WAYS[0]
        self._others: list[tuple[str, str]] = []
        self._plain: set[bytes] = set()
        """Values that were found to be strict JSON, and no objects."""
        self._tools: dict[bytes, Json] = {}
        self._started: dict[int, tuple[Json, tuple[dict[str, Json], ...] | None]] = {}

    def learn(self, value: Json) -> None:
        """Takes the keys of a line that was read the slow way, so that the next one like it need not be."""
        if not isinstance(value, dict):
            return
        keys = self._keys | {key: type(found) is str and self._keys.get(key, True) for key, found in value.items()}
        if keys == self._keys or "messages" not in value or keys.keys() & _MEANT_OTHERWISE or len(keys) > _MOST_KEYS:
            return
        self._keys = keys
        self._others = [(f"f{place}", key) for place, key in enumerate(sorted(keys.keys() - {"messages", "id", "tools"}))]
        self._decoders = {escaped: self._decoder(escaped=escaped) for escaped in (False, True)}

    def _decoder(self, *, escaped: bool) -> Any:
        known: list[Any] = [
            ("messages", list[_EscapedMessage] if escaped else list[_Message]),
            ("id", str | UnsetType, UNSET),
            ("tools", Raw | UnsetType, UNSET),
        ]
        for field, key in self._others:
            known.append((field, (Raw if escaped or not self._keys[key] else str) | UnsetType, UNSET))
        return msgspec.json.Decoder(defstruct("Line", known, rename=dict(self._others))).decode

    def read(self, line: bytes) -> tuple[Head, list[_Message]] | None:
        """What a line holds; None where it has to be read the slow way."""
        if not self._decoders or len(line) > MAX_LINE:
            return None
        try:
            found = self._whole(line, self._usual) or self._otherwise(line)
            if found is None:
                return None
            return Head(found.id or None, self._tools_of(found.tools), self._attacked(found)), found.messages
        except (UnicodeError, InvalidJson):
            return None

    def _otherwise(self, line: bytes) -> Any:
        """The line decoded, if it is written in another way than those before it."""
        for way in _WAYS:
            found = self._whole(line, way) if way is not self._usual else None
            if found is not None:
                self._usual = way
                return found
        return None

    def _whole(self, line: bytes, way: _Way) -> Any:
        """The line decoded, if nothing else is in it."""
        try:
            text = msgspec.json.format(line, indent=-1) if way.spaced else line
            found = self._decoders[way.escaped](text)
            self._encode_into(found, self._written)
            if len(self._written) != len(text) - text.endswith(b"\n"):
                return None
            if way.escaped:
                if not line.isascii():
                    line.decode()
                self._read_texts(found.messages)
        except msgspec.DecodeError:
            return None
        return found

    def _read_texts(self, messages: Any) -> None:
        """Puts texts in the place of their spellings, as far as they are looked at."""
        for message in messages:
            content = message.content
            if content is not UNSET:
                if self._history:
                    message.content = _decode_text(content)
                elif _first_byte(content) not in _OF_TEXT_OR_NULL:
                    raise msgspec.DecodeError
            for call in message.tool_calls or ():
                call.function.arguments = _decode_text(call.function.arguments)
                if call.function.arguments is None:
                    raise msgspec.DecodeError

    def _attacked(self, found: Any) -> bool:
        """Whether `meta` says so; everything that is not looked at is at least strict JSON."""
        attacked = False
        for field, key in self._others:
            raw = getattr(found, field)
            if raw is UNSET or type(raw) is str:
                continue
            text = bytes(raw)
            if text not in self._plain:
                value = strict(text)
                if len(text) <= _SHORT and len(self._plain) < _MOST_PLAIN and not isinstance(value, dict):
                    self._plain.add(text)
                attacked = attacked or (key == "meta" and isinstance(value, dict) and value.get("attack_succeeded") is True)
        return attacked

    def _tools_of(self, raw: Raw | UnsetType) -> Json:
        if raw is UNSET:
            return None
        text = bytes(raw)
        if text not in self._tools:
            if len(self._tools) >= _MOST_TOOLS:
                self._tools.clear()
            self._tools[text] = parse_line(text)
        return self._tools[text]

    def items(self, messages: list[_Message], run_id: str, tools: Json) -> tuple[tuple[Item, ...], list[ToolCall] | None] | None:
        """The items of a line that a judgement looks at, and the calls where these are all; None where it has to be read the slow way.

        Args:
            messages: of the line.
            run_id: what its `run_started` is called.
            tools: what was offered, parsed; the same object for the same tools.
        """
        functions = self._functions(tools)
        if functions is _UNFIT:
            return None
        if self._history:
            spoken, items = _told(messages)
            return (RunStarted(run_id=run_id, messages=spoken, tools=functions, imported=True), *items), None
        calls = _calls(messages)
        return (RunStarted(run_id=run_id, tools=functions, imported=True), *map(Proposed, calls, count())), calls

    def _functions(self, tools: Json) -> Any:
        """The functions among the tools, as a tuple that is the same one for the same tools; they are tried once."""
        if tools is None:
            return None
        found = self._started.get(id(tools))
        if found is None:
            functions: Any = _UNFIT
            if isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools):
                functions = tuple(tool for tool in tools if tool.get("type", "function") == "function")
                try:
                    evolve(State(), RunStarted(run_id="", tools=functions))
                except (AttributeError, TypeError, ValueError):
                    functions = _UNFIT
            if len(self._started) >= _MOST_TOOLS:
                self._started.clear()
            found = self._started[id(tools)] = (tools, functions)
        return found[1]


_UNFIT: Any = object()
_ANSWERING = frozenset(("assistant", "tool", "function"))
_NOTHING_SAID: dict[str, Json] = {"role": "assistant", "content": None}
_OF_TEXT_OR_NULL = frozenset(((ord('"'),), (ord("n"),)))
_first_byte = BytesOf("B").unpack_from
_decode_text: Any = msgspec.json.Decoder(str | None).decode
_decode_any = msgspec.json.Decoder().decode
_encode_any = msgspec.json.Encoder().encode


def _calls(messages: list[_Message]) -> list[ToolCall]:
    """The calls alone."""
    return [
        ToolCall(call.id, (function := call.function).name, function.arguments)
        for message in messages
        if message.tool_calls and message.role == "assistant"
        for call in message.tool_calls
    ]


def _told(messages: list[_Message]) -> tuple[tuple[dict[str, Json], ...], list[Item]]:
    """What the user said before the first answer; then calls, results, and what the user said further on."""
    spoken: tuple[dict[str, Json], ...] | None = None
    between: list[dict[str, Json]] = []
    items: list[Item] = []
    steps = calls = 0
    for message in messages:
        role = message.role
        content = None if message.content is UNSET else message.content
        if role == "user":
            between.append({"role": "user", "content": content})
        if role not in _ANSWERING:
            continue
        if spoken is None:
            spoken, between = tuple(between), []
        if role != "assistant":
            call_id = None if message.tool_call_id is UNSET else message.tool_call_id
            items.append(ToolReturned(call_id=call_id, executed=True, ok=True, content=content or ""))
            continue
        steps += 1
        if between:
            items.append(ModelReplied(step=steps, message=_NOTHING_SAID, messages=tuple(between)))
            between = []
        for call in message.tool_calls or ():
            items.append(Proposed(ToolCall(call.id, call.function.name, call.function.arguments), calls))
            calls += 1
    return (tuple(between) if spoken is None else spoken), items


def strict(text: bytes) -> Json:
    """The value of a JSON text, as `parse_line` reads it.

    What is written again to the same bytes holds no key twice and no number that cannot be written.

    Raises:
        InvalidJson: `parse_line` refuses it.
    """
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        try:
            value = _decode_any(text)
            if _encode_any(value) == text:
                return value
        except (msgspec.DecodeError, UnicodeError):
            pass
    return parse_line(text)
