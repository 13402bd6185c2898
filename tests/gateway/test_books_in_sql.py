"""The books in SQL: what one transaction sees of itself, times as text, and files that were made with other pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agentgate.core.events import ModelReplied, RunStarted
from agentgate.core.state import State
from agentgate.files.gateway_verify import verify_store
from agentgate.gateway.books import Keeping, Wanted
from agentgate.gateway.past import Past, fold
from agentgate.gateway.sql_books import TABLES, SqlBooks, text_of
from agentgate.gateway.sqlite import SqliteDatabase
from tests.gateway.test_tail import NOON, record

PAST = Past("run", State())


@pytest.fixture
def books(tmp_path: Path) -> Iterator[SqlBooks]:
    made = opened(tmp_path / "gateway.db")
    yield made
    made.close()


def opened(path: Path) -> SqlBooks:
    return SqlBooks(SqliteDatabase(str(path), wait=0), lambda: NOON, Keeping(events=timedelta(0)))


def shown(books: SqlBooks) -> list[str]:
    return [found.id for found in books.records(Wanted())]


def test_a_transaction_sees_what_was_kept_in_it(books: SqlBooks) -> None:
    """Events at once, and sessions also where they are not in memory any more."""
    begun = replace(record("evt_1", NOON), session="a", events=(RunStarted(run_id="a"), ModelReplied(step=1, message={})))
    books.begin()
    books.keep(begun, PAST)
    assert shown(books) == ["evt_1"]
    books.keep(record("evt_2", NOON), PAST)
    assert shown(books) == ["evt_2", "evt_1"]
    books._sessions.clear()
    books.keep(replace(begun, id="evt_3", events=(ModelReplied(step=2, message={}),)), PAST)
    books._sessions.clear()
    past = books.past("a")
    assert past is not None
    assert past.state.steps == 2
    books.end()
    assert shown(books) == ["evt_3", "evt_2", "evt_1"]


def test_what_was_kept_is_old_at_once_where_nothing_is_to_be_kept(books: SqlBooks) -> None:
    """What is removed in the same transaction is removed from what was kept in it, too."""
    books.begin()
    for number in range(3):
        books.keep(record(f"evt_{number}", NOON - timedelta(days=1)), PAST)
    books.tidy()
    books.end()
    assert shown(books) == ["evt_2"]


def test_what_is_undone_was_never_kept(tmp_path: Path, books: SqlBooks) -> None:
    """Nothing of it is written later, and the chain goes on as if it had not been."""
    for number, ends in enumerate([True, False, True, False]):
        books.begin()
        books.keep(record(f"evt_{number}", NOON), PAST)
        (books.end if ends else books.undo)()
    assert shown(books) == ["evt_2", "evt_0"]
    assert verify_store(tmp_path / "gateway.db").ok


class Counting(SqliteDatabase):
    """Counts how often a session is read."""

    read = 0

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        self.read += "session = ?" in sql
        return super().rows(sql, values)


def step(books: SqlBooks, session: str, number: int, *, ends: bool = True, told: bool = True) -> int:
    """A transaction that adds a step to a session, as an answer does; how many it had."""
    books.begin()
    past = books.past(session)
    event = ModelReplied(step=number, message={})
    events = (event,) if past is not None else (RunStarted(run_id=session), event)
    made = replace(record(f"evt_{number:03}", NOON), session=session, events=events if told else ())
    books.keep(made, fold(events, past, "") if told else None)
    (books.end if ends else books.undo)()
    return 0 if past is None else past.state.steps


def test_a_session_that_only_this_process_goes_on_with_is_not_read_again(tmp_path: Path) -> None:
    """But it is as soon as another process has written anything."""
    database = Counting(str(tmp_path / "gateway.db"), wait=0)
    books, other = SqlBooks(database, lambda: NOON), opened(tmp_path / "gateway.db")
    assert [step(books, "a", number) for number in range(1, 5)] == [0, 1, 2, 3]
    assert database.read == 1
    step(other, "b", 5)
    assert [step(books, "a", number) for number in range(6, 9)] == [4, 5, 6]
    assert database.read == 2
    step(other, "a", 9)
    assert [step(books, "a", number) for number in range(10, 12)] == [8, 9]
    assert database.read == 3
    books.close()
    other.close()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.sampled_from(["kept", "undone", "untold", "looked"])), max_size=15))
def test_sessions_are_the_same_whoever_went_on_with_them(steps: list[tuple[bool, str, str]]) -> None:
    """Two processes, transactions that fail, that keep nothing, or what tells nothing: always what somebody finds who reads all of it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "gateway.db")
        both = opened(path), opened(path)
        for number, (which, session, what) in enumerate(steps, start=1):
            fresh = opened(path)
            expected = looked(fresh, session)
            fresh.close()
            if what == "looked":
                assert looked(both[which], session) == expected
            else:
                assert step(both[which], session, number, ends=what != "undone", told=what != "untold") == expected
        for books in both:
            books.close()


def looked(books: SqlBooks, session: str) -> int:
    """How many steps a session has, in a transaction that keeps nothing."""
    books.begin()
    past = books.past(session)
    books.end()
    return 0 if past is None else past.state.steps


def test_a_record_that_tells_nothing_keeps_its_session_awake(tmp_path: Path) -> None:
    """For the process that wrote it as for any other."""
    day, now = timedelta(days=1), [NOON]
    one, other = (SqlBooks(SqliteDatabase(str(tmp_path / "gateway.db"), wait=0), lambda: now[0], Keeping(sessions=day)) for _ in range(2))
    assert step(one, "a", 1) == 0
    one.begin()
    one.keep(replace(record("evt_2", NOON + 0.9 * day), session="a"), None)
    one.end()
    now[0] = NOON + 1.5 * day
    for books in (one, other):
        books.begin()
        assert books.past("a") is not None
        books.undo()
        books.close()


def test_a_new_store_has_large_pages_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    """Both are written and read; the log of both is as long before it is put into its place."""
    old = sqlite3.connect(tmp_path / "old.db")
    for statement in TABLES:
        old.execute(statement.format(number="INTEGER", bytes="BLOB"))
    old.close()
    for name, size in (("new.db", 16384), ("old.db", 4096)):
        for number in range(2):
            books = opened(tmp_path / name)
            books.begin()
            books.keep(record(f"evt_{number}", NOON), PAST)
            books.end()
            assert [books._db.rows(f"PRAGMA {what}") for what in ("page_size", "wal_autocheckpoint")] == [[(size,)], [((4 << 20) // size,)]]
            books.close()
        verified = verify_store(tmp_path / name)
        assert (verified.ok, verified.events) == (True, 2)


ZONES = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours))) | st.just(UTC)
MOMENTS = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001 - by `timezones`


@given(MOMENTS)
def test_a_time_has_one_text(moment: datetime) -> None:
    """In UTC, with all digits, whatever zone it is told in."""
    assert text_of(moment) == moment.astimezone(UTC).isoformat(timespec="microseconds")


@given(MOMENTS, MOMENTS)
def test_later_times_sort_after_earlier_ones(one: datetime, other: datetime) -> None:
    """As text, too."""
    assert (text_of(one) < text_of(other)) == (one < other)
