"""Lines that others recorded, each a transcript of its own, and where they come from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial

import msgspec
from msgspec import Struct

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import Json
from agentgate.files.importers import IMPORTERS, Importer, chat, chat_quick, importer_of
from agentgate.files.remote import is_url
from agentgate.files.transcript import Damage, InvalidTranscript, Transcript, Wanted
from agentgate.files.transcript_chain import is_event, not_json, parse_line
from agentgate.files.transcript_streams import open_regular

_BOM = b"\xef\xbb\xbf"
_MAX_TOOLS = 8 * 1024 * 1024
"""Bytes of a file with tools, at most."""
UNKNOWN = "not a transcript: neither an event nor a list of messages"


class Source(Struct, frozen=True):
    """A file to read."""

    file: str
    named: bool = True
    """Whether somebody asked for this very file. One that was only found in a folder may be something else than a transcript."""
    size: int | None = None
    """Bytes of a file at a URL, where its server told."""

    def measured(self) -> int:
        """Bytes of the file.

        Raises:
            OSError: nobody can say.
            ValueError: it is no path.
        """
        return os.stat(self.file).st_size if self.size is None else self.size  # noqa: PTH116 - paths as given


class Aside(Struct, frozen=True):
    """What reading a file takes beside its lines."""

    source: Source
    tool_files: dict[str, Json]
    """Files with tools that were read already, by path."""
    wanted: Wanted | None


def read_lines(
    lines: Iterator[tuple[int, bytes]],
    source: Source,
    tool_files: dict[str, Json],
    *,
    form: str | None = None,
    wanted: Wanted | None = None,
    begun: bool = False,
) -> Iterator[Transcript | Damage]:
    """Some lines of a file in which every line is a transcript of its own.

    Args:
        lines: with their numbers.
        source: the file.
        tool_files: remembers files with tools that transcripts name, by path.
        form: what the lines are, one of `importers.IMPORTERS`; each says it, by default.
        wanted: all that is looked at, where that is not everything.
        begun: whether other lines of the file come before the first one.
    """
    texts = lines_with_text(lines, begun=begun)
    return imported_lines(texts, Aside(source, tool_files, wanted), None if form is None else IMPORTERS[form])


def lines_with_text(lines: Iterator[tuple[int, bytes]], *, begun: bool = False) -> Iterator[tuple[int, bytes]]:
    for number, line in lines:
        text = line.removeprefix(_BOM) if number == 1 and not begun else line
        if not text.isspace() and text:
            yield number, text


def is_list_of_runs(value: Json) -> bool:
    """Whether a document is a list, each item of which could be a line of its own."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and importer_of(item) is not None for item in value)


def each_run(value: Json) -> Iterator[tuple[int, bytes]]:
    """The items of such a list as lines; each has its place in the list for a number."""
    yield from enumerate(map(msgspec.json.encode, value), 1)


def imported_lines(lines: Iterable[tuple[int, bytes]], aside: Aside, importer: Importer | None = None) -> Iterator[Transcript | Damage]:
    """The transcripts, read by this importer or by the one that recognises the line, and what of them is damaged."""
    source, tool_files = aside.source, aside.tool_files
    quick = None
    if aside.wanted is not None and importer in (None, chat):
        tools_in_file = partial(_tools_in_file, source.file, tool_files=tool_files)
        quick = chat_quick.QuickLines(source.file, tools_in_file, history=aside.wanted.history)
    for number, line in lines:
        made = None if quick is None else quick.read(line, number)
        if made is not None:
            yield made
            continue
        try:
            value = parse_line(line)
            yield _import(value, source, number, tool_files, importer)
            if quick is not None:
                quick.learn(value)
        except InvalidJson as error:
            yield Damage(source.file, number, not_json(error, line))
        except InvalidTranscript as error:
            yield Damage(source.file, number, str(error))


def _import(value: Json, source: Source, number: int, tool_files: dict[str, Json], importer: Importer | None) -> Transcript:
    importer = importer or importer_of(value)
    if is_event(value):
        raise InvalidTranscript("an event of a run among other transcripts")
    if importer is None:
        raise InvalidTranscript(UNKNOWN)
    head = value if isinstance(value, dict) else {}
    named, tools = head.get("id"), head.get("tools")
    run_id = named if isinstance(named, str) and named else f"{source.file}:{number}"
    if isinstance(tools, str):
        tools = _tools_in_file(source.file, tools, tool_files)
    items = importer.read(value, run_id, tools)
    meta = head.get("meta")
    attacked = isinstance(meta, dict) and meta.get("attack_succeeded") is True
    return Transcript(run_id, items, source.file, number, unnamed=run_id is not named, attacked=attacked, meta=meta, imported=True)


def _tools_in_file(file: str, name: str, tool_files: dict[str, Json]) -> Json:
    """The tools in a JSON file, whose name is relative to the transcript's."""
    if is_url(name):
        raise InvalidTranscript(f"`tools` is a URL: `{name}`; it must be a path relative to the transcript")
    if os.path.isabs(name):  # noqa: PTH117
        raise InvalidTranscript(f"`tools` is an absolute path: `{name}`; it must be relative to the transcript")
    path = os.path.join(os.path.dirname(file), name)  # noqa: PTH118, PTH120
    if path not in tool_files:
        try:
            with open_regular(path) as stream:
                tool_files[path] = parse_line(stream.read(_MAX_TOOLS + 1))
        except InvalidJson as error:
            raise InvalidTranscript(f"the file with its tools, `{name}`, is not JSON: {error}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no path"
            raise InvalidTranscript(f"the file with its tools, `{name}`, cannot be read: {reason.lower()}") from None
    return tool_files[path]
