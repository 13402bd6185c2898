"""Throw-away virtual environments, one for each peer, made by the suite itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.report import Options, say

_SCRIPT = re.compile(r"^# /// script$(.*?)^# ///$", re.MULTILINE | re.DOTALL)
_PATIENCE = 900
"""Seconds that an installation may take."""


class Missing(Exception):
    """A peer is not there, and why."""


def requirements(script: Path) -> list[str]:
    """What a peer's script says that it needs."""
    found = _SCRIPT.search(script.read_text())
    if found is None:
        return []
    declared = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in found[1].splitlines()))
    return list(declared.get("dependencies", ()))


class Environments:
    """Where each peer is installed."""

    def __init__(self, folder: Path, peers: str) -> None:
        self.folder = folder
        self.peers = peers
        self._failed: dict[str, str] = {}

    def python(self, name: str, needs: Sequence[str]) -> Path:
        """The interpreter of an environment with all that is needed; this one's own where that is nothing.

        Raises:
            Missing: it is not installed, and may not or cannot be.
        """
        if not needs:
            return Path(sys.executable)
        if self.peers == "none":
            raise Missing("peers are left out")
        if name in self._failed:
            raise Missing(self._failed[name])
        try:
            return self._made(name, needs)
        except Missing as missing:
            self._failed[name] = str(missing)
            raise

    def _made(self, name: str, needs: Sequence[str]) -> Path:
        environment = self.folder / name
        python, done = environment / "bin" / "python", environment / "installed.txt"
        wanted = "\n".join(needs)
        if done.is_file() and done.read_text() == wanted and _starts(python):
            return python
        if self.peers == "installed":
            raise Missing("not in the cache" if not os.path.lexists(environment) else "what is in the cache does not work any more")
        say(f"installing {' '.join(needs)}")
        _create(environment)
        try:
            run = subprocess.run(
                [python, "-m", "pip", "install", "-q", *needs], capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise Missing(f"its installation takes longer than {_PATIENCE} s") from None
        if run.returncode:
            last = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
            raise Missing(f"cannot be installed: {last[-1].removeprefix('ERROR: ') if last else f'pip exits with {run.returncode}'}")
        done.write_text(wanted)
        return python

    def version(self, python: Path, distribution: str) -> str:
        """The installed version of a distribution, as text."""
        code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
        done = subprocess.run([python, "-c", code, distribution], capture_output=True, text=True, check=False)
        return done.stdout.strip() or "?"


def _starts(python: Path) -> bool:
    """Whether there is an interpreter that runs: what it links to may be gone."""
    try:
        return subprocess.run([python, "-c", "pass"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _create(environment: Path) -> None:
    """An empty environment in place of whatever is there. Of a link only the link goes.

    Raises:
        Missing: it cannot be made.
    """
    try:
        if environment.is_symlink() or environment.is_file():
            environment.unlink()
        venv.create(environment, with_pip=True, clear=environment.exists())
    except (OSError, subprocess.CalledProcessError) as problem:
        raise Missing(f"no environment can be made for it: {problem}") from None


@contextmanager
def environments(options: Options) -> Iterator[Environments]:
    """The environments in the cache, or in a folder that is gone afterwards."""
    if options.cache is not None:
        options.cache.mkdir(parents=True, exist_ok=True)
        yield Environments(options.cache.resolve(), options.peers)
        return
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as folder:
        yield Environments(Path(folder), options.peers)


def plain_environment(root: Path) -> dict[str, str]:
    """Variables for a measured process: this package, and nothing that speaks to anybody."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(root), "PYTHONHASHSEED": "0", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_COLOR": "1"}
