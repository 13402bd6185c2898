"""`agentgate stop`: the kill switch. Throws it, shows what is stopped, takes it back."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import State
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgate.core.stops import Stop
    from agentgate.files.state_folder import StateFolder


class Format(StrEnum):
    """How stops are listed."""

    TABLE = "table"
    JSON = "json"


_Target = Annotated[
    str | None, typer.Argument(metavar="RUN", show_default=False, help="A run: its id, the beginning of it, or its transcript.")
]
_Session = Annotated[
    str | None, typer.Option("--session", help="A session of a gateway, as its client names it.", metavar="ID", show_default=False)
]
_All = Annotated[bool, typer.Option("--all", help="Every run; with --clear, every stop.")]
_Tool = Annotated[list[str], typer.Option("--tool", help="Only calls of this tool; a pattern with *, and several, too.", metavar="NAME")]
_Writes = Annotated[bool, typer.Option("--writes", help="Only calls of tools that are not known to only read.")]
_Reason = Annotated[str | None, typer.Option("--reason", help="Why; people and the model are told.", metavar="TEXT")]
_List = Annotated[bool, typer.Option("--list", help="Show what is stopped.")]
_Clear = Annotated[bool, typer.Option("--clear", help="Take back the stop with this ID, those of a RUN, or with --all every one.")]
_Format = Annotated[Format, typer.Option("--format", "-f", help="For --list.")]

_BINDS_RUNS = "It binds before the next model request and the next call of a tool, also in a run that observes only.\n"
_BINDS_CALLS = "It binds before the next such call, also in a run that observes only.\n"
_ENDS = "A tool that is running may go on for 5 seconds, like after Ctrl-C; then it is killed.\n"
_RUNS_ON = "A tool that is running is not killed.\n"


def stop(
    target: _Target = None,
    session: _Session = None,
    all: _All = False,
    tool: _Tool = [],  # noqa: B006 - typer reads the default, nobody changes it
    writes: _Writes = False,
    reason: _Reason = None,
    list: _List = False,
    clear: _Clear = False,
    format: _Format = Format.TABLE,
    state: State = None,
) -> None:
    """Stops runs, or only some tools, from outside: the kill switch.

    A run that is stopped ends; with --tool or --writes it goes on without those calls. --tool and --writes without a RUN are about
    every run.
    """
    from agentgate.files.state_folder import DEFAULT, StateFolder

    folder = StateFolder(state or DEFAULT)
    scoped = bool(tool or writes)
    if list and clear:
        raise UsageError("--list shows, --clear takes back", help="choose one of them")
    if (list or clear) and (scoped or session is not None or reason is not None):
        raise UsageError("--session, --tool, --writes and --reason belong to a new stop", help="leave out --list and --clear")
    if sum((target is not None, session is not None, all)) > 1:
        raise UsageError("a run, --session and --all are about different runs", help="choose one of them")
    if list:
        _show(folder, target, format)
    elif clear:
        _clear(folder, target, all=all)
    else:
        if target is None and session is None and not all and not scoped:
            raise UsageError("nothing is named to be stopped", help="name a run, or --all, or a --tool")
        _throw(folder, _new(_run(folder, target, session), tool, writes, reason))


def _run(folder: StateFolder, target: str | None, session: str | None) -> str | None:
    """The id of the run that is meant: to a gateway, a session is one."""
    from agentgate.files.state_folder import find_run
    from agentgate.files.stops import recorded_id

    if session is None:
        return None if target is None else recorded_id(find_run(target, folder))
    from agentgate.gateway.settings import SESSION_ID

    if SESSION_ID.fullmatch(session) is None:
        raise UsageError(f"`{session}` cannot be a session", help="1 to 128 letters, digits or any of `_.:@-`, as the client sends it")
    return session


def _new(run: str | None, tools: Sequence[str], writes: bool, reason: str | None) -> Stop:
    from datetime import UTC, datetime

    from agentgate.cli.person import who
    from agentgate.core.stops import Stop
    from agentgate.files.stops import MAX_REASON, TOOL_PATTERN
    from agentgate.files.transcript_writer import new_run_id

    if reason is None or not reason.strip():
        raise UsageError("a stop needs a reason", help="--reason TEXT, which the run and its transcript will show")
    if len(reason) > MAX_REASON or not _is_text(reason):
        raise UsageError("the reason cannot be written", help=f"up to {MAX_REASON} characters of UTF-8")
    for name in tools:
        if TOOL_PATTERN.fullmatch(name) is None:
            raise UsageError(f"`{name}` is not a tool name, or a pattern with `*`", help="1 to 64 letters, digits, `_`, `.`, `-` or `*`")
    return Stop(new_run_id(), datetime.now(UTC), reason, who(), run, tuple(tools), writes)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _throw(folder: StateFolder, stop: Stop) -> None:
    from pathlib import Path

    from agentgate.files.stops import throw
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink
    from agentgate.output.stops_table import scope_text

    new = not Path(folder.path).is_dir()
    throw(folder, stop)
    out = Sink(sys.stdout)
    state = f" --state {folder.path}" if folder.path != ".agentgate" else ""
    out.write(f"stopped  {safe(scope_text(stop))}: {safe(stop.reason)}\n")
    out.write(f"  lift   agentgate stop --clear {stop.id}{safe(state)}\n")
    err = Sink(sys.stderr)
    where = safe(str(Path(folder.path).absolute()))
    err.write((_BINDS_RUNS if stop.ends_runs else _BINDS_CALLS) + (_ENDS if stop.ends_runs else _RUNS_ON))
    if stop.run is None:
        err.write(f"It is for runs that keep their state in {where}.\n")
    if new:
        err.write("warning: this folder was not there before, so no run under way looks at it; --state names that of the runs\n")
    out.check()


def _show(folder: StateFolder, target: str | None, format: Format) -> None:
    from agentgate.files.stops import read_stops
    from agentgate.output.sink import Sink
    from agentgate.output.stops_table import stops_json, stops_text

    if target is not None:
        raise UsageError("--list shows all stops", help="leave the run out")
    stops = read_stops(folder)
    out = Sink(sys.stdout)
    out.write(stops_json(stops) if format is Format.JSON else stops_text(stops, ascii=out.ascii))
    out.check()


def _clear(folder: StateFolder, target: str | None, *, all: bool) -> None:
    from agentgate.core.stops import Stop
    from agentgate.files.stops import Unreadable, clear, read_stops
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    if target is None and not all:
        raise UsageError(
            "nothing is named to be cleared", help="name a stop by its id, or a run, or --all; `agentgate stop --list` shows them"
        )
    names: Sequence[str] | None = None
    if target is not None:
        there = read_stops(folder)
        stops = [stop for stop in there if isinstance(stop, Stop)]
        runs = {stop.run for stop in stops if stop.run is not None and stop.run.startswith(target)}
        names = [stop.id for stop in stops if stop.id == target]
        names += [bad.name for bad in there if isinstance(bad, Unreadable) and bad.name in (target, f"{target}.json")]
        names = names or [stop.id for stop in stops if stop.run is not None and (stop.run == target or runs == {stop.run})]
        if not names:
            raise UsageError(f"there is no stop `{target}`, and none of such a run", help="`agentgate stop --list` shows them")
    gone = clear(folder, names)
    out = Sink(sys.stdout)
    out.write("".join(f"cleared  {safe(name)}\n" for name in gone) or "nothing is stopped\n")
    out.check()
