"""Runs that are stopped from outside, at every moment, and runs that meet a bug: the record is complete in all of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentgate.approvers.port import Question
from agentgate.core.events import ApprovalAnswered, Decision, Event, Json, RunEnded, ToolCall, ToolReturned
from agentgate.files.transcript_verify import verify
from agentgate.files.transcript_writer import TranscriptWriter
from agentgate.interrupts import Interrupted, Interrupts
from agentgate.models.port import Reply
from agentgate.tools.port import Outcome
from tests.loop.playing import Play, Recorder, tool

CALM, HASTY = signal.SIGUSR1, signal.SIGUSR2
"""Stand in for Ctrl-C, which belongs to the test runner. Two of them, for the system may deliver one signal twice as one."""
STORY: dict[str, Any] = {
    "policy": {"rules": [{"id": "read", "allow": "read"}, {"id": "big", "ask": "pay"}]},
    "tools": {"read": {}, "pay": {}},
    "people": ["approve", "approve"],
    "model": [["read", "pay", "read"], ["pay", "read"], "done"],
}


def press(number: signal.Signals = CALM) -> None:
    """Ctrl-C."""
    os.kill(os.getpid(), number)


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    with Interrupts((CALM,)) as watching:
        yield watching


def played(
    tmp_path: Path, interrupts: Interrupts, at: Callable[[Event], None] = lambda event: None, story: Mapping[str, Any] = STORY, **parts: Any
) -> Play:
    """A story that writes a real transcript; `at` is called with every event that is on disk."""
    writer = TranscriptWriter(tmp_path / "run.jsonl")

    def onward(event: Event) -> None:
        writer(event)
        at(event)

    return Play(story, tmp_path, Recorder(onward=onward), interrupts, **parts)


def ended(play: Play, tmp_path: Path) -> RunEnded:
    """Runs it and audits what it left."""
    end = play.run()
    assert verify(tmp_path / "run.jsonl").problems == ()
    return end


def length(tmp_path: Path, interrupts: Interrupts) -> int:
    """How many events the story has."""
    (tmp_path / "whole").mkdir()
    whole = played(tmp_path / "whole", interrupts)
    whole.run()
    return len(whole.events)


def test_ctrl_c_after_any_event(tmp_path: Path, interrupts: Interrupts) -> None:
    """Nothing is executed or asked after it, every call has its answer, the transcript is complete."""
    count = length(tmp_path, interrupts)
    for moment in range(count):
        folder = tmp_path / str(moment)
        folder.mkdir()
        status, later = pressed_after(moment, folder)
        assert later == 0
        assert status == ("done" if moment >= count - 2 else "interrupted")


def pressed_after(moment: int, folder: Path) -> tuple[str, int]:
    """Runs the story with Ctrl-C right after an event, by its number: how it ends, and how much is executed or asked after that."""
    seen: list[Event] = []
    before = 0

    def at(event: Event) -> None:
        nonlocal before
        seen.append(event)
        if len(seen) == moment + 1:
            press()
            before = consequences()

    def consequences() -> int:
        return len(play.tools.executed) + sum(isinstance(event, ApprovalAnswered) for event in seen)

    with Interrupts((CALM,)) as watching:
        play = played(folder, watching, at)
        return ended(play, folder).status, consequences() - before


class Blocked:
    """Presses Ctrl-C once it is reached, as often as it is told, and then does not come back before somebody gives it up."""

    def __init__(self, *presses: signal.Signals) -> None:
        self.given_up = threading.Event()
        self._presses = presses

    def wait(self) -> None:
        for number in self._presses:
            press(number)
        assert self.given_up.wait(30)


class BlockedModel(Blocked):
    """A model that does not answer."""

    def ask(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: Sequence[Mapping[str, Json]],
        tool_choice: Json,
        *,
        most: int | None = None,
    ) -> Reply:
        self.wait()
        raise AssertionError("nobody listens any more")

    def close(self) -> None:
        self.given_up.set()


class BlockedTools(Blocked):
    """A tool that does not return."""

    def __init__(self, *presses: signal.Signals) -> None:
        super().__init__(*presses)
        self.tools = tuple(tool(name, {}) for name in ("read", "pay"))
        self.executed = 0

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False, idempotency_key: str | None = None) -> Outcome:
        self.executed += 1
        self.wait()
        return Outcome(ok=True, content="{}", seconds=0.0)

    def abandon(self) -> None:
        self.given_up.set()

    def close(self) -> None:
        pass


class BlockedPeople(Blocked):
    """A person who thinks about it, and says yes once nobody waits any more."""

    def ask(self, question: Question) -> Any:
        self.wait()
        raise AssertionError("nobody listens any more")

    def close(self) -> None:
        self.given_up.set()


def test_ctrl_c_while_the_model_is_asked(tmp_path: Path, interrupts: Interrupts) -> None:
    """The request is given up at once; there is no answer on record."""
    model = BlockedModel(CALM)
    play = played(tmp_path, interrupts, model=model)
    assert ended(play, tmp_path).status == "interrupted"
    assert play.told == "end     interrupted: interrupted\n"
    assert model.given_up.is_set()


def test_ctrl_c_twice_while_a_tool_runs(tmp_path: Path) -> None:
    """The tool is killed at once; its call is answered as one that may have run, and those after it as not reached."""
    tools = BlockedTools(CALM, HASTY)
    with Interrupts((CALM, HASTY), clock=lambda: 0.0) as interrupts:  # no grace ever ends
        play = played(tmp_path, interrupts, toolbox=tools)
        assert ended(play, tmp_path).status == "interrupted"
    returned = [(event.executed, event.ok, event.content) for event in play.events if isinstance(event, ToolReturned)]
    assert [(executed, ok) for executed, ok, _ in returned] == [(True, False), (False, False), (False, False)]
    assert "interrupted, may have run" in returned[0][2]
    assert tools.executed == 1
    assert tools.given_up.is_set()


def test_ctrl_c_once_while_a_tool_runs(tmp_path: Path, interrupts: Interrupts) -> None:
    """The running tool may end, and its result counts; nothing is executed after it."""
    tools = BlockedTools(CALM)
    tools.given_up.set()  # it comes back by itself
    play = played(tmp_path, interrupts, toolbox=tools)
    assert ended(play, tmp_path).status == "interrupted"
    assert [(event.executed, event.ok) for event in play.events if isinstance(event, ToolReturned)] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert tools.executed == 1


def test_ctrl_c_while_a_person_is_asked(tmp_path: Path, interrupts: Interrupts) -> None:
    """That is a no, by nobody."""
    play = played(tmp_path, interrupts, story={**STORY, "model": [["pay", "read"], "never asked"]}, approver=BlockedPeople(CALM))
    assert ended(play, tmp_path).status == "interrupted"
    assert [(event.answer, event.by) for event in play.events if isinstance(event, ApprovalAnswered)] == [("reject", "nobody")]
    assert play.tools.executed == []


def test_ctrl_c_right_after_a_yes(tmp_path: Path, interrupts: Interrupts) -> None:
    """The yes is on record, and the call is not executed any more."""
    story = {**STORY, "model": [["pay"], "never asked"]}
    play = played(tmp_path, interrupts, lambda event: press() if isinstance(event, ApprovalAnswered) else None, story)
    assert ended(play, tmp_path).status == "interrupted"
    assert [event.answer for event in play.events if isinstance(event, ApprovalAnswered)] == ["approve"]
    assert play.tools.executed == []


def test_the_grace_of_a_running_tool_ends() -> None:
    """A second signal is not needed: after the grace the work is given up."""
    given_up = threading.Event()
    times = iter([10.0, 14.9, 15.0])
    with Interrupts((CALM,), clock=lambda: next(times)) as interrupts:

        def work() -> None:
            press()
            assert given_up.wait(30)

        with pytest.raises(Interrupted):
            interrupts.wait_for(work, grace=5.0, give_up=given_up.set)
    assert next(times, None) is None


def test_what_the_work_raises_is_raised(interrupts: Interrupts) -> None:
    """As it was, in the thread that waits."""
    with pytest.raises(ZeroDivisionError):
        interrupts.wait_for(lambda: 1 / 0, grace=0.0, give_up=lambda: None)


def test_signals_are_given_back_and_ignored_ones_stay_ignored() -> None:
    """`nohup` and shells that start something in the background rely on it."""
    before = signal.getsignal(CALM)
    with Interrupts((CALM,)) as interrupts:
        press()
        assert interrupts.count == 1
    assert signal.getsignal(CALM) is before
    signal.signal(CALM, signal.SIG_IGN)
    try:
        with Interrupts((CALM,)) as interrupts:
            press()
            assert interrupts.count == 0
        assert signal.getsignal(CALM) is signal.SIG_IGN
    finally:
        signal.signal(CALM, before)


def test_a_bug_in_a_tool_leaves_a_complete_record(tmp_path: Path, interrupts: Interrupts) -> None:
    """It is a traceback, after the call got its answer and the run its end."""
    play = played(tmp_path, interrupts, story={**STORY, "tools": {"read": {"bug": "oops"}, "pay": {}}})
    with pytest.raises(ValueError, match="oops"):
        play.run()
    assert verify(tmp_path / "run.jsonl").problems == ()
    assert play.told.endswith("ran     internal error: ValueError, may have run\nend     failed: internal error: ValueError\n")


def test_a_bug_in_a_provider_leaves_a_complete_record(tmp_path: Path, interrupts: Interrupts) -> None:
    """The same for the model."""
    play = played(tmp_path, interrupts, story={**STORY, "model": [ValueError("oops")]})
    with pytest.raises(ValueError, match="oops"):
        play.run()
    assert verify(tmp_path / "run.jsonl").problems == ()


def test_a_bug_in_asking_is_a_no(tmp_path: Path, interrupts: Interrupts) -> None:
    """Whoever cannot be asked has not said yes."""
    play = played(tmp_path, interrupts, story={**STORY, "model": [["pay"], "done"], "people": [ValueError("oops")]})
    assert ended(play, tmp_path).status == "done"
    assert "reject  nobody: asking failed: ValueError\n" in play.told
    assert play.tools.executed == []
