"""Policies and tasks that are refused, as data: every finding with its place, code, message and help."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from agentgate.errors import FileError
from agentgate.files.codes import CODES
from agentgate.files.policy_file import load_policy, read_policy
from agentgate.files.task_file import read_task
from tests.files.cases import DATA, Case, described, read_cases

POLICIES = [case for path in sorted((DATA / "policies" / "bad").glob("*.txt")) for case in read_cases(path)]
TASKS = list(read_cases(DATA / "tasks" / "bad.txt"))
TESTS = list(read_cases(DATA / "policy_tests" / "bad.txt"))


@pytest.mark.parametrize("case", POLICIES, ids=lambda case: case.id)
def test_a_bad_policy_is_refused_with_every_finding(case: Case) -> None:
    """The findings are exactly those that stand above the text."""
    policy, findings, sources = read_policy("-", stdin=BytesIO(case.text.encode()))
    assert described(findings) == case.expected
    assert policy is None
    assert list(sources) == ["<stdin>"]


@pytest.mark.parametrize("case", POLICIES, ids=lambda case: case.id)
def test_loading_a_bad_policy_raises_all_findings(case: Case) -> None:
    """`load_policy` says the first error and carries all of them."""
    with pytest.raises(FileError) as caught:
        load_policy("-", stdin=BytesIO(case.text.encode()))
    assert described(caught.value.findings) == case.expected
    assert caught.value.findings[0].message in caught.value.message


@pytest.mark.parametrize("case", TASKS, ids=lambda case: case.id)
def test_a_bad_task_is_refused_with_every_finding(case: Case, tmp_path: Path) -> None:
    """The findings are exactly those that stand above the text; the folder holds `tools.py` and `lib/more.py`."""
    (tmp_path / "lib").mkdir()
    for name in ("tools.py", "lib/more.py"):
        (tmp_path / name).write_text("raise SystemExit('nothing may import this')\n", encoding="utf-8")
    path = tmp_path / "task.yaml"
    path.write_text(case.text, encoding="utf-8")
    task, findings, _ = read_task(str(path))
    assert described(findings) == case.expected
    assert task is None


def test_every_code_is_documented_and_used() -> None:
    """`CODES` has a line for every code that the cases show, and none for codes that nothing gives."""
    shown = {line.split(" ", 1)[1].split(":", 1)[0] for case in (*POLICIES, *TASKS, *TESTS) for line in case.expected}
    elsewhere = {"encoding", "too-large", "too-many", "too-many-files", "different-content", "observe-only", "unknown-rule"}
    assert shown | elsewhere == set(CODES)
    assert all(text.endswith(".") for text in CODES.values())


def test_messages_are_lower_case_without_a_full_stop() -> None:
    """A message begins in lower case, or with the user's own text, and ends without a full stop."""
    for case in (*POLICIES, *TASKS, *TESTS):
        for line in case.expected:
            message = line.split(": ", 1)[1].split(" (help: ")[0]
            assert not message.endswith("."), line
            assert message[0].islower() or message.startswith(("`", "YAML", "RE2", "-")), line
