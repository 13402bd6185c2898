"""The books in SQLite. What comes in while one transaction is made durable is done together in the next one."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from agentgate.errors import FileError, RecordError
from agentgate.files.gateway_records import FIRST, RESULTS, Record, decode, new_id, seal
from agentgate.gateway.books import APPROVAL_HOURS, Books, Question, Wanted
from agentgate.gateway.judging import Past, fold

T = TypeVar("T")

SESSION_HOURS = 24
"""How long a session without requests is remembered."""

_MOST_SESSIONS = 10_000
"""Sessions that are kept in memory; others are read again when they come back."""
_MOST_AT_ONCE = 512
"""Jobs of one transaction, at most."""
_BUSY_SECONDS = 10.0
"""How long another process may hold the database."""
_RETRY_SECONDS = 0.002

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at TEXT NOT NULL, session TEXT, results INTEGER NOT NULL, line BLOB NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_session ON answers (session, seq) WHERE session IS NOT NULL;
CREATE TABLE IF NOT EXISTS questions (
  id TEXT PRIMARY KEY, at TEXT NOT NULL, session TEXT, tool TEXT NOT NULL, arguments TEXT NOT NULL, args_hash TEXT NOT NULL,
  policy TEXT NOT NULL, role TEXT, rule TEXT, reason TEXT NOT NULL, state TEXT NOT NULL, by TEXT, note TEXT, answered_at TEXT
);
CREATE INDEX IF NOT EXISTS questions_by_call ON questions (args_hash, tool, state);
"""
_BITS = {word: 1 << place for place, word in enumerate(RESULTS.values())}
_QUESTION = "id, at, session, tool, arguments, args_hash, policy, role, rule, reason, state, by, note, answered_at"


class SqliteStore:
    """See `Store`.

    Jobs run in the loop, all that have come in together in one transaction; only its end, which waits for the disk, is left to a thread. A
    thread that ran Python would take turns with the loop at every step, and both would be slower.
    """

    def __init__(self, path: str | Path, clock: Callable[[], datetime]) -> None:
        """Opens the database, or makes it, for its owner alone.

        Args:
            path: where it is.
            clock: the time, in UTC.

        Raises:
            FileError: the path names something that is no database of ours.
        """
        self.path = os.fspath(path)
        self._books = SqliteBooks(_open(self.path, wait=0.0), clock)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentgate-store")
        self._waiting: list[_Job] = []
        self._working: asyncio.Task[None] | None = None

    async def commit(self, job: Callable[[Books], T]) -> T:
        """See `Store.commit`."""
        loop = asyncio.get_running_loop()
        mine = _Job(job, loop.create_future())
        self._waiting.append(mine)
        if self._working is None:
            self._working = loop.create_task(self._work())
        result: T = await mine.future
        return result

    async def close(self) -> None:
        """See `Store.close`."""
        if self._working is not None:
            await self._working
        self._thread.shutdown()
        self._books.close()

    async def _work(self) -> None:
        """One transaction after the other, until nothing waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                jobs, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                try:
                    if not self._books.begin():
                        await loop.run_in_executor(self._thread, self._books.begin, _BUSY_SECONDS)
                    self._books.work(jobs)
                    await loop.run_in_executor(self._thread, self._books.end)
                except Exception as error:  # whatever it was: nobody may wait for ever, and nothing may count
                    self._books.undo()
                    for job in jobs:
                        job.error = RecordError(f"the store cannot be written: {error}")
                for job in jobs:
                    job.settle()
        finally:
            self._working = None


class _Job:
    """One job, its result, and who waits for it."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Callable[[Books], Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Tells who waits."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class SqliteBooks:
    """See `Books`. For one at a time: the store, or a command with a connection of its own."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], datetime]) -> None:
        self._db = connection
        self._clock = clock
        self._sessions: OrderedDict[str, tuple[int, Past | None, datetime]] = OrderedDict()
        """Session → the last of its lines that was read, what it has come to, and when."""
        self._head = (0, FIRST)

    def begin(self, patience: float = 0.0) -> bool:
        """Begins a transaction; whether another process let it.

        Args:
            patience: seconds to wait for the other process.

        Raises:
            sqlite3.Error: it cannot be begun, or not in time.
        """
        until = time.monotonic() + patience
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    if patience or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                        raise
                    return False
                time.sleep(_RETRY_SECONDS)
            else:
                row = self._db.execute("SELECT seq, hash FROM answers ORDER BY seq DESC LIMIT 1").fetchone()
                self._head = (row[0], row[1]) if row else (0, FIRST)
                return True

    def work(self, jobs: Sequence[_Job]) -> None:
        """Does jobs; each gets its result or its error.

        Raises:
            sqlite3.Error: the database failed, so none of them counts.
        """
        for job in jobs:
            try:
                job.result = job.work(self)
            except sqlite3.Error:
                raise
            except Exception as error:
                job.error = error

    def end(self) -> None:
        """Makes everything durable.

        Raises:
            sqlite3.Error: it is not.
        """
        self._db.execute("COMMIT")

    def undo(self) -> None:
        """Forgets what was not made durable."""
        self._sessions.clear()
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def past(self, session: str) -> Past | None:
        """See `Books.past`."""
        seq, past, at = self._sessions.get(session, (0, None, None))
        rows = self._db.execute("SELECT seq, line FROM answers WHERE session = ? AND seq > ? ORDER BY seq", (session, seq))
        for last, line in rows:
            record = decode(line)
            seq, past, at = last, fold(record.events, past), record.at
        if at is None or past is None:
            return None
        self._remember(session, seq, past, at)
        return None if self._clock() - at > timedelta(hours=SESSION_HOURS) else past

    def keep(self, record: Record, past: Past) -> None:
        """See `Books.keep`."""
        seq, prev = self._head[0] + 1, self._head[1]
        line = seal(record, seq, prev)
        results = 0
        for call in record.decided:
            results |= _BITS[RESULTS[call.effect]]
        self._db.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
            (seq, record.id, _text(record.at), record.session, results, line.text, line.hash),
        )
        self._head = (seq, line.hash)
        if record.session is not None:
            self._remember(record.session, seq, past, record.at)

    def answered(self, question: Question, besides: Collection[str]) -> Question | None:
        """See `Books.answered`."""
        return self._find(question, ("approved", "rejected"), besides)

    def use(self, id: str) -> None:
        """See `Books.use`."""
        self._db.execute("UPDATE questions SET state = 'used' WHERE id = ? AND state = 'approved'", (id,))

    def ask(self, question: Question) -> str:
        """See `Books.ask`."""
        found = self._find(question, ("pending",))
        if found is not None:
            return found.id
        made = new_id("apr", self._clock())
        values = (made, _text(question.at), *(getattr(question, name) for name in _QUESTION.split(", ")[2:11]), None, None, None)
        self._db.execute(f"INSERT INTO questions ({_QUESTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608 - only words of ours
        return made

    def questions(self, *, open_only: bool = True) -> list[Question]:
        """See `Books.questions`."""
        where = "WHERE state = 'pending' AND at > ?" if open_only else "WHERE at > ?"
        rows = self._db.execute(f"SELECT {_QUESTION} FROM questions {where} ORDER BY at", (self._oldest() if open_only else "",))  # noqa: S608 - only words of ours
        return [_question(row) for row in rows]

    def answer(self, id: str, *, approve: bool, by: str, note: str | None) -> Question | None:
        """See `Books.answer`."""
        state = "approved" if approve else "rejected"
        changed = self._db.execute(
            "UPDATE questions SET state = ?, by = ?, note = ?, answered_at = ? WHERE id = ? AND state = 'pending' AND at > ?",
            (state, by, note, _text(self._clock()), id, self._oldest()),
        ).rowcount
        if not changed:
            return None
        return _question(self._db.execute(f"SELECT {_QUESTION} FROM questions WHERE id = ?", (id,)).fetchone())  # noqa: S608 - only words of ours

    def records(self, wanted: Wanted) -> list[Record]:
        """See `Books.records`."""
        where, values = ["1"], list[str | int]()
        if wanted.since is not None and wanted.since.startswith("evt_"):
            where.append("seq > coalesce((SELECT seq FROM answers WHERE id = ?), 9223372036854775807)")
            values.append(wanted.since)
        elif wanted.since is not None:
            where.append("at > ?")
            values.append(_text(datetime.fromisoformat(wanted.since)))
        if wanted.before is not None:
            where.append("seq < (SELECT seq FROM answers WHERE id = ?)")
            values.append(wanted.before)
        if wanted.session is not None:
            where.append("session = ?")
            values.append(wanted.session)
        if wanted.result is not None:
            where.append("results & ?")
            values.append(_BITS[wanted.result])
        query = f"SELECT line FROM answers WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - only words of ours
        return [decode(line) for (line,) in self._db.execute(query, (*values, wanted.limit))]

    def _remember(self, session: str, seq: int, past: Past, at: datetime) -> None:
        self._sessions[session] = (seq, past, at)
        self._sessions.move_to_end(session)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def _oldest(self) -> str:
        return _text(self._clock() - timedelta(hours=APPROVAL_HOURS))

    def _find(self, question: Question, states: tuple[str, ...], besides: Collection[str] = ()) -> Question | None:
        """The latest question about the same call in one of these states."""
        rows = self._db.execute(
            f"SELECT {_QUESTION} FROM questions WHERE args_hash = ? AND tool = ? AND at > ? ORDER BY at DESC, id DESC",  # noqa: S608 - only words of ours
            (question.args_hash, question.tool, self._oldest()),
        )
        same = (found for found in map(_question, rows) if found.binding == question.binding)
        return next((found for found in same if found.state in states and found.id not in besides), None)


def _question(row: tuple[Any, ...]) -> Question:
    values = dict(zip(_QUESTION.split(", "), row, strict=True))
    values["at"] = datetime.fromisoformat(values["at"])
    answered = values["answered_at"]
    values["answered_at"] = None if answered is None else datetime.fromisoformat(answered)
    return Question(**values)


def _text(moment: datetime) -> str:
    """A time so that later ones sort after earlier ones."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def open_books(path: str | Path, clock: Callable[[], datetime]) -> SqliteBooks:
    """The books for a command, each change durable by itself.

    Raises:
        FileError: there is no such store.
    """
    if not Path(path).exists():
        raise FileError(f"there is no store at `{path}`", help="`agentgate serve --store PATH` makes one")
    return SqliteBooks(_open(os.fspath(path), wait=_BUSY_SECONDS), clock)


def _open(path: str, *, wait: float) -> sqlite3.Connection:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileError(f"`{path}` is not a regular file", help="--store names a database file")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileError(f"the store `{path}` cannot be opened: {(error.strerror or str(error)).lower()}") from None
    try:
        db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
    except sqlite3.Error as error:
        raise FileError(f"`{path}` is not a store: {error}", help="--store names a database that `agentgate serve` made") from None
    return db
