"""Opens a recorded run to write on: audited first, with nobody else writing, and without what a crash tore."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from agentgate.core.events import CallDecided, RunStarted
from agentgate.errors import FileError
from agentgate.files.transcript import Item, proposed
from agentgate.files.transcript_chain import MAX_LINE
from agentgate.files.transcript_reader import lines_of
from agentgate.files.transcript_verify import UNENDED, Audit
from agentgate.files.transcript_writer import Disk, Head, TranscriptWriter


class Continued(Struct, frozen=True):
    """A run to go on with."""

    writer: TranscriptWriter
    """Writes on after the last whole event. To be closed."""
    items: tuple[Item, ...]
    """What was recorded; the first one is a RunStarted."""
    torn: int
    """Bytes of a last line that was never finished. They do not count, and are cut off when the next event is written."""


def continue_transcript(path: str | Path, *, disk: Disk | None = None) -> Continued:
    """Opens the transcript of a run of ours to write on.

    Args:
        path: the file.
        disk: the operating system.

    Raises:
        FileError: it is missing, damaged, or no transcript with hashes.
        RecordError: it cannot be opened for writing, or another run is writing to it.
    """
    items: list[Item] = []
    torn = 0

    def read(stream: BinaryIO) -> Head:
        nonlocal torn
        audit, size, calls = Audit(str(path)), 0, 0
        for number, line in lines_of(stream):
            if not line.endswith(b"\n") and len(line) <= MAX_LINE:
                torn = len(line)
                break
            event = audit.take(number, line)
            size += len(line)
            if isinstance(event, CallDecided):
                items.append(proposed(event, calls))
                calls += 1
            elif event is not None:
                items.append(event)
        verdict = audit.verdict()
        damages = [problem for problem in verdict.problems if problem.what != UNENDED]
        if damages:
            first = damages[0]
            help = f"`agentgate audit verify {path}` tells all of it; a damaged run is not gone on with"
            raise FileError(f"the transcript is damaged: {path}:{first.line}: {first.what}", help=help)
        if not items or not isinstance(items[0], RunStarted) or verdict.head is None:
            raise FileError(f"`{path}` holds no run", help="its beginning was never finished; run the task again")
        return Head(verdict.events, verdict.head, size)

    writer = TranscriptWriter.continued(path, read, disk=disk)
    return Continued(writer, tuple(items), torn)
