"""Chat Completions message lists: `{"messages": [...]}`, or the bare list.

Nothing is repaired and nothing left out: whatever stands where a tool call belongs becomes a proposed call, with the values that it has,
and the gate refuses what is malformed. So arguments that are an object instead of a string are refused too, as they would be in a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from agentgate.core.events import EPOCH, Json, ModelReplied, RunStarted, ToolCall, ToolReturned
from agentgate.core.state import State, evolve
from agentgate.files.transcript import InvalidTranscript, Item, Proposed, Unanswered

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def recognises(value: Json) -> bool:
    """Whether a value is a message list, or has one."""
    if isinstance(value, dict):
        return isinstance(value.get("messages"), list)
    return isinstance(value, list) and any(isinstance(message, dict) and "role" in message for message in value)


def read(value: Json, run_id: str, tools: Json) -> tuple[Item, ...]:
    """The items of one line, or of a file with a bare list.

    Raises:
        InvalidTranscript: a message is not one, or the tools are not.
    """
    messages = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(messages, list):
        raise InvalidTranscript("not a list of messages")
    return from_messages(messages, run_id=run_id, tools=tools)


def from_messages(
    messages: Sequence[Json], *, run_id: str, tools: Json = None, model: str | None = None, workdir: str | None = None
) -> tuple[Item, ...]:
    """A conversation as the run it was.

    The messages before the first answer begin the run; each answer is a step, its calls are proposed in order, and messages with results
    are returns of executed calls, in the order in which they stand. Nothing is known about times, usage or decisions.

    Args:
        messages: in Chat Completions form.
        run_id: what the run is called.
        tools: the tools that were offered, in Chat Completions form; None where nobody says.
        model: its name, where somebody says.
        workdir: where relative paths start, absolute, where somebody says.

    Raises:
        InvalidTranscript: a message is not one, or the tools are not.
    """
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            raise InvalidTranscript(f"message {number} is not an object")
        if message.get("role") not in _ROLES:
            raise InvalidTranscript(f"message {number} has the unknown role `{message.get('role')}`")
    answers = (number for number, message in enumerate(messages) if message["role"] in ("assistant", "tool", "function"))
    begin = next(answers, len(messages))
    return (started(run_id, messages[:begin], tools, model=model, workdir=workdir), *_items(messages[begin:]))


def started(
    run_id: str,
    messages: Sequence[dict[str, Json]],
    tools: Json,
    *,
    model: str | None = None,
    workdir: str | None = None,
    at: datetime = EPOCH,
) -> RunStarted:
    """The beginning of an imported run. Tools that are not functions are left out: no call of them would be understood.

    Raises:
        InvalidTranscript: the tools are none, or nothing can be judged by them.
    """
    if tools is not None and not (isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)):
        raise InvalidTranscript("`tools` is not a list of tools")
    functions = None if tools is None else tuple(tool for tool in tools if tool.get("type", "function") == "function")
    event = RunStarted(run_id=run_id, messages=tuple(messages), tools=functions, imported=True, model=model, workdir=workdir, at=at)
    try:
        evolve(State(), event)
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidTranscript(f"nothing can be judged by its `tools` or messages: {error}") from None
    return event


def _items(messages: Sequence[dict[str, Json]]) -> Iterator[Item]:
    step = index = 0
    between: list[dict[str, Json]] = []
    for message in messages:
        match message["role"]:
            case "assistant":
                step += 1
                yield ModelReplied(step=step, message=message, messages=tuple(between))
                between = []
                for call in calls_of(message):
                    yield Proposed(call, index)
                    index += 1
            case "tool" | "function":
                yield ToolReturned(call_id=message.get("tool_call_id"), executed=True, ok=True, content=text_of(message.get("content")))
            case _:
                between.append(message)
    if between:
        yield Unanswered(tuple(between))


def calls_of(message: Mapping[str, Json]) -> list[ToolCall]:
    """The calls of an assistant message, in order, whatever they look like."""
    proposed = message.get("tool_calls")
    calls = [_call(item) for item in (proposed if isinstance(proposed, list) else [] if proposed is None else [proposed])]
    legacy = message.get("function_call")
    if legacy is not None:
        calls.append(_call({"function": legacy}))
    return calls


def _call(proposed: Json) -> ToolCall:
    """A call as it stands. One that is not a function's keeps all that it has as arguments, which no gate takes for arguments."""
    if not isinstance(proposed, dict):
        return ToolCall(None, None, [proposed])
    function = proposed.get("function")
    if proposed.get("type", "function") == "function" and isinstance(function, dict):
        return ToolCall(proposed.get("id"), function.get("name"), function.get("arguments"))
    kind = proposed.get("type")
    inner = proposed.get(kind) if isinstance(kind, str) else None
    name = (inner if isinstance(inner, dict) else proposed).get("name")
    return ToolCall(proposed.get("id"), name, proposed)


def text_of(content: Json) -> str:
    """What a tool said: a string, the texts of its parts, or JSON."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
        return "".join(part["text"] for part in content)
    return json.dumps(content)
