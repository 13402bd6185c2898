"""Reads the store of a gateway as transcripts: each of its runs is one, and each line of its chain is looked at."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from agentgate.core.events import CallDecided, Event, RunStarted
from agentgate.errors import FileError
from agentgate.files.transcript import Damage, Item, Transcript, proposed

if TYPE_CHECKING:
    import sqlite3

_MAGIC = b"SQLite format 3\0"
_PAGE = 500

Query: TypeAlias = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]
"""Asks a database; values stand where SQL has a `?`."""


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


@contextmanager
def reading(file: str) -> Iterator[sqlite3.Connection]:
    """A database that nothing is written to.

    Raises:
        FileError: it cannot be read, or is not the store of a gateway; also where that shows only later.
    """
    import sqlite3

    try:
        db = sqlite3.connect(f"{Path(file).absolute().as_uri()}?mode=ro", uri=True)
        try:
            db.execute("SELECT seq, id, at, session, line, hash FROM answers LIMIT 0")
            yield db
        finally:
            db.close()
    except (sqlite3.Error, WrongType) as error:
        raise FileError(f"`{file}` is not the store of a gateway, or damaged: {error}", help="`agentgate serve` makes stores") from None


class WrongType(Exception):
    """A column holds what a store never has there."""


def stored(line: Any, own: Any = "", seq: Any = 0) -> bytes:
    """A line as bytes, as databases give them.

    Raises:
        WrongType: it, its hash or its place is of another type.
    """
    if isinstance(line, str):  # somebody wrote into it; what stands there is no record
        line = line.encode("utf-8", "surrogatepass")
    if not isinstance(line, bytes | memoryview | bytearray) or not isinstance(own, str) or type(seq) is not int:
        raise WrongType("a line has columns of other types")
    return bytes(line)


def read_store(file: str) -> Iterator[Transcript | Damage]:
    """The runs of a store, in the order in which they began, after what is the matter with its lines. Nothing is written to it.

    Raises:
        FileError: it is no store.
    """
    with reading(file) as db:
        yield from read_lines(db.execute, file)


def read_lines(query: Query, name: str) -> Iterator[Transcript | Damage]:
    """The same for any database, called so."""
    runs = yield from _check(query, name)
    for run, places in runs.items():
        yield from _transcripts(query, name, run, places)


def left_out(query: Query) -> int:
    """How many runs have lost their beginning, because it was old; they cannot be judged again."""
    import msgspec

    from agentgate.files.gateway_records import NO_ANSWER, decode

    if not beginning(query)[0]:
        return 0
    begins = "SELECT min(seq) FROM answers WHERE session IS NOT NULL AND (results & ?) = 0 GROUP BY session"
    count = 0
    for (line,) in query(f"SELECT line FROM answers WHERE seq IN ({begins})", (NO_ANSWER,)):  # noqa: S608 - only words of ours
        try:
            events = decode(stored(line)).events
        except (msgspec.MsgspecError, ValueError):
            continue  # whoever reads all lines names it
        count += not (events and isinstance(events[0], RunStarted))
    return count


def left_out_of(file: str) -> int:
    """The same for a file, which may be anything."""
    if not is_store(file):
        return 0
    with reading(file) as db:
        return left_out(db.execute)


def beginning(query: Query) -> tuple[int, str]:
    """The place and hash of the last line that was removed because it was old, which is where the chain begins now."""
    from agentgate.files.gateway_records import FIRST

    for seq, own in query("SELECT seq, hash FROM removed", ()):
        stored(b"", own, seq)
        return seq, own
    return 0, FIRST


def _check(query: Query, name: str) -> Generator[Damage, None, dict[str, list[int]]]:
    """Looks at every line; gives the lines of each run that can be read."""
    import msgspec

    from agentgate.files.gateway_records import decode, is_sound

    runs: dict[str, list[int]] = {}
    _, prev = beginning(query)
    for seq, line, own in _all(query):
        text = stored(line, own, seq)
        try:
            if not is_sound(text, prev):
                yield Damage(name, seq, "changed, inserted or moved after it was written, or one before it was removed")
            runs.setdefault(decode(text).run, []).append(seq)
        except (msgspec.MsgspecError, TypeError, ValueError):
            yield Damage(name, seq, "not a record of a gateway")
        prev = own
    return runs


def _all(query: Query) -> Iterator[Sequence[Any]]:
    last = -1
    while page := list(query("SELECT seq, line, hash FROM answers WHERE seq > ? ORDER BY seq LIMIT ?", (last, _PAGE))):
        yield from page
        last = page[-1][0]


def _transcripts(query: Query, name: str, run: str, places: Sequence[int]) -> Iterator[Transcript]:
    """One run, or several of the same name: a session that nobody used for long begins anew."""
    items: list[Item] = []
    calls, first = 0, places[0]
    for seq, event in _events(query, places):
        if isinstance(event, RunStarted) and items:
            if isinstance(items[0], RunStarted):
                yield Transcript(id=run, items=tuple(items), file=name, line=first, hashed=True)
            items, calls, first = [], 0, seq
        if isinstance(event, CallDecided):
            items.append(proposed(event, calls))
            calls += 1
        else:
            items.append(event)
    if items and isinstance(items[0], RunStarted):
        yield Transcript(id=run, items=tuple(items), file=name, line=first, hashed=True)


def _events(query: Query, places: Sequence[int]) -> Iterator[tuple[int, Event]]:
    from agentgate.files.gateway_records import decode

    for begin in range(0, len(places), _PAGE):
        page = places[begin : begin + _PAGE]
        marks = ", ".join("?" * len(page))
        for seq, line in query(f"SELECT seq, line FROM answers WHERE seq IN ({marks}) ORDER BY seq", page):  # noqa: S608 - question marks alone
            for event in decode(stored(line)).events:
                yield seq, event
