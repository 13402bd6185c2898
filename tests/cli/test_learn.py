"""`agentgate learn` from the command line: recordings in, a policy out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agentgate import load_policy

ROOT = Path(__file__).parents[2]


def learn(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    command = [sys.executable, "-m", "agentgate", "learn", *arguments]
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, encoding="utf-8", check=False)


def _line(number: int, *, attacked: bool = False) -> str:
    account = "XX66" if attacked else f"DE{number:02}"
    call = {"id": "c0", "type": "function", "function": {"name": "pay", "arguments": json.dumps({"account": account})}}
    messages = [
        {"role": "user", "content": f"Pay DE{number:02}"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c0", "content": "done"},
    ]
    return json.dumps({"id": f"run-{number}", "messages": messages, "meta": {"attack_succeeded": attacked}})


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder with six good runs and a bad one."""
    lines = [*(_line(number) for number in range(6)), _line(6, attacked=True)]
    (tmp_path / "runs.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_the_policy_is_written_and_the_outcome_told(recordings: Path) -> None:
    """A new file that loads, and on standard error what it rests on."""
    done = learn("runs.jsonl", "-o", "learned.yaml", folder=recordings)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "6 calls, 6 runs, 1 tool. Proposed rules (nothing is applied):",
        "  + allow  pay     6 calls   account: from the prompt",
        "On held-out runs (every fifth, five times): 6 of 6 calls allowed; 6 of 6 runs allowed from beginning to end.",
        "Of 1 bad run, 1 is stopped:",
        "  1 by pay: account is not allowed for tool 'pay'",
        "Wrote learned.yaml. Look at it with `agentgate check`, and replay the recordings with it.",
    ]
    (rule,) = load_policy(str(recordings / "learned.yaml")).rules
    assert (rule.id, rule.effect.value, len(rule.examples)) == ("pay", "allow", 1)


def test_without_a_file_the_policy_goes_to_standard_output(recordings: Path) -> None:
    """So that it can be looked at, or kept; the outcome as one object."""
    done = learn("runs.jsonl", "--format", "json", folder=recordings)
    assert "allow: pay" in done.stdout
    outcome = json.loads(done.stderr)
    assert outcome["held_out"] == {"calls": 6, "allowed": 6, "asked": 0, "runs": 6, "whole": 6}
    assert outcome["bad"]["stopped"] == 1


def test_what_extends_names_the_policy_from_where_it_lies(recordings: Path) -> None:
    """A policy in another folder is named relative to the new file, and only what is missing is learned."""
    (recordings / "base").mkdir()
    (recordings / "base" / "base.yaml").write_text("version: 1\nrules:\n  - {id: look, allow: look}\n")
    (recordings / "new").mkdir()
    done = learn("runs.jsonl", "--extend", "base/base.yaml", "-o", "new/learned.yaml", folder=recordings)
    assert done.returncode == 0, done.stderr
    assert "extends: [../base/base.yaml]" in (recordings / "new" / "learned.yaml").read_text()
    assert [rule.id for rule in load_policy(str(recordings / "new" / "learned.yaml")).rules] == ["pay", "look"]


def test_a_damaged_line_is_named_and_the_rest_is_learned_from(recordings: Path) -> None:
    """Nothing is lost silently: exit code 1."""
    with (recordings / "runs.jsonl").open("a") as file:
        file.write("{broken\n")
    done = learn("runs.jsonl", folder=recordings)
    assert done.returncode == 1
    assert done.stderr.startswith("damaged: runs.jsonl:8: ")
    assert "allow: pay" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing.jsonl",), "no transcript at `nothing.jsonl`"),
        (("runs.jsonl", "-o", "runs.jsonl"), "`runs.jsonl` exists already"),
        (("runs.jsonl", "--enough", "0"), "greater than or equal to 1"),
        (("runs.jsonl", "--extend", "-"), "a policy from standard input has no name to extend it by"),
        (("runs.jsonl", "--bad", "nothing.jsonl"), "no transcript at `nothing.jsonl`"),
        (("runs.jsonl", "--from", "poem"), "poem"),
    ],
)
def test_wrong_usage_is_one_message(recordings: Path, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and nothing is written."""
    done = learn(*arguments, folder=recordings)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
