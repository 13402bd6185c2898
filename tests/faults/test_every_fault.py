"""A whole run, with a fault at every single thing that it asks of disk, accounts and tools: nothing runs unrecorded, nothing runs twice."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from agentgate.approvers.fixed import LATER
from agentgate.errors import AgentgateError, OutsideError, RecordError
from agentgate.files.transcript_writer import TranscriptWriter
from agentgate.session import CompiledPolicy
from tests.faults.breaking import AFTER, BEFORE, FAIL, HALF, SHORT, BreakableDisk, Faults, MemoryAccounts
from tests.faults.lives import Life, World, events_on_disk, folded, loaded

POLICY: dict[str, Any] = {
    "rules": [{"id": "read", "allow": ["read", "charge"]}, {"id": "big", "ask": "pay"}, {"id": "never", "block": "drop"}],
    "once": "charge",
    "limits": {"per_day": {"tool_calls": 6}, "tokens": 5000},
}
TOOLS = ("read", "pay", "drop", "charge")
MODEL = [
    ['read {"n": 1}', 'pay {"n": 2}', 'drop {"n": 3}', 'charge {"n": 4}'],
    ['charge {"n": 4}', 'read {"n": 5}'],
    ['pay {"n": 6}'],
    "done",
]
EFFECTS = ["call_1 read", "call_2 pay", "call_4 charge", "call_6 read", "call_7 pay"]
MOMENTS = 400
"""More than there are in a run and in what follows it."""
ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS]


@cache
def policy() -> CompiledPolicy:
    """Loaded once, as it is the same for every run."""
    with TemporaryDirectory() as folder:
        return loaded(POLICY, Path(folder))


class Story:
    """The run in a folder of its own, with the accounts and the world that it acts on."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "run.jsonl").unlink(missing_ok=True)
        self.accounts = MemoryAccounts("order-7")
        self.world = World(TOOLS)
        self.life = Life(folder, policy(), MODEL, self.world, accounts=self.accounts)

    def finish(self) -> None:
        """Goes on until the run is done, and looks at what it came to."""
        life, world = self.life, self.world
        for _ in range(3):
            if life.done:
                break
            if not life.records():
                life.path.unlink(missing_ok=True)
                assert world.effects == []
                life.begin()
            else:
                life.go_on()
            life.check()
        assert life.done
        life.check(ended=True)
        done = Counter(" ".join(effect.split(" ")[:2]) for effect in world.effects)
        assert set(done) <= set(EFFECTS)
        assert max(done.values(), default=1) == 1
        unknown = {event["call_id"] for event in life.records() if event["type"] == "tool_returned" and event["unknown"]}
        assert {effect for effect in EFFECTS if effect not in done} <= {effect for effect in EFFECTS if effect.split(" ")[0] in unknown}
        if life.ended is not None:
            assert life.session is not None
            assert folded(events_on_disk(life.path)) == life.session.state
        self._check_accounts()

    def _check_accounts(self) -> None:
        """Nothing that was done is missing in what is shared, and nothing is in it twice."""
        counted = {call.removeprefix("call ") for _, _, call in self.accounts.entries}
        done = {effect.split(" ")[0] for effect in self.world.effects}
        assert done <= counted <= {effect.split(" ")[0] for effect in EFFECTS}
        assert len(self.accounts.entries) == len(counted)
        assert {tool for tool, _ in self.accounts.claims} >= {"charge"} & {effect.split(" ")[1] for effect in self.world.effects}


def undisturbed(folder: Path) -> Faults:
    """The run without a fault; gives all things that can go wrong."""
    story, faults = Story(folder), Faults()
    ended = story.life.begin(faults)
    assert ended is not None
    assert ended.status == "done"
    assert story.world.effects == [f'{effect} {{"n": {number}}}' for effect, number in zip(EFFECTS, (1, 2, 4, 5, 6), strict=True)]
    story.finish()
    return faults


def test_undisturbed(tmp_path: Path) -> None:
    """The run touches everything that can break: the disk, the accounts, a person, the tools."""
    assert set(undisturbed(tmp_path / "run").log) == {"open", "write", "fsync", "close", "begin", "commit", "ask", "tool"}


def faulty(folder: Path, *, kind: type[Faults] = Faults, **fault: Any) -> Iterator[tuple[Story, Faults]]:
    """The run again and again, with the fault one thing later each time, until nothing goes wrong any more; broken off, to be looked at."""
    for moment in range(MOMENTS):
        story, faults = Story(folder), kind(moment, **fault)
        with suppress(OutsideError):
            story.life.begin(faults)
        if not faults.happened:
            return
        yield story, faults


@pytest.mark.parametrize("number", ERRORS, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from-then-on"])
@pytest.mark.parametrize("operation", ["open", "write", "fsync", "close"])
def test_the_disk_fails(operation: str, number: int, lasting: bool, tmp_path: Path) -> None:
    """At every write, fsync, open and close: what is not on disk is not executed, the chain stays whole, and the run can go on."""
    count = 0
    for story, _ in faulty(tmp_path / "run", how=FAIL, only=(operation,), number=number, lasting=lasting):
        story.life.check()
        assert "run_ended" not in [event["type"] for event in story.life.records()[:-1]]
        story.finish()
        count += 1
    assert count >= 2 if operation in ("open", "close") else count > 20


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("cut", [True, False], ids=["cut-off", "left-there"])
def test_half_a_line_and_then_nothing(number: int, cut: bool, tmp_path: Path) -> None:
    """A short write, and the disk fails at the rest of the line: half a line is cut off, or a reader knows it for what it is."""
    torn = 0
    for story, _ in faulty(tmp_path / "run", kind=FullDisk, only=("write",) if cut else ("write", "truncate"), number=number):
        torn += not story.life.path.read_bytes().endswith(b"\n")
        story.life.check()
        story.finish()
    assert torn == 1 if cut else torn > 20


class FullDisk(Faults):
    """Takes half of a line, and from then on nothing."""

    def _mine(self, name: str) -> bool:
        mine = super()._mine(name)
        self._how = FAIL if mine and self._lasting else SHORT
        self._lasting = self._lasting or mine
        return mine


def test_writes_that_do_half(tmp_path: Path) -> None:
    """A disk that takes only half of what it is given, always, holds the same in the end."""
    story = Story(tmp_path / "run")
    story.life.begin(Faults(0, SHORT, only=("write",), lasting=True))
    assert story.life.processes == 1
    story.life.check(ended=True)
    assert len(story.world.effects) == len(EFFECTS)


@pytest.mark.parametrize("how", [BEFORE, AFTER, HALF])
@pytest.mark.parametrize("more", [None, 0.0, 0.4, 1.0], ids=["killed", "power-cut", "power-cut-torn", "power-cut-late"])
def test_the_process_is_killed(how: str, more: float | None, tmp_path: Path) -> None:
    """At every thing that it does; after a power cut what was not synced may be gone, whole or in part."""
    count = 0
    for story, _ in faulty(tmp_path / "run", how=how):
        if more is not None and story.life.path.exists():
            story.world.disk.power_cut(more)
        story.life.check()
        _check_unknown(story)
        story.finish()
        count += 1
    assert count > 60


def _check_unknown(story: Story) -> None:
    """What was done and has no answer on record may have run, and the run that goes on says so."""
    if not story.life.records() or story.life.done:
        return
    answered = {event["call_id"] for event in story.life.records() if event["type"] == "tool_returned"}
    open_ones = [effect.split(" ")[0] for effect in story.world.effects if effect.split(" ")[0] not in answered]
    assert len(open_ones) <= 1
    story.life.go_on()
    unknown = {event["call_id"] for event in story.life.records() if event["type"] == "tool_returned" and event["unknown"]}
    assert set(open_ones) <= unknown


@pytest.mark.parametrize("how", [BEFORE, AFTER, HALF])
def test_killed_again_and_again(how: str, tmp_path: Path) -> None:
    """Every process on the way is killed after a few more things than the one before it: the run is done in the end, all the same."""
    for stride in range(3, 40):
        story = Story(tmp_path / "run")
        for life in range(MOMENTS):
            faults = Faults(stride + life % 7, how)
            try:
                if story.life.records():
                    story.life.go_on(faults)
                else:
                    story.life.path.unlink(missing_ok=True)
                    story.life.begin(faults)
            except AgentgateError:
                break  # done
            story.life.check()
            if story.life.done:
                break
        story.finish()


def test_killed_in_two_calls_of_one_answer(tmp_path: Path) -> None:
    """Both may have run, both are told so once, and neither is run again, however often the run goes on."""
    world = World(("read",))
    life = Life(
        tmp_path, loaded({"rules": [{"id": "read", "allow": "read"}]}, tmp_path), [['read {"n": 1}', 'read {"n": 2}'], "done"], world
    )
    for kill in (life.begin, life.go_on, life.go_on):
        kill(Faults(0, AFTER, only=("tool",)))
        life.check()
    assert world.effects == ['call_1 read {"n": 1}', 'call_2 read {"n": 2}']
    answers = [(event["call_id"], event["unknown"]) for event in life.records() if event["type"] == "tool_returned"]
    assert answers == [("call_1", True), ("call_2", True)]
    assert life.done


def test_a_call_does_not_use_up_its_own_limit(tmp_path: Path) -> None:
    """Killed once it was counted, and before it was decided on record: it is counted once, and executed where there is room for one."""
    world, accounts = World(("read",)), MemoryAccounts()
    policy = loaded({"rules": [{"id": "read", "allow": "read"}], "limits": {"tools": {"read": {"per_day": 1}}}}, tmp_path)
    life = Life(tmp_path, policy, [['read {"n": 1}', 'read {"n": 2}'], "done"], world, accounts=accounts)
    assert life.begin(Faults(0, AFTER, only=("commit",))) is None
    assert [call for _, _, call in accounts.entries] == ["call call_1"]
    assert life.go_on() is not None
    life.check(ended=True)
    assert world.effects == ['call_1 read {"n": 1}']
    assert [call for _, _, call in accounts.entries] == ["call call_1"]


def test_a_namesake_frees_nothing(tmp_path: Path) -> None:
    """The refusal of a call that took the id of one that waits does not give back what that one uses up, now or after going on."""
    world, accounts = World(("read", "pay")), MemoryAccounts()
    rules = [{"id": "read", "allow": "read"}, {"id": "big", "ask": "pay"}]
    policy = loaded({"rules": rules, "limits": {"per_day": {"tool_calls": 2}}}, tmp_path)
    names = ("pay", "read", "read")
    functions = [{"name": name, "arguments": f'{{"n": {n}}}'} for n, name in enumerate(names)]
    calls = [{"id": id, "type": "function", "function": function} for id, function in zip(("a", "b", "b"), functions, strict=True)]
    life = Life(tmp_path, policy, [calls, ['read {"n": 9}'], "done"], world, accounts=accounts)
    for approver in (LATER, LATER, None):
        assert (life.go_on if life.records() else life.begin)(approver=approver) is not None
        assert {call for _, _, call in accounts.entries} == {"call a", "call b"}
    life.check(ended=True)
    assert [effect.split(" ")[0] for effect in world.effects] == ["a", "b"]


def test_a_second_fault_while_it_goes_on(tmp_path: Path) -> None:
    """Killed, and then the disk fails in the process that goes on, at every fifth thing of both."""
    for first in range(0, MOMENTS, 5):
        for second in range(0, MOMENTS, 5):
            story, killed, failing = (
                Story(tmp_path / "run"),
                Faults(first, HALF),
                Faults(second, FAIL, only=("write", "fsync", "truncate", "open")),
            )
            story.life.begin(killed)
            if not killed.happened:
                return
            if story.life.records() and not story.life.done:
                with suppress(OutsideError):
                    story.life.go_on(failing)
            story.life.check()
            story.finish()
            if not failing.happened:
                break


@pytest.mark.parametrize("operation", ["begin", "commit"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from-then-on"])
def test_the_accounts_fail(operation: str, lasting: bool, tmp_path: Path) -> None:
    """At every turn: the call that needs them is refused, the run ends as failed and is whole, and nothing is executed uncounted."""
    count = 0
    for story, _ in faulty(tmp_path / "run", how=FAIL, only=(operation,), number=errno.EIO, lasting=lasting):
        story.life.check(ended=True)
        last = story.life.records()[-1]
        assert last["type"] == "run_ended"
        assert last["status"] == "failed"
        assert last["reason"].startswith("the state cannot be used")
        counted = {call.removeprefix("call ") for _, _, call in story.accounts.entries}
        assert {effect.split(" ")[0] for effect in story.world.effects} <= counted
        count += 1
    assert count > 12


def test_after_a_failure_nothing_is_written(tmp_path: Path) -> None:
    """Not by the same process, whatever it tries: the disk may have lost what it said it had."""
    story = Story(tmp_path / "run")
    story.life.begin()
    event = events_on_disk(story.life.path)[0]
    path = tmp_path / "other.jsonl"
    disk = BreakableDisk(path, Faults(0, FAIL, only=("fsync",)))
    with pytest.raises(RecordError), TranscriptWriter(path, disk=disk) as writer:
        writer(event)
    assert disk.durable == b""
