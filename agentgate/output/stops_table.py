"""What is stopped, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from rich.cells import cell_len

from agentgate.core.stops import Stop
from agentgate.files.stops import Unreadable
from agentgate.output.columns import pad
from agentgate.output.safe import safe

_HEAD = ("id", "since", "by", "stops", "reason")


def scope_text(stop: Stop) -> str:
    """What a stop is about, in words."""
    run = "every run" if stop.run is None else f"run {stop.run}"
    calls = ", ".join(stop.tools)
    if stop.writes:
        calls = f"{calls} where they write" if calls else "calls that write"
    return f"{calls} in {run}" if calls else run


def stops_text(stops: Sequence[Stop | Unreadable], *, ascii: bool = False) -> str:
    """The table, a row each."""
    if not stops:
        return "nothing is stopped\n"
    rows = [_HEAD, *(tuple(safe(cell, ascii=ascii) for cell in _cells(stop)) for stop in stops)]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "".join("  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows)


def _cells(stop: Stop | Unreadable) -> tuple[str, ...]:
    if isinstance(stop, Unreadable):
        return (stop.name, "", "", "every run", f"cannot be read: {stop.why}")
    return (stop.id, stop.at.strftime("%Y-%m-%d %H:%M:%SZ"), stop.by, scope_text(stop), stop.reason)


def stops_json(stops: Sequence[Stop | Unreadable]) -> str:
    """A list of objects; what cannot be read has `file` and `unreadable` in place of the rest."""
    rows = [{"file": stop.name, "unreadable": stop.why} if isinstance(stop, Unreadable) else msgspec.to_builtins(stop) for stop in stops]
    return json.dumps(rows, indent=2) + "\n"
