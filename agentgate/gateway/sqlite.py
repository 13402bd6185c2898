"""SQLite as the database of the books: one file, for its owner alone."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from agentgate.errors import FileError
from agentgate.gateway.sql_books import LOOKS, TABLES

BUSY_SECONDS = 10.0
"""How long another process may hold the database."""
_RETRY_SECONDS = 0.002
_PAGE_BYTES = 16384
"""Of a new store; one that was made with another size keeps it. Each page is written by itself, and a line has a few thousand bytes."""
_LOG_BYTES = 4 << 20
"""Of what is durable in the log, after which it is put into its place: the transaction that comes then waits for it."""


class SqliteDatabase:
    """See `Database`. Not to be used by two threads at once."""

    failure: type[Exception] = sqlite3.Error

    def __init__(self, path: str, *, wait: float, make: bool = True) -> None:
        """Opens the file, or makes it.

        Args:
            path: where it is.
            wait: seconds that each statement may wait for other processes.
            make: whether what is missing is made; else it must be there, and stays as it is.

        Raises:
            FileError: the path names something that is no database of ours.
        """
        self._db = _open(path, wait, make=make)

    def begin(self, patience: float) -> bool:
        """See `Database.begin`.

        Raises:
            sqlite3.Error: it cannot be begun, or not in time where there was any patience.
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
                return True

    def commit(self) -> None:
        """See `Database.commit`."""
        self._db.execute("COMMIT")

    def undo(self) -> None:
        """See `Database.undo`."""
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """See `Database.close`."""
        self._db.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """See `Database.rows`."""
        return self._db.execute(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """See `Database.change`."""
        return self._db.execute(sql, values).rowcount

    def change_each(self, sql: str, many: Sequence[Sequence[Any]]) -> None:
        """See `Database.change_each`."""
        self._db.executemany(sql, many)


def _open(path: str, wait: float, *, make: bool) -> sqlite3.Connection:
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0) | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileError(f"`{path}` is not a regular file", help="--store names a database file")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileError(f"the store `{path}` cannot be opened: {(error.strerror or str(error)).lower()}") from None
    try:
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(db, make=make)
            db.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
        except sqlite3.Error:
            db.close()
            raise
    except sqlite3.Error as error:
        raise FileError(f"`{path}` is not a store: {error}", help="--store names a database that `agentgate serve` made") from None
    return db


def _prepare(db: sqlite3.Connection, *, make: bool) -> None:
    """Makes sure that it is a store, and makes one of an empty file where that is wanted. What is something else stays as it is.

    Raises:
        sqlite3.Error: it is something else.
    """
    if not make or db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table'").fetchone():
        for query in LOOKS:
            db.execute(query)
    else:
        db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    db.execute("PRAGMA synchronous = FULL")
    if make:
        db.execute("PRAGMA journal_mode = WAL")
        (page,) = db.execute("PRAGMA page_size").fetchone()
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_BYTES // page}")
        for statement in TABLES:
            db.execute(statement.format(number="INTEGER", bytes="BLOB"))
