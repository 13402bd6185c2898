"""Following the events of a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.clock import steady_clock
from agentgate.core.events import Mode, PolicyDigest
from agentgate.core.state import State
from agentgate.errors import OutsideError, UsageError
from agentgate.files.gateway_records import Record
from agentgate.gateway.books import Wanted
from agentgate.gateway.past import Past
from agentgate.gateway.sql_books import SqlBooks
from agentgate.gateway.sqlite import SqliteDatabase
from agentgate.gateway.tail import of_gateway, of_store, tail
from tests.gateway.serving import KEY, Served
from tests.scripted_server import ScriptedServer, call, chat

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Growing:
    """A store that gets so many further events whenever somebody has read a page."""

    def __init__(self, folder: str, growth: list[int]) -> None:
        self.books = SqlBooks(SqliteDatabase(f"{folder}/gateway.db", wait=0), steady_clock())
        self._growth = iter(growth)
        self.made: list[str] = []

    def add(self, count: int) -> None:
        for _ in range(count):
            number = len(self.made)
            self.made.append(f"evt_{number:04}")
            # Clocks of several processes do not agree, so a later event may look earlier.
            at = NOON + timedelta(seconds=-number % 3)
            self.books.begin()
            self.books.keep(record(self.made[-1], at), Past("run", State()))
            self.books.end()

    def page(self, wanted: Wanted) -> list[dict[str, object]]:
        found = of_store(self.books)(wanted)
        self.add(next(self._growth, 0))
        return found


def record(id: str, at: datetime) -> Record:
    return Record(
        id=id,
        at=at,
        run="run",
        session=None,
        api="chat",
        model="m",
        mode=Mode.ENFORCE,
        role=None,
        policy=PolicyDigest("p", ""),
        answer_id=None,
        released=True,
        error=None,
        events=(),
    )


@settings(max_examples=30, deadline=None)
@given(there=st.integers(0, 7), lines=st.integers(1, 5), page=st.integers(1, 4), growth=st.lists(st.integers(0, 5), max_size=12))
def test_no_event_is_lost_or_told_twice(there: int, lines: int, page: int, growth: list[int]) -> None:
    """Whatever comes in while pages are read, and however small they are."""
    with TemporaryDirectory() as folder:
        store = Growing(folder, growth)
        store.add(there)
        rounds = iter([True] * 15)
        told = [event["id"] for event in tail(store.page, Wanted(limit=lines), lambda: next(rounds, False), page=page)]
        first = max(0, there - lines)
        assert told == store.made[first:]
        store.books.close()


@settings(max_examples=15, deadline=None)
@given(after=st.integers(0, 6), page=st.integers(1, 3))
def test_all_after_an_event(after: int, page: int) -> None:
    """However many pages that takes, and whatever number of lines is asked for."""
    with TemporaryDirectory() as folder:
        store = Growing(folder, [])
        store.add(7)
        told = [event["id"] for event in tail(store.page, Wanted(limit=1, since=f"evt_{after:04}"), page=page)]
        assert told == store.made[after + 1 :]
        store.books.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Served]:
    """One that has decided three answers."""
    answers = [chat(calls=[call(name, id=f"c{number}")]) for number, name in enumerate(["read", "delete", "read"])]
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream, environ={"AGENTGATE_EVENTS_KEY": KEY}) as served:
        assert [served.ask(session=name).status for name in "aba"] == [200, 409, 200]
        yield served


def test_a_gateway_tells_the_same_as_its_store(gateway: Served, tmp_path: Path) -> None:
    """With every filter."""
    books = SqlBooks(SqliteDatabase(str(tmp_path / "gateway.db"), wait=1), steady_clock())
    for wanted in (Wanted(), Wanted(limit=1), Wanted(session="a"), Wanted(result="blocked"), Wanted(since="2026-01-01T00:00:00+00:00")):
        far, near = list(tail(of_gateway(gateway.url, KEY), wanted)), list(tail(of_store(books), wanted))
        assert far == near
        assert near
    books.close()


def test_a_gateway_that_does_not_tell(gateway: Served) -> None:
    """Without the key, or where there is none."""
    with pytest.raises(UsageError, match="refuses"):
        of_gateway(gateway.url, None)(Wanted())
    with pytest.raises(OutsideError, match="no gateway answers"):
        of_gateway("http://127.0.0.1:1", KEY)(Wanted())
    with ScriptedServer(chat("hello")) as other, pytest.raises(OutsideError, match="is no gateway"):
        of_gateway(other.url, KEY)(Wanted())
