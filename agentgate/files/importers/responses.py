"""Items of the Responses API: `{"items": [...]}`, `{"input": [...], "output": [...]}`, or the bare list.

They are put into Chat Completions form and read as that. A kind of call that is not a function's is proposed as it stands, and the gate
refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from agentgate.core.events import Json
from agentgate.files.importers import chat
from agentgate.files.transcript import InvalidTranscript, Item

_SAYS_NOTHING = ("reasoning", "item_reference", "compaction", "mcp_list_tools", "mcp_approval_response")
"""Items that neither propose nor return anything."""
_PROPOSE = ("_call", "mcp_approval_request")
"""How kinds of items end that propose a call."""


def recognises(value: Json) -> bool:
    """Whether a value holds items of the Responses API."""
    if isinstance(value, dict):
        lists = [value.get(key) for key in ("items", "input", "output")]
        return "messages" not in value and any(_known(_kind(item)) for items in lists if isinstance(items, list) for item in items)
    return isinstance(value, list) and any(_known(kind) and kind != "message" for kind in map(_kind, value))


def read(value: Json, run_id: str, tools: Json) -> tuple[Item, ...]:
    """The items of one line, or of a file with a bare list.

    Raises:
        InvalidTranscript: an item is of a kind that is not known.
    """
    messages = to_messages(_all_items(value))
    instructions = value.get("instructions") if isinstance(value, dict) else None
    if isinstance(instructions, str):
        messages.insert(0, {"role": "system", "content": instructions})
    return chat.from_messages(messages, run_id=run_id, tools=[_tool(tool) for tool in tools] if isinstance(tools, list) else tools)


def to_messages(items: Sequence[Json]) -> list[dict[str, Json]]:
    """Responses items as Chat Completions messages. What the model said between two inputs becomes one answer.

    Raises:
        InvalidTranscript: an item is of a kind that is not known.
    """
    messages: list[dict[str, Json]] = []
    answer: dict[str, Json] | None = None
    for number, item in enumerate(items, 1):
        kind = _kind(item)
        if kind is None:
            raise InvalidTranscript(f"item {number} has no `type`")
        if kind in _SAYS_NOTHING:
            continue
        if kind == "message" and item.get("role") != "assistant":
            answer = None
            messages.append({"role": item.get("role"), "content": _parts(item.get("content"))})
        elif kind.endswith("_output"):
            answer = None
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": _parts(item.get("output"))})
        elif kind == "message" or kind.endswith(_PROPOSE):
            if answer is None:
                answer = {"role": "assistant", "content": None}
                messages.append(answer)
            _add(answer, kind, item)
        else:
            raise InvalidTranscript(f"item {number} is of the unknown kind `{kind}`")
    return messages


def _add(answer: dict[str, Json], kind: str, item: dict[str, Json]) -> None:
    if kind == "message":
        answer["content"] = (answer["content"] or "") + chat.text_of(_parts(item.get("content")))
        return
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        call = {"id": item.get("call_id"), "type": "function", "function": function}
    else:
        call = {"id": item.get("call_id", item.get("id")), "type": kind, "name": item.get("name", kind), "item": item}
    answer.setdefault("tool_calls", []).append(call)


def _kind(item: Json) -> str | None:
    if not isinstance(item, dict):
        return None
    kind = item.get("type", "message" if "role" in item else None)
    return kind if isinstance(kind, str) else None


def _known(kind: str | None) -> bool:
    return kind is not None and (kind == "message" or kind in _SAYS_NOTHING or kind.endswith((*_PROPOSE, "_output")))


def _all_items(value: Json) -> list[Json]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise InvalidTranscript("not a list of items")
    items: list[Json] = []
    for key in ("input", "items", "output"):
        part = value.get(key)
        if isinstance(part, str):
            items.append({"role": "user", "content": part})
        elif isinstance(part, list):
            items.extend(part)
        elif part is not None:
            raise InvalidTranscript(f"`{key}` is not a list of items")
    return items


def _parts(content: Json) -> Json:
    """Content with its parts named as Chat Completions names them."""
    if not isinstance(content, list):
        return content if isinstance(content, str) or content is None else json.dumps(content)
    return [
        {"type": "text", "text": part["text"]} if isinstance(part, dict) and isinstance(part.get("text"), str) else part for part in content
    ]


def _tool(tool: Json) -> Json:
    """A tool in Chat Completions form."""
    if isinstance(tool, dict) and tool.get("type") == "function" and "function" not in tool:
        return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}
    return tool
