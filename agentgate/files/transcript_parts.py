"""Cuts what there is to read into parts that can be read apart from each other, and in their order come to the whole.

A file in which every line is a transcript is cut between lines; every other file stays whole. Small files go together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import BinaryIO, cast

from msgspec import Struct

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import Json
from agentgate.files.importers import IMPORTERS, file_importer_of, importer_of
from agentgate.files.transcript import Damage, Transcript, Wanted
from agentgate.files.transcript_chain import is_event, parse_line
from agentgate.files.transcript_lines import Source, read_lines
from agentgate.files.transcript_reader import lines_of, read_file
from agentgate.files.transcript_streams import open_regular

PART = 16 * 1024 * 1024
"""Bytes of a part, about."""
_STEP = 64 * 1024
"""Bytes that are read at once where only the end of a line is looked for."""
_FIRST_LINES = 100


class Piece(Struct, frozen=True):
    """A file, or some whole lines of one."""

    source: Source
    size: int
    start: int = 0
    """Where it begins, in bytes."""
    cut: bool = False
    """Whether it is only some lines of the file."""


Part = tuple[Piece, ...]
"""What is read at once."""


def parts_of(sources: Iterable[Source], *, form: str | None = None, size: int = PART) -> Iterator[Part]:
    """All sources in their order.

    Args:
        sources: the files.
        form: what all of them are, where somebody says.
        size: of a part, in bytes, about.
    """
    together: list[Piece] = []
    for source in sources:
        for piece in _pieces(source, form, size):
            if together and (piece.cut or sum(other.size for other in together) + piece.size > size):
                yield tuple(together)
                together = []
            together.append(piece)
            if piece.cut:
                yield tuple(together)
                together = []
    if together:
        yield tuple(together)


def _pieces(source: Source, form: str | None, size: int) -> Iterator[Piece]:
    try:
        whole = source.measured()
        if whole <= 2 * size or not _line_by_line(source.file, form):
            yield Piece(source, whole)
            return
        yield from _cut(source, whole, size)
    except (OSError, ValueError):
        yield Piece(source, 0)  # reading it says why


def _line_by_line(file: str, form: str | None) -> bool:
    """Whether the first line with anything in it says that every line is a transcript of its own."""
    if form is not None and form not in IMPORTERS:
        return False
    with open_regular(file, step=_STEP) as stream:
        for number, line in islice(lines_of(stream), _FIRST_LINES):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                try:
                    value = parse_line(text)
                except InvalidJson:
                    return False
                return form is not None or (not is_event(value) and file_importer_of(value) is None and importer_of(value) is not None)
    return False


def _cut(source: Source, whole: int, size: int) -> Iterator[Piece]:
    """Pieces of whole lines. What is added to the file in the meantime is not read."""
    start = 0
    with suppress(OSError), open_regular(source.file, step=_STEP) as stream:
        while start < whole:
            end = _line_end(stream, start + size, whole)
            yield Piece(source, end - start, start, cut=True)
            start = end
    if start < whole:
        yield Piece(source, whole - start, start, cut=True)  # reading it says why


def _line_end(stream: BinaryIO, place: int, whole: int) -> int:
    """Where the line ends that goes through a place."""
    stream.seek(place)
    while place < whole and (read := stream.readline(_STEP)):
        place += len(read)
        if read.endswith(b"\n"):
            break
    return min(place, whole)


def read_piece(
    piece: Piece,
    tool_files: dict[str, Json],
    *,
    form: str | None = None,
    wanted: Wanted | None = None,
    ended: Callable[[int], None] | None = None,
) -> Iterator[Transcript | Damage]:
    """What `read_file` makes of the file, as far as it stands in this piece. Where that was cut, its lines are numbered from 1.

    Args:
        piece: what to read.
        tool_files: remembers files with tools that transcripts name, by path.
        form: what the file is, where somebody says.
        wanted: all that is looked at, where that is not everything.
        ended: is told how many lines were in it, where it was cut.
    """
    if not piece.cut:
        yield from read_file(piece.source, tool_files, form=form, wanted=wanted)
        return
    try:
        with open_regular(piece.source.file) as stream:
            stream.seek(piece.start)
            lines = _Lines(stream, piece.size)
            yield from read_lines(
                lines_of(cast(BinaryIO, lines)), piece.source, tool_files, form=form, wanted=wanted, begun=piece.start > 0
            )
    except OSError as error:
        yield Damage(piece.source.file, 1, f"cannot be read: {(error.strerror or str(error)).lower()}")
        return
    if ended is not None:
        ended(lines.ended)


class _Lines:
    """So many bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size
        self.ended = 0
        """Lines that ended in them."""

    def readline(self, size: int) -> bytes:
        """As files do."""
        line = self._stream.readline(min(size, self._left))
        self._left -= len(line)
        self.ended += line.endswith(b"\n")
        return line
