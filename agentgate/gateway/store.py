"""Keeps the books: what comes in while one transaction is made durable is done together in the next one."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import msgspec

from agentgate.errors import FileError, RecordError
from agentgate.gateway.books import Books, Keeping
from agentgate.gateway.sql_books import SqlBooks
from agentgate.gateway.sqlite import BUSY_SECONDS, SqliteDatabase

T = TypeVar("T")

SCHEMES = ("postgresql://", "postgres://")
_MOST_AT_ONCE = 512
"""Jobs of one transaction, at most."""
_QUICK_SECONDS = 0.001
"""The end of a transaction that takes no longer is waited for: to hand it to a thread and back takes a good part of that."""
_SLOW_ONES = 3
_WITHOUT_WAITING = 64
"""After so many slow ends in a row, so many are left to the thread before one is waited for again."""
_QUIET_TURNS = 8
"""Turns of the loop without a further job after which a transaction begins where fewer have come in than were expected: an end costs as
much as the rest of several jobs. Where as many have come, one such turn is enough, and a job that comes alone is done at once."""
_MOST_TURNS = 32
"""After so many it begins in any case."""


class GroupStore:
    """See `Store`."""

    def __init__(self, books: SqlBooks, *, threaded: bool, now: Callable[[], float] = monotonic) -> None:
        """Begins.

        Args:
            books: its own from now on.
            threaded: whether jobs run in a thread, because the database is far away. Else they run in the loop, all that have come in
                together in one transaction, and only its end, which waits for the disk, is left to a thread where the disk is slow: a
                thread that ran Python would take turns with the loop at every step, and both would be slower.
            now: seconds that never go back.
        """
        self._books = books
        self._threaded = threaded
        self._now = now
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentgate-store")
        self._waiting: list[_Job] = []
        self._working: asyncio.Task[None] | None = None
        self._slow = 0
        """How many ends in a row were slow."""
        self._left = 0
        """How many ends are left to the thread from now on."""
        self._expected = 1
        """How many jobs may come close together: as many as in the transaction before, or half of what was expected then."""

    def commit(self, job: Callable[[Books], T]) -> Awaitable[T]:
        """See `Store.commit`."""
        return self._add(job)

    def post(self, job: Callable[[Books], None]) -> None:
        """See `Store.post`."""
        self._add(job).add_done_callback(lambda done: done.cancelled() or done.exception())

    def _add(self, job: Callable[[Books], Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        mine = _Job(job, loop.create_future())
        self._waiting.append(mine)
        if self._working is None:
            self._working = loop.create_task(self._work())
        return mine.future

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
                if max(self._expected, len(self._waiting)) > 1:
                    await self._gather()
                jobs, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                self._expected = max(len(jobs), self._expected // 2)
                try:
                    if self._threaded:
                        await loop.run_in_executor(self._thread, self._transaction, jobs)
                    else:
                        if not self._books.begin():
                            await loop.run_in_executor(self._thread, self._books.begin, BUSY_SECONDS)
                        self._do(jobs)
                        await self._end()
                except Exception as error:  # whatever it was: nobody may wait for ever, and nothing may count
                    if self._threaded:
                        await loop.run_in_executor(self._thread, self._books.undo)
                    else:
                        self._books.undo()
                    for job in jobs:
                        job.error = RecordError(f"the store cannot be written: {error}")
                for job in jobs:
                    job.settle()
        finally:
            self._working = None

    async def _gather(self) -> None:
        """Lets further jobs come in, as long as some do."""
        come, quiet = len(self._waiting), 0
        for _ in range(_MOST_TURNS):
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == come else 0
            come = len(self._waiting)
            if quiet >= (1 if come >= self._expected else _QUIET_TURNS):
                return

    async def _end(self) -> None:
        """Ends the transaction, in the loop as long as the disk is quick."""
        if self._left:
            self._left -= 1
            await asyncio.get_running_loop().run_in_executor(self._thread, self._books.end)
            return
        began = self._now()
        self._books.end()
        self._slow = self._slow + 1 if self._now() - began > _QUICK_SECONDS else 0
        if self._slow >= _SLOW_ONES:
            self._left = _WITHOUT_WAITING

    def _transaction(self, jobs: Sequence[_Job]) -> None:
        self._books.begin(BUSY_SECONDS)
        self._do(jobs)
        self._books.end()

    def _do(self, jobs: Sequence[_Job]) -> None:
        """Does jobs; each gets its result or its error. Where the database failed, none of them counts, so that is raised."""
        for job in jobs:
            try:
                job.result = job.work(self._books)
            except self._books.failure:
                raise
            except Exception as error:
                job.error = error
        self._books.write()


class _Job(msgspec.Struct):
    """One job, its result, and who waits for it."""

    work: Callable[[Books], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def settle(self) -> None:
        """Tells who waits."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class SqliteStore(GroupStore):
    """See `Store`. In a file."""

    def __init__(self, path: str | Path, clock: Callable[[], datetime], keeping: Keeping = Keeping()) -> None:  # noqa: B008 - frozen
        """Opens the database, or makes it, for its owner alone.

        Args:
            path: where it is.
            clock: the time, in UTC.
            keeping: how long things are kept.

        Raises:
            FileError: the path names something that is no database of ours.
        """
        super().__init__(SqlBooks(SqliteDatabase(os.fspath(path), wait=0.0), clock, keeping), threaded=False)


def open_store(where: str | Path, clock: Callable[[], datetime], keeping: Keeping = Keeping()) -> GroupStore:  # noqa: B008 - frozen
    """The store of a gateway: a file, or a PostgreSQL database by its URL.

    Raises:
        FileError: the path names something that is no database of ours.
        UsageError: the URL cannot be understood.
        OutsideError: there is no such database.
    """
    if not is_url(where):
        return SqliteStore(where, clock, keeping)
    from agentgate.gateway.postgres import PostgresDatabase

    return GroupStore(SqlBooks(PostgresDatabase(str(where), os.environ), clock, keeping), threaded=True)


@contextmanager
def opened(where: str | Path, clock: Callable[[], datetime]) -> Iterator[SqlBooks]:
    """The books for a command, each change durable by itself.

    Raises:
        FileError: there is no such store, or it turns out to be damaged.
        UsageError: the URL cannot be understood.
        OutsideError: there is no such database.
    """
    books = open_books(where, clock)
    try:
        yield books
    except (sqlite3.Error, msgspec.MsgspecError, TypeError, ValueError) as error:
        raise FileError(f"the store `{where}` cannot be used: {error}", help="`agentgate audit verify` looks at all of it") from None
    finally:
        books.close()


def open_books(where: str | Path, clock: Callable[[], datetime]) -> SqlBooks:
    """See `opened`; whoever gets them closes them.

    Raises:
        FileError: there is no such store.
        UsageError: the URL cannot be understood.
        OutsideError: there is no such database.
    """
    if is_url(where):
        from agentgate.gateway.postgres import PostgresDatabase

        return SqlBooks(PostgresDatabase(str(where), os.environ, make=False), clock)
    if not Path(where).exists():
        raise FileError(f"there is no store at `{where}`", help="`agentgate serve --store PATH` makes one")
    return SqlBooks(SqliteDatabase(os.fspath(where), wait=BUSY_SECONDS, make=False), clock)


def is_url(where: str | Path) -> bool:
    """Whether a store is a database elsewhere, rather than a file."""
    return str(where).startswith(SCHEMES)
