"""Many runs on the screen, as one JSON object, or as CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

from msgspec import Struct, to_builtins
from rich.cells import cell_len

from agentgate.core.events import Json
from agentgate.files.history import Run
from agentgate.files.transcript import Damage
from agentgate.output.columns import fit, pad, wrap_list
from agentgate.output.marks import marks
from agentgate.output.plural import plural
from agentgate.output.safe import safe
from agentgate.output.summary import money_text, time_text

if TYPE_CHECKING:
    from agentgate.history import Share, Sums

_STACKED_BELOW = 79
"""Cells; a narrower screen gets two lines a run in place of columns."""
_GAP = 2
_SHORTEST = 12
"""Cells that are left of a name however narrow the screen."""
_DROPPED = ("tokens", "policy", "role")
"""Columns that a screen without room for all goes without, in this order."""
_NUMBERS = ("calls", "allowed", "asked", "blocked", "executed", "undecided", "runs", "tokens", "cost")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet would take for a formula."""


class Listing(Struct, frozen=True):
    """What a list shows."""

    runs: Sequence[Run]
    """Newest first."""
    sums: Sums
    """Of all that were found, shown or not."""
    damages: Sequence[Damage] = ()
    folder: str = ""
    """Where runs are that are called by their ids alone."""


def run_name(run: Run, folder: str) -> str:
    """What other commands take for this run: its id where it is one of the state folder's, else its file."""
    path = PurePath(run.file)
    if path == PurePath(folder, f"{run.run_id}.jsonl"):
        return run.run_id
    return f"{run.file}:{run.line}" if run.line > 1 else run.file


def time_of(at: datetime | None) -> str:
    """A moment to the minute, in UTC: `2026-03-01 09:00`; a dash where nobody knows it."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M}"


def cost_of(run: Run) -> str:
    """What a run cost; a dash where that is not known."""
    return "-" if run.cost_usd is None else money_text(run.cost_usd)


def policy_of(run: Run) -> str:
    """`strict@3f9c2a8`; a dash for none. Not yet safe to show."""
    if run.policy is None:
        return "-"
    return f"{run.policy}@{run.policy_sha256[:7]}" if run.policy_sha256 else run.policy


class HistoryTable:
    """The list for people: a row a run, the totals below."""

    def __init__(self, listing: Listing, *, width: int | None = None, ascii: bool = False) -> None:
        """Takes what is to be shown.

        Args:
            listing: the runs.
            width: cells of a line, at most; None for lines of any length.
            ascii: whether nothing beyond ASCII may be written.
        """
        self._listing = listing
        self._width = width
        self._ascii = ascii
        self._marks = marks(ascii=ascii)

    def lines(self, *, rows: bool = True) -> Iterator[str]:
        """The whole of it.

        Args:
            rows: whether to show the runs, or their totals alone.
        """
        listing = self._listing
        if rows and listing.runs:
            yield from self._stacked() if self._width is not None and self._width < _STACKED_BELOW else self._rows()
            yield ""
        yield from self._sums()
        if listing.sums.by_rule:
            yield ""
            yield from self._shares("rule", listing.sums.by_rule)
        if listing.sums.by_tool:
            yield ""
            yield from self._shares("tool", listing.sums.by_tool)

    def _safe(self, text: str | None) -> str:
        return safe(text, ascii=self._ascii) if text else "-"

    def _cells(self, run: Run) -> dict[str, str]:
        return {
            "run": self._safe(run_name(run, self._listing.folder)),
            "started (UTC)": time_of(run.started),
            "task": self._safe(run.task),
            "policy": self._safe(policy_of(run)),
            "role": self._safe(run.role),
            "status": self._safe(run.status) + (" damaged" if run.damaged else ""),
            "calls": f"{run.calls:,}",
            "blocked": f"{run.count('block'):,}",
            "tokens": f"{run.input_tokens + run.output_tokens:,}",
            "cost": cost_of(run),
        }

    def _rows(self) -> Iterator[str]:
        yield from self._grid([self._cells(run) for run in self._listing.runs], ("task", "policy", "role", "run"))

    def _grid(self, rows: list[dict[str, str]], flexible: tuple[str, ...]) -> Iterator[str]:
        """Rows under each other; where they are too wide, columns are left out, and then the widest that may be cut gives way."""
        widths = {name: max(cell_len(name), *(cell_len(row[name]) for row in rows)) for name in rows[0]}
        for name in _DROPPED:
            least = {column: min(width, _SHORTEST) if column in flexible else width for column, width in widths.items()}
            if name in widths and not self._fits(least):
                del widths[name]
        flexible = tuple(name for name in flexible if name in widths)
        while not self._fits(widths):
            widest = max(flexible, key=lambda name: widths[name])
            if widths[widest] <= _SHORTEST:
                break
            widths[widest] -= 1
        yield self._line({name: name for name in widths}, widths)
        yield self._marks["line"] * (sum(widths.values()) + _GAP * (len(widths) - 1))
        yield from (self._line(row, widths) for row in rows)

    def _fits(self, widths: dict[str, int]) -> bool:
        return self._width is None or sum(widths.values()) + _GAP * (len(widths) - 1) <= self._width

    def _line(self, cells: dict[str, str], widths: dict[str, int]) -> str:
        placed = []
        for name, width in widths.items():
            text = fit(cells[name], width, ascii=self._ascii)
            placed.append(" " * (width - cell_len(text)) + text if name in _NUMBERS else pad(text, width))
        return (" " * _GAP).join(placed).rstrip()

    def _stacked(self) -> Iterator[str]:
        width = self._width or _STACKED_BELOW
        for run in self._listing.runs:
            cells = self._cells(run)
            yield fit(f"{cells['run']}  {cells['status']}", width, ascii=self._ascii)
            parts = [cells["started (UTC)"], *(cells[name] for name in ("task", "policy", "role") if cells[name] != "-")]
            parts += [plural(run.calls, "call"), f"{cells['blocked']} blocked", f"{cells['tokens']} tokens", cells["cost"]]
            yield from (f"  {line}" for line in wrap_list(parts, self._marks["dot"], width - 2))

    def _sums(self) -> Iterator[str]:
        listing, sums = self._listing, self._listing.sums
        shown = f" (the {len(listing.runs):,} newest shown)" if 0 < len(listing.runs) < sums.runs else ""
        statuses = ", ".join(f"{count:,} {safe(status, ascii=self._ascii)}" for status, count in sorted(sums.statuses.items()))
        parts = [f"{plural(sums.runs, 'run')}{shown}" + (f": {statuses}" if statuses else "")]
        if sums.calls:
            decided = [f"{sums.allow:,} allowed", f"{sums.ask:,} asked", f"{sums.block:,} blocked"] if sums.calls > sums.undecided else []
            if sums.undecided:
                decided.append(f"{sums.undecided:,} not decided")
            parts.append(f"{plural(sums.calls, 'call')}: {', '.join(decided)}, {sums.executed:,} executed")
        parts.append(f"{plural(sums.steps, 'step')}, {plural(sums.input_tokens + sums.output_tokens, 'token')}, {time_text(sums.seconds)}")
        if sums.unpriced < sums.runs:
            unknown = f", without {plural(sums.unpriced, 'run')} of unknown cost" if sums.unpriced else ""
            parts.append(f"{money_text(sums.cost_usd)}{unknown}")
        for part in parts:
            yield from ([part] if self._width is None else wrap_list(part.split(", "), ", ", self._width))
        if listing.damages:
            yield f"{plural(len({found.file for found in listing.damages}), 'file')} with damage, named above"

    def _shares(self, what: str, shares: Sequence[Share]) -> Iterator[str]:
        undecided = any(share.undecided for share in shares)
        rows = []
        for share in shares:
            row = {what: self._safe(share.name), "calls": f"{share.calls:,}", "allowed": f"{share.allow:,}", "asked": f"{share.ask:,}"}
            row |= {"blocked": f"{share.block:,}"} | ({"undecided": f"{share.undecided:,}"} if undecided else {})
            rows.append(row | {"executed": f"{share.executed:,}", "runs": f"{share.runs:,}"})
        yield from self._grid(rows, (what,))


def as_json(listing: Listing, *, rows: bool = True) -> str:
    """One object: `runs`, `totals`, `damaged`."""
    whole: dict[str, Json] = {"runs": [_object(run, listing.folder) for run in listing.runs]} if rows else {}
    totals = to_builtins(listing.sums)
    for name in ("by_rule", "by_tool"):
        totals[name] = {share.pop("name"): share for share in totals[name]}
    whole["totals"] = totals
    whole["damaged"] = [{"file": found.file, "line": found.line, "why": found.why} for found in listing.damages]
    return json.dumps(whole, indent=2) + "\n"


def _object(run: Run, folder: str) -> dict[str, Json]:
    return {
        "run": run_name(run, folder),
        "run_id": run.run_id,
        "file": run.file,
        "line": run.line,
        "started": None if run.started is None else run.started.isoformat().replace("+00:00", "Z"),
        "seconds": run.seconds,
        "status": run.status,
        "reason": run.reason,
        "damaged": run.damaged,
        "task": run.task,
        "policy": run.policy,
        "policy_sha256": run.policy_sha256,
        "mode": run.mode,
        "role": run.role,
        "model": run.model,
        "steps": run.steps,
        "calls": run.calls,
        "allowed": run.count("allow"),
        "asked": run.count("ask"),
        "approved": run.approved,
        "blocked": run.count("block"),
        "executed": run.executed,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cached_tokens": run.cached_tokens,
        "cost_usd": run.cost_usd,
    }


_COLUMNS = tuple(_object(Run(run_id="", line=1, status=""), ""))


def as_csv(listing: Listing) -> str:
    """A line a run under a line with names."""
    return _csv(_COLUMNS, ([*_object(run, listing.folder).values()] for run in listing.runs))


def shares_as_csv(sums: Sums) -> str:
    """A line for each rule and each tool."""
    fields = ("runs", "calls", "allow", "ask", "block", "undecided", "executed")
    shares = [("rule", share) for share in sums.by_rule] + [("tool", share) for share in sums.by_tool]
    return _csv(("of", "name", *fields), ([of, share.name, *(getattr(share, field) for field in fields)] for of, share in shares))


def _csv(names: Sequence[str], rows: Iterator[list[Json]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: Json) -> Json:
    """A value that no spreadsheet takes for anything but what it is; what could be a formula gets an apostrophe before it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    shown = safe(value)
    return f"'{shown}" if shown.lstrip(" ").startswith(_FORMULA) or value.startswith(_FORMULA) else shown
