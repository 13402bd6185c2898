"""What is made of the answers of people: what is a yes, what it is for, and what of it is on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate.approvers.port import Answer
from agentgate.core.arguments import digest
from agentgate.core.events import ApprovalAnswered, PolicyDigest, Scope, ToolReturned
from tests.loop.going_on import begin, events_in, go_on
from tests.loop.playing import People, Play

STORY: dict[str, Any] = {
    "policy": {"rules": [{"id": "big", "ask": "pay"}]},
    "tools": {"pay": {"takes": {"to": "string"}}},
    "model": [['pay {"to": "x"}'], "done"],
}
UNCLEAR = ["stop", "later", "unavailable"]


def approvals(events: list[Any]) -> list[ApprovalAnswered]:
    """The answers that are on record."""
    return [event for event in events if isinstance(event, ApprovalAnswered)]


@pytest.mark.parametrize("also", UNCLEAR)
def test_a_yes_that_says_something_else_too_is_a_no(tmp_path: Path, also: str) -> None:
    """Nothing is executed, on record it is a no to this call, and it stands for no other."""
    answer = Answer(approved=True, by="terminal", scope=Scope.RUN, **{also: True})  # type: ignore[arg-type]
    play, ended = begin({**STORY, "people": [answer]}, tmp_path)
    assert ended is not None
    assert (play.tools.executed, list(play.session.state.standing)) == ([], [])
    said = [(event.answer, event.scope) for event in approvals(events_in(tmp_path))]
    assert said == ([] if also == "later" else [("reject", Scope.CALL)])
    assert ended.status == {"stop": "stopped", "later": "waiting"}.get(also, "done")


@pytest.mark.parametrize("also", UNCLEAR)
def test_nothing_is_executed_once_more_without_a_clear_yes(tmp_path: Path, also: str) -> None:
    """It stays what may have run."""
    begin({**STORY, "people": ["approve"]}, tmp_path, killed_at=4)
    answer = Answer(approved=True, by="terminal", **{also: True})  # type: ignore[arg-type]
    play, _ = go_on(STORY, tmp_path, doubts=People([answer]))
    assert play.tools.executed == []
    events = events_in(tmp_path)
    assert [(event.answer, event.scope) for event in approvals(events)][1:] == [("reject", Scope.RETRY)]
    assert [event.unknown for event in events if isinstance(event, ToolReturned)] == [True]


def test_a_no_is_for_one_call(tmp_path: Path) -> None:
    """Whatever it says of itself, the next call is asked about again."""
    no = Answer(approved=False, by="terminal", scope=Scope.RUN)
    play, _ = begin({**STORY, "model": [*STORY["model"][:1] * 2, "done"], "people": [no, "approve"]}, tmp_path)
    assert play.tools.executed == ["call_2"]
    assert [(event.answer, event.scope) for event in approvals(events_in(tmp_path))] == [("reject", "call"), ("approve", "call")]


def test_an_answer_names_all_that_it_is_for(tmp_path: Path) -> None:
    """Run, call, tool, arguments and policy, so that it fits nothing else."""
    play = Play({**STORY, "people": ["approve"]}, tmp_path, run_id="run_7")
    play.started = replace(play.started, policy=PolicyDigest("strict", "7" * 64))
    play.run()
    (found,) = approvals(play.events)
    assert (found.run_id, found.call_id, found.tool, found.args_hash) == ("run_7", "call_1", "pay", digest({"to": "x"}))
    assert found.policy == "7" * 64
