"""`agentgate check` and `agentgate schema` as commands."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from agentgate.cli.command_line import command_line
from agentgate.core.lint import AUDITS
from agentgate.errors import UsageError
from agentgate.files.codes import CODES

ROOT = Path(__file__).parents[2]
GOOD = "version: 1\nrules:\n  - id: read\n    allow: customer_db\n    when: {action: read}\nlimits: {steps: 6}\n"
WARNED = "version: 1\ndefault: allow\nlimits: {steps: 6}\n"
BAD = "version: 1\ndefalt: block\nrules:\n  - id: x\n    deny: customer_db\n"
TASK = "version: 1\nprompt: do it\nmodel: recorded\ntools:\n  - python: tools.py:customer_db\n"
TOOLS = '''from typing import Literal

def customer_db(action: Literal["read", "update_tier"], customer_id: int = 0) -> dict:
    """Looks customers up."""
    return {}
'''


@pytest.fixture(autouse=True)
def _no_workflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.chdir(tmp_path)


def check(*arguments: str, stdin: str | None = None) -> Result:
    """Runs the command."""
    return CliRunner().invoke(command_line(), ["check", *arguments], input=stdin)


def write(**files: str) -> None:
    """Writes files into the working directory: `bad_yaml=…` becomes `bad.yaml`."""
    for name, content in files.items():
        Path(name.replace("_", ".")).write_text(content)


def test_a_clean_file_has_no_findings() -> None:
    """A good policy is one line, and exit code 0."""
    write(good_yaml=GOOD)
    result = check("good.yaml")
    assert (result.exit_code, result.stdout) == (0, "good.yaml: no findings\n")


def test_all_errors_at_once_in_file_order() -> None:
    """Every error of a file is shown in one go, with a count at the end; the exit code is 1."""
    write(bad_yaml=BAD)
    result = check("bad.yaml")
    assert result.exit_code == 1
    errors = [line for line in result.stdout.splitlines() if line.startswith("error")]
    assert len(errors) == 2
    assert errors[0] == "error[unknown-key]: unknown key `defalt`"
    assert "did you mean `default`?" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("bad.yaml: 2 errors")


def test_warnings_fail_only_when_strict() -> None:
    """Warnings are shown in any case; only `--strict` turns them into exit code 1."""
    write(warned_yaml=WARNED)
    assert "warning[default-allow]" in check("warned.yaml").stdout
    assert check("warned.yaml").exit_code == 0
    assert check("warned.yaml", "--strict").exit_code == 1


def test_notes_never_fail() -> None:
    """Notes are shown, and do not count even when strict."""
    write(noted_yaml=GOOD.replace("{action: read}", "{action: {matches: '.*'}}"))
    result = check("noted.yaml", "--strict")
    assert (result.exit_code, "note[matches-anything]" in result.stdout) == (0, True)


def test_a_missing_file_is_2_and_the_others_are_checked() -> None:
    """A file that is not there is said on standard error; what the other files have is shown all the same."""
    write(bad_yaml=BAD)
    result = check("nowhere.yaml", "bad.yaml")
    assert result.exit_code == 2
    assert "cannot read `nowhere.yaml`" in result.stderr
    assert "bad.yaml: 2 errors" in result.stdout


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    """A folder cannot be read, and that is said without a traceback."""
    result = check(str(tmp_path))
    assert result.exit_code == 2
    assert "cannot read" in result.stderr


def test_standard_input() -> None:
    """`-` is standard input."""
    result = check("-", stdin=BAD)
    assert result.exit_code == 1
    assert "--> <stdin>:2:1" in result.stdout


def test_several_files_each_have_a_summary() -> None:
    """Policies and tasks may be given together, each is told by its keys, and each has its own last line."""
    write(good_yaml=GOOD, bad_yaml=BAD, task_yaml=TASK.replace("prompt", "promt"), tools_py=TOOLS)
    result = check("good.yaml", "bad.yaml", "task.yaml")
    assert result.exit_code == 1
    summaries = [line for line in result.stdout.splitlines() if line.split(":")[0] in ("good.yaml", "bad.yaml", "task.yaml")]
    assert [line.split(":")[0] for line in summaries] == ["good.yaml", "bad.yaml", "task.yaml"]
    assert summaries[0] == "good.yaml: no findings"


def test_a_file_that_others_extend_is_reported_once() -> None:
    """What is wrong with it stands with the file itself where that is given too, else with the first that extends it."""
    small = "  - {id: small, allow: pay, when: {n: {min: 2, max: 1}}}\n"
    extending = "version: 1\nextends: [base.yaml]\n"
    write(base_yaml=GOOD.replace("rules:\n", f"rules:\n{small}"), a_yaml=extending, b_yaml=extending)
    for files in (("base.yaml", "a.yaml"), ("a.yaml", "./base.yaml"), ("a.yaml", "b.yaml")):
        found = json.loads(check(*files, "--format", "json").stdout)
        places = [(one["file"].removeprefix("./"), one["line"], one["code"]) for one in found]
        assert places == [("base.yaml", 3, "never-matches")]


def test_a_task_is_checked_without_importing_its_tools() -> None:
    """Reading a task runs none of its code."""
    write(task_yaml=TASK, tools_py=TOOLS + "\nopen('witness', 'w').close()\n")
    result = check("task.yaml")
    assert (result.exit_code, result.stdout) == (0, "task.yaml: no findings\n")
    assert not Path("witness").exists()


def test_a_policy_is_checked_against_the_tools_of_a_task() -> None:
    """With `--task` unknown tools, arguments and values are found, and the task itself is checked too."""
    policy = GOOD.replace("{action: read}", "{acton: read}") + "  \n"
    write(policy_yaml=policy, task_yaml=TASK, tools_py=TOOLS)
    result = check("policy.yaml", "--task", "task.yaml")
    assert "warning[no-such-argument]: tool `customer_db` has no argument `acton`" in result.stdout
    assert "did you mean `action`?" in result.stdout
    assert result.stdout.splitlines()[-1] == "task.yaml: no findings"


def test_a_broken_tool_is_a_finding_of_the_task() -> None:
    """Tools that cannot be imported are errors at their entry in the task; the policy is still checked."""
    write(policy_yaml=GOOD, task_yaml=TASK, tools_py="raise RuntimeError('no')\n")
    result = check("policy.yaml", "--task", "task.yaml")
    assert result.exit_code == 1
    assert "policy.yaml: no findings" in result.stdout
    assert "--> task.yaml:5:" in result.stdout


@pytest.mark.parametrize("content", [GOOD, WARNED, BAD])
def test_json_is_a_list(content: str) -> None:
    """`--format json` prints a list whether or not there is anything in it."""
    write(policy_yaml=content)
    found = json.loads(check("policy.yaml", "--format", "json").stdout)
    assert isinstance(found, list)
    assert all(set(one) == {"code", "severity", "file", "line", "column", "message", "help"} for one in found)


def test_github_format_is_chosen_in_a_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under GITHUB_ACTIONS findings become annotations by themselves; `--format text` still wins."""
    write(bad_yaml=BAD)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert check("bad.yaml").stdout.startswith("::error file=bad.yaml,line=2,col=1")
    assert check("bad.yaml", "--format", "text").stdout.startswith("error[unknown-key]")


def test_sarif_describes_the_codes_that_it_uses() -> None:
    """Each rule of a SARIF log says in one line what its code means."""
    write(warned_yaml=WARNED)
    log = json.loads(check("warned.yaml", "--format", "sarif").stdout)
    rules = {rule["id"]: rule["shortDescription"]["text"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert rules["default-allow"] == AUDITS["default-allow"].summary


def test_codes_explains_every_code() -> None:
    """`--codes` needs no file, and has every loading error and every lint, as text and as JSON."""
    shown = check("--codes")
    assert shown.exit_code == 0
    listed = {one["code"] for one in json.loads(check("--codes", "--format", "json").stdout)}
    assert listed == {*CODES, *AUDITS}
    heads = {line.split(" ")[0] for line in shown.stdout.splitlines() if line and not line.startswith(" ")}
    assert heads == listed


def test_no_file_is_wrong_usage() -> None:
    """Without a file there is nothing to check, and the error says what to do."""
    with pytest.raises(UsageError) as raised:
        CliRunner().invoke(command_line(), ["check"], catch_exceptions=False)
    assert raised.value.exit_code == 2
    assert raised.value.help is not None


@pytest.mark.parametrize("kind", ["policy", "task"])
def test_schemas_are_draft_07(kind: str) -> None:
    """`agentgate schema` prints a valid draft-07 schema."""
    result = CliRunner().invoke(command_line(), ["schema", kind])
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)
    assert all("description" in value for value in schema.get("properties", {}).values())
