"""Cuts what there is to read into parts that can be read apart from each other, and in their order come to the whole.

A file in which every line is a transcript is cut between lines; every other file stays whole. Small files go together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeAlias

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
_FIRST_LINES = 100
_FAR_APART = 1_000
_PATIENCE = 100_000
"""Bytes in which they may be nearer to each other."""


class Piece(Struct, frozen=True):
    """A file, or some whole lines of one."""

    source: Source
    size: int
    start: int = 0
    """Where it begins, in bytes."""
    line: int = 1
    """The number of its first line."""
    cut: bool = False
    """Whether it is only some lines of the file."""


Part = tuple[Piece, ...]
"""What is read at once."""


class Block(Struct, frozen=True):
    """What cutting has to know of some bytes of a file."""

    size: int
    end: int
    """Bytes up to the end of its last whole line; 0 where no line ends in it."""
    lines: int
    """How many lines end in it."""


def block_of(data: bytes | bytearray, size: int) -> Block:
    """Looks for the ends of lines in so many bytes."""
    end = data.rfind(b"\n", 0, size) + 1
    return Block(size, end, _line_feeds(data, end))


def blocks_of(source: Source, whole: int, size: int) -> Iterator[Block]:
    """A file from its beginning. What is added to it in the meantime is not read."""
    buffer = bytearray(min(size, whole))  # the same one for all of the file: memory from the system is not cheap
    with open_regular(source.file) as stream:
        while read := stream.readinto(memoryview(buffer)[:whole]):  # type: ignore[attr-defined]
            yield block_of(buffer, read)
            whole -= read


Measure: TypeAlias = Callable[[Source, int, int], Iterator[Block]]
"""Looks through a file, of which so many bytes are wanted, in blocks of a size."""


def parts_of(sources: Iterable[Source], *, form: str | None = None, size: int = PART, measure: Measure = blocks_of) -> Iterator[Part]:
    """All sources in their order.

    Args:
        sources: the files.
        form: what all of them are, where somebody says.
        size: of a part, in bytes, about.
        measure: looks through those that are cut.
    """
    together: list[Piece] = []
    for source in sources:
        for piece in _pieces(source, form, size, measure):
            if together and (piece.cut or sum(other.size for other in together) + piece.size > size):
                yield tuple(together)
                together = []
            together.append(piece)
            if piece.cut:
                yield tuple(together)
                together = []
    if together:
        yield tuple(together)


def _pieces(source: Source, form: str | None, size: int, measure: Measure) -> Iterator[Piece]:
    try:
        whole = source.measured()
        if whole <= 2 * size or not _line_by_line(source.file, form):
            yield Piece(source, whole)
            return
        yield from _cut(source, whole, measure(source, whole, size))
    except (OSError, ValueError):
        yield Piece(source, 0)  # reading it says why


def _line_by_line(file: str, form: str | None) -> bool:
    """Whether the first line with anything in it says that every line is a transcript of its own."""
    if form is not None and form not in IMPORTERS:
        return False
    with open_regular(file) as stream:
        for number, line in islice(lines_of(stream), _FIRST_LINES):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                try:
                    value = parse_line(text)
                except InvalidJson:
                    return False
                return form is not None or (not is_event(value) and file_importer_of(value) is None and importer_of(value) is not None)
    return False


def _cut(source: Source, whole: int, blocks: Iterator[Block]) -> Iterator[Piece]:
    """Pieces of whole lines."""
    start = place = 0
    line = 1
    try:
        for block in blocks:
            if block.end:
                yield Piece(source, place + block.end - start, start, line, cut=True)
                start, line = place + block.end, line + block.lines
            place += block.size
    except OSError:
        place = whole  # reading the rest says why
    if start < place:
        yield Piece(source, place - start, start, line, cut=True)


def _line_feeds(data: bytes | bytearray, end: int) -> int:
    """How many there are before the end. Looking for each is several times as fast as counting, where they are far apart."""
    found, place = 0, -1
    while (place := data.find(b"\n", place + 1, end)) >= 0:
        found += 1
        if found * _FAR_APART > place + _PATIENCE:
            return found + data.count(b"\n", place + 1, end)
    return found


def read_piece(
    piece: Piece, tool_files: dict[str, Json], *, form: str | None = None, wanted: Wanted | None = None
) -> Iterator[Transcript | Damage]:
    """What `read_file` makes of the file, as far as it stands in this piece."""
    if not piece.cut:
        yield from read_file(piece.source, tool_files, form=form, wanted=wanted)
        return
    try:
        with open_regular(piece.source.file) as stream:
            stream.seek(piece.start)
            yield from read_lines(_lines(lines_of(stream), piece), piece.source, tool_files, form=form, wanted=wanted)
    except OSError as error:
        yield Damage(piece.source.file, piece.line, f"cannot be read: {(error.strerror or str(error)).lower()}")


def _lines(lines: Iterator[tuple[int, bytes]], piece: Piece) -> Iterator[tuple[int, bytes]]:
    left = piece.size
    for number, line in lines:
        yield piece.line + number - 1, line if len(line) <= left else line[:left]
        left -= len(line)
        if left <= 0:
            return
