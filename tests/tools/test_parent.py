"""The end of the parent process is the end of the tools, however sudden it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import agentgate
from tests.tools.running import DATA, Witness

ENVIRON = {**os.environ, "PYTHONPATH": str(Path(agentgate.__file__).parent.parent)}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_parent_dies(witness: Witness, number: signal.Signals) -> None:
    """The worker, and what its tools started, end with the parent."""
    command = [sys.executable, str(DATA / "parent.py"), witness.path]
    with subprocess.Popen(command, env=ENVIRON, stderr=subprocess.DEVNULL, start_new_session=True) as parent:
        assert witness.started()
        os.killpg(parent.pid, number)
    assert witness.all_dead()


def test_start_up() -> None:
    """The parent imports nothing of what only the worker needs."""
    code = (
        "import sys, agentgate.tools.toolbox; print([m for m in ('pydantic', 'docstring_parser', 'openai', 'asyncio') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], env=ENVIRON, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
