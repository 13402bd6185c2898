"""The item form of the Responses API, both ways: a conversation as input items, and output items as a `Reply`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agentgate.core.events import Json
from agentgate.core.state import CUT_OFF
from agentgate.errors import ModelError
from agentgate.models.port import Reply
from agentgate.models.replies import WRONG_SERVER, Doubts, error_text, function_call, present, quoted, read_answer
from agentgate.models.usage import parse_usage

_FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Why an answer is incomplete → the same in Chat Completions' words."""

_KEPT = {
    "reasoning": ("type", "id", "summary", "content", "encrypted_content", "status"),
    "message": ("type", "id", "role", "content", "status", "phase"),
    "function_call": ("type", "id", "call_id", "name", "arguments", "status"),
}
"""The fields of output items that are sent back."""


def input_items(messages: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """A conversation in Chat Completions form as input items of a stateless request.

    An assistant message that carries `items` (see `Reply.items`) is said again by those; its calls are taken from the message, so that
    they and their outputs go by the same ids.
    """
    items: list[dict[str, Json]] = []
    for message in messages:
        role, calls = message.get("role"), [_call_item(call) for call in message.get("tool_calls") or ()]
        if role == "tool":
            items.append({"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]})
        elif message.get("items"):
            items += _said_again(message["items"], calls)
        else:
            text = message.get("content") or message.get("refusal")
            if text:
                items.append({"role": role, "content": text})
            items += calls
    return items


def tools_as_items(tools: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Tool definitions in the flat form of this API. They are as strict as they say, never stricter by default."""
    return [{"type": "function", "strict": False, **tool["function"]} for tool in tools]


def responses_reply(body: bytes) -> Reply:
    """The answer of the Responses API, not streamed, as a message in Chat Completions form.

    Raises:
        ModelError: this is no answer at all: not strict JSON, failed, no output, impossible usage.
    """
    answer = read_answer(body)
    output, status = answer.get("output"), answer.get("status")
    if status in ("failed", "cancelled"):
        raise ModelError(f"the provider reports the answer as {status}: {error_text(answer.get('error') or {})}", help="try again later")
    if not isinstance(output, list):
        raise ModelError("the answer has no output", help=WRONG_SERVER)
    doubts = Doubts()
    finish_reason = _check_status(answer, doubts)
    if present(answer.get("choices")):
        doubts.add("the answer has `output` and `choices`")
    message = _message(output, doubts)
    return Reply(
        message=message,
        finish_reason=finish_reason or ("tool_calls" if "tool_calls" in message else "stop"),
        usage=parse_usage(answer.get("usage")),
        unusable=doubts.first,
        items=() if doubts.first else _items_to_keep(output),
    )


def _call_item(call: Mapping[str, Json]) -> dict[str, Json]:
    return {"type": "function_call", "call_id": call["id"], "name": call["function"]["name"], "arguments": call["function"]["arguments"]}


def _said_again(items: Iterable[Mapping[str, Json]], calls: list[dict[str, Json]]) -> Iterable[dict[str, Json]]:
    in_order = iter(calls)
    for item in items:
        yield {**item, **next(in_order, {})} if item["type"] == "function_call" else dict(item)


def _check_status(answer: Mapping[str, Json], doubts: Doubts) -> str | None:
    """The finish reason of an answer that is not whole; None where it is."""
    status = answer.get("status")
    if status == "completed":
        return None
    details = answer.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    finish_reason = _FINISH_REASONS.get(reason, reason) if isinstance(reason, str) else "incomplete"
    if status == "incomplete":
        doubts.add(CUT_OFF.get(finish_reason) or f"the answer is not complete: {quoted(reason)}")
    else:
        doubts.add(f"the answer's status is {quoted(status)}, not `completed`")
    return finish_reason


def _message(output: list[Json], doubts: Doubts) -> dict[str, Json]:
    texts: list[str] = []
    refusals: list[str] = []
    calls: list[dict[str, Json]] = []
    for item in output:
        kind = item.get("type") if isinstance(item, Mapping) else None
        if isinstance(kind, str) and kind in _KEPT and item.get("status") not in (None, "completed"):
            doubts.add(f"an item of the answer is {quoted(item.get('status'))}, not `completed`")
        if kind == "message":
            _read_message(item, texts, refusals, doubts)
        elif kind == "function_call":
            calls.append(_read_call(item, doubts))
        elif kind != "reasoning":
            doubts.add(f"the answer has an item of the type {quoted(kind)}, which is not understood")
    message: dict[str, Json] = {"role": "assistant", "content": "".join(texts) if texts else None}
    if refusals:
        message["refusal"] = "".join(refusals)
    if calls:
        message["tool_calls"] = calls
    return message


def _read_message(item: Mapping[str, Json], texts: list[str], refusals: list[str], doubts: Doubts) -> None:
    if item.get("role") != "assistant":
        doubts.add(f"a message of the answer has the role {quoted(item.get('role'))}, not `assistant`")
    parts = item.get("content")
    if not isinstance(parts, list):
        doubts.add("a message of the answer has no list of parts")
        return
    if parts and texts:
        texts.append("\n")
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        text = part.get({"output_text": "text", "refusal": "refusal"}[kind]) if kind in ("output_text", "refusal") else None
        if not isinstance(text, str):
            doubts.add("a message of the answer has a part that is not understood")
            return
        (texts if kind == "output_text" else refusals).append(text)


def _read_call(item: Mapping[str, Json], doubts: Doubts) -> dict[str, Json]:
    caller = item.get("caller")
    if present(item.get("namespace")) or item.get("async") or (caller is not None and caller != {"type": "direct"}):
        doubts.add(f"a call of {quoted(item.get('name'))} is not a plain call of a function")
    return function_call(item.get("call_id"), item, doubts)


def _items_to_keep(output: list[Json]) -> tuple[Json, ...]:
    """The items to send back, where they say more than the message: reasoning that the server can read again, or phases.

    The server keeps nothing, so reasoning without its content would name something that it does not know. Then all go by the message,
    for other items are not accepted without the reasoning that belongs to them.
    """
    reasoning = [item for item in output if item["type"] == "reasoning"]
    if not all(present(item.get("encrypted_content")) or present(item.get("content")) for item in reasoning):
        return ()
    if not reasoning and not any(present(item.get("phase")) for item in output):
        return ()
    return tuple({key: item[key] for key in _KEPT[item["type"]] if item.get(key) is not None} for item in output)
