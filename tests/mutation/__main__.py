"""`python -m tests.mutation [--environment FOLDER] [--copy FOLDER] [MODULE…]`: runs mutmut over the modules named in pyproject.toml.

mutmut is installed into a virtual environment of its own, and works on a clone of what is committed, so that nothing here is touched.
Prints the mutants that no test noticed; exits 1 where there are any. A whole run takes an hour or more.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NOTICED = ("killed", "timeout", "caught by type check", "skipped")


def main(argv: Sequence[str]) -> int:
    """Installs, copies, runs, and reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="for instance agentgate.core.limits; all of pyproject.toml by default")
    parser.add_argument("--environment", type=Path, metavar="FOLDER", help="where mutmut is, or shall be, installed")
    parser.add_argument("--copy", type=Path, metavar="FOLDER", help="where the clone is, or shall be; a second run there goes on")
    parser.add_argument("--children", type=int, default=2, help="processes at a time")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as throw_away:
        mutmut = _installed((asked.environment or Path(throw_away, "environment")).resolve())
        copy = (asked.copy or Path(throw_away, "copy")).resolve()
        if not copy.exists():
            subprocess.run(["git", "clone", "-q", ROOT, copy], check=True)
        wanted = [f"{module}.*" for module in asked.modules]
        subprocess.run([mutmut, "run", "--max-children", str(asked.children), *wanted], cwd=copy, check=False)
        found = subprocess.run([mutmut, "results"], cwd=copy, capture_output=True, text=True, check=True).stdout.splitlines()
    survived = [line.strip() for line in found if line.strip() and not line.strip().endswith((*_NOTICED, "not checked"))]
    sys.stdout.write("".join(f"{line}\n" for line in survived))
    sys.stdout.write(f"{len(survived)} mutants were not noticed\n")
    return int(bool(survived))


def _installed(environment: Path) -> Path:
    """mutmut in an environment that sees the packages of this one."""
    if not (environment / "bin" / "mutmut").exists():
        venv.create(environment, with_pip=True)
        subprocess.run([environment / "bin" / "python", "-m", "pip", "install", "-q", "mutmut>=3.8"], check=True)
        packages = next((environment / "lib").glob("python*/site-packages"))
        (packages / "of_the_project.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin" / "mutmut"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
