"""Chat Completions: what a request says, and every shape in which an answer can carry a call. What is not understood blocks the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

import msgspec

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json, RunStarted, ToolCall
from agentgate.core.schemas import InvalidSchema, tool_set
from agentgate.files.importers.chat import from_messages
from agentgate.files.transcript import InvalidTranscript, Item
from agentgate.gateway.bodies import Bodies, Tools
from agentgate.gateway.calls import check_finish, custom_arguments, custom_input, custom_tool, proposed_call, text_or_none, usage_of
from agentgate.gateway.chat_stream import ChatStream
from agentgate.gateway.chat_usual import read_usual
from agentgate.gateway.envelope import BadRequest, chosen, field, objects
from agentgate.gateway.shapes import Answer, Asked, Broken, Whole
from agentgate.models.replies import MAX_ANSWER_BYTES, Doubts, error_text, look_for_other_calls, present, quoted

PATH = "/chat/completions"

_RESULTS = ("tool", "function")
"""Who speaks in messages with results."""
_BEFORE_ANSWERS = ("system", "developer", "user")

_TEXTS = (str, type(None))

_bodies = Bodies()
_Offered: TypeAlias = tuple[tuple[dict[str, Json], ...], tuple[str, ...]]
"""Functions in Chat Completions form, and kinds of tools whose calls nobody could judge."""


def read_request(raw: bytes, limit: int) -> Asked:
    """What a request says.

    Raises:
        BadRequest: nobody could judge an answer to it.
    """
    body, known = _bodies.read(raw, limit)
    messages = objects(body, "messages")
    if not messages:
        raise BadRequest("`messages` is missing or empty", "messages")
    try:
        tools, hosted = _offered(body, known)
        items, legacy = conversation(messages, tools)
    except (InvalidTranscript, InvalidSchema) as error:
        raise BadRequest(str(error)) from None
    options: dict[str, Json] = field(body, "stream_options", dict, {})
    return Asked(
        body=body,
        raw=raw,
        model=field(body, "model", str, ""),
        stream=field(body, "stream", bool, False),
        items=items,
        tools=tools,
        tool_choice=_choice(body),
        legacy_calls=legacy,
        hosted=hosted,
        bound_by=("max_completion_tokens", "max_tokens"),
        wants_usage=options.get("include_usage") is True,
    )


def conversation(messages: Sequence[dict[str, Json]], tools: tuple[dict[str, Json], ...]) -> tuple[tuple[Item, ...], int]:
    """The conversation as the run it was, and how many calls in the old form it has. Most requests begin one, and need no importer.

    Raises:
        InvalidTranscript, InvalidSchema: it, or its tools, cannot be understood.
    """
    for message in messages:
        if message.get("role") not in _BEFORE_ANSWERS:
            plain, legacy = in_one_form(messages)
            return from_messages(plain, run_id="request", tools=list(tools)), legacy
    return (RunStarted(run_id="request", messages=tuple(messages), tools=tools),), 0


def with_usage(asked: Asked) -> bytes:
    """The request, so that a streamed answer tells its usage too."""
    if not asked.stream or asked.wants_usage:
        return asked.raw
    options = {**(asked.body.get("stream_options") or {}), "include_usage": True}
    return msgspec.json.encode({**asked.body, "stream_options": options})


def contents(asked: Asked) -> list[Json]:
    """The contents of the results in the request."""
    return [message.get("content") for message in asked.body["messages"] if message.get("role") in _RESULTS]


def with_contents(asked: Asked, contents: Sequence[Json]) -> Asked:
    """The request with other contents of its results; of a message that is changed nothing else stays that could say something."""
    messages, rest = [], iter(contents)
    for message in asked.body["messages"]:
        if message.get("role") in _RESULTS:
            content = next(rest)
            if content is not message.get("content"):
                message = {**{key: message[key] for key in ("role", "tool_call_id", "name") if key in message}, "content": content}
        messages.append(message)
    body = {**asked.body, "messages": messages}
    return msgspec.structs.replace(asked, body=body, raw=msgspec.json.encode(body))


def ask_again(asked: Asked, calls: Sequence[ToolCall], contents: Sequence[str]) -> Asked:
    """The request with the withheld calls and what became of them at its end."""
    said = [_said(call, custom_input(call, asked)) for call in calls]
    told = [{"role": "tool", "tool_call_id": call.id, "content": content} for call, content in zip(calls, contents, strict=True)]
    messages = [*asked.body["messages"], {"role": "assistant", "content": None, "tool_calls": said}, *told]
    body = {**asked.body, "messages": messages}
    return msgspec.structs.replace(asked, body=body, raw=msgspec.json.encode(body))


def _said(call: ToolCall, text: str | None) -> dict[str, Json]:
    if text is not None:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": text}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def open_stream(asked: Asked, *, hold: bool) -> ChatStream:
    """A streamed answer to the request."""
    return ChatStream(hold=hold, keep_usage=asked.wants_usage, legacy=asked.legacy_calls)


def read_answer(raw: bytes, asked: Asked) -> Whole:
    """An answer that was not streamed.

    Raises:
        Broken: it is none.
    """
    return read_usual(raw) or ChatAnswer(raw, asked.legacy_calls)


class ChatAnswer:
    """An answer that was not streamed, taken apart."""

    def __init__(self, raw: bytes, legacy: int) -> None:
        """Reads it.

        Args:
            raw: the body.
            legacy: how many calls without an id there were before.

        Raises:
            Broken: it is no answer at all.
        """
        self._raw = raw
        self._body = _object(raw)
        self._doubts = Doubts()
        choices = self._body.get("choices")
        if type(choices) is not list or not choices:
            raise Broken("the answer has no choices")
        if present(self._body.get("output")):
            self._doubts.add("the answer has `choices` and `output`")
        look_for_other_calls(self._body, self._doubts, known=("choices",))
        self._messages: list[dict[str, Json]] = []
        self._legacy = legacy
        self._calls: list[ToolCall] = []
        for choice in choices:
            self._read_choice(choice)
        self.answer = Answer(
            calls=tuple(self._calls),
            finish_reason=text_or_none(choices[0].get("finish_reason")),
            usage=usage_of(self._body.get("usage")),
            unusable=self._doubts.first,
            id=text_or_none(self._body.get("id")),
            model=text_or_none(self._body.get("model")),
        )

    def released(self) -> bytes:
        """The body for the client, its calls written anew."""
        if not self.answer.calls:
            return self._raw
        choices = [{**choice, "message": message} for choice, message in zip(self._body["choices"], self._messages, strict=True)]
        return msgspec.json.encode({**self._body, "choices": choices})

    def untouched(self) -> bytes:
        """The body as it came."""
        return self._raw

    def _read_choice(self, choice: Json) -> None:
        said = choice.get("message") if type(choice) is dict else None
        if type(said) is not dict:
            raise Broken("a choice of the answer has no message")
        doubts = self._doubts
        if present(choice.get("delta")):
            doubts.add("the answer has a `delta` although it is not streamed")
        if said.get("role") != "assistant":
            doubts.add(f"the answer's role is {quoted(said.get('role'))}, not `assistant`")
        look_for_other_calls(choice, doubts, known=("message",))
        look_for_other_calls(said, doubts, known=("content", "tool_calls", "function_call"))
        for key in ("content", "refusal"):
            if type(said.get(key)) not in _TEXTS:
                doubts.add(f"the answer's `{key}` is not text")
        made = said.copy()
        proposed, old = made.pop("tool_calls", None), made.pop("function_call", None)
        before = len(self._calls)
        if proposed is not None and (calls := self._tool_calls(proposed)):
            made["tool_calls"] = calls
        if present(old):
            made["function_call"] = self._function_call(old)
        check_finish(choice.get("finish_reason"), len(self._calls) > before, doubts)
        self._messages.append(made)

    def _tool_calls(self, proposed: Json) -> list[dict[str, Json]]:
        if type(proposed) is not list:
            self._doubts.add("`tool_calls` is not a list")
            return []
        made = []
        for one in proposed:
            call = proposed_call(one, self._doubts)
            if call is not None:
                self._calls.append(call[0])
                made.append(call[1])
        return made

    def _function_call(self, proposed: Json) -> dict[str, Json] | None:
        if type(proposed) is not dict:
            self._doubts.add("`function_call` is not an object")
            return None
        made = {"name": proposed.get("name"), "arguments": proposed.get("arguments")}
        self._calls.append(ToolCall(f"legacy_{self._legacy}", made["name"], made["arguments"]))
        self._legacy += 1
        return made


def in_one_form(messages: Sequence[dict[str, Json]]) -> tuple[list[dict[str, Json]], int]:
    """A conversation with calls in the old form and calls of custom tools as plain calls of functions, and how many old ones there are.

    A call in the old form has no id; the result after it goes by the tool's name. Both get the number of the call as their id, as the call
    had it when it was judged.
    """
    if not any("function_call" in message or "tool_calls" in message for message in messages):
        return list(messages), 0
    made, legacy = [], 0
    for message in messages:
        role, old, given = message.get("role"), message.get("function_call"), message.get("tool_calls")
        if role == "assistant" and (type(old) is dict or type(given) is list):
            calls = [_plain(call) for call in given or ()]
            if type(old) is dict:
                calls.append({"id": f"legacy_{legacy}", "type": "function", "function": dict(old)})
                legacy += 1
            if calls != given or "function_call" in message:
                message = {key: value for key, value in message.items() if key != "function_call"} | {"tool_calls": calls}
        elif role == "function":
            message = {**message, "tool_call_id": f"legacy_{legacy - 1}"}
        made.append(message)
    return made, legacy


def _plain(call: Json) -> Json:
    if type(call) is not dict or call.get("type") != "custom":
        return call
    custom = call.get("custom")
    if type(custom) is not dict:
        return call
    return {
        "id": call.get("id"),
        "type": "function",
        "function": {"name": custom.get("name"), "arguments": custom_arguments(custom.get("input"))},
    }


def _offered(body: Mapping[str, Json], known: Tools | None) -> _Offered:
    """What `_tools` makes of a body, made once for tools that are known."""
    if known is None or "functions" in body or "web_search_options" in body:
        return _tools(body)
    if known.offered is None:
        known.offered = _tools(body)
    return cast("_Offered", known.offered)


def _tools(body: Mapping[str, Json]) -> _Offered:
    """The functions that are offered, and the kinds of tools that the provider executes itself."""
    tools: list[dict[str, Json]] = []
    hosted = [] if body.get("web_search_options") is None else ["web_search"]  # an empty object asks for it, too
    for tool in objects(body, "tools"):
        kind = tool.get("type")
        if kind == "function":
            tools.append(tool)
        elif kind == "custom" and isinstance(tool.get("custom"), Mapping):
            tools.append(custom_tool(tool["custom"]))
        else:
            hosted.append(kind if isinstance(kind, str) else "unknown")
    tools += [{"type": "function", "function": function} for function in objects(body, "functions")]
    # The same object for equal tools, which are then known at a glance.
    return cast("tuple[dict[str, Json], ...]", tool_set(tools).definitions), tuple(hosted)


def _choice(body: Mapping[str, Json]) -> Json:
    choice = body.get("tool_choice")
    old = body.get("function_call")
    if choice is None and old is not None:
        return chosen({"type": "function", "function": old} if isinstance(old, Mapping) else old)
    return chosen(choice)


def _object(raw: bytes) -> dict[str, Json]:
    try:
        body = parse_json(raw, limit=MAX_ANSWER_BYTES)
    except InvalidJson as error:
        raise Broken(f"the answer is not strict JSON: {error}") from None
    if type(body) is not dict:
        raise Broken("the answer is not a JSON object")
    if present(body.get("error")):
        raise Broken(f"the upstream reports an error: {error_text(body)}")
    return body
