"""Plays the assistant turns of a transcript: offline, without a key, and the same every time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agentgate.core.events import Event, Json, ModelReplied
from agentgate.errors import ModelError
from agentgate.models.port import Reply


class RecordedModel:
    """Answers with what was answered before, in order, whatever it is asked. Usage and cost are those of the recording."""

    def __init__(self, recording: Iterable[Reply | Event]) -> None:
        """Takes the answers out of a recording.

        Args:
            recording: the events of a transcript, of which those of the model are played, or ready replies.
        """
        self._replies = iter([_reply(item) for item in recording if isinstance(item, Reply | ModelReplied)])

    def ask(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: Sequence[Mapping[str, Json]],
        tool_choice: Json,
        *,
        most: int | None = None,
    ) -> Reply:
        """The next answer.

        Raises:
            ModelError: there is none left.
        """
        for reply in self._replies:
            return reply
        raise ModelError(
            "the recording has no more answers",
            help="the run took another way than the recorded one; record it again with `--model openai:NAME`",
        )

    def close(self) -> None:
        """Nothing to give back."""


def _reply(item: Reply | ModelReplied) -> Reply:
    if isinstance(item, Reply):
        return item
    return Reply(
        message=item.message,
        finish_reason=item.finish_reason,
        usage=item.usage,
        cost_usd=item.cost_usd,
        unusable=item.unusable,
    )
