"""What a machine does to a run: no room, nowhere to write, another clock, somebody else on the same file, signals at every step."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentgate.files.state_db import StateDatabase
from agentgate.files.state_folder import StateFolder
from agentgate.files.transcript_continued import continue_transcript
from tests.faults.breaking import AFTER, BEFORE, FAIL
from tests.faults.lives import Life, World, loaded
from tests.faults.processes import ALONE, EFFECTS, Nursery, Place

DAY = 86400
WITHOUT_STATE = {"limits": {"tokens": 5000}}
APPROVED = (*ALONE, "--approve", "always")
root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


@pytest.fixture
def place(tmp_path: Path, nursery: Nursery) -> Place:
    return Place(tmp_path / "place", nursery)


@pytest.fixture
def alone(tmp_path: Path, nursery: Nursery) -> Place:
    """A run that shares nothing with others."""
    return Place(tmp_path / "alone", nursery, policy=WITHOUT_STATE)


def failed(place: Place, done: Any, message: str) -> None:
    """Exit code 3, one message, and the run can go on."""
    assert done.code == 3, done.err + done.out
    assert done.err.count("error: ") == 1
    assert message in done.err.replace("\n", " ") + done.out
    if place.records():
        assert "done" not in (place.records()[-1].get("status") or "")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.7, 0.98])
def test_no_room(share: float, tmp_path: Path, nursery: Nursery) -> None:
    """A file may not grow any more, somewhere within the transcript: half a line is cut off, and with room the run goes on."""
    whole = Place(tmp_path / "whole", nursery, policy=WITHOUT_STATE)
    whole.run(options=APPROVED)
    size = (whole.folder / "run.jsonl").stat().st_size
    place = Place(tmp_path / "full", nursery, policy=WITHOUT_STATE)
    room = int(size * share)
    failed(place, place.run(options=APPROVED, room=room), "cannot write the transcript `run.jsonl`: file too large")
    assert (place.folder / "run.jsonl").read_bytes().endswith(b"\n") or not place.records()
    (place.folder / "out").unlink()
    place.finish()


@pytest.mark.parametrize("at", [0, 9, 20, 38])
def test_the_database_has_no_room(at: int, place: Place) -> None:
    """From a statement on: the call that needs it is refused, and the run ends as failed, before its beginning or with a whole record."""
    done = place.run({"at": at, "how": FAIL, "only": ["sql"], "number": errno.ENOSPC, "lasting": True})
    assert done.code == 3, done.out
    said = done.err if not place.records() else place.records()[-1]["reason"]
    assert "the state `.agentgate/state.db` cannot be used: database or disk is full" in said.replace("\n", " ")
    place.finish()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EMFILE], ids=lambda number: errno.errorcode[number])
def test_nowhere_to_write(number: int, alone: Place) -> None:
    """The transcript cannot be made: nothing starts."""
    done = alone.run({"at": 0, "how": FAIL, "number": number}, options=APPROVED)
    failed(alone, done, f"cannot write the transcript `run.jsonl`: {os.strerror(number).lower()}")
    assert (alone.witnesses, alone.records()) == ([], [])


@root
def test_a_folder_that_is_read_only(alone: Place) -> None:
    """The same, by the system itself."""
    locked = alone.folder / "locked"
    locked.mkdir(mode=0o500)
    done = alone.command("run", "task.yaml", *APPROVED, "--transcript", "locked/run.jsonl")
    failed(alone, done, "permission denied")
    assert alone.witnesses == []


BROKEN_STATES: dict[str, Callable[[Path], object]] = {
    "corrupt": lambda path: path.write_bytes(b"no database " * 1000),
    "a folder": lambda path: path.mkdir(),
    "a link": lambda path: path.symlink_to("elsewhere"),
    "a pipe": lambda path: os.mkfifo(path),
    "cut off": lambda path: path.write_bytes(b"SQLite format 3\0" + b"\0" * 50),
}


@pytest.mark.parametrize("how", BROKEN_STATES)
def test_a_state_that_is_none(how: str, place: Place) -> None:
    """What runs share cannot be read: nothing starts."""
    (place.folder / ".agentgate").mkdir(mode=0o700)
    BROKEN_STATES[how](place.folder / ".agentgate" / "state.db")
    failed(place, place.run(), "state.db`")
    assert (place.witnesses, place.records()) == ([], [])


def test_a_state_that_somebody_holds(tmp_path: Path) -> None:
    """Locked in the middle of a run: the next call that needs it is refused, the run ends as failed, and goes on once it is free."""
    policy = {"rules": [{"id": "read", "allow": "read"}], "limits": {"tools": {"read": {"per_day": 4}}}}
    world = World(("read",))
    folder = StateFolder(str(tmp_path / "state"))
    with StateDatabase(folder, policy="lives", patience=0.01) as accounts:
        life = Life(tmp_path, loaded(policy, tmp_path), [['read {"n": 1}', 'read {"n": 2}'], "done"], world, accounts=accounts)
        other = sqlite3.connect(folder.database, isolation_level=None, check_same_thread=False)
        world.behaves = lambda call: bool(other.execute("BEGIN IMMEDIATE"))
        ended = life.begin()
        assert ended is not None
        assert (ended.status, world.effects) == ("failed", ['call_1 read {"n": 1}'])
        assert "database is locked" in ended.reason
        other.execute("ROLLBACK")
        other.close()
        world.behaves = lambda call: True
        life.check(ended=True)
        assert life.go_on() is not None
        assert life.done
        life.check(ended=True)


# Clocks


def test_the_clock_is_set_back(place: Place) -> None:
    """Between a run, an approval and going on: the record is sound, and its time goes on within each process."""
    assert place.run(options=(*ALONE, "--approve", "later")).code == 1
    assert place.command("approve", "run.jsonl", "--all", "--yes", "--by", "ann", back=DAY).code == 0
    assert place.go_on(back=2 * DAY).code == 1
    place.finish()
    assert sorted(place.witnesses) == sorted(EFFECTS)


def test_a_clock_that_is_set_back_frees_nothing(place: Place) -> None:
    """What was used of a limit per day stays used."""
    place.another_task("run2.jsonl", [["read 11", "read 12", "read 13"], []])
    assert place.run().code == 0
    assert place.run(transcript="run2.jsonl", back=3 * DAY).code == 0
    assert [line for line in place.witnesses if line.startswith("read")] == ["read 1", "read 5", "read 11", "read 12"]


# Somebody else


def test_a_transcript_that_another_run_writes(alone: Place) -> None:
    """Nobody else begins, goes on or answers there."""
    assert alone.run(options=(*ALONE, "--approve", "later")).code == 1
    before = (alone.folder / "run.jsonl").read_bytes()
    with continue_transcript(alone.folder / "run.jsonl").writer:
        approve = ("approve", "run.jsonl", "--all", "--yes")
        for arguments in (("run", "task.yaml", *APPROVED, "--transcript", "run.jsonl"), ("resume", "run.jsonl"), approve):
            failed(alone, alone.command(*arguments), "another run is writing to `run.jsonl`")
    assert (alone.folder / "run.jsonl").read_bytes() == before
    done = alone.command("run", "task.yaml", *APPROVED, "--transcript", "run.jsonl")
    assert done.code == 2
    assert "`run.jsonl` exists already" in done.err
    alone.finish()


@pytest.fixture
def another_nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


def test_two_go_on_at_once(place: Place, nursery: Nursery, another_nursery: Nursery) -> None:
    """One of them does, the other one is told so; or it comes too late. Nothing is done twice."""
    assert place.run(options=(*ALONE, "--approve", "later", "--idempotency-scope", "order-7")).code == 1
    other = place.folder / "other"
    other.mkdir()
    for name in ("moment.json", "pid"):
        (other / name).symlink_to(place.folder / name)
    arguments = ("resume", str(place.folder / "run.jsonl"), "--approve", "always")
    nursery.start(place.folder, arguments)
    another_nursery.start(other, arguments)
    codes = {nursery.end(place.folder).code, another_nursery.end(other).code}
    assert codes in ({0, 3}, {0, 2})
    place.check_done()
    assert sorted(place.witnesses) == sorted(EFFECTS)


# Signals

STEPS = sorted({*range(0, 86, 9), 10, 21, 33, 61, 84, 85, 86})


@pytest.mark.parametrize(
    ("number", "how", "steps"),
    [(signal.SIGINT, BEFORE, STEPS[::2]), (signal.SIGTERM, AFTER, STEPS[1::2])],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_at_every_step(number: signal.Signals, how: str, steps: list[int], tmp_path: Path, nursery: Nursery) -> None:
    """The run ends as interrupted, or is done already; every call has its answer, nothing is unknown, and it goes on."""
    for at in steps:
        place = Place(tmp_path / str(at), nursery)
        done = place.run({"at": at, "how": how, "signal": number})
        _interrupted(place, done)
        place.finish()
        assert {*place.witnesses, *_not_reached(place)} == set(EFFECTS)


def _interrupted(place: Place, done: Any) -> None:
    assert (done.code, place.status()) in ((130, "interrupted"), (130, None), (0, "done")), done.err + done.out
    if place.records():
        place.check_done()
    assert not [event for event in place.records() if event["type"] == "tool_returned" and event["unknown"]]


def _not_reached(place: Place) -> list[str]:
    """What the model was told it can forget, because the run was being ended."""
    told = {event["call_id"] for event in place.records() if event.get("content", "").find("the run ended before") >= 0}
    decided = [event for event in place.records() if event["type"] == "call_decided" and event["call_id"] in told]
    return [f"{event['tool']} {json.loads(event['arguments'])['n']}" for event in decided if event["tool"] != "drop"]


@pytest.mark.parametrize("when", [BEFORE, AFTER])
@pytest.mark.parametrize("effect", ["read 1", "pay 6"])
def test_a_signal_while_a_tool_runs(when: str, effect: str, place: Place) -> None:
    """It may end, and what it did is on record; nothing else is done."""
    place.moment(when=when, n=int(effect.split(" ")[1]), signal=signal.SIGINT)
    done = place.run()
    _interrupted(place, done)
    assert done.code == 130
    assert place.witnesses[-1] == effect
    place.moment()
    place.finish()


def test_a_signal_while_somebody_is_asked(place: Place) -> None:
    """That is a no; the person who is asked is not waited for."""
    asked = place.folder / "asked"
    os.mkfifo(place.folder / "never")
    asked.write_text("#!/bin/sh\nkill -INT $(cat pid)\nexec cat never\n")
    asked.chmod(0o700)
    done = place.run(options=(*ALONE, "--approver", "command:./asked"))
    _interrupted(place, done)
    assert done.code == 130
    assert place.witnesses == ["read 1"]
    answers = [(event["answer"], event["by"]) for event in place.records() if event["type"] == "approval_answered"]
    assert answers == [("reject", "nobody")]
    place.finish()
