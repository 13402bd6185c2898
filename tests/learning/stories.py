"""Small recorded runs, told in one line each."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from agentgate.core.events import Json
from agentgate.files.importers import chat
from agentgate.files.transcript import Transcript


class Call(Struct, frozen=True):
    """A call with its result."""

    tool: str
    arguments: Json
    """An object, or the raw text."""
    result: Json = "done"
    """None where nothing came back."""


def run(prompt: str, *calls: Call, tools: list[dict[str, Any]] | None = None, name: str = "run", attacked: bool = False) -> Transcript:
    """A run as a Chat Completions conversation has it."""
    messages: list[dict[str, Json]] = [{"role": "user", "content": prompt}]
    for number, call in enumerate(calls):
        text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        function = {"name": call.tool, "arguments": text}
        messages.append(
            {"role": "assistant", "content": None, "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}]}
        )
        if call.result is not None:
            content = call.result if isinstance(call.result, str) else json.dumps(call.result)
            messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": content})
    items = chat.from_messages(messages, run_id=name, tools=tools)
    return Transcript(id=name, items=items, file="story.jsonl", imported=True, attacked=attacked)
