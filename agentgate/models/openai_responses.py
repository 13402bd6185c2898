"""The Responses API: OpenAI, and every server that speaks the same. Requests are stateless: the whole conversation is sent each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from agentgate.core.events import Json
from agentgate.models.connection import Connection
from agentgate.models.failures import Refused
from agentgate.models.port import UNBOUNDED, Reply, lesser
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
        self._bounds = True
        """Whether the server takes bounds that the task does not ask for, as far as is known."""

    def ask(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: Sequence[Mapping[str, Json]],
        tool_choice: Json,
        *,
        most: int | None = None,
    ) -> Reply:
        """See `Model.ask`."""
        notes: list[str] = []
        while True:
            body = self._body(messages, tools, tool_choice, most if self._bounds else None)
            try:
                answer = self._connection.post(lambda client: client.responses, body)
            except Refused as refusal:
                notes.append(self._another_way(refusal, body, most))
            else:
                return replace(responses_reply(answer), notes=tuple(notes))

    def close(self) -> None:
        """See `Model.close`."""
        self._connection.close()

    def _another_way(self, refusal: Refused, body: Mapping[str, Json], most: int | None) -> str:
        """Gives up a form that the server does not know, for the rest of the run, and says so. Each only once.

        Raises:
            Refused: it is about something else.
        """
        if self._restricts and restricts(body.get("tool_choice")) and refusal.is_about("tool_choice", "allowed_tools"):
            self._restricts = False
            return REFUSED
        if self._bounds and most is not None and body.get("max_output_tokens") == most and refusal.is_about("max_output_tokens"):
            self._bounds = False
            return UNBOUNDED
        raise refusal

    def _body(
        self, messages: Sequence[Mapping[str, Json]], tools: Sequence[Mapping[str, Json]], tool_choice: Json, most: int | None
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self._settings.name, "input": input_items(messages), "store": False}
        if not self._restricts:
            tool_choice, tools = cut_down(tool_choice, tools)
        if tools:
            body |= {"tools": tools_as_items(tools), "tool_choice": for_responses(tool_choice)}
        if self._settings.temperature is not None:
            body["temperature"] = self._settings.temperature
        longest = lesser(self._settings.max_output_tokens, most)
        if longest is not None:
            body["max_output_tokens"] = longest
        return body
