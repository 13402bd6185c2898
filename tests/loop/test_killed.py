"""Runs that are killed at every moment and gone on with: nothing is executed twice unless somebody says so, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentgate.approvers.fixed import RETRY
from agentgate.approvers.port import Answer
from agentgate.core.events import ApprovalAnswered, Json, PolicyDigest, RunStarted, Scope, ToolReturned
from agentgate.core.state import State, evolve
from agentgate.errors import AgentgateError
from agentgate.files.transcript_verify import verify
from agentgate.interrupts import Interrupts
from tests.loop.going_on import LATER, approve, begin, events_in, go_on, past_of
from tests.loop.playing import People

RULES = [{"id": "read", "allow": "read"}, {"id": "big", "ask": "pay"}, {"id": "never", "block": "drop"}]
STORY: dict[str, Any] = {
    "policy": {"rules": RULES},
    "tools": {"read": {}, "pay": {}, "drop": {}},
    "model": [["read", "pay", "drop", "read"], ["pay", "read"], "done"],
}
PEOPLE = ["approve", "approve"]
EVENTS = 19
"""How many events the whole story has."""
MOMENTS = range(1, EVENTS)


class Asked:
    """Says yes, and keeps what it was asked."""

    def __init__(self) -> None:
        self.questions: list[Any] = []

    def ask(self, question: Any) -> Answer:
        self.questions.append(question)
        return Answer(approved=True, by="terminal")

    def close(self) -> None:
        pass


def whole(folder: Path) -> Any:
    (folder / "whole").mkdir(exist_ok=True)
    play, ended = begin({**STORY, "people": PEOPLE}, folder / "whole")
    assert ended is not None
    assert len(play.events) == EVENTS
    return play


@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_is_executed_twice(tmp_path: Path, moment: int) -> None:
    """Wherever it was killed: every call is executed at most once, what may have run is told so, and the rest is as if nothing had been."""
    undisturbed = whole(tmp_path)
    first, ended = begin({**STORY, "people": PEOPLE}, tmp_path, killed_at=moment)
    assert ended is None
    unknown = [proposal.call.id for turn in past_of(tmp_path).turns for proposal in turn.calls if proposal.may_have_run]
    second, ended = go_on(STORY, tmp_path, approver=Asked())
    assert ended is not None
    assert ended.status == "done"
    executed = Counter([*first.tools.executed, *second.tools.executed])
    assert set(executed.values()) <= {1}
    assert set(undisturbed.tools.executed) - set(executed) <= set(unknown)
    events = events_in(tmp_path)
    told = {event.call_id: event for event in events if isinstance(event, ToolReturned)}
    assert sorted(told) == sorted({event.call_id for event in undisturbed.events if isinstance(event, ToolReturned)})
    assert [call for call in told if told[call].unknown] == unknown
    assert set(executed) <= {call for call in told if told[call].executed}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_model_hears_what_it_would_have_heard(tmp_path: Path, moment: int) -> None:
    """The last request is the same to the letter, but for the call that may have run."""
    undisturbed = whole(tmp_path)
    begin({**STORY, "people": PEOPLE}, tmp_path, killed_at=moment)
    unknown = [proposal.call.id for turn in past_of(tmp_path).turns for proposal in turn.calls if proposal.may_have_run]
    second, _ = go_on(STORY, tmp_path, approver=Asked())
    if not second.model.asked:  # the last answer was there already
        assert moment == EVENTS - 1
        return
    wanted, heard = undisturbed.model.asked[-1], second.model.asked[-1]
    assert len(wanted) == len(heard)
    for one, other in zip(wanted, heard, strict=True):
        if one.get("tool_call_id") in unknown:
            assert "interrupted, may have run" in other["content"]
        else:
            assert one == other


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_state_is_that_of_the_events(tmp_path: Path, moment: int) -> None:
    """What was spent before counts: the live state of the second part is the fold over both."""
    begin({**STORY, "people": PEOPLE}, tmp_path, killed_at=moment)
    second, ended = go_on(STORY, tmp_path, approver=Asked())
    assert ended is not None
    state = State()
    for event in events_in(tmp_path):
        state = evolve(state, event)
    assert state == second.session.state
    assert ended.totals.calls == 6
    assert ended.totals.steps == 3


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_may_have_run_is_run_again_where_somebody_says_so(tmp_path: Path, moment: int) -> None:
    """That it is, is on record before, with who said so."""
    undisturbed = whole(tmp_path)
    first, _ = begin({**STORY, "people": PEOPLE}, tmp_path, killed_at=moment)
    unknown = [proposal.call.id for turn in past_of(tmp_path).turns for proposal in turn.calls if proposal.may_have_run]
    second, ended = go_on(STORY, tmp_path, approver=Asked(), doubts=RETRY, retry=True)
    assert ended is not None
    retries = [event for event in events_in(tmp_path) if isinstance(event, ApprovalAnswered) and event.scope is Scope.RETRY]
    assert [(event.call_id, event.by) for event in retries] == [(call, "--retry-unknown") for call in unknown]
    executed = Counter([*first.tools.executed, *second.tools.executed])
    assert set(executed) == set(undisturbed.tools.executed)
    assert all(count == 1 or call in unknown for call, count in executed.items())
    assert not any(event.unknown for event in events_in(tmp_path) if isinstance(event, ToolReturned))


def unknown_moment(folder: Path) -> int:
    """When the first approved call has run, and nothing of it is written yet."""
    events = whole(folder).events
    return next(place for place, event in enumerate(events) if isinstance(event, ToolReturned) and event.call_id == "call_2")


def test_a_person_is_asked_about_a_call_that_may_have_run(tmp_path: Path) -> None:
    """With the question that it is; a no leaves it as it was."""
    moment = unknown_moment(tmp_path)
    begin({**STORY, "people": PEOPLE}, tmp_path, killed_at=moment)
    second, ended = go_on(STORY, tmp_path, people=["approve"], doubts=People([Answer(approved=False, by="terminal")]))
    assert ended is not None
    assert second.tools.executed == ["call_4", "call_5", "call_6"]
    asked = Asked()
    third, ended = go_on_killed_at(tmp_path / "again", moment, asked)
    assert [(question.call.id, question.may_have_run) for question in asked.questions] == [("call_2", True)]
    assert third.tools.executed == ["call_2", "call_4", "call_5", "call_6"]


def go_on_killed_at(folder: Path, moment: int, doubts: Any) -> Any:
    folder.mkdir()
    begin({**STORY, "people": PEOPLE}, folder, killed_at=moment)
    return go_on(STORY, folder, people=["approve"], doubts=doubts)


def test_a_call_that_may_have_run_is_not_tried_after_ctrl_c(tmp_path: Path) -> None:
    """It is told as unknown, so that the next time it is still known that it may have run."""
    begin({**STORY, "people": PEOPLE}, tmp_path, killed_at=unknown_moment(tmp_path))
    interrupts = Interrupts()
    interrupts.count = 1
    second, ended = go_on(STORY, tmp_path, people=(), doubts=RETRY, interrupts=interrupts)
    assert ended is not None
    assert second.tools.executed == []
    assert ended.status == "interrupted"
    third, ended = go_on(STORY, tmp_path, people=["approve"], doubts=RETRY)
    assert third.tools.executed == ["call_2", "call_5", "call_6"]
    events_in(tmp_path)


def test_an_answer_of_may_have_run_is_tried_again_only_when_told(tmp_path: Path) -> None:
    """The record of an interrupted run says itself which call that is."""
    begin({**STORY, "people": PEOPLE}, tmp_path, killed_at=unknown_moment(tmp_path))
    interrupts = Interrupts()
    interrupts.count = 1
    go_on(STORY, tmp_path, people=(), interrupts=interrupts)
    play, ended = go_on(STORY, tmp_path, people=["approve"])
    assert ended is not None
    assert play.tools.executed == ["call_5", "call_6"]


SECRET = "sk-proj-Zx8aB3cD4eF5gH6iJ7kL8mN9oP0qR1sT2uV3wX4yZ5"
REDACTED: dict[str, Any] = {
    "policy": {"rules": RULES, "redact": [{"id": "keys", "pattern": "sk-proj-[A-Za-z0-9]+", "in": "both"}]},
    "tools": {"pay": {"takes": {"key": "string"}}},
    "model": [[f'pay {{"key": "{SECRET}"}}'], "done"],
}
UNFIT: dict[str, tuple[dict[str, Any], PolicyDigest | None]] = {
    "another policy": ({**STORY, "model": [["pay"], "done"]}, PolicyDigest("new", "1" * 64)),
    "redacted": (REDACTED, None),
}


@pytest.mark.parametrize(("story", "policy"), UNFIT.values(), ids=list(UNFIT))
def test_what_may_have_run_and_could_not_run_now_is_not_asked_about(tmp_path: Path, story: dict[str, Any], policy: Any) -> None:
    """Under another policy, or where the record does not hold its arguments, it stays what may have run, whoever would say yes."""
    begin({**story, "people": ["approve"]}, tmp_path, killed_at=4)
    doubts = Asked()
    play, ended = go_on(story, tmp_path, policy=policy, doubts=doubts)
    assert ended is not None
    assert (play.tools.executed, doubts.questions) == ([], [])
    assert [event.unknown for event in events_in(tmp_path) if isinstance(event, ToolReturned)] == [True]


def test_whoever_says_yes_and_stop_has_nothing_executed_once_more(tmp_path: Path) -> None:
    """The run ends there, and it stays what may have run."""
    begin({**STORY, "people": PEOPLE}, tmp_path, killed_at=unknown_moment(tmp_path))
    play, ended = go_on(STORY, tmp_path, doubts=People([Answer(approved=True, by="terminal", stop=True)]))
    assert ended is not None
    assert (ended.status, play.tools.executed) == ("stopped", [])
    assert next(event for event in events_in(tmp_path) if isinstance(event, ToolReturned) and event.call_id == "call_2").unknown


@pytest.mark.parametrize("answer", ["reject", "nobody", "stop"])
def test_a_call_that_was_rejected_is_not_one_that_may_have_run(tmp_path: Path, answer: str) -> None:
    """Killed between a no and its being told: nobody is asked whether to execute it once more, and it is refused."""
    story = {**STORY, "model": [["pay", "read"], "done"]}
    begin({**story, "people": [answer]}, tmp_path, killed_at=4)
    doubts = Asked()
    play, ended = go_on(story, tmp_path, people=(), doubts=doubts)
    assert ended is not None
    assert (play.tools.executed, doubts.questions) == (["call_2"], [])
    told = next(event for event in events_in(tmp_path) if isinstance(event, ToolReturned))
    assert (told.call_id, told.executed, told.unknown) == ("call_1", False, False)
    assert "a person rejected it" in told.content


def test_the_pieces_of_a_provider_survive(tmp_path: Path) -> None:
    """What a server wants to see again is in the record."""
    story = {**STORY, "model": [{"calls": ["read"], "items": [{"type": "reasoning", "id": "r1"}]}, "done"]}
    begin(story, tmp_path, killed_at=3)
    play, _ = go_on(story, tmp_path)
    assert play.model.asked[0][1]["items"] == [{"type": "reasoning", "id": "r1"}]


def test_what_the_record_does_not_hold_is_not_executed(tmp_path: Path) -> None:
    """Arguments that were redacted are told as such; what waits with them is not executed, with or without an approval."""
    secret = "sk-proj-Zx8aB3cD4eF5gH6iJ7kL8mN9oP0qR1sT2uV3wX4yZ5"
    policy = {"rules": RULES, "redact": [{"id": "keys", "pattern": "sk-proj-[A-Za-z0-9]+", "in": "both"}]}
    story = {
        **STORY,
        "policy": policy,
        "tools": {"pay": {"takes": {"key": "string"}}, "read": {}},
        "model": [[f'pay {{"key": "{secret}"}}', "read"], "x"],
    }
    begin(story, tmp_path, approver=LATER)
    assert secret not in (tmp_path / "run.jsonl").read_text()
    approve(tmp_path, "call_1")
    play, ended = go_on(story, tmp_path)
    assert ended is not None
    assert play.tools.executed == ["call_2"]


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_calls_of_a_redacted_answer_that_nobody_decided(tmp_path: Path, mode: str) -> None:
    """They are decided, recorded and not executed: the record does not hold what the model proposed."""
    secret = "sk-proj-Zx8aB3cD4eF5gH6iJ7kL8mN9oP0qR1sT2uV3wX4yZ5"
    policy = {"rules": [{"id": "all", "allow": "read"}], "redact": [{"id": "keys", "pattern": "sk-proj-[A-Za-z0-9]+", "in": "both"}]}
    story = {**STORY, "policy": policy, "tools": {"read": {"takes": {"key": "string"}}}, "model": [[f'read {{"key": "{secret}"}}'], "x"]}
    story["mode"] = mode
    begin(story, tmp_path, killed_at=2)
    play, ended = go_on(story, tmp_path)
    assert ended is not None
    assert ended.status == "done"
    assert play.tools.executed == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_anywhere_and_killed_again(tmp_path: Path, data: Any) -> None:
    """A transcript that ends at any byte, and a second part that is killed as well: it goes on or is refused, and nothing runs twice
    that the record tells of."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    begin({**STORY, "people": PEOPLE}, folder)
    path = folder / "run.jsonl"
    text = path.read_bytes()
    end = data.draw(st.integers(0, len(text) - 1), label="bytes that are left")
    path.write_bytes(text[:end])
    executed: Counter[Json] = Counter(_executed_by(folder))
    for _ in range(data.draw(st.integers(1, 3), label="times that it goes on")):
        killed_at = data.draw(st.none() | st.integers(0, 8), label="killed when it writes its n-th event")
        try:
            play, ended = go_on(STORY, folder, approver=Asked(), killed_at=killed_at)
        except AgentgateError:
            assert text[:end].count(b"\n") in (0, EVENTS)
            return
        executed.update(play.tools.executed)
        assert set(executed.values()) <= {1}
        if ended is not None:
            assert verify(path).problems == ()
            return


def _executed_by(folder: Path) -> list[Json]:
    """What the record says was executed, or may have been."""
    try:
        past = past_of(folder)
    except AgentgateError:
        return []
    calls = [proposal for turn in past.turns for proposal in turn.calls]
    assert isinstance(past.started, RunStarted)
    return [call.call.id for call in calls if call.may_have_run or (call.returned is not None and call.returned.executed)]
