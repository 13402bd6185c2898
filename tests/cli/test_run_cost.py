"""`agentgate run` under a limit of cost: a price before anything starts, and an end once it is spent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
POLICY = "version: 1\nrules: [{id: read-customer, allow: customer_db}]\nlimits: {cost_usd: 0.0002}\n"


def run(folder: Path, model: str) -> subprocess.CompletedProcess[str]:
    """Runs the customer example under a limit of cost, in a folder of its own."""
    (folder / "cost.yaml").write_text(POLICY)
    task = str(ROOT / "tasks" / "upgrade_customer.yaml")
    command = [sys.executable, "-m", "agentgate", "run", task, "--policy", "cost.yaml", "--model", model]
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "sk-test"}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_a_model_without_a_price_does_not_start(tmp_path: Path) -> None:
    """Wrong usage, with the way on, and no record of a run that never was."""
    done = run(tmp_path, "openai:no-such-model")
    assert done.returncode == 2
    assert (
        "error: the policy limits the cost (`limits.cost_usd`), and nobody knows what the model `openai:no-such-model` costs" in done.stderr
    )
    assert "help: say it in the task" in done.stderr
    assert not (tmp_path / ".agentgate").exists()


def test_a_run_ends_once_its_cost_is_spent(tmp_path: Path) -> None:
    """By the costs that the recording brings."""
    done = run(tmp_path, "recorded")
    assert done.returncode == 1
    assert "steps, $0.0002" in done.stdout
    assert "Stopped by limits.cost_usd (cost.yaml:3): limit of $0.0002 reached: $0.000282 spent" in done.stdout
