"""The command itself: help, version, exit codes, and standard streams that are closed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from agentgate import __version__
from tests.cli.program import Done, Program, end_of, no_traceback


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A folder with a task that needs no server."""
    (tmp_path / "recorded.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "three"}]}\n'
    )
    return Program(tmp_path, task={"recording": "recorded.jsonl", "model": "recorded"})


def shell(program: Program, command: str) -> Done:
    """Runs a command line; `agentgate` in it is this one."""
    line = command.replace("agentgate", f"{shlex.quote(sys.executable)} -m agentgate")
    return end_of(
        subprocess.Popen(
            ["/bin/sh", "-c", line],
            cwd=program.folder,
            env=program.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    )


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("--help",), 0), (("-h",), 0)])
def test_help(arguments: tuple[str, ...], code: int, program: Program) -> None:
    """Every command is named, with or without asking for help; to name no command is wrong usage."""
    done = program.agentgate(*arguments)
    assert done.code == code
    assert all(f" {command} " in done.said for command in ("run", "check", "replay", "explain", "audit", "schema"))


COMMANDS = (
    "run", "resume", "approve", "check", "replay", "explain", "test", "stop", "serve", "convert", "learn", "report", "schema", "approvals",
    "audit", "audit list", "audit verify", "audit show", "approvals list", "approvals approve", "events tail",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_commands(command: str, program: Program) -> None:
    """Each explains itself, in paragraphs that are broken at the end of the line and nowhere else."""
    program.environ["COLUMNS"] = "80"
    done = program.agentgate(*command.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.lstrip().startswith(f"Usage: python -m agentgate {command}")
    said = [line.rstrip() for line in done.out.partition("\u256d")[0].split("\n")]
    for line, following in pairwise(said):
        first = following.strip().partition(" ")[0]
        assert not line or not first or len(line) + 1 + len(first) > 78, (line, following)


def test_version(program: Program) -> None:
    """One line."""
    assert program.agentgate("--version") == Done(0, f"agentgate {__version__}\n", "")


@pytest.mark.parametrize("arguments", [("--nonsense",), ("nonsense",), ("run",), ("audit", "nonsense")])
def test_wrong_usage(arguments: tuple[str, ...], program: Program) -> None:
    """Exit code 2, said on stderr."""
    done = program.agentgate(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage: " in done.err


RUN = "agentgate run task.yaml --policy policy.yaml --transcript run.jsonl"


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- 2>&- <&-", "> /dev/full", "2> /dev/full"])
def test_closed_streams(closed: str, program: Program) -> None:
    """A run does not need anybody to watch, and none of its files takes the place of a stream; only a full disk is a failure."""
    if "/dev/full" in closed and not Path("/dev/full").exists():
        pytest.skip("this system has no full device")
    done = shell(program, f"{RUN} {closed}")
    assert done.code == (3 if closed == "> /dev/full" else 0)
    assert no_traceback(done)
    assert program.verified().status == "done"


def test_no_standard_input_for_the_policy(program: Program) -> None:
    """It is as good as empty."""
    done = shell(program, RUN.replace("policy.yaml", "-") + " <&-")
    assert (done.code, done.out) == (2, "")
    assert "error[empty-file]" in done.err


@pytest.mark.parametrize("closed", ["2>&-", "2> /dev/full"])
def test_an_error_that_nobody_can_read(closed: str, program: Program) -> None:
    """The exit code still tells."""
    if "/dev/full" in closed and not Path("/dev/full").exists():
        pytest.skip("this system has no full device")
    assert shell(program, f"agentgate run nope.yaml --policy policy.yaml {closed}") == Done(2, "", "")


def test_a_working_folder_that_is_gone(program: Program) -> None:
    """Said in one line."""
    done = shell(program, "mkdir gone && cd gone && rmdir ../gone && " + RUN.replace("task.yaml", "../task.yaml"))
    assert done == Done(2, "", "error: the folder that this runs in does not exist any more\nhelp: change into one that does\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("format", ["table", "plain", "jsonl"])
def test_encodings(encoding: str, format: str, program: Program) -> None:
    """Whatever the stream cannot carry is written in what it can."""
    (program.folder / "recorded.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "Grüße ✓ 中"}]}\n'
    )
    program.environ["PYTHONIOENCODING"] = encoding
    process = program.start(*RUN.split()[1:], "--format", format)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"Gr" in out
    out.decode(encoding)


@pytest.mark.parametrize(("module", "line"), [("typer", ["schema", "policy"]), ("yaml", ["check", "policy.yaml"])])
def test_ctrl_c_while_it_starts(module: str, line: list[str], program: Program) -> None:
    """No traceback, whenever it comes."""
    (program.folder / f"{module}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    program.environ["PYTHONPATH"] = f"{program.folder}:{program.environ['PYTHONPATH']}"
    assert program.agentgate(*line) == Done(130, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "--format", "loud", "policy.yaml"), "'loud' is not one of"),
        (("run", "task.yaml", "--policy", "policy.yaml", "--approval-timeout", "0"), "greater than or equal to 1"),
        (("run", "task.yaml", "--policy", "policy.yaml", "--approval-timeout", "soon"), "unable to parse string as a number"),
        (("chek", "policy.yaml"), "Did you mean 'check'"),
        (("audit", "shew"), "Did you mean 'show'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_values(arguments: tuple[str, ...], said: str, program: Program) -> None:
    """Values are still read strictly, and names still corrected, although only what is needed is looked at."""
    done = program.agentgate(*arguments)
    assert done.code == 2
    assert said in " ".join(done.err.replace("│", " ").split())
