"""From the raw bytes of an answer to a `Reply`, strictly: what is not understood completely is marked so that nothing of it is executed."""

from __future__ import annotations

from collections.abc import Mapping

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json
from agentgate.core.state import CUT_OFF
from agentgate.errors import ModelError
from agentgate.models.port import Reply
from agentgate.models.usage import parse_usage

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Longer answers are not read to their end."""

_WHOLE = ("stop", "tool_calls")
"""The finish reasons of an answer that is complete."""

_NO_CALLS = frozenset(
    ("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "index", "message", "finish_reason",
     "logprobs", "role", "content", "refusal", "annotations", "delta", "output", "status", "type", "text")
)  # fmt: skip
"""What most fields are called: no call goes by these names."""
_NESTED = (dict, list)
_COUNTS = frozenset((int, float, bool, type(None)))

WRONG_SERVER = "is `base_url` the address of an OpenAI-compatible server? it usually ends in `/v1`"


def chat_reply(body: bytes) -> Reply:
    """The answer of Chat Completions, not streamed.

    The message of the reply holds only fields that are known, copied one by one. Calls whose id or name is wrong stay in it as they are,
    for the gate to refuse and record.

    Raises:
        ModelError: this is no answer at all: not strict JSON, an error, no choices, impossible usage.
    """
    answer = read_answer(body)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ModelError("the answer has no choices", help=WRONG_SERVER)
    doubts = Doubts()
    if len(choices) > 1:
        doubts.add(f"the answer has {len(choices)} choices where one was asked for")
    messages = [_chat_message(choice, doubts) for choice in choices]
    if present(answer.get("output")):
        doubts.add("the answer has `choices` and `output`")
    look_for_other_calls(answer, doubts, known=("choices",))
    message = messages[0]
    calls = [call for each in messages for call in each.get("tool_calls", ())]
    if calls:
        message["tool_calls"] = calls
    finish_reason = choices[0].get("finish_reason")
    _check_finish(finish_reason, calls, doubts)
    return Reply(
        message=message,
        finish_reason=finish_reason if isinstance(finish_reason, str) else None,
        usage=parse_usage(answer.get("usage")),
        unusable=doubts.first,
    )


class Doubts:
    """Why an answer is not understood completely. The first reason is the one that is told."""

    def __init__(self) -> None:
        self.first: str | None = None

    def add(self, reason: str) -> None:
        """Notes a reason."""
        if self.first is None:
            self.first = reason


def read_answer(body: bytes) -> dict[str, Json]:
    """The object that an answer is.

    Raises:
        ModelError: it is not one strict JSON object, or it is the report of an error.
    """
    try:
        answer = parse_json(body, limit=MAX_ANSWER_BYTES)
    except InvalidJson as error:
        raise ModelError(f"the answer is not strict JSON: {error}", help=WRONG_SERVER) from None
    if not isinstance(answer, dict):
        raise ModelError("the answer is not a JSON object", help=WRONG_SERVER)
    if present(answer.get("error")):
        raise ModelError(f"the provider reports an error: {error_text(answer)}", help="try again later")
    return answer


def error_text(body: Json) -> str:
    """What the body of an error says, in one line of at most 300 characters."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, Mapping):
        error = next((error[key] for key in ("message", "detail", "code", "type") if isinstance(error.get(key), str)), "no reason given")
    text = " ".join(str(error).split()).rstrip(".")
    if not text or text.startswith("<"):  # a page for browsers says nothing here
        return "no reason given"
    return text if len(text) <= 300 else text[:299] + "…"


def function_call(call_id: Json, function: Mapping[str, Json], doubts: Doubts) -> dict[str, Json]:
    """A call in Chat Completions form, with id and name as they are: the gate judges those."""
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        doubts.add(f"the arguments of a call of {quoted(function.get('name'))} are not a string")
    return {"id": call_id, "type": "function", "function": {"name": function.get("name"), "arguments": arguments}}


def quoted(value: Json) -> str:
    """A value of the model's in a message: short, in backticks."""
    text = value if isinstance(value, str) else "missing" if value is None else repr(value)
    return f"`{text if len(text) <= 80 else text[:79] + '…'}`"


def present(value: Json) -> bool:
    """Whether a field says anything: servers send empty ones for what is not there."""
    return value is not None and value != [] and value != {} and value != ""


def _chat_message(choice: Json, doubts: Doubts) -> dict[str, Json]:
    if not isinstance(choice, Mapping) or not isinstance(choice.get("message"), Mapping):
        raise ModelError("a choice of the answer has no message", help=WRONG_SERVER)
    said = choice["message"]
    if present(choice.get("delta")):
        doubts.add("the answer has a `delta` although it is not streamed")
    if choice.get("index") not in (0, None):
        doubts.add(f"a choice has the index {quoted(choice['index'])}")
    if said.get("role") != "assistant":
        doubts.add(f"the answer's role is {quoted(said.get('role'))}, not `assistant`")
    if present(said.get("function_call")):
        doubts.add("the answer has a call in the old form `function_call`")
    look_for_other_calls(choice, doubts, known=("message",))
    look_for_other_calls(said, doubts, known=("content", "tool_calls", "function_call"))
    message: dict[str, Json] = {"role": "assistant", "content": _text(said, "content", doubts)}
    refusal = _text(said, "refusal", doubts)
    if refusal is not None:
        message["refusal"] = refusal
    calls = _chat_calls(said.get("tool_calls"), doubts)
    if calls:
        message["tool_calls"] = calls
    return message


def _check_finish(reason: Json, calls: list[Json], doubts: Doubts) -> None:
    if not isinstance(reason, str) or reason not in _WHOLE:
        cut_off = CUT_OFF.get(reason) if isinstance(reason, str) else None
        doubts.add(cut_off or f"the answer ended for a reason that is not known, {quoted(reason)}")
    elif reason == "tool_calls" and not calls:
        doubts.add("the answer announces tool calls and has none")


def _text(said: Mapping[str, Json], key: str, doubts: Doubts) -> str | None:
    text = said.get(key)
    if text is None or isinstance(text, str):
        return text
    doubts.add(f"the answer's `{key}` is not text")
    return None


def _chat_calls(proposed: Json, doubts: Doubts) -> list[dict[str, Json]]:
    if proposed is None:
        return []
    if not isinstance(proposed, list):
        doubts.add("`tool_calls` is not a list")
        return []
    return [call for each in proposed if (call := _chat_call(each, doubts)) is not None]


def _chat_call(proposed: Json, doubts: Doubts) -> dict[str, Json] | None:
    """One entry of `tool_calls`. Of a kind that is not known, only that there was one is kept, so that its refusal can be recorded."""
    if not isinstance(proposed, Mapping):
        doubts.add("a tool call is not an object")
        return None
    kind, function = proposed.get("type"), proposed.get("function")
    if kind != "function":
        doubts.add(f"a tool call has the type {quoted(kind)}, not `function`")
    elif not isinstance(function, Mapping):
        doubts.add("a tool call has no function")
    elif present(proposed.get("custom")):
        doubts.add("a tool call has the body of a function and of a custom tool")
    else:
        return function_call(proposed.get("id"), function, doubts)
    return {"id": proposed.get("id"), "type": kind}


def look_for_other_calls(place: Mapping[str, Json], doubts: Doubts, *, known: tuple[str, ...] = ()) -> None:
    """Whatever else is called a call, a function or a tool may be one, also within a field that is not known.

    Args:
        place: a part of an answer, as JSON has it.
        doubts: takes what is found.
        known: its fields that are taken apart elsewhere.
    """
    for key, value in place.items():
        nested = type(value) in _NESTED
        if key in _NO_CALLS:
            if key == "type" and type(value) is str and _names_a_call(value):
                doubts.add(f"the answer has a part of the type {quoted(value)}")
            elif nested and value and key not in known:
                _look_within(value, doubts)
        elif key in known or not present(value):
            continue
        elif _names_a_call(key):
            doubts.add(f"the answer has a field that is not known, {quoted(key)}")
        elif nested:
            _look_within(value, doubts)


def _names_a_call(name: str) -> bool:
    name = name.lower()
    return "call" in name or "function" in name or "tool" in name


def _look_within(value: Json, doubts: Doubts) -> None:
    """The same for what is not known in an answer, at any depth; how often tools were used, a usage may well tell."""
    if type(value) is list:
        for part in value:
            if type(part) in _NESTED:
                _look_within(part, doubts)
        return
    for key, part in value.items():
        if type(part) in _COUNTS or (type(part) is dict and _COUNTS.issuperset(map(type, part.values()))):
            continue
        named = part if key == "type" and type(part) is str else key
        if present(part) and _names_a_call(named):
            doubts.add(f"the answer has a field that is not known, {quoted(named)}")
        if type(part) in _NESTED:
            _look_within(part, doubts)
