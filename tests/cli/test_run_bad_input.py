"""Whatever a user gets wrong is one clear message with a way on, exit code 2 (3 for the disk), and nothing started."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Program, no_traceback

GOOD = ("run", "task.yaml", "--policy", "policy.yaml", "--model", "recorded", "--transcript", "run.jsonl")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A folder in which `GOOD` would run."""
    program = Program(tmp_path, task={"recording": "recorded.jsonl"})
    (tmp_path / "recorded.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "three"}]}\n'
    )
    return program


def refused(program: Program, *arguments: str, stdin: bytes | None = None) -> str:
    """What is said about a wrong command, after a look at everything that such an end promises."""
    before = sorted(path.name for path in program.folder.iterdir())
    done = program.agentgate(*arguments, stdin=stdin)
    assert done.code == 2, done.said
    assert done.out == ""
    assert no_traceback(done)
    assert sorted(path.name for path in program.folder.iterdir() if path.name != "__pycache__") == before
    return done.err


def test_the_good_command_runs(program: Program) -> None:
    """So that what is refused below is refused for its one mistake."""
    done = program.agentgate(*GOOD)
    assert (done.code, done.err) == (0, "")


COMMANDS: list[tuple[str, tuple[str, ...], str]] = [
    ("no task", ("run", "--policy", "policy.yaml"), "Missing argument 'TASK'"),
    ("no policy", ("run", "task.yaml"), "no policy is given"),
    ("missing task", ("run", "nope.yaml", "--policy", "policy.yaml"), "error: cannot read `nope.yaml`: no such file or directory"),
    ("missing policy", ("run", "task.yaml", "--policy", "nope.yaml"), "error: cannot read `nope.yaml`: no such file or directory"),
    ("folder as task", ("run", ".", "--policy", "policy.yaml"), "error: cannot read `.`: is a directory"),
    ("folder as policy", ("run", "task.yaml", "--policy", "."), "error: cannot read `.`: is a directory"),
    ("file below a file", ("run", "task.yaml/x", "--policy", "policy.yaml"), "not a directory"),
    ("no path at all", ("run", "", "--policy", "policy.yaml"), "error: "),
    ("policy as task", ("run", "policy.yaml", "--policy", "policy.yaml"), "unknown key `rules`"),
    ("task as policy", ("run", "task.yaml", "--policy", "task.yaml"), "unknown key `prompt`"),
    ("policy twice", (*GOOD, "--policy", "policy.yaml"), "the policy `policy.yaml` is given twice"),
    ("unknown role", (*GOOD, "--role", "root"), "the policy has no role `root`"),
    ("empty role", (*GOOD, "--role", ""), "the policy has no role ``"),
    ("no model", (*GOOD, "--model", "nonsense"), "`nonsense` is not a model"),
    ("empty model", (*GOOD, "--model", ""), "`` is not a model"),
    ("model without name", (*GOOD, "--model", "openai:"), "`openai:` is not a model"),
    ("unknown provider", (*GOOD, "--model", "anthropic:x"), "unknown provider `anthropic`"),
    ("negative steps", (*GOOD, "--max-steps", "-1"), "--max-steps"),
    ("no number", (*GOOD, "--max-steps", "many"), "--max-steps"),
    ("two modes", (*GOOD, "--observe", "--dry-run"), "--observe executes everything, --dry-run nothing"),
    ("unknown format", (*GOOD, "--format", "xml"), "--format"),
    ("unknown approval", (*GOOD, "--approve", "maybe"), "--approve"),
    ("unknown option", (*GOOD, "--force"), "--force"),
    ("unknown command", ("runn",), "runn"),
    ("too many tasks", (*GOOD, "more.yaml"), "more.yaml"),
    ("no folder", (*GOOD, "--workdir", "nowhere"), "there is no folder `nowhere` to work in"),
    ("a file as folder", (*GOOD, "--workdir", "task.yaml"), "`task.yaml` is not a folder"),
    ("escape sequences", (*GOOD, "--role", "\x1b[2J"), "the policy has no role `\\x1b[2J`"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), [each[1:] for each in COMMANDS], ids=[each[0] for each in COMMANDS])
def test_commands(arguments: tuple[str, ...], said: str, program: Program) -> None:
    """Each names what is wrong."""
    assert said in refused(program, *arguments)


CONTENT: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "error[empty-file]"),
    "binary": (b"\x7fELF\x00\xff\xfe", "error["),
    "not utf-8": (b"prompt: caf\xe9\n", "error[encoding]"),
    "not yaml": (b"a: [\n", "error["),
    "a list": (b"- a\n", "error["),
    "two documents": (b"version: 1\n---\nversion: 1\n", "error["),
}


@pytest.mark.parametrize("content", CONTENT)
@pytest.mark.parametrize("file", ["task.yaml", "policy.yaml"])
def test_files(file: str, content: str, program: Program) -> None:
    """A bad file is shown with its place."""
    data, said = CONTENT[content]
    (program.folder / file).write_bytes(data)
    told = refused(program, *GOOD)
    assert said in told
    assert f"--> {file}:" in told


def test_unreadable_files(program: Program) -> None:
    """Said as the system says it."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (program.folder / "policy.yaml").chmod(0)
    assert "permission denied" in refused(program, *GOOD)


@pytest.mark.parametrize("name", ["MAX_STEPS", "FORMAT", "QUIET", "FAIL_ON_BLOCK", "VERBOSE", "MODEL"])
def test_variables_with_nonsense(name: str, program: Program) -> None:
    """The message names the option, or what is wrong with its value."""
    program.environ[f"AGENTGATE_{name}"] = "nonsense"
    arguments = tuple(each for each in GOOD if each not in ("--model", "recorded"))
    said = refused(program, *arguments)
    assert f"--{name.lower().replace('_', '-')}" in said or "`nonsense` is not a model" in said


def test_the_policy_on_standard_input(program: Program) -> None:
    """`-`: read once; empty, it is a bad file like any other."""
    policy = (program.folder / "policy.yaml").read_bytes()
    arguments = ("run", "task.yaml", "--policy", "-", "--model", "recorded", "--transcript", "run.jsonl")
    assert "--> <stdin>:1:1" in refused(program, *arguments, stdin=b"")
    done = program.agentgate(*arguments, stdin=policy)
    assert (done.code, done.err) == (0, "")


def folder(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    (path.parent / "target.jsonl").write_text("")
    path.symlink_to("target.jsonl")


def full(path: Path) -> None:
    path.write_text("something\n")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def hard_link(path: Path) -> None:
    (path.parent / "target.jsonl").write_text("")
    path.hardlink_to(path.parent / "target.jsonl")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (folder, "is not a regular file"), (link, "is a link"), (full, "exists already"), (pipe, "is not a regular file"),
        (hard_link, "has a second name"),
    ],
)  # fmt: skip
def test_transcripts_that_cannot_be(made: Callable[[Path], None], said: str, program: Program) -> None:
    """Nothing is ever overwritten, and nothing written through a link."""
    made(program.transcript)
    assert said in refused(program, *GOOD)
    assert not (program.folder / "target.jsonl").exists() or not (program.folder / "target.jsonl").read_bytes()


def test_a_transcript_that_cannot_be_written(program: Program) -> None:
    """The disk is outside: exit code 3."""
    done = program.agentgate(*GOOD[:-1], "task.yaml/run.jsonl")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: cannot write the transcript `task.yaml/run.jsonl`: not a directory\nhelp: ")


def test_a_folder_that_may_not_be_written(program: Program) -> None:
    """The same for a read-only folder."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (program.folder / "fixed").mkdir(mode=0o500)
    done = program.agentgate(*GOOD[:-1], "fixed/run.jsonl")
    assert (done.code, done.out) == (3, "")
    assert "permission denied" in done.err


RECORDINGS: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "no such file or directory"),
    "empty": (b"", "the file is empty"),
    "damaged": (b'{"messages": [\n', "recorded.jsonl:1: "),
    "something else": (b"hello\n", "recorded.jsonl:1: "),
    "without answers": (b'{"messages": [{"role": "user", "content": "x"}]}\n', "holds no answer of a model"),
    "binary": (b"\x00\xff\n", "recorded.jsonl:1: "),
}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_recordings(recording: str, program: Program) -> None:
    """A recording that cannot be played is a bad file, with its line."""
    content, said = RECORDINGS[recording]
    (program.folder / "recorded.jsonl").unlink()
    if content is not None:
        (program.folder / "recorded.jsonl").write_bytes(content)
    assert said in refused(program, *GOOD)


def test_a_folder_as_recording(program: Program) -> None:
    """It is not searched."""
    (program.folder / "recorded.jsonl").rename(program.folder / "other.jsonl")
    (program.folder / "recorded.jsonl").mkdir()
    (program.folder / "other.jsonl").rename(program.folder / "recorded.jsonl" / "other.jsonl")
    assert "not a regular file" in refused(program, *GOOD)


def test_a_damaged_run_as_recording(program: Program) -> None:
    """A transcript that was edited is not played as if it had happened."""
    assert program.agentgate(*GOOD).code == 0
    edited = program.transcript.read_text().replace("three", "seven")
    program.transcript.unlink()
    (program.folder / "recorded.jsonl").write_text(edited)
    assert "recorded.jsonl:2: " in refused(program, *GOOD)


def test_no_recording(program: Program) -> None:
    """The task names none."""
    (program.folder / "task.yaml").write_text("version: 1\nprompt: x\nmodel: openai:x\n")
    assert "names no recording" in refused(program, *GOOD)


TOOLS: dict[str, tuple[str | None, str]] = {
    "missing": (None, "task.yaml"),
    "syntax": ("def add(:\n", "tool-import"),
    "raises": ("raise RuntimeError('no')\n", "tool-import"),
    "exits": ("import os\nos._exit(3)\n", "tool-import"),
    "no such function": ("x = 1\n", "add"),
    "binary": ("\x00", "task.yaml"),
}


@pytest.mark.parametrize("tools", TOOLS)
def test_tool_files(tools: str, program: Program) -> None:
    """A tool that cannot be imported is shown at its entry in the task."""
    content, said = TOOLS[tools]
    (program.folder / "tools.py").unlink()
    if content is not None:
        (program.folder / "tools.py").write_text(content)
    told = refused(program, *GOOD)
    assert said in told
    assert "--> task.yaml:" in told


@pytest.mark.parametrize(
    "key",
    [
        {"tools": [{"python": "os:system"}]}, {"tools": [{"python": "../tools.py:add"}]}, {"tool_choice": "always"},
        {"tool_choice": {"mode": "none", "allowed_tools": ["add"]}}, {"tool_choice": {"mode": "auto", "allowed_tools": ["nope"]}},
        {"tool_choice": {"mode": "auto", "allowed_tools": "add"}}, {"max_steps": -1}, {"max_steps": True}, {"model": "gpt-4.1-mini"},
        {"model": {"provider": "openai", "name": "x", "base_url": 7}}, {"prompt": 7}, {"recording": 7},
    ],
    ids=str,
)  # fmt: skip
def test_task_files(key: dict[str, Any], tmp_path: Path) -> None:
    """What a task may not say, with its place and a frame."""
    told = refused(Program(tmp_path, task=key), *GOOD)
    assert "error[" in told
    assert "--> task.yaml:" in told
    assert "^" in told


@pytest.mark.parametrize("url", ["nonsense", "ftp://localhost/v1", "http://", "http://user:key@localhost/v1", "http://localhost:0/v1"])
def test_addresses(url: str, tmp_path: Path) -> None:
    """A `base_url` that is no address."""
    program = Program(tmp_path, task={"model": {"provider": "openai", "name": "x", "base_url": url}})
    assert "base_url" in refused(program, *(each for each in GOOD if each not in ("--model", "recorded")))
