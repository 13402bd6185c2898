"""Chat Completions lines as most programs write them, read for judging alone: calls, and where they matter results and what the user said.

As strict as the slow way, which reads whatever this one declines. A line is decoded by its types and written again from what was
decoded, in the shortest form there is. Whatever could be read in two ways (a key twice, a key spelt with escapes) or is not understood
here (another key) makes the line longer than that: so a line of the same length holds nothing but what was decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType, defstruct

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import Json, ModelReplied, RunStarted, ToolCall, ToolReturned
from agentgate.core.state import State, evolve
from agentgate.files.importers.chat_shapes import EscapedMessage, Message, Way, read_texts, strict
from agentgate.files.transcript import InvalidTranscript, Item, Proposed, Transcript
from agentgate.files.transcript_chain import MAX_LINE, parse_line

_MOST_KEYS = 64
_MEANT_OTHERWISE = frozenset(("type", "hash", "prev", "system", "items", "output"))
"""Keys that make something else of a line, or may do so."""
_MOST_TOOLS = 64
_MOST_PLAIN = 1_024
_SHORT = 256
_WAYS = tuple(Way(spaced, escaped) for spaced in (False, True) for escaped in (False, True))


class QuickLines:
    """Reads lines of one file whose top-level keys are known."""

    def __init__(self, file: str, tools_in_file: Callable[[str], Json], *, history: bool) -> None:
        """Begins without knowing any line.

        Args:
            file: what it is called.
            tools_in_file: reads the file with tools that a line names; raises InvalidTranscript where it cannot.
            history: whether results and what the user said are wanted.
        """
        self._file = file
        self._tools_in_file = tools_in_file
        self._history = history
        self._keys: dict[str, bool] = {}
        """Top-level keys, and whether all their values were texts."""
        self._decoders: dict[bool, Any] = {}
        """By whether texts are kept as they are spelt."""
        self._encode_into = msgspec.json.Encoder().encode_into
        self._written = bytearray()
        self._usual = _WAYS[0]
        self._others: list[tuple[str, str]] = []
        self._unread: dict[bool, list[tuple[str, bool]]] = {}
        """The fields that stay as they are spelt, and whether each is `meta`."""
        self._plain: set[bytes] = set()
        """Values that were found to be strict JSON, and no objects."""
        self._functions: dict[bytes, tuple[dict[str, Json], ...]] = {}

    def learn(self, value: Json) -> None:
        """Takes the keys of a line that was read the slow way, so that the next one like it need not be."""
        if not isinstance(value, dict):
            return
        keys = self._keys | {key: type(found) is str and self._keys.get(key, True) for key, found in value.items()}
        if keys == self._keys or "messages" not in value or keys.keys() & _MEANT_OTHERWISE or len(keys) > _MOST_KEYS:
            return
        self._keys = keys
        self._others = [(f"f{place}", key) for place, key in enumerate(sorted(keys.keys() - {"messages", "id", "tools"}))]
        for escaped in (False, True):
            self._unread[escaped] = [(field, key == "meta") for field, key in self._others if escaped or not keys[key]]
            known = tuple((field, key, keys[key] and not escaped) for field, key in self._others)
            self._decoders[escaped] = _decoder(known, escaped=escaped)

    def read(self, line: bytes, number: int) -> Transcript | None:
        """The transcript in a line; None where it has to be read the slow way, which also says what is wrong with it."""
        if not self._decoders or len(line) > MAX_LINE:
            return None
        try:
            found = self._whole(line, self._usual) or self._otherwise(line)
            if found is None:
                return None
            attacked = self._attacked(found)
            functions = self._offered(found.tools)
        except (UnicodeError, InvalidJson, InvalidTranscript):
            return None
        unnamed = not found.id
        run_id = f"{self._file}:{number}" if unnamed else found.id
        if not self._history:
            begun = RunStarted(run_id=run_id, tools=functions, imported=True)
            calls = _calls(found.messages)
            return Transcript(run_id, (begun,), self._file, number, unnamed, attacked, alone=calls, imported=True)
        spoken, items = _told(found.messages)
        begun = RunStarted(run_id=run_id, messages=spoken, tools=functions, imported=True)
        return Transcript(run_id, (begun, *items), self._file, number, unnamed, attacked, imported=True)

    def _otherwise(self, line: bytes) -> Any:
        """The line decoded, if it is written in another way than those before it."""
        for way in _WAYS:
            found = self._whole(line, way) if way is not self._usual else None
            if found is not None:
                self._usual = way
                return found
        return None

    def _whole(self, line: bytes, way: Way) -> Any:
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
                read_texts(found.messages, contents=self._history)
        except msgspec.DecodeError:
            return None
        return found

    def _attacked(self, found: Any) -> bool:
        """Whether `meta` says so; everything that is not looked at is at least strict JSON."""
        attacked = False
        for field, meta in self._unread[self._usual.escaped]:
            raw = getattr(found, field)
            if raw is UNSET:
                continue
            text = bytes(raw)
            if len(text) <= _SHORT and text in self._plain:
                continue
            value = strict(text)
            if type(value) is dict:
                attacked = attacked or (meta and value.get("attack_succeeded") is True)
            elif len(text) <= _SHORT and len(self._plain) < _MOST_PLAIN:
                self._plain.add(text)
        return attacked

    def _offered(self, raw: Raw | UnsetType) -> tuple[dict[str, Json], ...] | None:
        """The functions among the tools, as a tuple that is the same one for the same tools; they are tried once.

        Raises:
            InvalidJson: they are not strict JSON.
            InvalidTranscript: they are none, or the slow way has to say what is wrong with them.
        """
        if raw is UNSET:
            return None
        text = bytes(raw)
        found = self._functions.get(text)
        if found is None:
            tools = parse_line(text)
            if isinstance(tools, str):
                tools = self._tools_in_file(tools)
            if tools is None:
                return None
            found = _functions(tools)
            if len(self._functions) >= _MOST_TOOLS:
                self._functions.clear()
            self._functions[text] = found
        return found


@lru_cache(maxsize=16)
def _decoder(others: tuple[tuple[str, str, bool], ...], *, escaped: bool) -> Any:
    """Decodes lines with these other keys: field, key, and whether it is read as a text. Making one takes as long as many lines."""
    known: list[Any] = [
        ("messages", list[EscapedMessage] if escaped else list[Message]),
        ("id", str | UnsetType, UNSET),
        ("tools", Raw | UnsetType, UNSET),
    ]
    known.extend((field, (str if text else Raw) | UnsetType, UNSET) for field, _, text in others)
    return msgspec.json.Decoder(defstruct("Line", known, rename={field: key for field, key, _ in others})).decode


_ANSWERING = frozenset(("assistant", "tool", "function"))
_NOTHING_SAID: dict[str, Json] = {"role": "assistant", "content": None}


def _functions(tools: Json) -> tuple[dict[str, Json], ...]:
    if not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
        raise InvalidTranscript("`tools` is not a list of tools")
    functions = tuple(tool for tool in tools if tool.get("type", "function") == "function")
    try:
        evolve(State(), RunStarted(run_id="", tools=functions))
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidTranscript(str(error)) from None
    return functions


def _calls(messages: list[Message]) -> list[ToolCall]:
    """The calls alone."""
    return [
        ToolCall(call.id, (function := call.function).name, function.arguments)
        for message in messages
        if message.tool_calls and message.role == "assistant"
        for call in message.tool_calls
    ]


def _told(messages: list[Message]) -> tuple[tuple[dict[str, Json], ...], list[Item]]:
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
