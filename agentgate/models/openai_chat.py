"""Chat Completions: OpenAI, and every server that speaks the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from agentgate.core.events import Json
from agentgate.models.connection import Connection
from agentgate.models.failures import Refused
from agentgate.models.port import UNBOUNDED, Reply, lesser
from agentgate.models.replies import chat_reply
from agentgate.models.tool_choice import REFUSED, cut_down, for_chat, restricts
from agentgate.task import ModelSettings

_SAID = ("role", "content", "refusal", "name", "tool_calls", "tool_call_id")
"""The fields of a message that are sent; others are ours."""


class OpenAIChat:
    """A model behind `/chat/completions`."""

    def __init__(self, settings: ModelSettings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        self._restricts = True
        """Whether the server knows `allowed_tools`, as far as is known."""
        self._length = "max_completion_tokens"
        """What the server calls the greatest length of an answer."""
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
                answer = self._connection.post(lambda client: client.chat.completions, body)
            except Refused as refusal:
                notes.append(self._another_way(refusal, body, most))
            else:
                return replace(chat_reply(answer), notes=tuple(notes))

    def close(self) -> None:
        """See `Model.close`."""
        self._connection.close()

    def _body(
        self, messages: Sequence[Mapping[str, Json]], tools: Sequence[Mapping[str, Json]], tool_choice: Json, most: int | None
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._settings.name,
            "messages": [{key: message[key] for key in _SAID if key in message} for message in messages],
        }
        if not self._restricts:
            tool_choice, tools = cut_down(tool_choice, tools)
        if tools:
            body |= {"tools": list(tools), "tool_choice": for_chat(tool_choice)}
        if self._settings.temperature is not None:
            body["temperature"] = self._settings.temperature
        longest = lesser(self._settings.max_output_tokens, most)
        if longest is not None:
            body[self._length] = longest
        return body

    def _another_way(self, refusal: Refused, body: Mapping[str, Json], most: int | None) -> str:
        """Gives up a form that the server does not know, for the rest of the run, and says so. Each only once.

        Raises:
            Refused: it is about something else.
        """
        if self._restricts and restricts(body.get("tool_choice")) and refusal.is_about("tool_choice", "allowed_tools"):
            self._restricts = False
            return REFUSED
        if self._length in body and self._length != "max_tokens" and refusal.is_about(self._length):
            self._length = "max_tokens"
            return "the server does not know `max_completion_tokens`: `max_tokens` is sent instead"
        if self._bounds and most is not None and body.get(self._length) == most and refusal.is_about(self._length):
            self._bounds = False
            return UNBOUNDED
        raise refusal
