"""A result that cannot be written is a failure of something outside, whichever command it is from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "--version",
        "check policies/strict.yaml",
        "check --codes",
        "schema task",
        "test policies/strict.yaml",
        "explain policies/strict.yaml --tool x",
        "convert policies/strict.yaml",
        "replay tasks/upgrade_customer.recorded.jsonl --policy policies/strict.yaml",
        "run tasks/upgrade_customer.yaml --policy policies/strict.yaml --model recorded --format jsonl --transcript {folder}/run.jsonl",
    ],
)
def test_a_full_disk(command: str, tmp_path: Path) -> None:
    """Exit code 3 and one message; a run is recorded all the same."""
    arguments = command.format(folder=tmp_path).split()
    with FULL.open("w") as full:
        done = subprocess.run([sys.executable, "-m", "agentgate", *arguments], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert b"error: the result cannot be written: no space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    assert command.startswith("run") == (tmp_path / "run.jsonl").exists()
