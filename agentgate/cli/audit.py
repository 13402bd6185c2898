"""`agentgate audit`: whether transcripts are what was written, and what stands in them. Listing many is `audit_list`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.audit_list import list_runs
from agentgate.cli.commands import Command, Group
from agentgate.cli.stores import is_elsewhere

if TYPE_CHECKING:
    from agentgate.core.events import Event
    from agentgate.files.transcript import Item, Transcript
    from agentgate.files.transcript_verify import Verification

app = typer.Typer(cls=Group, help="Verify, show and list transcripts.", no_args_is_help=True)
app.command("list", cls=Command)(list_runs)

_HASH = re.compile(r"[0-9a-f]{64}")


@app.command(cls=Command)
def verify(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Transcripts, stores of a gateway, folders or globs.", show_default=False)
    ],
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="The hash that the last event must have, kept elsewhere; for one file.")
    ] = None,
) -> None:
    """Check the hash chains of transcripts, and that what they say can have happened.

    Exit codes: 0 nothing found, 1 findings (a run without its end is one), 2 a file is missing, unreadable or not a transcript with hashes.
    """
    from agentgate.errors import FileError, UsageError
    from agentgate.files.transcript_reader import find_transcripts
    from agentgate.files.transcript_verify import UNPROVEN
    from agentgate.output.errors import print_error
    from agentgate.output.sink import Sink

    sources = [given for given in files if is_elsewhere(given)]
    sources += [source.file for source in find_transcripts(given for given in files if not is_elsewhere(given))]
    if head is not None:
        head = head.lower()
        if _HASH.fullmatch(head) is None:
            raise UsageError("`--head` is not a hash", help="64 hexadecimal digits, as `agentgate audit verify` prints them")
        if len(sources) != 1:
            raise UsageError(f"`--head` is that of one transcript, and {len(sources)} were given", help="verify one file at a time")
    code = 0
    unproven = False
    out = Sink(sys.stdout)
    for source in sources:
        try:
            verification = _verified(source, head)
        except FileError as error:
            print_error(error)
            code = 2
            continue
        out.write(_text(verification))
        unproven = unproven or UNPROVEN in verification.notes
        code = max(code, 0 if verification.ok else 1)
    if unproven:
        out.write(f"note: {UNPROVEN}\n")
    out.check()
    raise typer.Exit(code)


@app.command(cls=Command)
def show(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A transcript.", show_default=False)],
    format: Annotated[
        str | None, typer.Option(metavar="table|plain", help="How to show it; by default what suits the output.", show_default=False)
    ] = None,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="More of results and long values; twice for all.")] = 0,
) -> None:
    """Print a recorded run as it looked when it ran.

    Exit codes: 0 shown, 1 shown but damaged, 2 a file is missing, unreadable or holds no decisions.
    """
    from agentgate.core.events import RunEnded
    from agentgate.errors import UsageError
    from agentgate.output import open_screen
    from agentgate.output.port import View

    if format not in (None, "table", "plain"):
        raise UsageError(f"unknown format `{format}`", help="one of table, plain; the file itself is the events as JSON Lines")
    transcript = _read_run(file)
    screen = open_screen(format, sys.stdout, sys.stderr, View(verbosity=verbose))
    for item in transcript.items:
        event = _event(item)
        if event is None:
            continue
        if isinstance(event, RunEnded):
            screen.finished(event, transcript=Path(file))
        else:
            screen.show(event)
    if not transcript.complete:
        screen.note("the run has no end: it was killed, is still going, or its end was cut off")
    if not transcript.hashed:
        screen.note("these events have no hashes: whether somebody changed them cannot be told")
    if not transcript.intact:
        raise typer.Exit(1)


def _verified(file: str, head: str | None) -> Verification:
    """Audits a transcript, or the store of a gateway."""
    from agentgate.files.gateway_store import beginning, is_store
    from agentgate.files.gateway_verify import verify_rows, verify_store
    from agentgate.files.transcript_verify import verify as verify_file

    if not is_elsewhere(file):
        return verify_store(file, head=head) if is_store(file) else verify_file(file, head=head)
    from agentgate.gateway.postgres import PostgresDatabase

    database = PostgresDatabase(file, os.environ, make=False)
    try:
        return verify_rows(database.shown, database.lines(), head=head, after=beginning(database.rows))
    finally:
        database.close()


def _read_run(file: str) -> Transcript:
    """The run in a file; what is damaged in it is said on standard error."""
    from agentgate.errors import FileError
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import find_transcripts, read_file
    from agentgate.output.safe import safe

    sources = find_transcripts([file])
    if len(sources) != 1:
        raise FileError(f"`{file}` means {len(sources)} files", help="show one at a time")
    run: Transcript | None = None
    damaged = 0
    for found in read_file(sources[0]):
        if isinstance(found, Damage):
            damaged += 1
            sys.stderr.write(f"{safe(str(found))}\n")
            continue
        run = found
        if run.imported:
            raise FileError(f"`{file}` is an imported transcript: it holds no decisions", help="`agentgate replay` decides its calls")
    if run is None:
        raise FileError(f"`{file}` holds no run that can be shown", help=f"{damaged} damaged lines were named" if damaged else None)
    return run


def _event(item: Item) -> Event | None:
    """None for a call that was proposed, and never decided."""
    from agentgate.files.transcript import Proposed, Unanswered

    if isinstance(item, Unanswered):
        return None
    return item.recorded if isinstance(item, Proposed) else item


def _text(verification: Verification) -> str:
    from agentgate.files.transcript_verify import UNPROVEN
    from agentgate.output.plural import plural
    from agentgate.output.safe import safe

    file = safe(verification.file)
    events = plural(verification.events, "event")
    if verification.ok:
        lines = [f"{file}: ok, {events}, {safe(verification.status or '')}"]
    else:
        lines = [f"{file}: {plural(len(verification.problems), 'finding')} in {events}"]
        lines += [f"  {file}:{problem.line}: {safe(problem.what)}" for problem in verification.problems]
    if verification.head is not None:
        lines.append(f"  head  {verification.head}")
    lines += [f"  note: {safe(note)}" for note in verification.notes if note != UNPROVEN]
    return "".join(f"{line}\n" for line in lines)
