from __future__ import annotations

import pytest

from agentgate.core.events import Event, ModelReplied, RunEnded, RunStarted, Usage
from agentgate.errors import ModelError, UsageError
from agentgate.models import open_model
from agentgate.models.port import Reply
from agentgate.models.recorded import RecordedModel
from agentgate.task import ModelSettings
from tests.models.asking import ask

SAID = {"role": "assistant", "content": "Hello"}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "x", "arguments": "{}"}}],
}


def test_the_turns_of_a_transcript_are_played_in_order() -> None:
    """Messages, usage and cost are those of the recording; other events are passed over."""
    first = ModelReplied(step=1, message=CALLED, finish_reason="tool_calls", usage=Usage(10, 5, 2), cost_usd=0.01)
    events: list[Event] = [RunStarted(run_id="r"), first, ModelReplied(step=2, message=SAID, finish_reason="stop"), RunEnded(status="done")]
    model = open_model(ModelSettings("recorded"), environ={}, recording=events)
    assert ask(model) == Reply(message=CALLED, finish_reason="tool_calls", usage=Usage(10, 5, 2), cost_usd=0.01)
    assert ask(model) == Reply(message=SAID, finish_reason="stop")
    model.close()


def test_an_answer_that_could_not_be_used_still_cannot() -> None:
    """Playing a recording executes nothing that was refused as a whole when it was made."""
    model = RecordedModel([ModelReplied(step=1, message=CALLED, finish_reason="tool_calls", unusable="two choices")])
    assert ask(model).unusable == "two choices"


def test_ready_replies_can_be_played() -> None:
    """Tests and programs need no transcript."""
    reply = Reply(message=SAID)
    assert ask(RecordedModel([reply])) is reply


def test_the_end_of_a_recording_is_one_message() -> None:
    """A run that goes on longer than the recorded one is told so, each time."""
    model = RecordedModel([])
    for _ in range(2):
        with pytest.raises(ModelError, match="the recording has no more answers") as caught:
            ask(model)
        assert caught.value.help


def test_without_a_recording_there_is_nothing_to_play() -> None:
    """`--model recorded` for a task that names none is wrong usage."""
    with pytest.raises(UsageError) as caught:
        open_model(ModelSettings("recorded"), environ={})
    assert "recording" in (caught.value.help or "")
