"""Reads transcripts, whoever wrote them: files, folders and globs, told apart by content. Nothing in them is trusted.

Runs of agentgate have their chain checked on the way. What cannot be judged is named as a Damage, and the rest is read.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeAlias

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import CallDecided, Json, ModelReplied, RunStarted
from agentgate.errors import FileError
from agentgate.files.gateway_store import is_store, read_store
from agentgate.files.importers import FILE_IMPORTERS, IMPORTERS, NATIVE, file_importer_of, importer_of
from agentgate.files.importers.chat import calls_of
from agentgate.files.remote import find_at, is_url
from agentgate.files.transcript import Damage, Item, Proposed, Transcript, Wanted, proposed
from agentgate.files.transcript_chain import HEADLESS, MAX_LINE, Chain, is_event, not_json, parse_line
from agentgate.files.transcript_lines import UNKNOWN, Aside, each_run, imported_lines, is_list_of_runs, lines_with_text
from agentgate.files.transcript_lines import Source as Source  # whoever reads transcripts names it
from agentgate.files.transcript_streams import STDIN, SUFFIXES, Kept, open_transcript

_BOM = b"\xef\xbb\xbf"
_PATIENCE = 100
"""Lines after which a file that holds no transcript so far is taken for something else."""

Advance: TypeAlias = Callable[[int], None]
"""Is told how many more bytes were read."""


def find_transcripts(paths: Iterable[str | Path]) -> list[Source]:
    """The files that the arguments of a command mean, in order and each once.

    Args:
        paths: files, folders (all `.jsonl` and `.json` below them, also `.gz` and `.zst`), globs (`**` for any folders), URLs of all
            these, and `-` for standard input.

    Raises:
        FileError: nothing is there.
        UsageError: what reads a URL is not installed.
        OutsideError: the server of a URL cannot be asked.
    """
    seen: dict[str, Source] = {}
    for given in paths:
        path = os.fspath(given)
        if path == STDIN:
            sources = [Source(STDIN)]
        elif is_url(path):
            at_url, named = find_at(path, SUFFIXES)
            sources = [Source(file.url, named, file.size) for file in at_url]
        elif Path(path).is_dir():
            sources = [Source(file, named=False) for file in _below(path)]
        elif os.path.lexists(path):
            sources = [Source(path)]
        else:
            matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - the pattern may be absolute
            sources = [Source(file) for file in matches if not Path(file).is_dir()]
        if not sources:
            raise FileError(f"no transcript at `{path}`", help="give a file, a folder that holds .jsonl or .json files, or a glob")
        for source in sources:
            place = source.file if source.file == STDIN or is_url(source.file) else os.path.realpath(source.file)
            if place not in seen or source.named:
                seen[place] = source
    return list(seen.values())


def _below(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders.sort()
        yield from (os.path.join(place, name) for name in sorted(files) if name.endswith(SUFFIXES))  # noqa: PTH118 - paths as given


def read_sources(
    sources: list[Source], advance: Advance | None = None, *, form: str | None = None, wanted: Wanted | None = None
) -> Iterator[Transcript | Damage]:
    """Everything that files hold, one transcript in memory at a time.

    Args:
        sources: the files, as they were found.
        advance: is told about every line.
        form: what all of them are, one of `importers.FORMS`; their content says it, by default.
        wanted: all that is looked at, where that is not everything: what is left out makes reading faster.

    Raises:
        FileError: there was nothing to judge in any of them (at the end).
    """
    anything = False
    tool_files: dict[str, Json] = {}
    for source in sources:
        for found in read_file(source, tool_files, advance, form=form, wanted=wanted):
            anything = True
            yield found
    if not anything:
        raise nothing_found(sources)


def nothing_found(sources: list[Source]) -> FileError:
    """The error where there was nothing to judge."""
    return FileError(f"none of {len(sources)} files holds a transcript", help="see `agentgate replay --help` for what can be read")


def read_file(
    source: Source | str | Path,
    tool_files: dict[str, Json] | None = None,
    advance: Advance | None = None,
    *,
    form: str | None = None,
    wanted: Wanted | None = None,
) -> Iterator[Transcript | Damage]:
    """The transcripts of one file. One that was only found in a folder, and holds other JSON, gives nothing at all.

    Args:
        source: the file.
        tool_files: remembers files with tools that transcripts name, by path. Hand in the same one for every file that is read.
        advance: is told about every line.
        form: what it is, one of `importers.FORMS`; its content says it, by default.
        wanted: all that is looked at, where that is not everything.
    """
    if not isinstance(source, Source):
        source = Source(os.fspath(source))
    if is_store(source.file):
        yield from read_store(source.file)
        return
    try:
        opened, advance = open_transcript(source.file, advance)
        with opened as stream:
            yield from read_stream(stream, source, {} if tool_files is None else tool_files, advance, form=form, wanted=wanted)
            if isinstance(stream, Kept) and stream.failure is not None:
                line, why = stream.failure
                yield Damage(source.file, line, f"cannot be unpacked any further: {why}")
    except OSError as error:
        yield Damage(source.file, 1, f"cannot be read: {(error.strerror or str(error)).lower()}")


def lines_of(stream: BinaryIO, advance: Advance | None = None) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, line feeds kept. One that is too long comes cut, yet longer than `parse_line` takes."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if advance is not None:
            advance(len(line))
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE + 1)
            if advance is not None:
                advance(len(rest))
        yield number, line


def read_stream(
    stream: BinaryIO,
    source: Source,
    tool_files: dict[str, Json],
    advance: Advance | None = None,
    *,
    form: str | None = None,
    wanted: Wanted | None = None,
) -> Iterator[Transcript | Damage]:
    """The same for a file that is open. Goes by the first line that says what it is; a document of several lines is one value."""
    lines = _filled(stream, advance)
    aside = Aside(source, tool_files, wanted)
    if form is not None:
        return _read_form(lines, aside, partial(_document, stream, advance), form)
    return _read_lines(lines, aside, partial(_document, stream, advance))


def _read_form(
    lines: Iterator[tuple[int, bytes]], aside: Aside, document: Callable[[], bytes | None], form: str
) -> Iterator[Transcript | Damage]:
    """A file of which somebody says what it is."""
    source = aside.source
    first = next(lines, None)
    if first is None:
        yield Damage(source.file, 1, "the file is empty")
        return
    whole = None if _is_json(first[1]) else document()
    lines = chain([first], lines) if whole is None else iter([(1, whole)])
    if form == NATIVE:
        yield from _native(lines, source)
    elif form in FILE_IMPORTERS:
        yield from FILE_IMPORTERS[form].read_lines(lines, source.file)
    elif whole is not None and is_list_of_runs(runs := parse_line(whole)):
        yield from imported_lines(each_run(runs), aside, IMPORTERS[form])
    else:
        yield from imported_lines(lines, aside, IMPORTERS[form])


def _read_lines(lines: Iterator[tuple[int, bytes]], aside: Aside, document: Callable[[], bytes | None]) -> Iterator[Transcript | Damage]:
    source = aside.source
    unknown: list[Damage] = []
    foreign = True
    for number, line in lines:
        try:
            value = parse_line(line)
        except InvalidJson as error:
            whole = None if unknown else document()
            if whole is not None:
                yield from _read_lines(iter([(1, whole)]), aside, lambda: None)
                return
            foreign = False
            unknown.append(Damage(source.file, number, not_json(error, line)))
            continue
        if is_event(value):
            yield from unknown
            yield from [Damage(source.file, number, HEADLESS)] if unknown else _native(chain([(number, line)], lines), source)
            return
        whole_file = file_importer_of(value)
        if whole_file is not None:
            yield from unknown
            yield from whole_file.read_lines(chain([(number, line)], lines), source.file)
            return
        if importer_of(value) is not None:
            yield from unknown
            yield from imported_lines(chain([(number, line)], lines), aside)
            return
        if not unknown and is_list_of_runs(value):
            yield from imported_lines(each_run(value), aside)
            return
        unknown.append(Damage(source.file, number, UNKNOWN))
        if len(unknown) == _PATIENCE:
            break
    if not unknown:
        yield Damage(source.file, 1, "the file is empty")
    elif source.named or not foreign:
        yield from unknown


def _filled(stream: BinaryIO, advance: Advance | None) -> Iterator[tuple[int, bytes]]:
    return lines_with_text(lines_of(stream, advance))


def _document(stream: BinaryIO, advance: Advance | None) -> bytes | None:
    """The whole file, where it is one JSON value that its first line only begins."""
    if not stream.seekable():
        return None
    place = stream.tell()
    stream.seek(0)
    whole = stream.read(MAX_LINE + 1)
    stream.seek(place)
    text = whole.removeprefix(_BOM)
    if not _is_json(text):
        return None
    if advance is not None:
        advance(len(whole) - place)
    return text


def _is_json(data: bytes) -> bool:
    try:
        parse_line(data)
    except InvalidJson:
        return False
    return True


def _native(lines: Iterator[tuple[int, bytes]], source: Source) -> Iterator[Transcript | Damage]:
    """A run of agentgate: one transcript, after the damages in it."""
    items: list[Item] = []
    calls = 0
    intact = True
    chain_of: Chain | None = None
    for number, line in lines:
        chain_of = chain_of or Chain(hashed=b'"hash"' in line)
        link = chain_of.follow(line)
        if link.problem is not None:
            intact = False
            yield Damage(source.file, number, link.problem)
        if isinstance(link.event, CallDecided):
            items.append(proposed(link.event, calls))
            calls += 1
        elif link.event is not None:
            items.append(link.event)
    if not calls:
        items = list(_with_proposals(items))
    if chain_of is None or not items or not isinstance(items[0], RunStarted):
        return  # without its beginning nobody knows the tools, the prompt and the mode; the chain has said so
    yield Transcript(
        id=items[0].run_id or f"{source.file}:1",
        items=tuple(items),
        file=source.file,
        unnamed=not items[0].run_id,
        hashed=chain_of.hashed,
        intact=intact,
        complete=chain_of.ended,
    )


def _with_proposals(items: list[Item]) -> Iterator[Item]:
    """A run in which nothing was decided (a recording that is only meant to be played, or one that was cut off), with what was proposed."""
    calls = 0
    for item in items:
        yield item
        if isinstance(item, ModelReplied):
            for call in calls_of(item.message):
                yield Proposed(call, calls, item.at)
                calls += 1
