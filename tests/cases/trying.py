"""Policies and tests as text, run in one go."""

from __future__ import annotations

from pathlib import Path

from agentgate.cases import SuiteResult, run_suite
from agentgate.suites import load_suites


def run(folder: Path, policy: str, tests: str | None = None, head: str = "") -> SuiteResult:
    """Runs the tests of a policy, both without their `version`."""
    (folder / "p.yaml").write_text(f"version: 1\n{policy}", encoding="utf-8")
    if tests is not None:
        (folder / "p.test.yaml").write_text(f"version: 1\n{head}tests:\n{tests}", encoding="utf-8")
    (suite,) = load_suites([str(folder / "p.yaml")])
    return run_suite(suite)


def differences(result: SuiteResult) -> list[tuple[str, ...]]:
    """What is otherwise than expected, case by case."""
    return [case.differences for file in result.files for test in file.results for case in test.cases]


def missing(result: SuiteResult) -> list[str]:
    """What no test shows, as `rule: outcome`."""
    return [f"{outcome.rule}: {outcome}" for outcome in result.coverage.missing()]
