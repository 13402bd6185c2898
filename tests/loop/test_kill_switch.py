"""Runs whose kill switch is thrown at every moment: what is not executed, how it is recorded, and how the run goes on or ends."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentgate.approvers.port import Answer, Question
from agentgate.core.events import ApprovalAnswered, CallDecided, Code, Decision, Event, Json, ToolCall, ToolReturned
from agentgate.core.stops import Halt
from agentgate.interrupts import Interrupts
from agentgate.models.port import Reply
from agentgate.tools.port import Outcome
from tests.loop.playing import Play, Recorder, tool

STORY: dict[str, Any] = {
    "policy": {"rules": [{"id": "read", "allow": "read"}, {"id": "big", "ask": "pay"}]},
    "tools": {"read": {}, "pay": {}},
    "people": ["approve"],
    "model": [["read", "pay", "read"], "done"],
}
HALT = Halt("the kill switch is on: incident", ends_run=True)


class Switch:
    """A kill switch that is thrown, mended or broken in the midst of a story."""

    def __init__(self, *tools: str, ends_run: bool = True) -> None:
        self.on = False
        self.fails = False
        self.looks = 0
        self._tools = tools
        self._halt = Halt(HALT.reason, ends_run=ends_run)

    def __call__(self, tool: Json) -> Halt | None:
        self.looks += 1
        if self.fails:
            raise OSError("the disk is gone")
        if not self.on:
            return None
        return self._halt if not self._tools or tool in self._tools else None


def played(tmp_path: Path, switch: Switch, throw_after: int | None = None, **changes: Any) -> Play:
    """The story, with the switch thrown right after an event, by its number."""
    seen: list[Event] = []

    def onward(event: Event) -> None:
        seen.append(event)
        if len(seen) - 1 == throw_after:
            switch.on = True

    play = Play({**STORY, **changes}, tmp_path, Recorder(onward=onward), switch=switch)
    play.run()
    return play


def codes(play: Play) -> list[str | None]:
    """The code in each call's answer; None for a result."""
    return [json.loads(event.content).get("code") for event in play.events if isinstance(event, ToolReturned)]


def decided(play: Play) -> list[tuple[str, bool]]:
    return [(event.code.value, event.enforced) for event in play.events if isinstance(event, CallDecided)]


def test_on_before_the_run(tmp_path: Path) -> None:
    """The model is not asked at all."""
    switch = Switch()
    switch.on = True
    play = played(tmp_path, switch)
    assert play.told == "end     stopped: the kill switch is on: incident\n"
    assert play.model.asked == []


def test_thrown_while_the_model_answers(tmp_path: Path) -> None:
    """Every call is decided as killed, whatever the policy says, and the model is not asked again."""
    play = played(tmp_path, Switch(), throw_after=1)
    assert decided(play) == [("killed", True)] * 3
    assert codes(play) == ["killed"] * 3
    assert play.tools.executed == []
    assert play.told.endswith("end     stopped: the kill switch is on: incident\n")
    assert len(play.model.asked) == 1


def test_thrown_between_decision_and_execution(tmp_path: Path) -> None:
    """The decision stands as it was recorded, the answer says that the call was killed, and nothing is executed."""
    play = played(tmp_path, Switch(), throw_after=2)
    assert decided(play) == [("rule", True), ("killed", True), ("killed", True)]
    assert codes(play) == ["killed"] * 3
    assert play.tools.executed == []


def test_thrown_while_a_person_is_asked(tmp_path: Path) -> None:
    """The yes comes too late."""
    switch = Switch()

    class Thrower:
        def ask(self, question: Question) -> Answer:
            switch.on = True
            return Answer(approved=True, by="terminal")

        def close(self) -> None:
            pass

    play = Play(STORY, tmp_path, switch=switch, approver=Thrower())
    end = play.run()
    assert codes(play) == [None, "killed", "killed"]
    assert play.tools.executed == ["call_1"]
    assert end.status == "stopped"


def test_a_question_that_the_switch_cuts_short(tmp_path: Path) -> None:
    """Nobody needs to answer it first; the record tells why there is no answer."""
    switch = Switch()

    class Waiting:
        def __init__(self) -> None:
            self.closed = threading.Event()

        def ask(self, question: Question) -> Answer:
            switch.on = True
            assert self.closed.wait(30)
            return Answer(approved=True, by="terminal")

        def close(self) -> None:
            self.closed.set()

    play = Play(STORY, tmp_path, switch=switch, approver=Waiting())
    end = play.run()
    (answered,) = (event for event in play.events if isinstance(event, ApprovalAnswered))
    assert (answered.answer, answered.note) == ("reject", HALT.reason)
    assert play.tools.executed == ["call_1"]
    assert end.status == "stopped"


@pytest.mark.parametrize("moment", range(12))
def test_thrown_at_any_moment(tmp_path: Path, moment: int) -> None:
    """Nothing is executed and no model asked after it, and every call has its answer."""
    switch = Switch()
    before = 0
    seen: list[Event] = []

    def consequences() -> int:
        return len(play.tools.executed) + len(play.model.asked)

    def onward(event: Event) -> None:
        nonlocal before
        seen.append(event)
        if len(seen) - 1 == moment:
            switch.on = True
            before = consequences()

    play = Play(STORY, tmp_path, Recorder(onward=onward), switch=switch)
    end = play.run()
    if moment < len(seen):
        assert consequences() == before
    assert len(codes(play)) == len(decided(play))
    assert end.status == ("stopped" if moment < 9 else "done")


class Hanging:
    """A tool, and a model, that do not come back before they are given up; the switch is thrown meanwhile."""

    def __init__(self, switch: Switch) -> None:
        self.tools = tuple(tool(name, {}) for name in ("read", "pay"))
        self._switch = switch
        self._given_up = threading.Event()

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False, idempotency_key: str | None = None) -> Outcome:
        self._hang()
        return Outcome(ok=True, content="{}", seconds=0.0)

    def ask(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: Sequence[Mapping[str, Json]],
        tool_choice: Json,
        *,
        most: int | None = None,
    ) -> Reply:
        self._hang()
        raise AssertionError("nobody listens any more")

    def _hang(self) -> None:
        self._switch.on = True
        assert self._given_up.wait(30)

    def abandon(self) -> None:
        self._given_up.set()

    def close(self) -> None:
        self._given_up.set()


def test_thrown_while_a_tool_hangs(tmp_path: Path) -> None:
    """It has its grace, like after Ctrl-C; then it is killed, and its answer says that it may have run."""
    switch = Switch()
    clock = itertools.count(step=10)
    play = Play(STORY, tmp_path, interrupts=Interrupts(clock=lambda: float(next(clock))), toolbox=Hanging(switch), switch=switch)
    end = play.run()
    assert (end.status, end.reason) == ("stopped", HALT.reason)
    first = next(event for event in play.events if isinstance(event, ToolReturned))
    assert (first.executed, first.ok) == (True, False)
    assert json.loads(first.content)["error"] == "the kill switch is on: incident, may have run"
    assert codes(play) == ["killed"] * 3


def test_thrown_while_the_model_hangs(tmp_path: Path) -> None:
    """The request is given up at once."""
    switch = Switch()
    end = Play(STORY, tmp_path, model=Hanging(switch), switch=switch).run()
    assert (end.status, end.reason) == ("stopped", HALT.reason)


def test_a_stop_that_is_taken_back_ended_the_run_all_the_same(tmp_path: Path) -> None:
    """Whoever threw it wanted this run to end."""
    switch = Switch()

    def onward(event: Event) -> None:
        if isinstance(event, CallDecided):
            switch.on = event.code is not Code.KILLED
            play.session.halt()
            switch.on = False

    play = Play(STORY, tmp_path, Recorder(onward=onward), switch=switch)
    assert play.run().status == "stopped"
    assert play.tools.executed == []


def test_one_tool_is_stopped(tmp_path: Path) -> None:
    """Its calls are refused without asking anybody, the others are executed, and the run goes on."""
    switch = Switch("pay", ends_run=False)
    switch.on = True
    play = played(tmp_path, switch, people=[])
    assert decided(play) == [("rule", True), ("killed", True), ("rule", True)]
    assert codes(play) == [None, "killed", None]
    assert play.told.endswith("end     done\n")


@pytest.mark.parametrize("mode", ["observe", "dry-run"])
def test_it_binds_in_every_mode(tmp_path: Path, mode: str) -> None:
    """In observe mode, too, a killed call is not executed, and says that this was enforced."""
    switch = Switch("read", ends_run=False)
    switch.on = True
    play = played(tmp_path, switch, mode=mode)
    assert codes(play)[::2] == ["killed", "killed"]
    assert decided(play)[::2] == [("killed", True)] * 2
    assert set(play.tools.executed) <= {"call_2"}


def test_it_ends_a_run_in_observe_mode(tmp_path: Path) -> None:
    """Nothing else but the task's own number of steps does."""
    play = played(tmp_path, Switch(), throw_after=1, mode="observe")
    assert play.tools.executed == []
    assert play.told.endswith("end     stopped: the kill switch is on: incident\n")


def test_a_switch_that_fails_stops_everything(tmp_path: Path) -> None:
    """What cannot be looked at counts as thrown."""
    switch = Switch()
    switch.fails = True
    play = played(tmp_path, switch)
    assert play.told == "end     stopped: the kill switch cannot be read: OSError\n"


def test_it_is_looked_at_before_every_request_decision_and_execution(tmp_path: Path) -> None:
    """Two requests, three decisions, three executions."""
    switch = Switch()
    played(tmp_path, switch)
    assert switch.looks >= 8


@pytest.mark.parametrize("mode", ["enforce", "observe", "dry-run"])
def test_what_was_stopped_when_it_was_decided_stays_stopped(tmp_path: Path, mode: str) -> None:
    """Also where the switch is off again a moment later, and in the mode that executes what the policy refuses."""
    stops = [Halt("wait", ends_run=False)]
    play = Play(
        {**STORY, "mode": mode, "model": [["read", "read"], "done"]}, tmp_path, switch=lambda tool: stops.pop() if tool and stops else None
    )
    assert play.run().status == "done"
    assert play.tools.executed == ([] if mode == "dry-run" else ["call_2"])
    told = [(event.call_id, event.executed) for event in play.events if isinstance(event, ToolReturned)]
    assert told == [("call_1", False), ("call_2", mode != "dry-run")]
