"""`agentgate audit list`: many runs, which of them somebody wants to see, and what they come to."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import State

if TYPE_CHECKING:
    from agentgate.files.history import Run
    from agentgate.files.state_folder import StateFolder
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import Source
    from agentgate.history import Wanted
    from agentgate.output.history_list import Listing
    from agentgate.output.sink import Sink

_NARROWEST = 24


class Format(StrEnum):
    """How to print the list."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def list_runs(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Transcripts, folders or globs; the runs of the state folder by default."),
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Begun at or after it: 24h, 7d, 2026-03-01, or RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Begun before it; a date is the end of that day, in UTC.")] = None,
    blocked: Annotated[bool, typer.Option("--blocked", help="With blocked calls.")] = False,
    tool: Annotated[str | None, typer.Option(metavar="TOOL", help="With a call of this tool; `*` stands for anything.")] = None,
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="With a call that this rule, limit or code decided.")] = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="In this role.")] = None,
    status: Annotated[
        str | None, typer.Option(metavar="WORD", help="done, stopped, failed, interrupted, waiting, running, unfinished or imported.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="Of this task; `*` stands for anything.")] = None,
    policy: Annotated[str | None, typer.Option(metavar="NAME", help="Under this policy: its name, or the beginning of its hash.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Show the newest N; totals are those of all.")] = None,
    totals: Annotated[bool, typer.Option("--totals", help="Only what all of them come to, by rule and by tool.")] = False,
    format: Annotated[Format, typer.Option(help="table, json (one object), or csv.")] = Format.TABLE,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Throw the index away and read every file again.")] = False,
    state: State = None,
) -> None:
    """List runs, newest first, with totals by rule and by tool.

    `--blocked`, `--tool` and `--rule` are about one and the same call. Damaged files are always named. An index in the state folder
    saves reading files again that have not changed; it decides nothing, and `audit verify` never looks at it.

    Exit codes: 0 listed, 1 listed but something is damaged, 2 wrong usage or nothing there.
    """
    from datetime import UTC, datetime

    from agentgate.files.state_folder import DEFAULT, StateFolder
    from agentgate.history import Wanted, moment
    from agentgate.output.sink import Sink

    now = datetime.now(UTC)
    wanted = Wanted(
        since=None if since is None else moment(since, now, option="--since"),
        until=None if until is None else moment(until, now, option="--until"),
        blocked=blocked,
        tool=tool,
        rule=rule,
        role=role,
        status=status,
        task=task,
        policy=policy,
    )
    folder = StateFolder(state or DEFAULT)
    listing = _listing(_sources(files, folder), folder, wanted, limit, rebuild=rebuild)
    out = Sink(sys.stdout)
    out.write(_text(listing, format, out, totals=totals))
    out.check()
    raise typer.Exit(1 if listing.damages else 0)


def _sources(files: list[str] | None, folder: StateFolder) -> list[Source]:
    from agentgate.errors import FileError
    from agentgate.files.state_folder import DEFAULT
    from agentgate.files.transcript_reader import find_transcripts

    if files:
        return find_transcripts(files)
    try:
        return find_transcripts([folder.runs])
    except FileError:
        if folder.runs.is_dir() or folder.path == DEFAULT:
            return []  # nothing has run yet
        raise FileError(
            f"no runs in `{folder.runs}`", help="`--state` names the folder that `agentgate run --state` kept them in"
        ) from None


def _listing(sources: list[Source], folder: StateFolder, wanted: Wanted, limit: int | None, *, rebuild: bool) -> Listing:
    """Reads what is wanted; what is damaged is named on the way, wanted or not."""
    from agentgate.files.history_index import HistoryIndex, list_files
    from agentgate.history import newest_first, selection, sums
    from agentgate.output.history_list import Listing
    from agentgate.output.progress import Progress, total_size
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    matches = selection(wanted)
    err = Sink(sys.stderr)
    index = None
    if os.path.isdir(folder.path):  # noqa: PTH112 - looking at runs makes no folder
        index = HistoryIndex(folder.history, lambda text: err.write(f"note: {safe(text)}\n"))
        if rebuild:
            index.discard()
    damages: list[Damage] = []
    runs: list[Run] = []
    with closing(Progress(err, lambda: total_size(sources))) as progress:
        for listed in list_files(sources, index):
            for damage in listed.damages:
                damages.append(damage)
                err.write(f"damaged: {safe(str(damage))}\n")
            runs.extend(run for run in listed.history.runs if matches(run))
            if err.can_erase:
                progress.advance(total_size([Source(listed.file)]))
    found = newest_first(runs)
    return Listing(found[:limit], sums(found), damages, str(folder.runs))


def _text(listing: Listing, format: Format, out: Sink, *, totals: bool) -> str:
    from agentgate.output.history_list import HistoryTable, as_csv, as_json, shares_as_csv

    match format:
        case Format.JSON:
            return as_json(listing, rows=not totals)
        case Format.CSV:
            return shares_as_csv(listing.sums) if totals else as_csv(listing)
        case Format.TABLE:
            width = max(shutil.get_terminal_size().columns - 1, _NARROWEST) if out.can_erase else None
            table = HistoryTable(listing, width=width, ascii=out.ascii)
            return "".join(f"{line}\n" for line in table.lines(rows=not totals))
