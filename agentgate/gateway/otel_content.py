"""What was said in a request and its answer, in the form that OpenTelemetry's conventions give to messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import CallDecided, Json, ModelReplied, RunStarted, ToolReturned
from agentgate.files.importers.chat import calls_of, text_of
from agentgate.files.transcript import Item

_MOST = 1024 * 1024
"""Bytes of an answer that are told."""


class Said:
    """The text of an answer, from what the client got of it."""

    def __init__(self, api: str) -> None:
        """Nothing was said yet; the API tells where text stands."""
        self._text_in = _chat_text if api == "chat" else _responses_text
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """A part of the body, whole events of a stream."""
        if self._size < _MOST:
            self._pieces.append(data)
            self._size += len(data)

    def parts(self) -> list[dict[str, Json]]:
        """The text as a part of a message; none where there is none."""
        raw = b"".join(self._pieces)
        found = raw if raw.startswith(b"{") else None
        lines = [found] if found is not None else [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: {")]
        text = "".join(piece for line in lines for piece in self._text_in(_read(line)))
        return [{"type": "text", "content": text}] if text else []


def conversation(items: Sequence[Item]) -> list[dict[str, Json]]:
    """The messages of a request."""
    made: list[dict[str, Json]] = []
    for item in items:
        match item:
            case RunStarted():
                made += map(_message, item.messages)
            case ModelReplied():
                made += [*map(_message, item.messages), _message(item.message)]
            case ToolReturned():
                part = {"type": "tool_call_response", "id": item.call_id, "response": item.content}
                made.append({"role": "tool", "parts": [part]})
            case _:
                pass
    return made


def proposed(call: CallDecided) -> dict[str, Json]:
    """A call as a part of the answer."""
    return {"type": "tool_call", "id": call.call_id, "name": call.tool, "arguments": call.arguments}


def _message(message: Mapping[str, Json]) -> dict[str, Json]:
    text = text_of(message.get("content"))
    parts: list[dict[str, Json]] = [{"type": "text", "content": text}] if text else []
    parts += [{"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments} for call in calls_of(message)]
    return {"role": message.get("role"), "parts": parts}


def _read(data: bytes) -> dict[str, Json]:
    try:
        value = parse_json(data, limit=_MOST * 64)
    except InvalidJson:
        return {}
    return value if isinstance(value, dict) else {}


def _chat_text(body: Mapping[str, Json]) -> Iterable[str]:
    for choice in body.get("choices") or ():
        said = choice.get("delta") or choice.get("message") or {}
        if isinstance(said.get("content"), str):
            yield said["content"]


def _responses_text(body: Mapping[str, Json]) -> Iterable[str]:
    if body.get("type") == "response.output_text.delta" and isinstance(body.get("delta"), str):
        yield body["delta"]
    for item in body.get("output") or ():
        for part in (item.get("content") or ()) if isinstance(item, Mapping) else ():
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                yield part["text"]
