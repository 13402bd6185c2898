"""Command tools: a value is one argument and nothing more, and whatever the program does, it ends in time and leaves nothing behind."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentgate.errors import FileError
from agentgate.tools.port import IDEMPOTENCY_VARIABLE
from tests.tools.running import Run, Witness
from tests.tools.task_files import MINIMAL, Starter
from tests.tools.task_files import tools as tools

SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"
HOSTILE = [
    "two words",
    "line\nbreak\r\n",
    "'quotes' \"both\" `three`",
    "$(touch /nowhere) ${HOME} $HOME `id`",
    "; rm -rf . && echo | cat > x &",
    "* ? [a] ~ {a,b}",
    "\\",
    "",
    " ",
    "../..",
    "%2f%00",
    "@evil # ?",
    "–dash",
    "\u202eنص \U0001f600 e\u0301",
    "\x1b[31m\x07",
    "{v} {{v}}",
    "x" * 50_000,
]
IDS = [str(number) for number in range(len(HOSTILE))]


def python(folder: Path, code: str, *arguments: str, **more: Any) -> dict[str, Any]:
    """An entry that runs a script with arguments."""
    script = folder / f"script{len(list(folder.glob('script*')))}.py"
    script.write_text(code)
    return {"command": [sys.executable, "-I", "-S", str(script), *arguments], "name": "t", **more}


def shown(run: Run, arguments: Mapping[str, Any]) -> Any:
    """What the script `SHOW` was started with."""
    result = run.result("t", arguments)
    assert (result["exit_code"], result["stderr"], result["truncated"]) == (0, "", False)
    return json.loads(result["stdout"])


@pytest.mark.parametrize("value", HOSTILE, ids=IDS)
def test_a_value_is_one_argument_or_part_of_one(tools: Starter, tmp_path: Path, value: str) -> None:
    """It is never split, and nothing in it is interpreted."""
    run = tools(python(tmp_path, SHOW, "{v}", "--x={v}", "a{v}b{v}", "{{v}}", max_output_bytes=1_000_000))
    argv, _, _ = shown(run, {"v": value})
    assert argv == [value, f"--x={value}", f"a{value}b{value}", "{v}"]


@pytest.mark.parametrize("value", ["-rf", "--output=x", "-", "--"])
def test_a_value_is_not_an_option(tools: Starter, tmp_path: Path, value: str) -> None:
    """Where it would begin an argument; after `--`, or behind the name of an option, it may."""
    run = tools(python(tmp_path, SHOW, "{v}"), {**python(tmp_path, SHOW, "--x={v}", "--", "{v}"), "name": "safe"})
    assert "begins with `-`" in run.error("t", {"v": value})
    assert not run.call("t", {"v": value}).executed
    assert json.loads(run.result("safe", {"v": value})["stdout"])[0] == [f"--x={value}", "--", value]


@pytest.mark.parametrize("value", ["a\0b", "\0"])
def test_a_nul_is_refused(tools: Starter, tmp_path: Path, value: str) -> None:
    """No argument of a program can hold one."""
    outcome = tools(python(tmp_path, SHOW, "--x={v}")).call("t", {"v": value})
    assert (outcome.ok, outcome.executed) == (False, False)
    assert "contains a NUL" in outcome.content


def test_a_megabyte_is_refused_by_the_system(tools: Starter, tmp_path: Path) -> None:
    """That is an error result, not a crash."""
    outcome = tools(python(tmp_path, SHOW, "--x={v}")).call("t", {"v": "x" * 1_000_000})
    assert (outcome.ok, outcome.executed) == (False, False)
    assert "could not be started" in outcome.content


def test_other_types(tools: Starter, tmp_path: Path) -> None:
    """Numbers and booleans are written as JSON, lists spread, optional arguments left out with their option."""
    properties = {
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": ["string", "integer"]}},
        "more": {"type": "string"},
    }
    parameters = {"type": "object", "properties": properties, "required": ["n", "b", "names"]}
    run = tools(python(tmp_path, SHOW, "--n={n}", "--b={b}", "--more={more}", "--", "{names...}", parameters=parameters))
    assert shown(run, {"n": 1.5, "b": True, "names": ["a b", 2, "-x"]})[0] == ["--n=1.5", "--b=true", "--", "a b", "2", "-x"]
    assert shown(run, {"n": 0, "b": False, "names": [], "more": "m"})[0] == ["--n=0", "--b=false", "--more=m", "--"]
    assert "cannot be written as text" in run.error("t", {"n": 0, "b": False, "names": [["x"]]})
    assert "not a list" in run.error("t", {"n": 0, "b": False, "names": "x"})
    assert "cannot be written as text" in run.error("t", {"n": None, "b": False, "names": []})


def test_the_environment_is_listed(tools: Starter, tmp_path: Path) -> None:
    """Only what every program needs, and what the entry names; never the model's key or agentgate's own."""
    environ = {**MINIMAL, "WANTED": "w", "OTHER": "o", "OPENAI_API_KEY": "sk-secret-key", "COPY": "sk-secret-key", "AGENTGATE_X": "x"}
    run = tools(python(tmp_path, SHOW, env=["WANTED", "COPY", "MISSING"]), environ=environ)
    given = shown(run, {})[1]
    given.pop("LC_CTYPE", None)  # which Python sets for itself
    assert given == {**MINIMAL, "WANTED": "w"}


def test_the_folder(tools: Starter, tmp_path: Path) -> None:
    """The run's own, or one in it; a link out of it counts as outside, also when it appears later."""
    (tmp_path / "sub").mkdir()
    run = tools(python(tmp_path, SHOW), {**python(tmp_path, SHOW, workdir="sub"), "name": "below"})
    assert shown(run, {})[2] == str(tmp_path)
    assert json.loads(run.result("below")["stdout"])[2] == str(tmp_path / "sub")
    (tmp_path / "sub").rmdir()
    (tmp_path / "sub").symlink_to("/")
    outcome = run.call("below")
    assert (outcome.ok, outcome.executed) == (False, False)
    assert "no longer in the working directory" in outcome.content


def test_an_exit_code_is_a_result(tools: Starter, tmp_path: Path) -> None:
    """With what was printed to both streams; a signal counts as minus its number."""
    run = tools(
        python(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"),
        {**python(tmp_path, "import os; os.kill(os.getpid(), 9)"), "name": "killed"},
    )
    assert run.result("t") == {"exit_code": 3, "stdout": "out\n", "stderr": "err\n", "truncated": False}
    assert run.result("killed")["exit_code"] == -9


def test_bytes_that_are_no_text(tools: Starter, tmp_path: Path) -> None:
    """They are replaced, so that the result is text."""
    code = "import sys; sys.stdout.buffer.write(b'a\\xff\\x00b\\xe2\\x82')"
    assert tools(python(tmp_path, code)).result("t")["stdout"] == "a\ufffd\0b\ufffd"


def test_output_is_capped(tools: Starter, tmp_path: Path) -> None:
    """A gigabyte is read and thrown away; the beginning is kept, and the result says so."""
    code = "import os\nfor _ in range(1024): os.write(1, b'x' * 1048576)\nos.write(2, b'e' * 200)\n"
    outcome = tools(python(tmp_path, code, max_output_bytes=100, timeout_seconds=300)).call("t")
    assert outcome.truncated
    assert json.loads(outcome.content)["result"] == {"exit_code": 0, "stdout": "x" * 100, "stderr": "e" * 100, "truncated": True}


def test_output_that_grows_as_json(tools: Starter, tmp_path: Path) -> None:
    """A megabyte of NULs is six megabytes of JSON, and is cut to what a model may get."""
    code = "import os\nos.write(1, b'\\0' * 1000000)\nos.write(2, b'\"' * 1000000)\n"
    outcome = tools(python(tmp_path, code, max_output_bytes=1_000_000)).call("t")
    assert outcome.truncated
    assert len(outcome.content.encode()) <= 1024 * 1024
    assert json.loads(outcome.content)["result"]["truncated"] is True


STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        if os.fork() == 0:
            pass
        break
witness = os.open(sys.argv[1], os.O_WRONLY)
os.write(witness, b"!")
{more}
while True:
    signal.pause()
"""


@pytest.mark.parametrize("more", ["", "os.close(1); os.close(2)"], ids=["open", "closed"])
def test_a_group_that_does_not_want_to_end(tools: Starter, tmp_path: Path, witness: Witness, more: str) -> None:
    """It is killed at the time limit: children, grandchildren, whoever ignores SIGTERM, whoever closed its streams."""
    run = tools(python(tmp_path, STUBBORN.format(more=more), "{pipe}", timeout_seconds=1))
    outcome = run.call("t", {"pipe": witness.path})
    assert json.loads(outcome.content)["error"] == "tool 't' failed: no end within 1 s, may have run"
    assert (outcome.ok, outcome.executed) == (False, True)
    while witness.started():
        pass
    assert witness.all_dead()


PARENT = """
import os, signal, sys
witness = os.open(sys.argv[1], os.O_WRONLY)
os.write(witness, b"!")
if os.fork():
    print("done")
else:
    signal.pause()
"""
TIDY = """
import pathlib, signal, sys
def end(*_):
    pathlib.Path("tidy").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path("ready").touch()
signal.pause()
"""


def test_what_is_left_running_is_killed(tools: Starter, tmp_path: Path, witness: Witness) -> None:
    """The program has ended; its child holds the streams open and would go on."""
    run = tools(python(tmp_path, PARENT, "{pipe}"))
    assert run.result("t", {"pipe": witness.path})["stdout"] == "done\n"
    assert witness.started()
    assert witness.all_dead()


def test_a_program_may_tidy_up(tools: Starter, tmp_path: Path) -> None:
    """SIGTERM comes first."""
    run = tools(python(tmp_path, TIDY, timeout_seconds=1), clock=lambda: 10.0 if (tmp_path / "ready").exists() else 0.0)
    assert "no end within 1 s" in run.call("t").content
    assert (tmp_path / "tidy").exists()


def test_abandoned(tools: Starter, tmp_path: Path, witness: Witness) -> None:
    """`abandon` kills the group at once, and lets no later one live."""
    run = tools(python(tmp_path, STUBBORN.format(more=""), "{pipe}", timeout_seconds=600), {**python(tmp_path, SHOW), "name": "later"})
    said: list[str] = []
    calling = threading.Thread(target=lambda: said.append(run.error("t", {"pipe": witness.path})))
    calling.start()
    assert witness.started()
    run.toolbox.abandon()
    calling.join(60)
    assert said == ["tool 't' failed: interrupted, may have run"]
    while witness.started():
        pass
    assert witness.all_dead()
    assert run.error("later") == "tool 'later' failed: interrupted, may have run"


def test_nothing_is_on_standard_input(tools: Starter, tmp_path: Path) -> None:
    """A program that reads finds the end."""
    assert tools(python(tmp_path, "import sys; print(repr(sys.stdin.read()))")).result("t")["stdout"] == "''\n"


def test_the_idempotency_key(tools: Starter, tmp_path: Path) -> None:
    """A variable of the one call that has it, for commands and functions alike; an earlier key is gone."""
    (tmp_path / "keys.py").write_text(f"import os\ndef key() -> str | None:\n    return os.environ.get({IDEMPOTENCY_VARIABLE!r})\n")
    run = tools(python(tmp_path, f"import os; print(os.environ.get({IDEMPOTENCY_VARIABLE!r}))"), {"python": "keys.py:key"})
    assert run.result("t", key="k-1")["stdout"] == "k-1\n"
    assert run.result("t")["stdout"] == "None\n"
    assert run.result("key", key="k-2") == "k-2"
    assert run.result("key") is None


def test_the_program_is_found_when_the_task_is_opened(tools: Starter, tmp_path: Path) -> None:
    """By name on the absolute places of PATH, or by a path that starts at the task's folder; a missing one is an error then."""
    (tmp_path / "here.sh").write_text("#!/bin/sh\necho here\n")
    (tmp_path / "here.sh").chmod(0o755)
    (tmp_path / "plain").write_text("x")
    assert tools({"command": ["./here.sh"], "name": "t"}).result("t")["stdout"] == "here\n"
    for program in ("no-such-program", "./missing", "./plain", "here.sh"):
        with pytest.raises(FileError) as caught:
            tools({"command": [program], "name": "t"}, environ={"PATH": f".::{os.curdir}:/usr/bin:/bin"})
        (finding,) = caught.value.findings
        assert (finding.code, finding.message) == ("tool-program", f"tool `t`: there is no program `{program}`")


def test_the_folder_must_exist(tools: Starter, tmp_path: Path) -> None:
    """And lie in the working directory, links resolved."""
    (tmp_path / "out").symlink_to("/")
    for folder in ("missing", "out", "out/tmp", "task.yaml"):
        with pytest.raises(FileError) as caught:
            tools({"command": ["ls"], "name": "t", "workdir": folder})
        assert [finding.code for finding in caught.value.findings] == ["tool-workdir"]


def test_tools_of_all_kinds_keep_their_order(tools: Starter, tmp_path: Path) -> None:
    """As in the file, each with its effect and its closed parameters."""
    (tmp_path / "keys.py").write_text("def f() -> None: ...\n")
    toolbox = tools(
        {"command": ["ls", "--", "{path}"], "name": "list", "effect": "read", "description": "Lists."},
        {"python": "keys.py:f"},
        {"http": {"method": "GET", "url": "https://example.com/{id}"}, "name": "get"},
        {"command": ["true"], "name": "nothing"},
    ).toolbox
    assert [(tool.name, tool.effect) for tool in toolbox.tools] == [("list", "read"), ("f", "write"), ("get", "read"), ("nothing", "write")]
    properties = {"path": {"type": "string"}}
    assert toolbox.tools[0].definition["function"] == {
        "name": "list",
        "description": "Lists.",
        "parameters": {"type": "object", "properties": properties, "required": ["path"], "additionalProperties": False},
    }
