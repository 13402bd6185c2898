"""Keeps what benchmarks found, each with when and where it was taken, so that one of them can be taken anew without the others."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, json

from tests.benchmarks.charts import svg
from tests.benchmarks.report import Report
from tests.benchmarks.writing import as_markdown

HERE = Path(__file__).parent
RESULTS, PAGE, CHARTS = HERE / "results.json", HERE / "RESULTS.md", HERE / "charts"


class Taken(Struct, frozen=True):
    """One benchmark's report, and its circumstances."""

    report: Report
    machine: dict[str, str]
    seconds: float
    """How long it took, with the other programs already installed or without any."""
    quick: bool = False
    """Whether it was taken with few repetitions."""


def record(found: dict[str, Taken], order: tuple[str, ...], *, results: Path = RESULTS, page: Path = PAGE, charts: Path = CHARTS) -> None:
    """Writes results, page and charts anew, with what was found now and what earlier runs found of other benchmarks.

    Args:
        found: benchmark → what was found.
        order: all benchmarks, as they are to stand on the page.
        results: where everything is kept.
        page: what people read.
        charts: the folder for pictures.
    """
    earlier = json.decode(results.read_bytes(), type=dict[str, Taken]) if results.exists() else {}
    known = {name: taken for name, taken in {**earlier, **found}.items() if name in order}
    known = {name: known[name] for name in order if name in known}
    results.write_bytes(json.format(json.encode(known), indent=1) + b"\n")
    page.write_text(as_markdown(list(known.values())))
    charts.mkdir(exist_ok=True)
    for taken in found.values():
        for chart in taken.report.charts:
            (charts / f"{chart.name}.svg").write_text(svg(chart))
