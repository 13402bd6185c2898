"""`agentgate audit`: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "transcripts" / "run.jsonl"
LINES = GOLDEN.read_bytes().splitlines(keepends=True)
HEAD = json.loads(LINES[-1])["hash"]
PROOF = (
    "note: a file that was rewritten as a whole is not found by its own hashes;"
    " compare the head with one that was kept elsewhere (`--head`)\n"
)


def audit(folder: Path, *arguments: str, encoding: str = "utf-8") -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command, started in a folder."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    command = [sys.executable, "-m", "agentgate", "audit", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound run, a run that was cut off, an edited one, an imported one."""
    (tmp_path / "good.jsonl").write_bytes(b"".join(LINES))
    (tmp_path / "cut.jsonl").write_bytes(b"".join(LINES[:-1]))
    (tmp_path / "edited.jsonl").write_bytes(b"".join([*LINES[:4], LINES[4].replace(b'"ask"', b'"allow"'), *LINES[5:]]))
    (tmp_path / "chat.jsonl").write_bytes(b'{"messages": []}\n')
    return tmp_path


def test_a_sound_run(folder: Path) -> None:
    """Prints the head, and says what it cannot prove."""
    assert audit(folder, "verify", "good.jsonl") == (0, f"good.jsonl: ok, 12 events, done\n  head  {HEAD}\n{PROOF}", "")


def test_with_the_head_from_elsewhere(folder: Path) -> None:
    """With the right head nothing is left unproven; a wrong one is a finding."""
    assert audit(folder, "verify", "good.jsonl", "--head", HEAD.upper()) == (0, f"good.jsonl: ok, 12 events, done\n  head  {HEAD}\n", "")
    code, out, _ = audit(folder, "verify", "cut.jsonl", "--head", HEAD)
    assert code == 1
    assert "cut.jsonl:11: the head is not that of this transcript: it was cut off, rewritten, or is another one\n" in out


def test_a_run_without_its_end(folder: Path) -> None:
    """A transcript that just stops is a finding, and the finding says so."""
    code, out, err = audit(folder, "verify", "cut.jsonl")
    assert (code, err) == (1, "")
    assert out.splitlines()[:2] == [
        "cut.jsonl: 1 finding in 11 events",
        "  cut.jsonl:11: there is no `run_ended`: the run was killed, is still going, or its end was cut off;"
        " the file alone cannot tell which",
    ]


def test_an_edited_run(folder: Path) -> None:
    """The edited line is named."""
    code, out, _ = audit(folder, "verify", "good.jsonl", "edited.jsonl")
    assert code == 1
    assert out.splitlines()[2:4] == [
        "edited.jsonl: 3 findings in 11 events",
        "  edited.jsonl:5: changed after it was written: its hash is not that of the event",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "error: no transcript at `none.jsonl`\n"),
        (["chat.jsonl"], "error: `chat.jsonl` is no transcript of agentgate\n"),
        (["good.jsonl", "--head", "abc"], "error: `--head` is not a hash\n"),
        (["good.jsonl", "cut.jsonl", "--head", HEAD], "error: `--head` is that of one transcript, and 2 were given\n"),
    ],
)
def test_bad_files_and_usage(folder: Path, arguments: list[str], message: str) -> None:
    """One message with a way on, exit code 2, no traceback."""
    code, out, err = audit(folder, "verify", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.splitlines()[1].startswith("help: ")


def test_a_folder_with_everything(folder: Path) -> None:
    """Every file is verified whatever the others are, and the worst decides the exit code."""
    code, out, err = audit(folder, "verify", ".")
    assert code == 2
    assert [line.split(":")[0] for line in out.splitlines() if not line.startswith((" ", "note"))] == [
        "./cut.jsonl",
        "./edited.jsonl",
        "./good.jsonl",
    ]
    assert err.startswith("error: `./chat.jsonl` is no transcript of agentgate\n")


def test_nothing_in_a_file_can_steer_the_terminal(folder: Path) -> None:
    """Ids and names are shown with escapes."""
    from agentgate.core.events import RunStarted, ToolReturned
    from agentgate.files.transcript_writer import TranscriptWriter

    name = "\x1b[2J.jsonl"
    with TranscriptWriter(folder / name) as writer:
        writer(RunStarted(run_id="r"))
        writer(ToolReturned(call_id="\x1b]0;evil\x07\u202e", executed=False, ok=False, content=""))
    code, out, err = audit(folder, "verify", name, encoding="ascii")
    assert code == 1
    assert err == ""
    assert (out + err).isascii()
    assert not any(char < " " and char != "\n" for char in out + err)
    assert "\\x1b]0;evil\\x07" in out


def test_show_prints_the_run(folder: Path) -> None:
    """A recorded run is shown as it looked when it ran."""
    code, out, err = audit(folder, "show", "good.jsonl")
    assert (code, err) == (0, "")
    words = [line.split("  ")[0] for line in out.splitlines()]
    assert words.count("allow") == words.count("ask") == words.count("block") == 1
    assert "answer  She is on pro now." in out
    assert "explain good.jsonl#3" in out
    code, out, err = audit(folder, "show", "good.jsonl", "--format", "table")
    assert code == 0
    assert "✓ allow" in out


def test_show_says_what_is_missing(folder: Path) -> None:
    """Damaged lines are named beside the rows that can be shown; a run without its end says so."""
    code, out, err = audit(folder, "show", "edited.jsonl")
    assert code == 1
    assert err == "edited.jsonl:5: changed after it was written: its hash is not that of the event\n"
    assert "update_tier" not in out.replace("answer", "")
    code, out, err = audit(folder, "show", "cut.jsonl")
    assert (code, err) == (0, "")
    assert "note  the run has no end: it was killed, is still going, or its end was cut off\n" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jsonl"], "error: no transcript at `none.jsonl`\n"),
        (["."], "error: `.` means 4 files\n"),
        (["chat.jsonl"], "error: `chat.jsonl` is an imported transcript: it holds no decisions\n"),
        (["good.jsonl", "--format", "xml"], "error: unknown format `xml`\n"),
    ],
)
def test_what_cannot_be_shown(folder: Path, arguments: list[str], message: str) -> None:
    """One message with a way on, exit code 2, no traceback."""
    code, out, err = audit(folder, "show", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.splitlines()[1].startswith("help: ")
