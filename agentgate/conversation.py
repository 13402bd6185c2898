"""The conversation as the next request tells it: what the model proposed and what came of it, in a form that every server accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from agentgate.core.arguments import InvalidJson, parse_arguments
from agentgate.core.events import Json, ToolCall
from agentgate.models.port import Reply

_LONGEST_ID = 256
"""As long as the gate takes."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The names that servers accept. Of those with a dot, only the names of tools that they were offered."""


class Conversation:
    """The messages of one run.

    A call that is malformed cannot be said again as it was: a server would refuse the whole request. What is wrong in it (an id that is
    missing, too long or was used before, a name that no tool can have, arguments that are not JSON) is replaced by something of ours;
    the refusal beside it tells the model what was wrong.
    """

    def __init__(self, messages: Iterable[dict[str, Json]], tools: Iterable[str] = ()) -> None:
        """Begins it.

        Args:
            messages: what is said before the model answers.
            tools: the names of the tools that it is offered.
        """
        self.messages = list(messages)
        """In Chat Completions form, to be read only."""
        self._tools = frozenset(tools)
        self._ids: set[str] = set()

    def add(self, reply: Reply, answers: Iterable[tuple[ToolCall, str]]) -> None:
        """Adds an answer of the model with what every one of its calls got: a result, or word of its refusal."""
        calls: list[dict[str, Json]] = []
        results: list[dict[str, Json]] = []
        for call, content in answers:
            call_id = self._id(call.id)
            function = {"name": self._name(call.name), "arguments": _arguments(call.arguments)}
            calls.append({"id": call_id, "type": "function", "function": function})
            results.append({"role": "tool", "tool_call_id": call_id, "content": content})
        message = {"role": "assistant", "content": reply.message.get("content"), "tool_calls": calls}
        if reply.items:
            message["items"] = list(reply.items)
        self.messages += [message, *results]

    def _id(self, proposed: Json) -> str:
        sound = isinstance(proposed, str) and 0 < len(proposed) <= _LONGEST_ID and proposed not in self._ids
        call_id: str = proposed if sound else self._new_id()
        self._ids.add(call_id)
        return call_id

    def _new_id(self) -> str:
        number = len(self._ids)
        while f"malformed_{number}" in self._ids:
            number += 1
        return f"malformed_{number}"

    def _name(self, proposed: Json) -> str:
        sound = isinstance(proposed, str) and (proposed in self._tools or _NAME.fullmatch(proposed) is not None)
        return proposed if sound else "malformed"


def tool_call(proposed: Mapping[str, Json]) -> ToolCall:
    """The call in a Chat Completions message, with whatever stands where id, name and arguments should be."""
    function = proposed.get("function")
    if not isinstance(function, Mapping):
        function = {}
    return ToolCall(id=proposed.get("id"), name=function.get("name"), arguments=function.get("arguments"))


def _arguments(proposed: Json) -> str:
    """The text as it was, where a server that parses it gets along with it."""
    try:
        parse_arguments(proposed)
    except InvalidJson:
        return "{}"
    text = proposed if isinstance(proposed, str) else ""
    return text if text.strip() else "{}"
