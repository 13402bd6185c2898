"""What runs share, in SQLite: one file in the state folder, safe with any number of runs at once, durable before anything is executed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from agentgate.core.once import Earlier
from agentgate.core.windows import Used
from agentgate.errors import StateError
from agentgate.files.state_folder import StateFolder

_VERSION = 1
_PATIENCE_SECONDS = 10.0
"""How long a turn is waited for. Each takes a few milliseconds."""
_KEPT = timedelta(days=400)
"""How long entries are kept that count for no window any more: should a clock that ran ahead be set back, they count again."""
_DIGITS = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TABLES = (
    """CREATE TABLE IF NOT EXISTS used (
        policy TEXT NOT NULL, limit_id TEXT NOT NULL, run_id TEXT NOT NULL, call_id TEXT NOT NULL,
        at INTEGER NOT NULL, amount REAL NOT NULL,
        PRIMARY KEY (policy, limit_id, run_id, call_id)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS used_at ON used (policy, limit_id, at, amount)",
    """CREATE TABLE IF NOT EXISTS claims (
        scope TEXT NOT NULL, tool TEXT NOT NULL, args_hash TEXT NOT NULL, run_id TEXT NOT NULL, call_id TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('started', 'done')), ok INTEGER NOT NULL, content TEXT, at INTEGER NOT NULL,
        PRIMARY KEY (scope, tool, args_hash)) WITHOUT ROWID""",
)


class StateDatabase:
    """The accounts of one policy, and of one scope of executing once. A context manager; see `agentgate.accounts.Accounts`."""

    def __init__(self, folder: StateFolder, *, policy: str, scope: str | None = None, patience: float = _PATIENCE_SECONDS) -> None:
        """Opens it, and makes it where it is missing.

        Args:
            folder: where it is.
            policy: the name of the policy, under which its limits are counted. Editing a policy does not give it another name.
            scope: the key of runs that execute a call once together.
            patience: seconds to wait for other runs.

        Raises:
            StateError: it cannot be used.
            FileError: something else stands where the state folder should be.
            OutsideError: the state folder cannot be made.
        """
        self.path = folder.database
        self.scope = scope
        self._policy = policy
        folder.make()
        _make(self.path)
        with self._failing():
            self._db = sqlite3.connect(self.path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives it back. Safe to call twice."""
        self._db.close()

    def _prepare(self) -> None:
        with self._failing():
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        with self.turn():
            version = self._one("PRAGMA user_version")[0]
            if version > _VERSION:
                raise StateError(f"`{self.path}` was written by a newer agentgate", help="use that one, or another folder with --state")
            for statement in _TABLES:
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
            newest = self._one("SELECT MAX(at) FROM used")[0]
            if newest is not None:
                self._db.execute("DELETE FROM used WHERE at < ?", (newest - _KEPT // _MICROSECOND,))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """See `Accounts.turn`."""
        with self._failing():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def used(self, limit: str, since: datetime, value: float, length: timedelta, besides: tuple[str, str] | None = None) -> Used:
        """See `Accounts.used`."""
        run_id, call_id = besides or ("", "")
        where = "FROM used WHERE policy = ? AND limit_id = ? AND at > ? AND NOT (run_id = ? AND call_id = ?)"
        which = (self._policy, limit, _stamp(since), run_id, call_id)
        with self._failing():
            amount = round(self._one(f"SELECT TOTAL(amount) {where}", which)[0], _DIGITS)
            if amount < value or value <= 0:
                return Used(amount)
            left = amount
            for at, freed in self._db.execute(f"SELECT at, amount {where} ORDER BY at", which):
                left = round(left - freed, _DIGITS)
                if left < value:
                    return Used(amount, _EPOCH + at * _MICROSECOND + length)
        return Used(amount)

    def enter(self, limit: str, run_id: str, call_id: str, amount: float, at: datetime) -> None:
        """See `Accounts.enter`."""
        with self._failing():
            self._db.execute(
                "INSERT INTO used (policy, limit_id, run_id, call_id, at, amount) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET at = excluded.at, amount = excluded.amount",
                (self._policy, limit, run_id, call_id, _stamp(at), amount),
            )

    def strike(self, run_id: str, call_id: str) -> None:
        """See `Accounts.strike`."""
        with self._failing():
            self._db.execute("DELETE FROM used WHERE policy = ? AND run_id = ? AND call_id = ?", (self._policy, run_id, call_id))

    def earlier(self, tool: str, args_hash: str) -> Earlier | None:
        """See `Accounts.earlier`."""
        query = "SELECT run_id, call_id, status, ok, content FROM claims WHERE scope = ? AND tool = ? AND args_hash = ?"
        with self._failing():
            found = self._db.execute(query, (self.scope, tool, args_hash)).fetchone()
        if found is None:
            return None
        run_id, call_id, status, ok, content = found
        return Earlier(call_id, run_id, (content or "") if status == "done" else None, bool(ok))

    def claim(self, tool: str, args_hash: str, run_id: str, call_id: str, at: datetime) -> Earlier | None:
        """See `Accounts.claim`. A call of this run that may have run is its own to try again: somebody has decided that."""
        known = self.earlier(tool, args_hash)
        if known is not None:
            own = (known.run_id, known.call_id, known.content) == (run_id, call_id, None)
            return None if own else known
        with self._failing():
            self._db.execute(
                "INSERT INTO claims (scope, tool, args_hash, run_id, call_id, status, ok, at) VALUES (?, ?, ?, ?, ?, 'started', 0, ?)",
                (self.scope, tool, args_hash, run_id, call_id, _stamp(at)),
            )
        return None

    def complete(self, run_id: str, call_id: str, content: str, *, ok: bool) -> None:
        """See `Accounts.complete`."""
        with self._failing():
            self._db.execute(
                "UPDATE claims SET status = 'done', ok = ?, content = ? WHERE scope = ? AND run_id = ? AND call_id = ?",
                (ok, content, self.scope, run_id, call_id),
            )

    def withdraw(self, run_id: str, call_id: str) -> None:
        """See `Accounts.withdraw`."""
        with self._failing():
            self._db.execute(
                "DELETE FROM claims WHERE scope = ? AND run_id = ? AND call_id = ? AND status = 'started'", (self.scope, run_id, call_id)
            )

    def _one(self, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self._db.execute(query, values).fetchone()
        return found

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StateError(f"the state `{self.path}` cannot be used: {error}", help=_way_on(error)) from None


def _way_on(error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return "another process has held it for too long; find that one, or use another folder with --state"
    if "full" in str(error):
        return "make room, or use another folder with --state"
    return "mend or remove it, or use another folder with --state; without it, limits over time and `once` begin anew"


def _make(path: Path) -> None:
    """Makes the file with mode 0600 where it is missing, never through a link.

    Raises:
        StateError: it cannot be, or something else has its name.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StateError(f"the state `{path}` cannot be opened: {reason}", help="name another folder with --state") from None
    os.close(descriptor)
    if not path.is_file():
        raise StateError(f"`{path}` is not a file", help="name another folder with --state")


def _stamp(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
