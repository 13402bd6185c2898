"""The Responses API: what a request says, and every item of an answer that can carry a call. What is not understood blocks the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json, ToolCall
from agentgate.core.state import CUT_OFF
from agentgate.files.importers import responses as importer
from agentgate.files.transcript import InvalidTranscript
from agentgate.gateway.bodies import Bodies
from agentgate.gateway.calls import custom_arguments, custom_input, custom_tool, text_or_none, usage_of
from agentgate.gateway.envelope import BadRequest, chosen, field, objects
from agentgate.gateway.responses_stream import ResponsesStream, look_at_plain_item, look_at_response
from agentgate.gateway.shapes import Answer, Asked, Broken
from agentgate.models.replies import MAX_ANSWER_BYTES, Doubts, error_text, present, quoted

PATH = "/responses"

_JUDGED = ("function", "custom")
"""Kinds of tools whose calls are judged."""
_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Why an answer is incomplete → the same in Chat Completions' words."""

_bodies = Bodies()


def read_request(raw: bytes, limit: int) -> Asked:
    """What a request says.

    Raises:
        BadRequest: nobody could judge an answer to it.
    """
    body, _ = _bodies.read(raw, limit)
    if field(body, "background", bool, False):
        raise BadRequest("an answer in the background would come by a way that is not judged", "background")
    given = body.get("input")
    if not isinstance(given, str | list | None):
        raise BadRequest("`input` is neither a text nor a list", "input")
    tools, hosted = _tools(body)
    choice, chosen_hosted = _choice(body.get("tool_choice"))
    conversation = {"input": _in_one_form(given), "instructions": text_or_none(body.get("instructions"))}
    try:
        items = importer.read(conversation, "request", tools)
    except InvalidTranscript as error:
        raise BadRequest(str(error)) from None
    return Asked(
        body=body,
        raw=raw,
        model=field(body, "model", str, ""),
        stream=field(body, "stream", bool, False),
        items=items,
        tools=tuple(tools),
        tool_choice=choice,
        hosted=(*hosted, *chosen_hosted, *_hidden(body, given)),
        bound_by=("max_output_tokens",),
        foreign=next((f"an item of the type `{kind}`" for kind in map(_kind, _listed(given)) if _is_foreign(kind)), None),
        continues=_continued(body, given),
    )


def with_usage(asked: Asked) -> bytes:
    """The request: answers of this API always tell their usage."""
    return asked.raw


def contents(asked: Asked) -> list[Json]:
    """The contents of the results in the request."""
    return [item.get("output") for item in _listed(asked.body.get("input")) if _is_result(item)]


def with_contents(asked: Asked, contents: Sequence[Json]) -> Asked:
    """The request with other contents of its results; of an item that is changed nothing else stays that could say something."""
    items, rest = [], iter(contents)
    for item in _listed(asked.body.get("input")):
        if _is_result(item):
            output = next(rest)
            if output is not item.get("output"):
                item = {**{key: item[key] for key in ("type", "id", "call_id") if key in item}, "output": output}
        items.append(item)
    body = {**asked.body, "input": items}
    return msgspec.structs.replace(asked, body=body, raw=msgspec.json.encode(body))


def _listed(given: Json) -> list[Json]:
    return given if isinstance(given, list) else []


def _kind(item: Json) -> str:
    kind = item.get("type") if isinstance(item, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _continued(body: Mapping[str, Json], given: Json) -> str | None:
    """The field that names something said before which only the provider knows."""
    named = next((name for name in ("previous_response_id", "conversation") if present(body.get(name))), None)
    return "input" if named is None and any(_kind(item) == "item_reference" for item in _listed(given)) else named


def _hidden(body: Mapping[str, Json], given: Json) -> list[str]:
    """Tools that are offered without being named.

    A template at the provider has some, unless the request names others in their place; and a permission executes what one has proposed.
    """
    template = ["prompt template"] if present(body.get("prompt")) and body.get("tools") is None else []
    return [*template, *(kind for kind in map(_kind, _listed(given)) if kind == "mcp_approval_response")]


def _is_result(item: Json) -> bool:
    """As the importer tells them."""
    return _kind(item).endswith("_output")


def _is_foreign(kind: str) -> bool:
    """Whether it is a call that the provider made, with its result."""
    return (kind.endswith("_call") and kind not in ("function_call", "custom_tool_call")) or kind == "mcp_approval_request"


def ask_again(asked: Asked, calls: Sequence[ToolCall], contents: Sequence[str]) -> Asked:
    """The request with the withheld calls and what became of them at its end."""
    given = asked.body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())
    texts = [custom_input(call, asked) for call in calls]
    for call, text in zip(calls, texts, strict=True):
        said = {"type": "function_call", "arguments": call.arguments} if text is None else {"type": "custom_tool_call", "input": text}
        items.append({**said, "call_id": call.id, "name": call.name})
    for call, text, content in zip(calls, texts, contents, strict=True):
        kind = "function_call_output" if text is None else "custom_tool_call_output"
        items.append({"type": kind, "call_id": call.id, "output": content})
    body = {**asked.body, "input": items}
    return msgspec.structs.replace(asked, body=body, raw=msgspec.json.encode(body))


def open_stream(asked: Asked, *, hold: bool) -> ResponsesStream:
    """A streamed answer to the request."""
    return ResponsesStream(_Final, hold=hold)


def read_answer(raw: bytes, asked: Asked) -> ResponsesAnswer:
    """An answer that was not streamed.

    Raises:
        Broken: it is none.
    """
    return ResponsesAnswer(raw)


class ResponsesAnswer:
    """An answer that was not streamed, taken apart."""

    def __init__(self, raw: bytes) -> None:
        """Reads it.

        Raises:
            Broken: it is no answer at all.
        """
        self._raw = raw
        try:
            body = parse_json(raw, limit=MAX_ANSWER_BYTES)
        except InvalidJson as error:
            raise Broken(f"the answer is not strict JSON: {error}") from None
        self._read = _Final(body)
        self.answer = self._read.answer

    def released(self) -> bytes:
        """The body for the client, its calls written anew."""
        return msgspec.json.encode(self._read.body) if self.answer.calls else self._raw

    def untouched(self) -> bytes:
        """The body as it came."""
        return self._raw


class _Final:
    """A whole response, of an answer in one piece or at the end of a stream."""

    def __init__(self, body: Json, doubts: Doubts | None = None) -> None:
        """Reads it.

        Args:
            body: the response.
            doubts: what was doubtful before.

        Raises:
            Broken: it is none.
        """
        output = body.get("output") if isinstance(body, dict) else None
        if not isinstance(output, list):
            told = error_text(body) if isinstance(body, dict) and present(body.get("error")) else "the answer has no output"
            raise Broken(told)
        self._doubts = doubts or Doubts()
        if present(body.get("choices")):
            self._doubts.add("the answer has `output` and `choices`")
        look_at_response(body, self._doubts)
        self.calls: list[tuple[int, ToolCall, dict[str, Json]]] = []
        """Place in the output, the call as it is judged, and the item as it goes out."""
        self.body = {**body, "output": [self._item(place, item) for place, item in enumerate(output)]}
        finish = self._finish(body)
        self.answer = Answer(
            calls=tuple(call for _, call, _ in self.calls),
            finish_reason=finish or ("tool_calls" if self.calls else "stop"),
            usage=usage_of(body.get("usage")),
            unusable=self._doubts.first,
            id=text_or_none(body.get("id")),
            model=text_or_none(body.get("model")),
        )

    def _finish(self, body: Mapping[str, Json]) -> str | None:
        """Why the answer is not whole; None where it is. That is a doubt only where it proposes something."""
        status = body.get("status")
        if status == "completed":
            return None
        details = body.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        finish = _FINISH.get(reason, reason) if isinstance(reason, str) else "incomplete"
        if self.calls:
            self._doubts.add(CUT_OFF.get(finish) or f"the answer's status is {quoted(status)}, not `completed`")
        return finish

    def _item(self, place: int, item: Json) -> Json:
        kind = item.get("type") if isinstance(item, Mapping) else None
        if kind in ("function_call", "custom_tool_call"):
            return self._call(place, kind, item)
        if kind == "message":
            self._check_message(item)
        elif kind == "reasoning":
            look_at_plain_item(item, self._doubts)
        else:
            self._doubts.add(f"the answer has an item of the type {quoted(kind)}, which is not understood")
        return item

    def _call(self, place: int, kind: str, item: Mapping[str, Json]) -> dict[str, Json]:
        if item.get("status") not in (None, "completed"):
            self._doubts.add(f"a call of the answer is {quoted(item.get('status'))}, not `completed`")
        if not isinstance(item.get("id"), str | None):
            self._doubts.add("the id of an item is not text")
        caller = item.get("caller")
        if present(item.get("namespace")) or item.get("async") or (caller is not None and caller != {"type": "direct"}):
            self._doubts.add(f"a call of {quoted(item.get('name'))} is not a plain call of a function")
        text = "arguments" if kind == "function_call" else "input"
        made = {key: item[key] for key in ("id", "call_id", "name", text) if key in item}
        made = {"type": kind, **made, "status": "completed"}
        given = item.get(text)
        arguments = given if kind == "function_call" else custom_arguments(given)
        self.calls.append((place, ToolCall(item.get("call_id"), item.get("name"), arguments), made))
        return made

    def _check_message(self, item: Mapping[str, Json]) -> None:
        if item.get("role") != "assistant":
            self._doubts.add(f"a message of the answer has the role {quoted(item.get('role'))}, not `assistant`")
        if not isinstance(item.get("content"), list):
            self._doubts.add("a message of the answer has no list of parts")
        look_at_plain_item(item, self._doubts)


def _in_one_form(given: Json) -> Json:
    """Input items with calls of custom tools as plain calls of functions."""
    if not isinstance(given, list):
        return given
    return [_plain(item) if isinstance(item, Mapping) and item.get("type") == "custom_tool_call" else item for item in given]


def _plain(item: Mapping[str, Json]) -> dict[str, Json]:
    arguments = custom_arguments(item.get("input"))
    return {"type": "function_call", "call_id": item.get("call_id"), "name": item.get("name"), "arguments": arguments}


def _choice(choice: Json) -> tuple[Json, list[str]]:
    """`tool_choice` as far as it is about functions, and the kinds of other tools that it names.

    Raises:
        BadRequest: it is of no form that is known.
    """
    kind = _kind(choice)
    if kind == "allowed_tools" and isinstance(choice.get("tools"), list):
        kinds = [_kind(tool) for tool in choice["tools"]]
        hosted = [name for name in kinds if name not in ("", *_JUDGED)]
        own = [tool for tool, name in zip(choice["tools"], kinds, strict=True) if name in ("", *_JUDGED)]
        return chosen({**choice, "tools": own}), hosted
    return (chosen(choice), []) if kind in ("", "allowed_tools", *_JUDGED) else ("required", [kind])


def _tools(body: Mapping[str, Json]) -> tuple[list[dict[str, Json]], tuple[str, ...]]:
    """The functions that are offered, in Chat Completions form, and the kinds of tools whose calls nobody could judge."""
    tools: list[dict[str, Json]] = []
    hosted: list[str] = []
    for tool in objects(body, "tools"):
        kind = tool.get("type")
        if kind == "function":
            tools.append({"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}})
        elif kind == "custom":
            tools.append(custom_tool(tool))
        else:
            hosted.append(kind if isinstance(kind, str) else "unknown")
    return tools, tuple(hosted)
