"""Chat Completions lines as most programs write them, read for judging alone: calls, and where they matter results and what the user said.

As strict as the slow way, which reads whatever this one declines. A line is decoded by its types and written again from what was
decoded, in the shortest form there is. Whatever could be read in two ways (a key twice, a key spelt with escapes) or is not understood
here (another key) makes the line longer than that: so a line of the same length holds nothing but what was decoded.
"""

from __future__ import annotations

from typing import Any

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


class _Function(Struct, gc=False):
    name: str
    arguments: str


class _Call(Struct, gc=False):
    id: str
    function: _Function
    type: str | UnsetType = UNSET


class _Message(Struct, gc=False):
    role: str
    content: Raw | UnsetType = UNSET
    tool_calls: list[_Call] | UnsetType | None = UNSET
    tool_call_id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET


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
        self._keys: frozenset[str] = frozenset()
        self._decode: Any = None
        self._encode_into = msgspec.json.Encoder().encode_into
        self._written = bytearray()
        self._spaced = False
        self._others: list[tuple[str, str]] = []
        self._plain: set[bytes] = set()
        """Values that were found to be strict JSON, and no objects."""
        self._tools: dict[bytes, Json] = {}
        self._started: dict[int, tuple[Json, tuple[dict[str, Json], ...] | None]] = {}

    def learn(self, value: Json) -> None:
        """Takes the keys of a line that was read the slow way, so that the next one like it need not be."""
        if not isinstance(value, dict) or value.keys() <= self._keys:
            return
        keys = self._keys | value.keys()
        if "messages" not in value or keys & _MEANT_OTHERWISE or len(keys) > _MOST_KEYS:
            return
        self._keys = keys
        self._others = [(f"f{place}", key) for place, key in enumerate(sorted(keys - {"messages", "id", "tools"}))]
        known: list[Any] = [
            ("messages", list[_Message]),
            ("id", str | UnsetType, UNSET),
            ("tools", Raw | UnsetType, UNSET),
            *((field, Raw | UnsetType, UNSET) for field, _ in self._others),
        ]
        self._decode = msgspec.json.Decoder(defstruct("Line", known, rename=dict(self._others))).decode

    def read(self, line: bytes) -> tuple[Head, list[_Message]] | None:
        """What a line holds; None where it has to be read the slow way."""
        if self._decode is None or len(line) > MAX_LINE:
            return None
        try:
            if not line.isascii():
                line.decode()
            found = self._whole(line, spaced=self._spaced) or self._whole(line, spaced=not self._spaced)
            if found is None:
                return None
            return Head(found.id or None, self._tools_of(found.tools), self._attacked(found)), found.messages
        except (msgspec.DecodeError, UnicodeError, InvalidJson):
            return None

    def _whole(self, line: bytes, *, spaced: bool) -> Any:
        """The line decoded, if nothing else is in it."""
        text = msgspec.json.format(line, indent=-1) if spaced else line
        found = self._decode(text)
        self._encode_into(found, self._written)
        if len(self._written) != len(text) - text.endswith(b"\n"):
            return None
        self._spaced = spaced
        return found

    def _attacked(self, found: Any) -> bool:
        """Whether `meta` says so; everything that is not looked at is at least strict JSON."""
        attacked = False
        for field, key in self._others:
            raw = getattr(found, field)
            if raw is UNSET:
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

    def items(self, messages: list[_Message], run_id: str, tools: Json) -> tuple[Item, ...] | None:
        """The items of a line that a judgement looks at; None where it has to be read the slow way.

        Args:
            messages: of the line.
            run_id: what its `run_started` is called.
            tools: what was offered, parsed; the same object for the same tools.
        """
        functions = self._functions(tools)
        if functions is _UNFIT:
            return None
        try:
            spoken, items = self._told(messages) if self._history else ((), self._calls(messages))
        except (_Unusual, msgspec.DecodeError):
            return None
        return (RunStarted(run_id=run_id, messages=spoken, tools=functions, imported=True), *items)

    def _calls(self, messages: list[_Message]) -> list[Item]:
        """The calls alone."""
        items: list[Item] = []
        for message in messages:
            content = message.content
            if content is not UNSET and memoryview(content)[0] not in _TEXT_OR_NULL:
                raise _Unusual
            if message.role == "assistant":
                for call in message.tool_calls or ():
                    items.append(_proposed(call, len(items)))
            elif message.role not in _ROLES:
                raise _Unusual
        return items

    def _told(self, messages: list[_Message]) -> tuple[tuple[dict[str, Json], ...], list[Item]]:
        """What the user said before the first answer; then calls, results, and what the user said further on."""
        spoken: tuple[dict[str, Json], ...] | None = None
        between: list[dict[str, Json]] = []
        items: list[Item] = []
        steps = calls = 0
        for message in messages:
            role = message.role
            if role not in _ROLES:
                raise _Unusual
            content = _text(message.content)
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
                items.append(_proposed(call, calls))
                calls += 1
        return (tuple(between) if spoken is None else spoken), items

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


class _Unusual(Exception):
    """Something that only the slow way understands."""


_UNFIT: Any = object()
_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
_ANSWERING = frozenset(("assistant", "tool", "function"))
_TEXT_OR_NULL = b'"n'
_NOTHING_SAID: dict[str, Json] = {"role": "assistant", "content": None}


def _proposed(call: _Call, index: int) -> Proposed:
    if call.type is not UNSET and call.type != "function":
        raise _Unusual
    return Proposed(ToolCall(call.id, call.function.name, call.function.arguments), index)


def _text(content: Raw | UnsetType) -> str | None:
    return None if content is UNSET else _decode_text.decode(content)


_decode_text: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
_decode_any = msgspec.json.Decoder().decode
_encode_any = msgspec.json.Encoder().encode


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
