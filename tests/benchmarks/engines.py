"""Engines in processes of their own: prepared with the same work, then measured in turn."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from threading import Timer
from typing import Any

from tests.benchmarks.environments import Environments, Missing, plain_environment, requirements

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[2]


class TooSlow(Exception):
    """An engine took longer than it is waited for."""


class Engine:
    """One engine, running."""

    def __init__(self, script: Path, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=plain_environment(ROOT),
        )

    def ask(self, question: dict[str, Any], patience: float) -> dict[str, Any]:
        """The answer to one line.

        Raises:
            TooSlow: none came in so many seconds; the engine is gone now.
            Missing: it ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        impatient = Timer(patience, self._process.kill)
        impatient.start()
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            waited = not impatient.is_alive()
            impatient.cancel()
        if line:
            return dict(json.loads(line))
        if waited:
            raise TooSlow(f"no answer in {patience:.0f} s")
        raise Missing(f"it failed with exit code {self._process.wait()}")

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def start(name: str, environments: Environments) -> Engine:
    """Starts the engine of that name.

    Raises:
        Missing: it cannot be installed.
    """
    script = PEERS / f"{name}.py"
    return Engine(script, environments.python(name, requirements(script)))
