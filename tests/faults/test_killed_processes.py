"""SIGKILL at random moments of real commands: what tools did is a subset of what was recorded before, and going on repeats none of it.

A moment is one of the things that the process asks of the system (a write, an fsync, a statement of SQLite, …), before, after or in the
middle of it, or the effect of a tool, before or after. `AGENTGATE_KILLS=1000 pytest tests/faults/test_killed_processes.py -n auto` kills so
many processes; without the variable it is a moderate number.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.faults.breaking import AFTER, BEFORE, HALF
from tests.faults.processes import EFFECTS, Nursery, Place

KILLS = int(os.environ.get("AGENTGATE_KILLS", "5"))
SEEDS = range(8)
OTHER = [["read 11", "charge 4"], ["read 15", "read 16"], []]
"""What a second run of the same policy proposes: one call of them is the same as one of the first run's."""


class Killer:
    """Chooses moments by a seed, and counts the processes that it killed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.kills = 0

    def first(self, place: Place, transcript: str = "run.jsonl") -> None:
        """Starts a run and kills it at one of its moments."""
        if self.random.random() < 0.25:
            n = self.random.choice(EFFECTS).split(" ")[1]
            place.moment(when=self.random.choice([BEFORE, AFTER]), n=int(n), signal=signal.SIGKILL)
            done = place.run(transcript=transcript)
            place.moment()
        else:
            done = place.run(self._moment(86), transcript=transcript)
        self.kills += done.code == -signal.SIGKILL

    def again(self, place: Place, transcript: str = "run.jsonl") -> None:
        """Lets a run go on and kills it."""
        if place.records(transcript) and place.status(transcript) != "done":
            done = place.go_on(transcript, "--approve", "always", faults=self._moment(60))
            self.kills += done.code == -signal.SIGKILL

    def _moment(self, most: int) -> dict[str, Any]:
        return {"at": self.random.randrange(most), "how": self.random.choice([BEFORE, AFTER, HALF])}


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_and_gone_on_with(seed: int, tmp_path: Path, nursery: Nursery) -> None:
    """Once, or twice, or more often: nothing is done twice, nothing is lost, and what may have run is told so."""
    killer = Killer(seed)
    for number in range(KILLS):
        place = Place(tmp_path / f"at{number}", nursery)
        killer.first(place)
        while killer.random.random() < 0.4:
            killer.again(place)
        place.finish()
        unknown = [event for event in place.records() if event["type"] == "tool_returned" and event["unknown"]]
        assert len(set(EFFECTS) - set(place.witnesses)) <= len(unknown) <= killer.kills
        if killer.kills >= KILLS // len(SEEDS):
            return


@pytest.mark.parametrize("seed", range(2))
def test_two_runs_with_one_key_and_one_limit(seed: int, tmp_path: Path, nursery: Nursery) -> None:
    """Both are killed, perhaps twice, and then gone on with: the shared call is made once at most, and the limit holds over both."""
    killer = Killer(1000 + seed)
    for number in range(KILLS):
        place = Place(tmp_path / f"at{number}", nursery)
        place.another_task("run2.jsonl", OTHER)
        killer.first(place)
        killer.first(place, "run2.jsonl")
        order = ["run.jsonl", "run2.jsonl"]
        killer.random.shuffle(order)
        if killer.random.random() < 0.5:
            killer.again(place, order[0])
        for name in order:
            place.finish(name)
        check_shared(place)
        if killer.kills >= KILLS // len(SEEDS):
            return


def check_shared(place: Place) -> None:
    """What was read is counted, each once, and never more than the limit; what is charged once is claimed."""
    reads = [line for line in place.witnesses if line.startswith("read ")]
    with sqlite3.connect(place.folder / ".agentgate" / "state.db") as database:
        entries = database.execute("SELECT run_id, call_id, amount FROM used WHERE limit_id = 'limits.tools.read.per_day'").fetchall()
        claims = database.execute("SELECT tool FROM claims").fetchall()
    database.close()
    assert len(reads) <= len(entries) <= 4
    assert {amount for _, _, amount in entries} <= {1.0}
    assert place.witnesses.count("charge 4") <= len(claims) <= 1
    counted = {(run_id, call_id.removeprefix("call ")) for run_id, call_id, _ in entries}
    for name in place.transcripts:
        records = place.records(name)
        decided = {event["call_id"] for event in records if event["type"] == "call_decided" and event["tool"] == "read"}
        executed = {event["call_id"] for event in records if event["type"] == "tool_returned" and event["executed"]}
        assert {(records[0]["run_id"], call_id) for call_id in decided & executed} <= counted
