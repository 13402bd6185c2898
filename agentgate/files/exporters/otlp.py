"""Traces of OpenTelemetry as OTLP JSON, by the GenAI conventions that `agentgate.files.importers.otlp` reads.

A line is a run, and in it are a span for each answer, with all that was said before it, and one for each call whose result no later
answer heard.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from agentgate.core.events import EPOCH, Json, ModelReplied, RunStarted, ToolReturned
from agentgate.files.exporters.chat import messages_of
from agentgate.files.importers.chat import calls_of, text_of
from agentgate.files.transcript import InvalidTranscript, Transcript, Unanswered

ONE_A_FILE = False
_HEXADECIMAL = frozenset("0123456789abcdef")


def write(transcript: Transcript, losses: Counter[str]) -> bytes:
    """The line of a run: one export of one trace. Its id is kept as `gen_ai.conversation.id` where it is no trace id.

    Raises:
        InvalidTranscript: it holds what JSON cannot carry.
    """
    own = Counter[str]()
    messages_of(transcript, own)
    for word, count in own.items():
        if word != "count of tokens or cost":
            losses[word] += count
    spans = _Spans(transcript, losses).made
    export = {"resourceSpans": [{"resource": {"attributes": _attributes({"service.name": "agentgate"})},
                                 "scopeSpans": [{"scope": {"name": "agentgate"}, "spans": spans}]}]}  # fmt: skip
    try:
        return msgspec.json.encode(export) + b"\n"
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError) as error:
        raise InvalidTranscript(f"it cannot be written as JSON: {error}") from None


class _Spans:
    """The spans of one run."""

    def __init__(self, transcript: Transcript, losses: Counter[str]) -> None:
        self.made: list[dict[str, Json]] = []
        self._losses = losses
        self._run = transcript.id
        self._trace = _trace_id(transcript.id)
        self._begin = transcript.started
        self._history: list[dict[str, Json]] = []
        self._unheard: list[ToolReturned] = []
        self._called: dict[str, tuple[str, str | None]] = {}
        """Call id → the tool, and the arguments where they are a text."""
        for item in transcript.items:
            match item:
                case RunStarted():
                    self._hear(list(item.messages))
                case ModelReplied():
                    self._answer(item)
                case ToolReturned():
                    self._unheard.append(item)
                    self._history.append({"role": "tool", "parts": [_response(item)]})
                case Unanswered():
                    losses["message after the last answer"] += len(item.messages)
                case _:
                    pass
        for returned in self._unheard:
            self._tool(returned)
        if transcript.attacked or transcript.meta:
            losses["`meta`"] += 1

    def _hear(self, messages: list[dict[str, Json]]) -> None:
        for message in messages:
            content = message.get("content")
            if not (isinstance(content, str) or content is None):
                self._losses["part of a message that is no text"] += 1
            role = "system" if message.get("role") == "developer" else message.get("role")
            self._history.append({"role": role, "parts": [{"type": "text", "content": text_of(content)}]})

    def _answer(self, reply: ModelReplied) -> None:
        self._hear(list(reply.messages))
        said = self._said(reply)
        values: dict[str, Json] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.conversation.id": self._run,
            "gen_ai.input.messages": json.dumps(self._history),
            "gen_ai.output.messages": json.dumps([said]),
        }
        if self._begin.model is not None:
            values["gen_ai.request.model"] = self._begin.model
        if self._begin.tools is not None:
            values["gen_ai.tool.definitions"] = json.dumps([_definition(tool) for tool in self._begin.tools])
        if reply.usage is not None:
            values["gen_ai.usage.input_tokens"] = reply.usage.input_tokens
            values["gen_ai.usage.output_tokens"] = reply.usage.output_tokens
        self._span(f"chat {self._begin.model or ''}".rstrip(), reply.at, values)
        self._history.append(said)
        self._unheard = []

    def _said(self, reply: ModelReplied) -> dict[str, Json]:
        content = reply.message.get("content")
        parts: list[Json] = [] if content in (None, "") else [{"type": "text", "content": text_of(content)}]
        for call in calls_of(reply.message):
            whole = isinstance(call.arguments, str) and isinstance(call.name, str)
            if isinstance(call.id, str):
                self._called[call.id] = (str(call.name), call.arguments if whole else None)
            if whole:
                parts.append({"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments})
            else:
                self._losses["call that is none of a function"] += 1
                parts.append({"type": "server_tool_call", "id": call.id, "name": call.name, "server_tool_call": call.arguments})
        said: dict[str, Json] = {"role": "assistant", "parts": parts}
        if reply.finish_reason is not None:
            said["finish_reason"] = {"tool_calls": "tool_call"}.get(reply.finish_reason, reply.finish_reason)
        return said

    def _tool(self, returned: ToolReturned) -> None:
        called = self._called.get(returned.call_id) if isinstance(returned.call_id, str) else None
        if called is None:
            self._losses["result of a call that nobody made"] += 1
            return
        name, arguments = called
        values = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.conversation.id": self._run,
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": returned.call_id,
            "gen_ai.tool.call.result": returned.content,
        }
        if arguments is not None:
            values["gen_ai.tool.call.arguments"] = arguments
        self._span(f"execute_tool {name}", returned.at, values)

    def _span(self, name: str, at: datetime, values: dict[str, Json]) -> None:
        number = len(self.made) + 1
        moment = str((at - EPOCH) // timedelta(microseconds=1) * 1000 + number)  # so that spans at one moment keep their order
        self.made.append(
            {
                "traceId": self._trace,
                "spanId": f"{number:016x}",
                "name": name,
                "kind": 3,
                "startTimeUnixNano": moment,
                "endTimeUnixNano": moment,
                "attributes": _attributes(values),
            }
        )


def _trace_id(run: str) -> str:
    """A run's id where it is one of a trace, else one made of it."""
    if len(run) == 32 and set(run) <= _HEXADECIMAL:
        return run
    return sha256(run.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _response(returned: ToolReturned) -> dict[str, Json]:
    return {"type": "tool_call_response", "id": returned.call_id, "response": returned.content}


def _definition(tool: dict[str, Json]) -> Json:
    function = tool.get("function", tool)
    return {"type": "function", **function} if isinstance(function, dict) else tool


def _attributes(values: dict[str, Json]) -> list[Json]:
    return [{"key": key, "value": _packed(value)} for key, value in values.items()]


def _packed(value: Json) -> Json:
    return {"intValue": str(value)} if type(value) is int else {"stringValue": str(value)}
