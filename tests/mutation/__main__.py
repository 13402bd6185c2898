"""`python -m tests.mutation [OPTIONS] [MODULE…]`: changes the code that decides, and names what no test notices.

mutmut makes the mutants. It is installed into a virtual environment of its own, and the mutants are made in a clone of what is committed,
so that nothing here is touched. `tests.mutation.forks` tries them; a second run in the same copy tries those that survived or are new.
Exits 1 where a mutant was not noticed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from math import inf
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main(argv: Sequence[str]) -> int:
    """Installs, copies, and has the mutants tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="for instance agentgate.core.limits; by default all that decide")
    parser.add_argument("--environment", type=Path, metavar="FOLDER", help="where mutmut is, or shall be, installed")
    parser.add_argument("--copy", type=Path, metavar="FOLDER", help="where the clone is, or shall be; a second run there goes on")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seconds", type=float, default=inf, help="of tests for each mutant, the likely ones first; no end by default")
    parser.add_argument("--tests", nargs="+", default=[], metavar="PATH", help="instead of all that are quick")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as throw_away:
        python = _installed((asked.environment or Path(throw_away, "environment")).resolve())
        copy = (asked.copy or Path(throw_away, "copy")).resolve()
        _clone(copy)
        few = {"AGENTGATE_EXAMPLES": "200", "PYTHONPATH": str(copy)}
        command = [python, "-m", "tests.mutation.forks", str(asked.children), str(asked.seconds), " ".join(asked.tests), *asked.modules]
        return subprocess.run(command, cwd=copy, check=False, env={**os.environ, **few}).returncode


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
