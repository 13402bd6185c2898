"""What a provider of a language model must do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from agentgate.core.events import Json, Usage

UNBOUNDED = "the server refuses to bound the length of an answer so, which is no longer asked: an answer may cost more than is left"


class Reply(Struct, frozen=True):
    """One answer of a model."""

    message: dict[str, Json]
    """The assistant message in Chat Completions form: `role`, `content`, and `tool_calls` as they were proposed, in order."""
    finish_reason: str | None = None
    """In Chat Completions' words for every provider: `stop`, `tool_calls`, `length`, `content_filter`, or what the provider said."""
    usage: Usage | None = None
    """None where the provider did not say."""
    cost_usd: float | None = None
    unusable: str | None = None
    """Why nothing in this answer may be executed, in one sentence; None where its calls may be judged. Set for answers that were cut off,
    and for any shape that is not understood completely."""
    items: tuple[Json, ...] = ()
    """What the provider wants to see again in the next request in place of `message` (output items of the Responses API)."""
    notes: tuple[str, ...] = ()
    """What the user should hear about this request, for instance that the server refused a form of `tool_choice`."""


class Model(Protocol):
    """Asks a language model. One instance serves one run."""

    def ask(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: Sequence[Mapping[str, Json]],
        tool_choice: Json,
        *,
        most: int | None = None,
    ) -> Reply:
        """Sends one request and waits for the whole answer.

        Args:
            messages: the conversation in Chat Completions form, with tool results as messages of role `tool`.
            tools: in Chat Completions form.
            tool_choice: a word, or a mapping as in a task file whose `allowed_tools` is a list of names.
            most: how many tokens the answer may have, where that is less than the task's own bound.

        Raises:
            ModelError: the provider failed or answered something that is no answer. The message names the way on.
        """
        ...

    def close(self) -> None:
        """Gives back connections. Safe to call twice, and from another thread to cut a request short."""
        ...


def lesser(first: int | None, second: int | None) -> int | None:
    """The lesser of two bounds, of which each may be missing."""
    return min((bound for bound in (first, second) if bound is not None), default=None)
