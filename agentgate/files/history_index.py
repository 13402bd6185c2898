"""Remembers what files came to, so that listing thousands of runs reads only those that are new or have changed.

A cache and nothing else: every answer is the same without it, whatever is wrong with it. It says nothing about whether a chain is sound
beyond what reading the file said; `audit verify` never looks at it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from agentgate import __version__
from agentgate.files.history import FileHistory, damages_of, presented, read_history, stamp_of
from agentgate.files.transcript import Damage
from agentgate.files.transcript_reader import Source
from agentgate.files.transcript_streams import STDIN

_APPLICATION = 0x41474854
"""Says in the file's header that it is ours."""
_FORMAT = 1
_MADE_BY = f"{__version__}/{_FORMAT}"
_SCHEMA = "CREATE TABLE files (path BLOB NOT NULL, named INTEGER NOT NULL, stamp TEXT NOT NULL, made_by TEXT NOT NULL, history BLOB NOT NULL, PRIMARY KEY (path, named))"  # noqa: E501 - compared letter by letter
_UNUSABLE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PATIENCE_SECONDS = 5.0

_T = TypeVar("_T")
Key = tuple[bytes, bool]
"""A file by its absolute path, and whether somebody asked for it by name."""


class NotOurs(Exception):
    """The file is no index of agentgate, or a damaged one."""


class Remembered(Struct, frozen=True):
    """What a file came to when it looked as its stamp says."""

    stamp: str
    history: bytes


class HistoryIndex:
    """The index in one SQLite file. Several processes may use it at once; none ever fails for its sake."""

    def __init__(self, path: Path, note: Callable[[str], None]) -> None:
        """Opens nothing yet.

        Args:
            path: where it is, or shall be.
            note: is told what is done about an index that cannot be used.
        """
        self._path = path
        self._note = note

    def load(self) -> dict[Key, Remembered]:
        """Everything that is remembered. Empty where there is no index, or none that can be used."""
        if not os.path.lexists(self._path):
            return {}
        return self._attempt(self._load, {})

    def save(self, fresh: Iterable[tuple[Key, Remembered]], gone: Iterable[Key] = ()) -> None:
        """Remembers more, and forgets files that are not there any more."""
        rows = [(path, int(named), found.stamp, _MADE_BY, found.history) for (path, named), found in fresh]
        lost = [(path, int(named)) for path, named in gone]
        if rows or lost:
            self._attempt(lambda: self._save(rows, lost), None)

    def discard(self) -> None:
        """Throws the index away. Links go, what they lead to stays."""
        for name in (f"{self._path}-wal", f"{self._path}-shm", f"{self._path}-journal", str(self._path)):
            with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError):
                Path(name).unlink()

    def _attempt(self, action: Callable[[], _T], otherwise: _T) -> _T:
        """Does it, with a new index where the old one cannot be used; where there can be none, everything is read instead."""
        for _ in range(2):
            try:
                return action()
            except (NotOurs, sqlite3.Error, OSError) as error:
                if not _is_unusable(error):
                    return otherwise
            self._note(f"the index `{self._path}` is damaged or not one of agentgate: it is made anew")
            self.discard()
        return otherwise

    def _load(self) -> dict[Key, Remembered]:
        with _Connection(self._path) as connection:
            rows = connection.execute("SELECT path, named, stamp, history FROM files WHERE made_by = ?", (_MADE_BY,))
            return {
                (path, bool(named)): Remembered(stamp, history)
                for path, named, stamp, history in rows
                if isinstance(path, bytes) and isinstance(stamp, str) and isinstance(history, bytes)  # SQLite keeps any type anywhere
            }

    def _save(self, rows: list[tuple[bytes, int, str, str, bytes]], lost: list[tuple[bytes, int]]) -> None:
        with _Connection(self._path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany("DELETE FROM files WHERE path = ? AND named = ?", lost)
            connection.execute("COMMIT")


def _is_unusable(error: Exception) -> bool:
    """Whether the index itself is at fault, rather than a lock, a full disk or a folder that takes no more files."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNUSABLE
    return isinstance(error, NotOurs) or (isinstance(error, OSError) and error.errno == errno.ELOOP)


class _Connection:
    """An open index, which is ours and sound as far as can be told; made where there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        found = os.fstat(descriptor)
        os.close(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotOurs
        self._connection = sqlite3.connect(self._path, timeout=_PATIENCE_SECONDS, isolation_level=None)
        try:
            self._prepare(self._connection)
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA trusted_schema = OFF")
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:  # another process may have been quicker
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(_SCHEMA)
            connection.execute("COMMIT")
        tables = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        if tables != [(_SCHEMA,)] or connection.execute("PRAGMA application_id").fetchone() != (_APPLICATION,):
            raise NotOurs
        connection.execute("PRAGMA synchronous = NORMAL")


class Listed(Struct, frozen=True):
    """What was found in one file."""

    file: str
    history: FileHistory

    @property
    def damages(self) -> Iterable[Damage]:
        """What is wrong with it."""
        return damages_of(self.history, self.file)


def list_files(sources: Iterable[Source], index: HistoryIndex | None = None) -> Iterator[Listed]:
    """What every file comes to, from the index where the file has not changed since.

    Args:
        sources: the files.
        index: where to look first, and to remember the rest; None to read everything.
    """
    known = {} if index is None else index.load()
    unseen = set(known)
    fresh: list[tuple[Key, Remembered]] = []
    for source in sources:
        key = (os.fsencode(os.path.abspath(source.file)), source.named)  # noqa: PTH100 - links stay as they are
        unseen.discard(key)
        before = None if source.file == STDIN else stamp_of(source.file)
        history = _recalled(known.get(key), before)
        if history is None:
            history = read_history(source)
            if before is not None and stamp_of(source.file) == before:
                fresh.append((key, Remembered(before, _encode(history))))
        yield Listed(source.file, presented(history, source.file))
    if index is not None:
        index.save(fresh, [key for key in unseen if not os.path.lexists(key[0])])


def _recalled(remembered: Remembered | None, stamp: str | None) -> FileHistory | None:
    if remembered is None or stamp is None or remembered.stamp != stamp:
        return None
    try:
        return _decode(remembered.history)
    except msgspec.DecodeError:
        return None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FileHistory).decode
