"""Audits the store of a gateway: follows its hash chain, and looks whether the columns beside each line say what the line says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from agentgate.files.gateway_store import beginning, reading, stored
from agentgate.files.transcript_verify import UNPROVEN, Problem, Verification

if TYPE_CHECKING:
    from agentgate.files.gateway_records import Record

Row: TypeAlias = tuple[int, str, str, str | None, bytes, str]

_CHANGED = "changed, inserted or moved after it was written, or one before it was removed"
_OTHER_HEAD = "the head is not that of this store: it was cut off, rewritten, or is another one"
_NO_RECORD = "not a record of a gateway"


def verify_store(path: str | Path, *, head: str | None = None) -> Verification:
    """Audits a store. Nothing is written to it; a gateway may be using it.

    Args:
        path: the file.
        head: the hash that its last line must have, kept elsewhere.

    Raises:
        FileError: it cannot be read, or is not the store of a gateway.
    """
    file = str(path)
    with reading(file) as db:
        rows = db.execute("SELECT seq, id, at, session, line, hash FROM answers ORDER BY seq")
        return verify_rows(file, rows, head=head, after=beginning(db.execute))


def verify_rows(file: str, rows: Iterable[Row], *, head: str | None = None, after: tuple[int, str] | None = None) -> Verification:
    """The same for the rows of a store called `file`.

    Args:
        file: what to call it.
        rows: place, id, time, session, line and hash, in order.
        head: the hash that the last one must have.
        after: place and hash of the last one that was removed because it was old.

    Raises:
        WrongType: a column holds what a store never has there.
    """
    import msgspec

    from agentgate.files.gateway_records import FIRST, decode, is_sound

    problems: list[Problem] = []
    runs: set[str] = set()
    removed, prev = after or (0, FIRST)
    events, last, found_at = 0, removed, 0
    for seq, id, at, session, line, own in rows:
        text = stored(line, own, seq)
        follows, last = seq == last + 1, seq
        try:
            record = decode(text)
            sound = is_sound(text, prev)
        except (msgspec.MsgspecError, TypeError, ValueError):
            problems.append(Problem(seq, _NO_RECORD))
            prev = own
            continue
        events += 1
        runs.add(record.run)
        if not (sound and follows and record.seq == seq):
            problems.append(Problem(seq, _CHANGED))
        elif not _agree(record, id, at, session, text, own):
            problems.append(Problem(seq, "the columns beside it were changed"))
        found_at = seq if own == head else found_at
        prev = own
    notes: tuple[str, ...] = (UNPROVEN,) if head is None else ()
    if head is not None and not found_at:
        problems.append(Problem(max(last, 1), _OTHER_HEAD))
    elif head is not None and found_at != last:
        notes = (f"the head is that of event {found_at} of {last}: what follows was written later, or by somebody else",)
    if removed:
        notes += (f"the first {removed} events were removed, as if by `--keep-events`: what they said cannot be told",)
    return Verification(
        file=file,
        events=events,
        problems=tuple(problems),
        head=prev if events else None,
        status=f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}",
        notes=notes,
    )


def _agree(record: Record, id: str, at: str, session: str | None, line: bytes, own: str) -> bool:
    """Whether what is looked up by is what the line says."""
    try:
        same_time = datetime.fromisoformat(at) == record.at
    except (TypeError, ValueError):
        return False
    return same_time and (id, session) == (record.id, record.session) and line.endswith(b'"' + own.encode() + b'"}')
