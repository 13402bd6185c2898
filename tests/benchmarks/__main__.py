"""`python -m tests.benchmarks [NAME…]`: agentgate beside what else could be used, on the same work, in the same run.

Prints tables; asserts nothing. Peers are installed into environments of their own. Only ratios within one run mean something.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

from msgspec import json

from tests.benchmarks.charts import svg
from tests.benchmarks.machine import machine
from tests.benchmarks.recording import Taken, record
from tests.benchmarks.report import Options, Report, say
from tests.benchmarks.writing import as_markdown, as_text

BENCHMARKS = ("decision", "patterns", "replay", "questions", "start_up", "durability", "loop", "fuzz", "memory", "gateway")


def main(argv: list[str]) -> int:
    """Runs the named benchmarks, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which; all by default: {', '.join(BENCHMARKS)}")
    parser.add_argument("--peers", choices=("none", "installed", "all"), default="all", help="which other programs to compare with")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep the environments of peers here")
    parser.add_argument("--quick", action="store_true", help="few repetitions: to try the suite")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument("--charts", type=Path, metavar="FOLDER", help="write charts as SVG")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
    parser.add_argument("--record", action="store_true", help="put tables and charts into RESULTS.md, in place of earlier ones")
    asked = parser.parse_args(argv)
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark `{unknown[0]}`: one of {', '.join(BENCHMARKS)}")
    options = Options(asked.peers, asked.cache, asked.quick)
    found: dict[str, Taken] = {}
    for name in asked.names or BENCHMARKS:
        about, began = machine(), time.monotonic()
        report = _run(name, options)
        found[name] = Taken(report, about, time.monotonic() - began, options.quick)
        say(f"{name}: {found[name].seconds:.0f} s")
        sys.stdout.write(as_text(report))
        sys.stdout.flush()
        # After each, so that a run that is broken off leaves what it has found.
        _write(asked.json, json.format(json.encode(found), indent=1) + b"\n")
        _write(asked.markdown, as_markdown(list(found.values())).encode())
        if asked.record:
            record({name: found[name]}, BENCHMARKS)
        for chart in report.charts if asked.charts is not None else ():
            asked.charts.mkdir(parents=True, exist_ok=True)
            (asked.charts / f"{chart.name}.svg").write_text(svg(chart))
    return 0


def _run(name: str, options: Options) -> Report:
    say(f"{name} …")
    module = import_module(f"tests.benchmarks.{name}")
    if not hasattr(module, "run"):
        module.main()  # it prints for itself
        return Report(name, f"python -m tests.benchmarks {name}")
    report = module.run(options)
    assert isinstance(report, Report)
    return report


def _write(file: Path | None, data: bytes) -> None:
    if file is not None:
        file.write_bytes(data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
