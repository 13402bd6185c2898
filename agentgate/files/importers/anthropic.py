"""Anthropic messages: `{"system": ..., "messages": [...]}`, or the bare list, with content blocks.

The form is that of the Messages API (docs.anthropic.com/en/api/messages; types in `anthropic-sdk-python/src/anthropic/types`): `system`
is a text or blocks; a message has a `role` and a `content`, a text or blocks: `text`, `tool_use` {id, name, input}, `tool_result`
{tool_use_id, content, is_error}, `thinking`, `image`, … Calls that the provider executes itself (`server_tool_use`, `mcp_tool_use`) are
proposed as they stand, and the gate refuses them. A block of an unknown kind could be a call, so it spoils the transcript.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from agentgate.core.events import EPOCH, Json
from agentgate.files.importers.assembly import ANYTHING, Answer, Assembly, json_text
from agentgate.files.transcript import InvalidTranscript, Item

_SHOWN = ("text", "image", "document", "search_result", "container_upload")
"""Blocks of a message of the user that neither propose nor return anything."""
_THOUGHT = ("thinking", "redacted_thinking", "container_upload", "compaction", "fallback", "image", "document")
"""Blocks of an answer that neither propose nor return anything, beside its texts."""
_ROLES = ("system", "user", "assistant")


def recognises(value: Json) -> bool:
    """Whether a value is a message list with calls or results as blocks, or with a `system` beside messages that have none."""
    messages = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(messages, list):
        return False
    if any(isinstance(message, dict) and type(message.get("content")) is list and _has_calls(message) for message in messages):
        return True
    return isinstance(value, dict) and "system" in value and not any(map(_of_chat, messages))


def _has_calls(message: dict[str, Json]) -> bool:
    kinds = (block.get("type") for block in message["content"] if isinstance(block, dict))
    return any(isinstance(kind, str) and kind.endswith(("tool_use", "tool_result")) for kind in kinds)


def _of_chat(message: Json) -> bool:
    return isinstance(message, dict) and (message.get("role") == "tool" or "tool_calls" in message or "function_call" in message)


def read(value: Json, run_id: str, tools: Json) -> tuple[Item, ...]:
    """The items of one line, or of a file with a bare list.

    Raises:
        InvalidTranscript: a message or a block is none, or of an unknown kind.
    """
    head = value if isinstance(value, dict) else {}
    messages = head.get("messages") if isinstance(value, dict) else value
    if not isinstance(messages, list):
        raise InvalidTranscript("not a list of messages")
    assembly = Assembly()
    if head.get("system") is not None:
        assembly.say("system", [block for _, block in blocks_of(head["system"])])
    for number, message in enumerate(messages, 1):
        try:
            _add(assembly, message)
        except InvalidTranscript as error:
            raise InvalidTranscript(f"message {number}: {error}") from None
    offered = [_tool(tool) for tool in tools] if isinstance(tools, list) else tools
    return assembly.items(run_id, offered, model=head.get("model"))


def _add(assembly: Assembly, message: Json) -> None:
    if not isinstance(message, dict):
        raise InvalidTranscript("not an object")
    role = message.get("role")
    if role not in _ROLES:
        raise InvalidTranscript(f"the unknown role `{role}`")
    if "tool_calls" in message or "function_call" in message:
        raise InvalidTranscript("calls in another form among Anthropic messages")
    if role == "assistant":
        add_answer(assembly, assembly.answer(), message.get("content"))
    else:
        add_said(assembly, role, message.get("content"))


def blocks_of(content: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    """The blocks of a content with their kinds; a text is one block.

    Raises:
        InvalidTranscript: it is neither a text nor a list of blocks.
    """
    if isinstance(content, str):
        yield "text", {"type": "text", "text": content}
        return
    if not isinstance(content, list):
        raise InvalidTranscript("its `content` is neither a text nor a list of blocks")
    for number, block in enumerate(content, 1):
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str):
            raise InvalidTranscript(f"block {number} has no `type`")
        yield kind, block


def add_said(assembly: Assembly, role: str, content: Json, at: datetime = EPOCH) -> None:
    """Adds what somebody else than the model said: results of tools in their order, then the rest as one message.

    Raises:
        InvalidTranscript: a block is of a kind that is not known here.
    """
    shown = []
    for kind, block in blocks_of(content):
        if kind == "tool_result":
            assembly.result(block.get("tool_use_id"), block.get("content"), ok=block.get("is_error") is not True, at=at)
        elif kind in _SHOWN:
            shown.append(block)
        else:
            raise InvalidTranscript(f"a block of the kind `{kind}` that is not the model's")
    if shown:
        assembly.say(role, shown, at)


def add_answer(assembly: Assembly, answer: Answer, content: Json, at: datetime = EPOCH) -> None:
    """Adds what the model said. Results of tools that the provider executed itself stand after the answer.

    Raises:
        InvalidTranscript: a block is of an unknown kind, and could be a call.
    """
    for kind, block in blocks_of(content):
        if kind == "text":
            text = block.get("text")
            answer.texts.append(text if isinstance(text, str) else json_text(text))
        elif kind == "tool_use":
            answer.call(block.get("id"), block.get("name"), json_text(block.get("input")))
        elif kind.endswith("tool_use"):
            answer.other_call(kind, block.get("id"), block.get("name"), block)
        elif kind.endswith("tool_result"):
            assembly.result(block.get("tool_use_id"), block.get("content"), ok=block.get("is_error") is not True, at=at)
        elif kind not in _THOUGHT:
            raise InvalidTranscript(f"a block of the unknown kind `{kind}`")


def _tool(tool: Json) -> Json:
    """A tool in Chat Completions form. Those whose parameters the provider defines (`bash_20250124`) may be called with anything."""
    if not isinstance(tool, dict) or "function" in tool:
        return tool
    function = {key: tool[key] for key in ("name", "description") if key in tool}
    parameters = tool.get("input_schema")
    return {"type": "function", "function": {**function, "parameters": ANYTHING if parameters is None else parameters}}
