# /// script
# dependencies = ["openai"]
# ///
"""The official client and a loop of ten lines: no agent can take less."""

import json
from collections.abc import Callable
from typing import Any

from looping import PROMPT, add, main
from openai import OpenAI

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    },
}


def prepare(url: str) -> Callable[[int], str]:
    client = OpenAI(base_url=url)

    def converse(steps: int) -> str:
        messages: list[Any] = [{"role": "user", "content": PROMPT.format(steps)}]
        while True:
            reply = client.chat.completions.create(model="scripted", messages=messages, tools=[TOOL]).choices[0].message
            if not reply.tool_calls:
                return reply.content or ""
            messages.append(reply.model_dump(exclude_none=True))
            for call in reply.tool_calls:
                result = add(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})

    return converse


if __name__ == "__main__":
    main(prepare)
