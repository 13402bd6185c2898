"""The books in SQL: what one transaction sees of itself, times as text, and files that were made with other pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agentgate.core.events import ModelReplied, RunStarted
from agentgate.core.state import State
from agentgate.files.gateway_verify import verify_store
from agentgate.gateway.books import Keeping, Wanted
from agentgate.gateway.past import Past
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
