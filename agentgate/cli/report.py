"""`agentgate report`: runs as one page for a browser."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentgate.files.history import Run
    from agentgate.files.state_folder import StateFolder
    from agentgate.files.transcript_reader import Source
    from agentgate.output.report.page import Report
    from agentgate.report import Told


def report(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, transcripts, folders or globs.", show_default=False)],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The page to write; `-` is standard output.")
    ] = "report.html",
    force: Annotated[bool, typer.Option("--force", help="Replace the file even where it is no report.")] = False,
    state: State = None,
) -> None:
    """Write runs as one HTML page that needs nothing else: no network, no script.

    An older report in the same place is replaced. The page holds arguments and results as they were recorded.

    Exit codes: 0 written, 1 written but something is damaged or the audit has findings, 2 wrong usage or nothing there.
    """
    from agentgate.files.replacing import check_replaceable, replace_file
    from agentgate.files.state_folder import DEFAULT, StateFolder
    from agentgate.output.plural import plural
    from agentgate.output.report.page import BEGINNING, page
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    if output != "-":
        check_replaceable(output, BEGINNING, force=force)
    sources = _sources(runs, StateFolder(state or DEFAULT))
    made, ordered = _report(sources)
    told = _Telling(ordered, made.runs)
    pieces = page(made, iter(told))
    err = Sink(sys.stderr)
    if output == "-":
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # a page is UTF-8 wherever it is written
        out = Sink(sys.stdout)
        for piece in pieces:
            out.write(piece)
        out.check()
    else:
        replace_file(output, pieces)
        err.write(f"wrote {safe(output)}: {plural(len(made.runs), 'run')}\n")
    for damage in made.damages:
        err.write(f"damaged: {safe(str(damage))}\n")
    if told.findings:
        err.write(f"the audit of {plural(told.findings, 'run')} has findings: see the page, or `agentgate audit verify`\n")
    raise typer.Exit(1 if made.damages or told.findings else 0)


def _sources(runs: list[str], state: StateFolder) -> list[Source]:
    from agentgate.errors import UsageError
    from agentgate.files.state_folder import find_run
    from agentgate.files.transcript_reader import find_transcripts

    if "-" in runs:
        raise UsageError("a report reads each run more than once, and standard input comes but once", help="write it to a file first")
    paths = [run if os.path.isdir(run) or any(sign in run for sign in "*?[") else str(find_run(run, state)) for run in runs]  # noqa: PTH112
    return find_transcripts(paths)


def _report(sources: Sequence[Source]) -> tuple[Report, list[Source]]:
    """What stands above the runs, and the files in the order in which they are told: the newest first."""
    from datetime import UTC, datetime

    from agentgate.errors import FileError
    from agentgate.files.history_index import list_files
    from agentgate.history import newest_first, sums
    from agentgate.output.report.page import Report
    from agentgate.report import costs

    listed = list(list_files(sources))
    damages = [damage for one in listed for damage in one.damages]
    holding = {one.file: one.history.runs for one in listed if one.history.runs}
    if not holding:
        raise FileError("nothing of what was named holds a run", help=str(damages[0]) if damages else "`agentgate audit list` shows runs")
    newest = dict.fromkeys(run.file for run in newest_first(run for runs in holding.values() for run in runs))
    by_file = {source.file: source for source in sources}
    ordered = [by_file[file] for file in newest]
    runs = [run for file in newest for run in holding[file]]
    spent = [cost for source in ordered for cost in costs(source)]
    return Report(runs=runs, sums=sums(runs), damages=damages, costs=spent, made=datetime.now(UTC)), ordered


class _Telling:
    """The runs one at a time, counting those whose audit has findings."""

    def __init__(self, sources: Sequence[Source], runs: Sequence[Run]) -> None:
        self._sources = sources
        self._known = {(run.file, run.line): run.status for run in runs}
        self.findings = 0

    def __iter__(self) -> Iterator[Told]:
        from msgspec.structs import replace

        from agentgate.report import has_findings, tell

        for source in self._sources:
            for told in tell(source):
                self.findings += has_findings(told.verification)
                status = self._known.get((told.run.file, told.run.line), told.run.status)  # whether it is running was asked before
                yield replace(told, run=replace(told.run, status=status))
