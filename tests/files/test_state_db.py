"""The database that runs share: who has the turn is alone, what is counted stays counted, and what is wrong with it is said."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentgate.core.once import Earlier
from agentgate.core.windows import Used
from agentgate.errors import StateError
from agentgate.files.state_db import StateDatabase
from agentgate.files.state_folder import StateFolder

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMIT = "limits.per_hour.tool_calls"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[StateDatabase]:
    """A new one."""
    with StateDatabase(StateFolder(str(tmp_path / "state")), policy="p", scope="order-7") as opened:
        yield opened


def enter(db: StateDatabase, call: str, *, run: str = "r", at: datetime = NOW, amount: float = 1) -> None:
    """Counts a call."""
    with db.turn():
        db.enter(LIMIT, run, call, amount, at)


def used(db: StateDatabase, *, at: datetime = NOW, value: float = 100, besides: tuple[str, str] | None = None) -> Used:
    """What was used in the hour before a moment."""
    with db.turn():
        return db.used(LIMIT, at - HOUR, value, HOUR, besides)


def test_it_is_for_nobody_else(db: StateDatabase) -> None:
    """Arguments and results are nobody's business: folder and files can be read by their owner alone."""
    enter(db, "c1")
    assert stat.S_IMODE(db.path.parent.stat().st_mode) == 0o700
    for file in db.path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_an_entry_counts_for_an_hour(db: StateDatabase) -> None:
    """To the moment."""
    enter(db, "c1")
    assert [used(db, at=NOW + wait).amount for wait in (timedelta(0), HOUR - timedelta(microseconds=1), HOUR)] == [1, 1, 0]


def test_entries_are_counted_by_call(db: StateDatabase) -> None:
    """A call that is counted again is counted once, as of then; one that came to nothing is not counted."""
    enter(db, "c1", amount=5)
    enter(db, "c1", amount=2, at=NOW + HOUR / 2)
    enter(db, "c1", run="other")
    assert used(db, at=NOW + HOUR).amount == 2
    assert used(db).amount == 3
    assert used(db, besides=("r", "c1")).amount == 1
    with db.turn():
        db.strike("r", "c1")
    assert used(db).amount == 1


def test_cents_add_up(db: StateDatabase) -> None:
    """Ten times ten cents are a dollar."""
    for number in range(10):
        enter(db, str(number), amount=0.1)
    assert used(db).amount == 1.0


def test_it_tells_when_there_is_room_again(db: StateDatabase) -> None:
    """Once enough of the oldest entries count no more."""
    for number in range(4):
        enter(db, str(number), at=NOW + number * timedelta(minutes=1))
    now = NOW + timedelta(minutes=10)
    assert used(db, at=now, value=4).until == NOW + HOUR
    assert used(db, at=now, value=2).until == NOW + HOUR + timedelta(minutes=2)
    assert used(db, at=now, value=0).until is None
    assert used(db, at=now, value=5).until is None


def test_a_clock_that_is_set_back_frees_nothing(db: StateDatabase) -> None:
    """Entries from the future count, and go on counting until they are an hour old."""
    enter(db, "c1", at=NOW)
    assert used(db, at=NOW - timedelta(days=30)).amount == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(times=st.lists(st.integers(-7200, 7200), min_size=1, max_size=12))
def test_going_back_never_shows_less(db: StateDatabase, times: list[int]) -> None:
    """Whatever was counted when: earlier moments see at least as much."""
    with db.turn():
        db._db.execute("DELETE FROM used")
        for number, seconds in enumerate(times):
            db.enter(LIMIT, "r", str(number), 1, NOW + timedelta(seconds=seconds))
    seen = [used(db, at=NOW + timedelta(seconds=seconds)).amount for seconds in sorted(times)]
    assert seen == sorted(seen, reverse=True)


def test_policies_are_counted_apart_by_name(tmp_path: Path) -> None:
    """Another edition of a policy goes on where the last one was; another policy begins anew."""
    folder = StateFolder(str(tmp_path / "state"))
    for name, before in (("p", 0), ("p", 1), ("q", 0), ("p", 2)):
        with StateDatabase(folder, policy=name) as db:
            assert used(db).amount == before
            enter(db, f"c{before}")


def test_a_turn_takes_effect_as_a_whole_or_not_at_all(db: StateDatabase) -> None:
    """What went wrong in the middle was never begun."""

    def half() -> None:
        with db.turn():
            db.enter(LIMIT, "r", "c1", 1, NOW)
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        half()
    assert used(db).amount == 0


# Executing once


def test_a_claim_is_one_runs(db: StateDatabase) -> None:
    """Whoever comes later learns who has it, and in the end what came of it."""
    with db.turn():
        assert db.earlier("pay", "hash") is None
        assert db.claim("pay", "hash", "r1", "c1", NOW) is None
    started = Earlier("c1", "r1")
    with db.turn():
        assert db.claim("pay", "hash", "r2", "c1", NOW) == started
        assert db.claim("pay", "hash", "r1", "c2", NOW) == started
        assert db.claim("pay", "other", "r2", "c9", NOW) is None
        assert db.claim("get", "hash", "r2", "c8", NOW) is None
    with db.turn():
        db.complete("r1", "c1", "text", ok=True)
    with db.turn():
        assert db.earlier("pay", "hash") == Earlier("c1", "r1", "text", ok=True)
        assert db.claim("pay", "hash", "r1", "c1", NOW) == Earlier("c1", "r1", "text", ok=True)


def test_a_call_that_may_have_run_is_its_runs_own_to_try_again(db: StateDatabase) -> None:
    """The same call of the same run: somebody has decided that; it stays claimed for all others."""
    for _ in range(2):
        with db.turn():
            assert db.claim("pay", "hash", "r1", "c1", NOW) is None
    with db.turn():
        assert db.claim("pay", "hash", "r2", "c1", NOW) == Earlier("c1", "r1")


def test_a_claim_can_be_given_up_but_not_what_was_done(db: StateDatabase) -> None:
    """What certainly did not run may be executed by others."""
    with db.turn():
        db.claim("pay", "hash", "r1", "c1", NOW)
        db.withdraw("r1", "c1")
        assert db.claim("pay", "hash", "r2", "c1", NOW) is None
        db.complete("r2", "c1", "", ok=False)
        db.withdraw("r2", "c1")
        assert db.earlier("pay", "hash") == Earlier("c1", "r2", "", ok=False)


def test_scopes_know_nothing_of_each_other(db: StateDatabase, tmp_path: Path) -> None:
    """Another key, another effect; so does a run without one."""
    with db.turn():
        db.claim("pay", "hash", "r1", "c1", NOW)
    for scope in ("order-8", "", None):
        with StateDatabase(StateFolder(str(tmp_path / "state")), policy="p", scope=scope) as other, other.turn():
            assert other.earlier("pay", "hash") is None


# Many at once

HAMMER = """
import sys
from datetime import UTC, datetime, timedelta
from agentgate.files.state_db import StateDatabase
from agentgate.files.state_folder import StateFolder
folder, run, value, tries = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
now, hour = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1)
sys.stdin.readline()
with StateDatabase(StateFolder(folder), policy="p", scope="s", patience=120) as db:
    for number in range(tries):
        with db.turn():
            if db.used("l", now - hour, value, hour).amount < value:
                db.enter("l", run, str(number), 1, now)
                print("through")
            if db.claim("pay", str(number), run, str(number), now) is None:
                print("claimed", number)
"""


def test_several_processes_never_let_more_through_than_there_is(tmp_path: Path) -> None:
    """Reading, deciding and counting are one: with four of them at it, the total is exactly the limit, and every call has one owner."""
    folder, value, tries = str(tmp_path / "state"), 25, 20
    command = [sys.executable, "-c", HAMMER, folder]
    processes = [
        subprocess.Popen(
            [*command, f"r{number}", str(value), str(tries)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = "".join(process.communicate()[0] for process in processes).splitlines()
    assert [process.returncode for process in processes] == [0] * 4
    assert said.count("through") == value
    assert sorted(line for line in said if line.startswith("claimed")) == sorted(f"claimed {number}" for number in range(tries))


# What can be wrong with it


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """With its path and the way on."""
    folder = StateFolder(str(tmp_path / "state"))
    folder.make()
    folder.database.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StateError, match="cannot be used: file is not a database") as caught:
        StateDatabase(folder, policy="p")
    assert caught.value.help is not None
    assert "--state" in caught.value.help
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("what", ["link", "folder", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, what: str) -> None:
    """Nothing is kept through links, and nobody waits for a pipe."""
    folder = StateFolder(str(tmp_path / "state"))
    folder.make()
    match what:
        case "link":
            folder.database.symlink_to(tmp_path / "elsewhere")
        case "folder":
            folder.database.mkdir()
        case "pipe":
            os.mkfifo(folder.database)
    with pytest.raises(StateError):
        StateDatabase(folder, policy="p")
    assert not (tmp_path / "elsewhere").exists()


def test_the_file_of_a_newer_agentgate_is_refused(tmp_path: Path) -> None:
    """Nobody knows what counts in it."""
    folder = StateFolder(str(tmp_path / "state"))
    with StateDatabase(folder, policy="p") as db:
        db._db.execute("PRAGMA user_version = 9")
    with pytest.raises(StateError, match="written by a newer agentgate"):
        StateDatabase(folder, policy="p")


def test_a_turn_that_somebody_else_does_not_give_up_is_an_error(db: StateDatabase, tmp_path: Path) -> None:
    """After a while; nothing is decided without it."""
    other = StateDatabase(StateFolder(str(tmp_path / "state")), policy="p", patience=0)
    with db.turn(), pytest.raises(StateError, match="database is locked") as caught, other.turn():
        pass
    assert caught.value.help is not None
    assert "another process" in caught.value.help
    other.close()


def test_a_full_disk_is_an_error_and_counts_nothing(db: StateDatabase) -> None:
    """The turn was never had."""
    pages = db._db.execute("PRAGMA page_count").fetchone()[0]
    db._db.execute(f"PRAGMA max_page_count = {pages}")

    def much() -> None:
        with db.turn():
            for number in range(500):
                db.enter(LIMIT, "r", "c" * 200 + str(number), 1, NOW)

    with pytest.raises(StateError, match="full") as caught:
        much()
    assert caught.value.help == "make room, or use another folder with --state"
    db._db.execute("PRAGMA max_page_count = 100000")
    assert used(db).amount == 0


def test_a_closed_one_is_an_error(db: StateDatabase) -> None:
    """And no crash."""
    db.close()
    with pytest.raises(StateError), db.turn():
        pass


def test_a_table_that_is_gone_is_an_error(db: StateDatabase) -> None:
    """Whatever somebody did to the file while it was in use."""
    with sqlite3.connect(db.path) as other:
        other.execute("DROP TABLE used")
    other.close()
    with pytest.raises(StateError, match="no such table"):
        used(db)
