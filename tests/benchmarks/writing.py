"""Reports as text for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tests.benchmarks.report import Report, Table, number

_INTRODUCTION = (
    "# Benchmarks",
    "",
    "Written by `python -m tests.benchmarks --record` (all of them) or `python -m tests.benchmarks NAME --record` (one anew). Other",
    "programs are installed into throw-away environments (`--cache FOLDER` keeps them), and do the same work in the same run. Absolute",
    "figures say more about the machine and its load than about anybody's code: compare the ratios. A longer line about a missed aim says",
    "what the profile shows.",
)


class Circumstances(Protocol):
    """A report with when, where and how it was taken."""

    @property
    def report(self) -> Report: ...
    @property
    def machine(self) -> Mapping[str, str]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def quick(self) -> bool: ...


def as_text(report: Report) -> str:
    """A report as plain lines."""
    parts = [_plain(table) for table in report.tables]
    said = [*(aim.sentence for aim in report.aims), *report.notes]
    return "\n".join(parts) + "".join(f"{line}\n" for line in said) + "\n"


def _plain(table: Table) -> str:
    rows = [table.columns, *(tuple(map(number, row)) for row in table.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    lines = [f"{table.title}"]
    for row in rows:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def as_markdown(taken: Sequence[Circumstances]) -> str:
    """All reports as one page."""
    columns = ("benchmark", "taken", "load before", "took")
    rows = [(_link(one.report.name), *_when(one.machine), _duration(one.seconds)) for one in taken]
    lines = [*_INTRODUCTION, "", *_table(columns, rows)]
    for about in dict.fromkeys(_about(one) for one in taken):
        lines += ["", f"On {about}."]
    for one in taken:
        lines += ["", *section(one.report)]
        if one.quick:
            lines.append("* **taken with `--quick`: few repetitions, rough figures**")
    return "\n".join(lines).rstrip() + "\n"


def _link(name: str) -> str:
    return f"[{name}](#{name})"


def _when(said: Mapping[str, str]) -> tuple[str, str]:
    return said.get("date", "?"), said.get("load at the start", "?")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _about(one: Circumstances) -> str:
    said = one.machine
    where = f"{said.get('system', '?')}, {said.get('processors', '?')} processors, Python {said.get('python', '?')}"
    return f"{where}: agentgate {said.get('agentgate', '?')}, {said.get('libraries', '?')}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    aligned = "|" + "---|" + "---:|" * (len(columns) - 1)
    return ["| " + " | ".join(columns) + " |", aligned, *("| " + " | ".join(row) + " |" for row in rows)]


def section(report: Report) -> list[str]:
    """The lines of one report."""
    lines = [f"## {report.name}", "", report.about, "", f"`{report.command}`", ""]
    for chart in report.charts:
        lines += [f"![{chart.title}](charts/{chart.name}.svg)", ""]
    for table in report.tables:
        lines += [f"**{table.title}**", "", *_table(table.columns, [tuple(map(number, row)) for row in table.rows]), ""]
    return lines + [f"* {said}" for said in (*(aim.sentence for aim in report.aims), *report.notes)]
