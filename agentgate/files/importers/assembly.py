"""Puts a run together from what somebody else recorded, for formats whose messages are not those of Chat Completions.

Nothing is repaired: whatever could be a call becomes a proposed call, with the values that it has, and the gate refuses what is malformed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from msgspec import Struct, field

from agentgate.core.events import EPOCH, Json, ModelReplied, ToolReturned, Usage
from agentgate.files.importers import chat
from agentgate.files.transcript import InvalidTranscript, Item, Proposed, Unanswered


class Said(Struct):
    """Something that came from outside between two answers."""

    message: dict[str, Json]
    at: datetime = EPOCH


class Answer(Struct):
    """What the model answered. More may be added until the run is made."""

    at: datetime = EPOCH
    texts: list[str] = field(default_factory=list)
    calls: list[dict[str, Json]] = field(default_factory=list)
    """In Chat Completions form."""
    finish_reason: str | None = None
    usage: Usage | None = None

    def call(self, call_id: Json, name: Json, arguments: Json) -> None:
        """One more call of a function. Its arguments are a text; anything else is malformed."""
        self.calls.append({"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}})

    def other_call(self, kind: str, call_id: Json, name: Json, whole: Json) -> None:
        """One more call that is none of a function: it keeps all that it has as arguments, which no gate takes for arguments."""
        self.calls.append({"id": call_id, "type": kind, "name": name, "item": whole})

    @property
    def message(self) -> dict[str, Json]:
        """The answer in Chat Completions form."""
        message: dict[str, Json] = {"role": "assistant", "content": "".join(self.texts) if self.texts else None}
        if self.calls:
            message["tool_calls"] = self.calls
        return message


ANYTHING: dict[str, Json] = {"type": "object", "additionalProperties": True}
"""The parameters of a tool of which nobody says what arguments it takes."""

Piece: TypeAlias = Said | Answer | ToolReturned


class Assembly:
    """The pieces of one run, in order."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []

    def say(self, role: str, content: Json, at: datetime = EPOCH) -> None:
        """A message of the system or the user. Only what a `user` says counts as the prompt."""
        self.pieces.append(Said({"role": role, "content": content}, at))

    def answer(self, at: datetime = EPOCH) -> Answer:
        """An answer, to be filled."""
        answer = Answer(at)
        self.pieces.append(answer)
        return answer

    def result(self, call_id: Json, content: Json, *, ok: bool = True, executed: bool = True, at: datetime = EPOCH) -> None:
        """What a tool returned to the model."""
        self.pieces.append(ToolReturned(call_id=call_id, executed=executed, ok=ok, content=text_of(content), at=at))

    def items(self, run_id: str, tools: Json = None, *, model: Json = None, workdir: Json = None) -> tuple[Item, ...]:
        """The run.

        Args:
            run_id: what it is called.
            tools: what was offered, in Chat Completions form; None where nobody says.
            model: its name; anything but a string counts as unknown.
            workdir: where relative paths start; anything but an absolute path counts as unknown.

        Raises:
            InvalidTranscript: the tools are none, or nothing can be judged by them.
        """
        begin = next((place for place, piece in enumerate(self.pieces) if not isinstance(piece, Said)), len(self.pieces))
        first = [piece.message for piece in self.pieces[:begin] if isinstance(piece, Said)]
        started = chat.started(
            run_id,
            first,
            tools,
            model=model if isinstance(model, str) else None,
            workdir=workdir if isinstance(workdir, str) and workdir.startswith("/") else None,
            at=self.pieces[0].at if self.pieces else EPOCH,
        )
        return (started, *_items(self.pieces[begin:]))


def _items(pieces: Sequence[Piece]) -> Iterator[Item]:
    step = index = 0
    between: list[dict[str, Json]] = []
    for piece in pieces:
        match piece:
            case Said():
                between.append(piece.message)
            case Answer():
                step += 1
                message = piece.message
                reason, usage = piece.finish_reason, piece.usage
                yield ModelReplied(step=step, message=message, messages=tuple(between), at=piece.at, finish_reason=reason, usage=usage)
                between = []
                for call in chat.calls_of(message):
                    yield Proposed(call, index, piece.at)
                    index += 1
            case ToolReturned():
                yield piece
    if between:
        yield Unanswered(tuple(between), pieces[-1].at)


def text_of(content: Json) -> str:
    """What a tool said: a string, or its parts: texts as they stand and everything else as JSON."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        return "\n".join(
            part["text"] if isinstance(part, dict) and isinstance(part.get("text"), str) else json_text(part) for part in content
        )
    return json_text(content)


def json_text(value: Json) -> str:
    """A value as JSON, for arguments that a format keeps parsed. What is no object stays none, and the gate refuses it."""
    return json.dumps(value, ensure_ascii=False)


def moment(text: Json) -> datetime:
    """A time as RFC 3339 writes it, in UTC; the epoch where that cannot be known."""
    if not isinstance(text, str):
        return EPOCH
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return EPOCH


def usage_of(input_tokens: Json, output_tokens: Json, cached_tokens: Json = 0) -> Usage | None:
    """Token counts; None unless all of them are counts."""
    counts = (input_tokens, output_tokens, cached_tokens)
    if all(type(count) is int and count >= 0 for count in counts):
        return Usage(*counts)
    return None


def union_of_tools(lists: Sequence[Sequence[dict[str, Json]]]) -> list[dict[str, Json]] | None:
    """The tools that any of several requests offered, in Chat Completions form; None where none says.

    A tool of which different requests say different things, or none says what arguments it takes, takes any.
    """
    found: dict[str, dict[str, Json]] = {}
    for tools in lists:
        for function in tools:
            name = json_text(function.get("name"))
            if function.get("parameters") is None:
                function = {**function, "parameters": ANYTHING}
            if found.setdefault(name, function) != function:
                found[name] = {"name": function.get("name"), "parameters": ANYTHING}
    return [{"type": "function", "function": function} for function in found.values()] if lists else None


def expect(condition: object, why: str) -> None:
    """Raises InvalidTranscript unless the condition holds."""
    if not condition:
        raise InvalidTranscript(why)
