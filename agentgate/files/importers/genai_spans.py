"""What one span, or one event, says about a model or a tool, in the words of OpenTelemetry's GenAI conventions.

opentelemetry.io/docs/specs/semconv/gen-ai (github.com/open-telemetry/semantic-conventions, `docs/gen-ai`). Messages are recorded in one
of these ways, and all are read:

* attributes of the span, or of its event `gen_ai.client.inference.operation.details`: `gen_ai.system_instructions`,
  `gen_ai.input.messages`, `gen_ai.output.messages` (`{role, parts: [{type: text | tool_call | tool_call_response | …}]}`, as JSON or as
  values);
* up to version 1.36, one event a message, of the span or in the log: `gen_ai.user.message`, `gen_ai.assistant.message`,
  `gen_ai.tool.message`, `gen_ai.choice`, …, in the form of Chat Completions, as body or as attributes;
* up to version 1.27, the events `gen_ai.content.prompt` and `gen_ai.content.completion` with the JSON in `gen_ai.prompt`,
  `gen_ai.completion`.

A part of an unknown kind could be a call, so it spoils the trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import Json, Usage
from agentgate.files.importers.assembly import Answer, expect, json_text, text_of, usage_of
from agentgate.files.transcript import InvalidTranscript
from agentgate.files.transcript_chain import parse_line

_SHOWN = ("text", "reasoning", "blob", "file", "uri", "image_url", "input_audio", "refusal", "compaction")
"""Parts that neither propose nor return anything."""
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "model": "assistant", "tool": "tool"}
_FINISH = {"tool_call": "tool_calls", "max_tokens": "length"}
_EVENT_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}


class Message(Struct):
    """A message, told apart into what it says, proposes and returns."""

    role: str
    texts: list[str] = field(default_factory=list)
    said: Answer = field(default_factory=Answer)
    """The calls of an assistant's message."""
    results: list[tuple[Json, Json]] = field(default_factory=list)
    """Call id and result."""
    finish_reason: str | None = None

    @property
    def key(self) -> tuple[Json, ...]:
        """What the message has in common with its repetition in a later history."""
        if self.said.calls:
            functions = [(call.get("id"), call.get("function")) for call in self.said.calls]
            return ("calls", json_text([[call_id, made.get("name") if isinstance(made, dict) else None] for call_id, made in functions]))
        if self.results:
            return ("results", json_text([call_id for call_id, _ in self.results]))
        return (self.role, "\n".join(self.texts))


class ToolRun(Struct):
    """What an `execute_tool` span says."""

    id: Json
    name: Json
    arguments: Json
    """A text; None where they were not recorded."""
    result: Json


class Record(Struct):
    """What one span, or one event, says."""

    span: str
    at: int = 0
    """Nanoseconds since 1970."""
    operation: str = ""
    system: list[Message] = field(default_factory=list)
    history: list[Message] | None = None
    """What the model was given; None where that was not recorded."""
    output: list[Message] | None = None
    """What it answered, one message a choice; None where that was not recorded."""
    wants_tools: bool = False
    """Whether it ended in calls."""
    tools: list[dict[str, Json]] | None = None
    model: Json = None
    usage: Usage | None = None
    tool: ToolRun | None = None

    def join(self, other: Record) -> None:
        """Adds what another record says about the same span."""
        self.at = self.at or other.at
        self.operation = self.operation or other.operation
        self.wants_tools = self.wants_tools or other.wants_tools
        self.tools = self.tools if self.tools is not None else other.tools
        self.model, self.usage, self.tool = self.model or other.model, self.usage or other.usage, self.tool or other.tool
        self.system = self.system or other.system
        self.history = _joined(self.history, other.history)
        self.output = _joined(self.output, other.output)


def _joined(ours: list[Message] | None, theirs: list[Message] | None) -> list[Message] | None:
    """Messages come one by one, or all of them; all of them twice are once."""
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    if [message.key for message in ours] == [message.key for message in theirs]:
        return ours
    return ours + theirs


def record_of_span(span: dict[str, Json]) -> Record | None:
    """What a span says; None where it is about neither a model nor a tool.

    Raises:
        InvalidTranscript: it is, and cannot be understood completely.
    """
    record = _record(span, attributes_of(span.get("attributes")), span.get("startTimeUnixNano"))
    events = span.get("events")
    for event in events if isinstance(events, list) else []:
        expect(isinstance(event, dict), "`events` is not a list of objects")
        said = record_of_event({**event, "spanId": span.get("spanId"), "eventName": event.get("name")})
        if said is not None:
            record = record or Record(_text(span.get("spanId")), at=_nanoseconds(span.get("startTimeUnixNano")))
            record.join(said)
    return record


def record_of_event(event: dict[str, Json]) -> Record | None:
    """What an event says, of a span or in the log; None where it is about something else.

    Raises:
        InvalidTranscript: it is about a model, and cannot be understood completely.
    """
    attributes = attributes_of(event.get("attributes"))
    name = event.get("eventName") or attributes.get("event.name")
    if not isinstance(name, str) or not name.startswith("gen_ai."):
        return None
    at = event.get("timeUnixNano") or event.get("observedTimeUnixNano")
    if name in _EVENT_ROLES or name == "gen_ai.choice":
        return _of_message(event, name, {**attributes, **_body(event)}, at)
    record = _record(event, attributes, at)
    if record is None and name.endswith(".message"):
        raise InvalidTranscript(f"an event of the unknown kind `{name}`")
    return record


def _body(event: dict[str, Json]) -> dict[str, Json]:
    body = unpacked(event["body"]) if "body" in event else None
    body = _structured(body, "body") if isinstance(body, str) and body.startswith("{") else body
    return body if isinstance(body, dict) else {}


def _of_message(event: dict[str, Json], name: str, body: dict[str, Json], at: Json) -> Record:
    record = Record(_text(event.get("spanId")), at=_nanoseconds(at))
    if name != "gen_ai.choice":
        record.history = [_message({"role": _EVENT_ROLES[name], **body})]
        return record
    inner = body.get("message")
    inner = _structured(inner, "message") if isinstance(inner, str) and inner[:1] in ("{", "[") else inner
    whole = {"role": "assistant", "tool_calls": body.get("tool_calls"), "content": body.get("content")}
    if isinstance(inner, dict):
        whole = {**whole, **inner}
    elif inner is not None:
        whole["content"] = inner
    message = _message(whole)
    message.finish_reason = _finish(body.get("finish_reason"))
    record.output = [message]
    record.wants_tools = message.finish_reason == "tool_calls" and not message.said.calls
    return record


def _record(span: dict[str, Json], attributes: dict[str, Json], at: Json) -> Record | None:
    """What attributes say."""
    ours = {key: value for key, value in attributes.items() if key.startswith("gen_ai.")}
    if not ours:
        return None
    flat = next((key for key in ours if key.startswith(("gen_ai.prompt.", "gen_ai.completion."))), None)
    expect(flat is None, f"messages in single attributes, like `{flat}`, which no convention describes")
    record = Record(_text(span.get("spanId")), at=_nanoseconds(at), operation=_text(ours.get("gen_ai.operation.name")))
    if record.operation == "execute_tool" or "gen_ai.tool.call.id" in ours or "gen_ai.tool.call.arguments" in ours:
        record.tool = _tool_run(ours)
        return record
    if "gen_ai.system_instructions" in ours:
        record.system = [
            _message({"role": "system", "parts": _structured(ours["gen_ai.system_instructions"], "gen_ai.system_instructions")})
        ]
    record.history = _messages(ours, "gen_ai.input.messages", "gen_ai.prompt")
    record.output = _messages(ours, "gen_ai.output.messages", "gen_ai.completion")
    reasons = ours.get("gen_ai.response.finish_reasons")
    found = [_finish(reason) for reason in reasons] if isinstance(reasons, list) else []
    record.wants_tools = record.output is None and "tool_calls" in found
    for message, reason in zip(record.output or [], found, strict=False):
        message.finish_reason = message.finish_reason or reason
    if "gen_ai.tool.definitions" in ours:
        record.tools = [_function(tool) for tool in _list(ours["gen_ai.tool.definitions"], "gen_ai.tool.definitions")]
    record.model = ours.get("gen_ai.response.model", ours.get("gen_ai.request.model"))
    record.usage = usage_of(
        ours.get("gen_ai.usage.input_tokens", ours.get("gen_ai.usage.prompt_tokens")),
        ours.get("gen_ai.usage.output_tokens", ours.get("gen_ai.usage.completion_tokens")),
    )
    return record


def _tool_run(attributes: dict[str, Json]) -> ToolRun:
    arguments = attributes.get("gen_ai.tool.call.arguments")
    return ToolRun(
        attributes.get("gen_ai.tool.call.id"),
        attributes.get("gen_ai.tool.name"),
        arguments if isinstance(arguments, str) or arguments is None else json_text(arguments),
        attributes.get("gen_ai.tool.call.result"),
    )


def _function(tool: Json) -> dict[str, Json]:
    """A tool's definition as Chat Completions keep it below `function`."""
    expect(isinstance(tool, dict), "`gen_ai.tool.definitions` is not a list of tools")
    function = tool.get("function", tool)
    expect(isinstance(function, dict), "`gen_ai.tool.definitions` is not a list of tools")
    return {key: function[key] for key in ("name", "description", "parameters") if key in function}


def _messages(attributes: dict[str, Json], *names: str) -> list[Message] | None:
    for name in names:
        if name in attributes:
            return [_message(message) for message in _list(attributes[name], name)]
    return None


def _message(message: Json) -> Message:
    expect(isinstance(message, dict), "a message that is not an object")
    role = _ROLES.get(_text(message.get("role")))
    if role is None:
        raise InvalidTranscript(f"a message with the unknown role `{message.get('role')}`")
    made = Message(role, finish_reason=_finish(message.get("finish_reason")))
    parts, calls, content = message.get("parts"), message.get("tool_calls"), message.get("content")
    for part in _list(parts, "parts") if parts is not None else []:
        _add_part(made, part)
    if role == "tool" and parts is None:
        made.results.append((message.get("id", message.get("tool_call_id")), content))
    else:
        for part in content if isinstance(content, list) else [] if content is None else [content]:
            _add_part(made, {"type": "text", "content": part} if isinstance(part, str) else part)
    calls = _structured(calls, "tool_calls") if isinstance(calls, str) else calls
    for call in calls if isinstance(calls, list) else [] if calls is None else [calls]:
        if isinstance(call, dict):
            made.said.calls.append(call)
        else:
            made.said.other_call("unknown", None, None, call)
    expect(role == "assistant" or not made.said.calls, "a call in a message that is not the model's")
    return made


def _add_part(message: Message, part: Json) -> None:
    kind = part.get("type", "text" if "text" in part else None) if isinstance(part, dict) else None
    if kind == "text":
        text = part.get("content", part.get("text"))
        message.texts.append(text if isinstance(text, str) else text_of(text))
    elif kind == "tool_call":
        arguments = part.get("arguments")
        message.said.call(part.get("id"), part.get("name"), arguments if isinstance(arguments, str) else json_text(arguments))
    elif kind == "server_tool_call":
        message.said.other_call(kind, part.get("id"), part.get("name"), part)
    elif kind in ("tool_call_response", "server_tool_call_response"):
        message.results.append((part.get("id"), part.get("response", part.get("result", part.get(kind)))))
    elif kind not in _SHOWN:
        raise InvalidTranscript(f"a part of the unknown kind `{kind}`")


def _finish(reason: Json) -> str | None:
    return _FINISH.get(reason, reason) if isinstance(reason, str) else None


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _nanoseconds(value: Json) -> int:
    """A time; in JSON, 64 bits are a text. 0 where it cannot be known."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return int(value)
    return value if type(value) is int and 0 <= value < 1 << 64 else 0


def _list(value: Json, name: str) -> list[Json]:
    found = _structured(value, name)
    expect(isinstance(found, list), f"`{name}` is not a list")
    return list(found)


def _structured(value: Json, name: str) -> Json:
    """A value that was recorded as JSON, or as it is."""
    if not isinstance(value, str):
        return value
    try:
        return parse_line(value.encode("utf-8", "surrogatepass"))
    except InvalidJson as error:
        raise InvalidTranscript(f"`{name}` is not JSON, or was cut off: {error}") from None


def attributes_of(pairs: Json) -> dict[str, Json]:
    """Attributes, or a `kvlistValue`, as a mapping.

    Raises:
        InvalidTranscript: they are none, or say two things about one key.
    """
    made: dict[str, Json] = {}
    expect(pairs is None or isinstance(pairs, list), "`attributes` is not a list")
    for pair in pairs or []:
        key = pair.get("key") if isinstance(pair, dict) else None
        if not isinstance(key, str) or key in made:
            raise InvalidTranscript("an attribute without its key, or twice")
        made[key] = unpacked(pair.get("value"))
    return made


def unpacked(value: Json) -> Json:
    """An `AnyValue` as JSON.

    Raises:
        InvalidTranscript: it is none.
    """
    if value is None or value == {}:
        return None
    expect(isinstance(value, Mapping) and len(value) == 1, "a value that is not one value")
    kind, inner = next(iter(value.items()))
    if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        return inner
    if kind == "intValue":
        sign = isinstance(inner, str) and inner.startswith("-")
        number = inner if type(inner) is int else _nanoseconds(inner[1:] if sign else inner)
        return -number if sign else number
    values = inner.get("values") if isinstance(inner, Mapping) else None
    if kind == "arrayValue":
        items: Sequence[Json] = values if isinstance(values, list) else []
        return [unpacked(item) for item in items]
    expect(kind == "kvlistValue", f"a value of the unknown kind `{kind}`")
    return attributes_of(values)
