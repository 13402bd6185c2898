"""How long a gateway remembers: sessions, questions, and events, which are removed from the beginning of their chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agentgate.core.events import ModelReplied, RunStarted
from agentgate.core.state import State
from agentgate.files.gateway_verify import verify_store
from agentgate.files.transcript import Damage
from agentgate.files.transcript_reader import read_file
from agentgate.gateway.books import Keeping, Question, Wanted
from agentgate.gateway.past import Past
from agentgate.gateway.sql_books import SqlBooks
from agentgate.gateway.sqlite import SqliteDatabase
from tests.gateway.test_tail import NOON, record

DAY = timedelta(days=1)
KEEPING = Keeping(sessions=2 * DAY, approvals=DAY, events=10 * DAY)


class Books:
    """Books with a clock that a test sets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = NOON
        self.books = SqlBooks(SqliteDatabase(str(path), wait=0), self.time, KEEPING)
        self.made = 0

    def time(self) -> datetime:
        return self.now

    def add(self, session: str | None) -> None:
        """An event, now."""
        self.made += 1
        from msgspec.structs import replace

        past = None if session is None else self.books.past(session)
        begun = () if past is not None else (RunStarted(run_id=session or "run"),)
        made = record(f"evt_{self.made:04}", self.now)
        made = replace(made, session=session, run=session or "run", events=(*begun, ModelReplied(step=1, message={})))
        self.books.begin()
        self.books.keep(made, past or Past(made.run, State()))
        self.books.end()

    def tidy(self) -> bool:
        self.books.begin()
        more = self.books.tidy()
        self.books.end()
        return more

    @property
    def ids(self) -> list[int]:
        return [int(found.id[-4:]) for found in reversed(self.books.records(Wanted(limit=1000)))]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path / "gateway.db")
    yield made
    made.books.close()


def test_a_session_is_forgotten_after_its_time(books: Books) -> None:
    """Counted from its last event, and not sooner."""
    books.add("a")
    books.now += 2 * DAY
    assert books.books.past("a") is not None
    books.now += timedelta(seconds=1)
    assert books.books.past("a") is None


def test_an_answer_of_a_person_stands_for_its_time(books: Books) -> None:
    """A question that is too old cannot be answered."""
    asked = Question(
        id="", at=NOON, session=None, tool="t", arguments="{}", args_hash="h", policy="p", role=None, rule=None, reason="because"
    )
    id = books.books.ask(asked)
    books.now += DAY + timedelta(seconds=1)
    assert books.books.questions() == []
    assert books.books.answer(id, approve=True, by="anna", note=None) is None


def test_old_events_are_removed_and_the_chain_still_holds(books: Books) -> None:
    """From its beginning, never the last one; `audit verify` says what is missing, and later changes are still found."""
    for _ in range(4):
        books.add(None)
        books.now += 4 * DAY
    assert not books.tidy()
    assert books.ids == [3, 4]
    found = verify_store(books.path)
    assert found.ok
    assert found.notes[-1] == "the first 2 events were removed, as if by `--keep-events`: what they said cannot be told"
    assert not any(isinstance(item, Damage) for item in read_file(str(books.path)))
    books.add(None)
    books.now += 100 * DAY
    books.tidy()
    assert books.ids == [5]
    assert verify_store(books.path).ok
    books.books._db.change("UPDATE removed SET seq = 3")
    assert not verify_store(books.path).ok


def test_events_of_a_living_session_are_kept(books: Books) -> None:
    """However old they are, and whatever stands after them: what it has come to is told by all of them."""
    books.add(None)
    for session in ("a", None, None):
        books.add(session)
    for _ in range(8):
        books.now += 1.5 * DAY
        books.add("a")
    books.tidy()
    assert books.ids == list(range(2, 13))
    books.now += 20 * DAY
    books.tidy()
    assert books.ids == [12]


def test_many_are_removed_a_part_at_a_time(books: Books) -> None:
    """So that nobody waits long."""
    for _ in range(1100):
        books.add(None)
    books.now += 11 * DAY
    books.add(None)
    assert [books.tidy() for _ in range(3)] == [True, True, False]
    assert books.ids == [1101]
    assert verify_store(books.path).ok
