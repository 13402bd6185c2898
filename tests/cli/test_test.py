"""`agentgate test` as a command: its screen, its exit codes, its formats, and the shipped policies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from agentgate.cli.command_line import command_line
from agentgate.errors import AgentgateError, FileError, UsageError

ROOT = Path(__file__).parents[2]
POLICY = """version: 1
roles: {viewer: [], operator: [viewer]}
rules:
  - id: read
    allow: customer_db
    roles: [viewer]
    when: {action: read}
    examples:
      match: [{tool: customer_db, role: viewer, arguments: {action: read}}]
  - {id: change-tier, ask: customer_db, roles: [operator], when: {action: update_tier}, message: needs approval}
  - {id: notes, allow: crm}
limits: {steps: 6}
"""
TESTS = """version: 1
tests:
  - name: a viewer can read
    role: viewer
    when: {tool: customer_db, arguments: {action: read}}
    then: {effect: allow, rule: read}
    cases:
      - {}
      - {arguments: {customer_id: 101}}
      - {role: operator}
  - name: an operator can upgrade
    role: operator
    when: {tool: customer_db, arguments: {action: update_tier}}
    then: ask
    cases:
      - {}
      - {arguments: {new_tier: pro}, name: to <pro> & "more", then: {effect: allow, code: default}}
"""
SCREEN = """\
strict.yaml
  ✓ 1 example in 1 rule
strict.test.yaml
  ✓ a viewer can read                                         3 cases
  ✗ an operator can upgrade                                   1 of 2 cases failed
      customer_db(action="update_tier", new_tier="pro")  (to <pro> & "more")  role operator  [strict.test.yaml:17]
      expected allow (default), got ask by change-tier (strict.yaml:10) (rule)
      because: needs approval
  covered: 2 of 3 rules, 8 of 10 outcomes
      notes (strict.yaml:11) never: matched
      limits.steps (strict.yaml:12) never: reached
5 passed, 1 failed. Rules without a test: notes (2 of 3 covered)
"""


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("strict.yaml").write_text(POLICY)
    Path("strict.test.yaml").write_text(TESTS)


def run(*arguments: str) -> Result:
    """Runs the command; errors are raised, as the program's own `main` would see them."""
    result = CliRunner().invoke(command_line(), ["test", *arguments])
    if isinstance(result.exception, AgentgateError):
        raise result.exception
    return result


def passing() -> None:
    """Makes the failing case pass."""
    Path("strict.test.yaml").write_text(TESTS.replace(", then: {effect: allow, code: default}", ""))


def test_the_screen() -> None:
    """Each test a line, what failed with its call, its place and what decided, and what no test shows."""
    result = run("strict.yaml")
    assert result.stdout == SCREEN
    assert result.exit_code == 1


def test_all_passed() -> None:
    """Then the exit code is 0, whatever is not covered."""
    passing()
    result = run("strict.test.yaml")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "6 passed, 0 failed. Rules without a test: notes (2 of 3 covered)"


@pytest.mark.parametrize(("least", "code"), [("66", 0), ("66.6", 0), ("67", 1), ("100", 1), ("0", 0)])
def test_least_coverage(least: str, code: int) -> None:
    """Two of three rules are 66.67 %, eight of ten outcomes are more: the lesser counts."""
    passing()
    result = run("strict.yaml", "--min-coverage", least)
    assert result.exit_code == code
    assert ("66.6 % is less than" in result.stdout) == bool(code)


@pytest.mark.parametrize(
    ("text", "last", "code"),
    [
        ("viewer", "3 passed, 0 failed.", 0),
        ("OPERATOR", "1 passed, 1 failed.", 1),
        ("<pro>", "0 passed, 1 failed.", 1),
        ("strict.test", "4 passed, 1 failed.", 1),
    ],
)
def test_only_some(text: str, last: str, code: int) -> None:
    """`-k` looks at names of files, tests and cases; examples and coverage are then left out."""
    result = run("strict.yaml", "-k", text)
    assert (result.stdout.splitlines()[-1], result.exit_code) == (last, code)
    assert "covered" not in result.stdout
    assert "example" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["strict.yaml", "-k", "nothing like this"], "no test has `nothing like this` in its name"),
        (["strict.yaml", "-k", "a", "--min-coverage", "50"], "coverage says nothing"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    """What can only be a mistake does not pass."""
    with pytest.raises(UsageError, match=said) as caught:
        run(*arguments)
    assert (caught.value.exit_code, bool(caught.value.help)) == (2, True)


def test_a_percentage_is_one() -> None:
    """Outside of 0 to 100, and without a file, it is wrong usage."""
    assert run("strict.yaml", "--min-coverage", "101").exit_code == 2
    assert run().exit_code == 2


def test_a_bad_file_is_shown_with_its_lines(tmp_path: Path) -> None:
    """As the program itself: every finding with its frame, exit code 2, nothing on standard output, no traceback."""
    Path("strict.test.yaml").write_text(TESTS.replace("then: ask", "than: ask").replace("rule: read", "rule: raed"))
    command = [sys.executable, "-m", "agentgate", "test", "strict.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error[unknown-key]: unknown key `than`\n  --> strict.test.yaml:14:5" in done.stderr
    assert "help: did you mean `then`?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failing_example_is_a_bad_policy() -> None:
    """A policy whose examples do not hold is not loaded, here as everywhere."""
    Path("strict.yaml").write_text(POLICY.replace("match: [", "no_match: ["))
    with pytest.raises(FileError) as caught:
        run("strict.yaml")
    assert [finding.code for finding in caught.value.findings] == ["failing-example"]


def test_json() -> None:
    """One object: what passed and failed, each case with what was expected and what came, and the coverage."""
    result = run("strict.yaml", "--format", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["passed"], found["failed"]) == (5, 1)
    (policy,) = found["policies"]
    assert (policy["policy"], policy["examples"]) == (["strict.yaml"], 1)
    assert [(test["name"], test["passed"]) for test in policy["tests"]] == [("a viewer can read", True), ("an operator can upgrade", False)]
    case = policy["tests"][1]["cases"][1]
    assert case["expected"] == {"effect": "allow", "code": "default"}
    assert case["got"] == {"effect": "ask", "rule": "change-tier", "code": "rule", "reason": "needs approval", "hint": None}
    assert (case["tool"], json.loads(case["arguments"]), case["line"]) == ("customer_db", {"action": "update_tier", "new_tier": "pro"}, 17)
    assert policy["coverage"] == {
        "percent": 66.67,
        "rules": {"covered": 2, "all": 3, "missing": ["notes"]},
        "outcomes": {
            "covered": 8,
            "all": 10,
            "missing": [{"rule": "notes", "outcome": "matched"}, {"rule": "limits.steps", "outcome": "reached"}],
        },
    }
    assert json.loads(run("strict.yaml", "--format", "json", "-k", "viewer").stdout)["policies"][0]["coverage"] is None


def test_junit() -> None:
    """Read back by an XML parser: a suite a file, a case a case, failures with what was expected, names as they were."""
    result = run("strict.yaml", "--format", "junit", "--min-coverage", "100")
    root = ET.fromstring(result.stdout)  # our own text
    assert result.exit_code == 1
    assert (root.tag, root.attrib) == ("testsuites", {"name": "agentgate", "tests": "7", "failures": "2", "errors": "0"})
    assert [(suite.get("name"), suite.get("tests"), suite.get("failures")) for suite in root] == [
        ("strict.yaml", "2", "1"),
        ("strict.test.yaml", "5", "1"),
    ]
    cases = list(root.iter("testcase"))
    assert [case.get("name") for case in cases[:2]] == ["examples of read", "coverage of 100 %"]
    failed = [case for case in cases if case.find("failure") is not None]
    assert [case.get("name") for case in failed] == ["coverage of 100 %", 'an operator can upgrade: to <pro> & "more" [2]']
    failure = failed[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "expected allow (default), got ask by change-tier (strict.yaml:10) (rule)"
    assert "because: needs approval" in (failure.text or "")
    assert (failed[1].get("classname"), failed[1].get("file"), failed[1].get("line")) == ("strict.test.yaml", "strict.test.yaml", "17")
    assert len({case.get("name") for case in cases}) == len(cases)


def test_hostile_text_stays_text() -> None:
    """Names, arguments and reasons with markup, CDATA ends, control characters and bidi marks break no format and no screen."""
    nasty = r"</testcase>]]> &amp; \u001b[31m \u202e \u0000 \ud800 \ufffe"
    Path("strict.test.yaml").write_text(
        "version: 1\ntests:\n  - name: '</testsuite><x y=\"'\n    when: {tool: customer_db}\n    then: allow\n"
        f'    cases:\n      - {{arguments: \'{{"action": "{nasty}"}}\'}}\n      - {{tool: "a\\tb <c>"}}\n'
    )
    root = ET.fromstring(run("strict.yaml", "--format", "junit").stdout)  # our own text
    assert [case.get("name", "").split(":")[0] for case in root.iter("testcase")][1:] == ['</testsuite><x y="'] * 2
    shown = run("strict.yaml").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert json.loads(run("strict.yaml", "--format", "json").stdout)["failed"] == 2


def test_without_unicode(tmp_path: Path) -> None:
    """Where the encoding lacks the marks, ASCII stands in for them."""
    command = [sys.executable, "-m", "agentgate", "test", "strict.yaml"]
    environ = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "  + a viewer can read" in done.stdout
    assert "  x an operator can upgrade" in done.stdout


@pytest.mark.parametrize("format", ["text", "json", "junit"])
def test_several_policies(format: str) -> None:
    """Each has its own part, and the last line counts all."""
    Path("other.yaml").write_text("version: 1\nrules: [{id: all, allow: x}]\n")
    Path("other.test.yaml").write_text("version: 1\ntests: [{name: x, when: {tool: x}, then: allow}]\n")
    result = run(".", "--format", format)
    assert result.exit_code == 1
    if format == "text":
        assert result.stdout.startswith("other.yaml\nother.test.yaml\n")
        assert result.stdout.splitlines()[-1] == "6 passed, 1 failed. Rules without a test: notes (3 of 4 covered)"


def test_the_shipped_policies_are_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """`agentgate test policies/` passes: every rule matched and did not, every condition held and did not, every limit was reached."""
    monkeypatch.chdir(ROOT)
    result = run("policies/", "--min-coverage", "100")
    assert result.exit_code == 0, result.stdout
    assert "Every rule has a test." in result.stdout
    policies = [file for file in (ROOT / "policies").glob("*.yaml") if not file.name.endswith(".test.yaml")]
    assert [file.name for file in policies if not file.with_suffix(".test.yaml").exists()] == []


def test_a_replay_writes_tests(tmp_path: Path) -> None:
    """`agentgate replay --to-test` makes a file that `agentgate test` runs, and overwrites none."""
    arguments = [
        str(ROOT / "tasks" / "upgrade_customer.recorded.jsonl"),
        "--policy",
        "strict.yaml",
        "--role",
        "viewer",
        "--to-test",
        "made.yaml",
    ]
    replayed = CliRunner().invoke(command_line(), ["replay", *arguments])
    assert replayed.exit_code == 0
    assert "wrote 3 cases in 3 tests to made.yaml: every distinct call, up to some of a kind" in replayed.stderr
    assert run("made.yaml").exit_code == 0
    again = CliRunner().invoke(command_line(), ["replay", *arguments])
    assert isinstance(again.exception, UsageError)
    assert "`made.yaml` exists already" in str(again.exception)


def test_tests_of_standard_input_cannot_be_written() -> None:
    """A test names its policy, and standard input has no name."""
    recording = str(ROOT / "tasks" / "upgrade_customer.recorded.jsonl")
    result = CliRunner().invoke(command_line(), ["replay", recording, "--policy", "-", "--to-test", "made.yaml"], input=POLICY)
    assert isinstance(result.exception, UsageError)
    assert not Path("made.yaml").exists()
