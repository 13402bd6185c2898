"""The cases under `tests/data/check`: a policy for each lint code, and beside it what `check` says about it.

`python -m tests.lint.cases` writes the expectations anew; read the difference before you keep it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.core.lint import Protected, lint
from agentgate.files.policy_file import PolicyReading, read_policy
from agentgate.output.findings import summary, text

FOLDER = Path(__file__).parents[1] / "data" / "check"
WITH_TOOLS = frozenset(
    ("no-such-tool", "no-such-argument", "value-never-occurs", "type-cannot-match", "always-true", "optional-slips-past")
)  # fmt: skip
"""The cases that are checked against `tools.json`."""
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def tools() -> list[Mapping[str, Json]]:
    """The tools for the cases that need some."""
    found: list[Mapping[str, Json]] = json.loads((FOLDER / "tools.json").read_text())
    return found


def findings_of(case: str) -> tuple[list[Finding], PolicyReading]:
    """What lint says about a case."""
    reading = read_policy(str(FOLDER / f"{case}.yaml"))
    assert reading.policy is not None, reading.findings
    protected = (Protected("policies/strict.yaml", "the policy"),)
    given = tools() if case in WITH_TOOLS else None
    return lint(reading.policy, given, protected=protected, flat=case.startswith("flat-")), reading


def shown(case: str) -> str:
    """The same as text, with the file's name alone."""
    findings, reading = findings_of(case)
    file = str(FOLDER / f"{case}.yaml")
    return (text(findings, reading.sources) + summary(file, findings) + "\n").replace(file, f"{case}.yaml")


if __name__ == "__main__":
    for name in CASES:
        (FOLDER / f"{name}.txt").write_text(shown(name))
