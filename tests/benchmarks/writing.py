"""Reports as text for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.benchmarks.report import Report, Table, number

_INTRODUCTION = (
    "# Benchmarks",
    "",
    "Written by `python -m tests.benchmarks --markdown tests/benchmarks/RESULTS.md --charts tests/benchmarks/charts`. Peers are",
    "installed into throw-away environments, and do the same work in the same run. Absolute figures say more about the machine and",
    "its load than about anybody's code: compare the ratios. A longer line about a missed aim says what the profile shows.",
    "",
)


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


def as_markdown(about: Mapping[str, str], reports: Sequence[Report], *, quick: bool) -> str:
    """All reports as one page."""
    lines = [*_INTRODUCTION, *(f"* {name}: {value}" for name, value in about.items())]
    if quick:
        lines.append("* **taken with `--quick`: few repetitions, rough figures**")
    for report in reports:
        lines += ["", *section(report)]
    return "\n".join(lines).rstrip() + "\n"


def section(report: Report) -> list[str]:
    """The lines of one report."""
    lines = [f"## {report.name}", "", report.about, "", f"`{report.command}`", ""]
    for chart in report.charts:
        lines += [f"![{chart.title}](charts/{chart.name}.svg)", ""]
    for table in report.tables:
        lines += [f"**{table.title}**", "", "| " + " | ".join(table.columns) + " |"]
        lines.append("|" + "---|" + "---:|" * (len(table.columns) - 1))
        lines += ["| " + " | ".join(map(number, row)) + " |" for row in table.rows]
        lines.append("")
    return lines + [f"* {said}" for said in (*(aim.sentence for aim in report.aims), *report.notes)]
