"""A progress bar on standard error for work over many files: it appears only where the work takes a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from agentgate.files.transcript import Damage, Transcript
from agentgate.files.transcript_reader import find_transcripts, read_file


def shown_progress(paths: Iterable[str]) -> Iterator[Transcript | Damage]:
    """The transcripts at these paths, with a bar that says how far, how fast, and how long it will take.

    Raises:
        FileError: a path names nothing.
    """
    sources = find_transcripts(paths)
    sizes = {source.file: _size(source.file) for source in sources}
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as progress:
        task = progress.add_task("", total=sum(sizes.values()))
        tools: dict[str, object] = {}
        for source in sources:
            yield from read_file(source, tools)
            progress.advance(task, sizes[source.file])


def _size(file: str) -> int:
    with suppress(OSError):
        return Path(file).stat().st_size
    return 0
