"""The Responses API: OpenAI, and every server that speaks the same. Requests are stateless: the whole conversation is sent each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from agentgate.core.events import Json
from agentgate.models.connection import Connection
from agentgate.models.failures import Refused
from agentgate.models.port import Reply
from agentgate.models.response_items import input_items, responses_reply, tools_as_items
from agentgate.models.tool_choice import REFUSED, cut_down, for_responses, restricts
from agentgate.task import ModelSettings


class OpenAIResponses:
    """A model behind `/responses`."""

    def __init__(self, settings: ModelSettings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._restricts = True
        """Whether the server knows `allowed_tools`, as far as is known."""

    def ask(self, messages: Sequence[Mapping[str, Json]], tools: Sequence[Mapping[str, Json]], tool_choice: Json) -> Reply:
        """See `Model.ask`."""
        notes: list[str] = []
        while True:
            body = self._body(messages, tools, tool_choice)
            try:
                answer = self._connection.post(lambda client: client.responses, body)
            except Refused as refusal:
                if not (self._restricts and restricts(body.get("tool_choice")) and refusal.is_about("tool_choice", "allowed_tools")):
                    raise
                self._restricts = False
                notes.append(REFUSED)
            else:
                return replace(responses_reply(answer), notes=tuple(notes))

    def close(self) -> None:
        """See `Model.close`."""
        self._connection.close()

    def _body(self, messages: Sequence[Mapping[str, Json]], tools: Sequence[Mapping[str, Json]], tool_choice: Json) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._settings.name, "input": input_items(messages), "store": False}
        if not self._restricts:
            tool_choice, tools = cut_down(tool_choice, tools)
        if tools:
            body |= {"tools": tools_as_items(tools), "tool_choice": for_responses(tool_choice)}
        if self._settings.temperature is not None:
            body["temperature"] = self._settings.temperature
        if self._settings.max_output_tokens is not None:
            body["max_output_tokens"] = self._settings.max_output_tokens
        return body
