"""Reads the store of a gateway as transcripts: each of its runs is one, and each line of its chain is looked at."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agentgate.core.events import CallDecided, Event, RunStarted
from agentgate.files.transcript import Damage, Item, Transcript, proposed

if TYPE_CHECKING:
    import sqlite3

_MAGIC = b"SQLite format 3\0"


def is_store(file: str) -> bool:
    """Whether a file is a database. Never raises: whoever opens it says what is the matter."""
    try:
        path = Path(file)
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


def read_store(file: str) -> Iterator[Transcript | Damage]:
    """The runs of a store, in the order in which they began, after what is the matter with its lines. Nothing is written to it."""
    import sqlite3

    try:
        db = sqlite3.connect(f"{Path(file).absolute().as_uri()}?mode=ro", uri=True)
        try:
            runs = yield from _check(db, file)
            for run, places in runs.items():
                yield from _transcripts(db, file, run, places)
        finally:
            db.close()
    except sqlite3.Error as error:
        yield Damage(file, 1, f"not the store of a gateway: {error}")


def beginning(db: sqlite3.Connection) -> tuple[int, str]:
    """The place and hash of the last line that was removed because it was old, which is where the chain begins now."""
    from agentgate.files.gateway_records import FIRST

    if not db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'removed'").fetchone():
        return 0, FIRST
    found: tuple[int, str] | None = db.execute("SELECT seq, hash FROM removed").fetchone()
    return found or (0, FIRST)


def _check(db: sqlite3.Connection, file: str) -> Generator[Damage, None, dict[str, list[int]]]:
    """Looks at every line; gives the lines of each run that can be read."""
    import msgspec

    from agentgate.files.gateway_records import decode, is_sound

    runs: dict[str, list[int]] = {}
    _, prev = beginning(db)
    for seq, line, own in db.execute("SELECT seq, line, hash FROM answers ORDER BY seq"):
        try:
            if not is_sound(bytes(line), prev):
                yield Damage(file, seq, "changed, inserted or moved after it was written, or one before it was removed")
            runs.setdefault(decode(bytes(line)).run, []).append(seq)
        except (msgspec.MsgspecError, TypeError, ValueError):
            yield Damage(file, seq, "not a record of a gateway")
        prev = own
    return runs


def _transcripts(db: sqlite3.Connection, file: str, run: str, places: Sequence[int]) -> Iterator[Transcript]:
    """One run, or several of the same name: a session that nobody used for long begins anew."""
    items: list[Item] = []
    calls, first = 0, places[0]
    for seq, event in _events(db, places):
        if isinstance(event, RunStarted) and items:
            yield Transcript(id=run, items=tuple(items), file=file, line=first, hashed=True)
            items, calls, first = [], 0, seq
        if isinstance(event, CallDecided):
            items.append(proposed(event, calls))
            calls += 1
        else:
            items.append(event)
    if isinstance(items[0], RunStarted):
        yield Transcript(id=run, items=tuple(items), file=file, line=first, hashed=True)


def _events(db: sqlite3.Connection, places: Sequence[int]) -> Iterator[tuple[int, Event]]:
    from agentgate.files.gateway_records import decode

    for seq in places:
        (line,) = db.execute("SELECT line FROM answers WHERE seq = ?", (seq,)).fetchone()
        for event in decode(bytes(line)).events:
            yield seq, event
