# /// script
# dependencies = []
# ///
"""agentgate: a policy with limits, every event on disk before it counts, the tool in a process of its own."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from looping import FEW, MANY, PROMPT, main

from agentgate.cli.approving import Approving
from agentgate.cli.opening import Wanted, run_task
from agentgate.core.events import Mode
from agentgate.files.policy_file import load_policy
from agentgate.files.state_folder import StateFolder
from agentgate.files.task_file import load_task

TASK = """
version: 1
name: adding
prompt: "{prompt}"
model: {{provider: openai, name: scripted, base_url: "{url}", price: {{input: 1, output: 1}}}}
tools:
  - python: tools.py:add
max_steps: {steps}
"""
POLICY = """
version: 1
rules:
  - {id: adding, allow: add, when: {a: {min: 0}}}
limits: {steps: 100000, tool_calls: 100000, tokens: 1000000000, seconds: 3600, repeats: 100000, refusals: 10}
"""


def prepare(url: str) -> Callable[[int], str]:
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)
    Path("tools.py").write_text('def add(a: int, b: int) -> int:\n    """Adds two numbers."""\n    return a + b\n')
    Path("policy.yaml").write_text(POLICY)
    wanted = {steps: _wanted(url, steps) for steps in (FEW, MANY)}

    def converse(steps: int) -> str:
        ended = run_task(wanted[steps])
        return ended.status if ended.totals.executed == steps else f"{ended.status}: {ended.reason}"

    return converse


def _wanted(url: str, steps: int) -> Wanted:
    Path("task.yaml").write_text(TASK.format(prompt=PROMPT.format(steps), url=url, steps=steps + 2))
    return Wanted(
        task=load_task("task.yaml"),
        policy=load_policy("policy.yaml"),
        policy_files=("policy.yaml",),
        mode=Mode.ENFORCE,
        role=None,
        model=None,
        max_steps=None,
        transcript=None,
        state=StateFolder(".agentgate"),
        scope=None,
        workdir=None,
        format="jsonl",
        approving=Approving(approve=None, approver=None, secret_env=None, seconds=300),
        verbosity=-1,
    )


if __name__ == "__main__":
    main(prepare)
