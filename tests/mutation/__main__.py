"""`python -m tests.mutation [OPTIONS] [MODULE…]`: changes the code that decides, and names what no test notices.

mutmut makes the mutants. It is installed into a virtual environment of its own, and the mutants are made in a clone of what is committed,
so that nothing here is touched. `tests.mutation.forks` tries them, row by row of `tests.mutation.rows`; a second run in the same copy tries
those that survived or are new. Exits 1 where a mutant survived for which `survivors/` has no reason, or one did not for which it has.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path

from tests.mutation.reasons import OUTCOMES, Outcome, compare, written
from tests.mutation.rows import ROWS, Row

ROOT = Path(__file__).parents[2]


def main(argv: Sequence[str]) -> int:
    """Installs, copies, has the mutants tried, and compares what is left with what is written."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="for instance agentgate.core.limits; by default all of tests/mutation/rows.py"
    )
    parser.add_argument("--environment", type=Path, metavar="FOLDER", help="where mutmut is, or shall be, installed")
    parser.add_argument("--copy", type=Path, metavar="FOLDER", help="where the clone is, or shall be; a second run there goes on")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seconds", type=float, default=inf, help="of tests for each mutant, the likely ones first; no end by default")
    parser.add_argument("--tests", nargs="+", default=[], metavar="PATH", help="instead of those of the row")
    asked = parser.parse_args(argv)
    rows = list(_rows(asked.modules, asked.tests))
    status = 0
    with tempfile.TemporaryDirectory() as throw_away:
        python = _installed((asked.environment or Path(throw_away, "environment")).resolve())
        copy = (asked.copy or Path(throw_away, "copy")).resolve()
        few = {"AGENTGATE_EXAMPLES": "200", "PYTHONPATH": str(copy)}
        for row in rows:
            _clone(copy)
            command: list[str | Path] = [python, "-m", "tests.mutation.forks", str(asked.children), str(asked.seconds)]
            tried = subprocess.run(
                [*command, " ".join(row.tests), *row.modules], cwd=copy, check=False, env={**os.environ, **few}
            ).returncode
            status = max(status, tried or _told(copy))
    return status


def _rows(modules: Sequence[str], tests: Sequence[str]) -> Iterator[Row]:
    """The rows in which there is something to try, with that alone."""
    for row in ROWS:
        chosen = tuple(module for module in row.modules if not modules or module in modules)
        if chosen:
            yield Row(chosen, tuple(tests) or row.tests)
    others = tuple(module for module in modules if not any(module in row.modules for row in ROWS))
    if others and not tests:
        sys.exit(f"{', '.join(others)}: in no row; name `--tests`")
    if others:
        yield Row(others, tuple(tests))


def _told(copy: Path) -> int:
    """Says what became of the mutants of a row; 1 where that is not what is written."""
    outcomes = [Outcome(**json.loads(line)) for line in (copy / OUTCOMES).read_text().splitlines()]
    said = []
    for module in dict.fromkeys(outcome.module for outcome in outcomes):
        counts = Counter(outcome.result for outcome in outcomes if outcome.module == module)
        said.append(f"{module}: {counts.total()} mutants, " + ", ".join(f"{count} {result}" for result, count in sorted(counts.items())))
    missing, stale = compare(outcomes, written())
    said += [f"\nsurvives without a reason: {function}\n{change}" for function, change in missing]
    said += [f"\nhas a reason, and does not survive: {function}\n{change}" for function, change in stale]
    sys.stdout.write("\n".join([*said, ""]))
    sys.stdout.flush()
    return int(bool(missing or stale))


def _clone(copy: Path) -> None:
    """What is committed, without mutants. What was found about functions that are the same as before stays there."""
    if not copy.exists():
        subprocess.run(["git", "clone", "-q", "--no-checkout", ROOT, copy], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["git", "fetch", "-q", "origin", commit], cwd=copy, check=True)
    subprocess.run(["git", "checkout", "-q", "--force", "--detach", commit], cwd=copy, check=True)


def _installed(environment: Path) -> Path:
    """The Python of an environment with mutmut, which sees the packages of this one."""
    python = environment / "bin" / "python"
    if not (environment / "bin" / "mutmut").exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "mutmut>=3.8"], check=True)
        packages = next((environment / "lib").glob("python*/site-packages"))
        (packages / "of_the_project.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
