"""`agentgate report`: which runs, which file, which exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = (ROOT / "tests" / "data" / "transcripts" / "run.jsonl").read_bytes()


def report(folder: Path, *arguments: str) -> tuple[int, bytes, str]:
    """Exit code, standard output and standard error of one command, started in a folder."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "agentgate", "report", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run in the state folder, an edited one, a torn one, an empty folder."""
    (tmp_path / ".agentgate" / "runs").mkdir(parents=True)
    (tmp_path / ".agentgate" / "runs" / "k3v9.jsonl").write_bytes(GOLDEN)
    (tmp_path / "edited.jsonl").write_bytes(GOLDEN.replace(b'"ask"', b'"allow"'))
    (tmp_path / "torn.jsonl").write_bytes(b"".join(GOLDEN.splitlines(keepends=True)[:4]))
    (tmp_path / "none").mkdir()
    return tmp_path


def test_a_run_by_its_id(folder: Path) -> None:
    """An id, the beginning of one, or a path: the page is written for its owner alone, and an older page is replaced."""
    for name in ("k3v9", "k3", ".agentgate/runs/k3v9.jsonl", ".agentgate/runs", ".agentgate/r*/*.jsonl"):
        assert report(folder, name) == (0, b"", "wrote report.html: 1 run\n")
    page = folder / "report.html"
    assert page.stat().st_mode & 0o777 == 0o600
    assert "chain verified, 12 events" in page.read_text()
    assert [file.name for file in folder.glob(".agentgate-*")] == []


def test_standard_output(folder: Path) -> None:
    """`-` writes the page as UTF-8 whatever the encoding of the terminal is, and no file."""
    code, out, err = report(folder, "k3v9", "-o", "-")
    assert (code, err) == (0, "")
    assert out.startswith(b"<!doctype html>\n<!-- agentgate report -->\n")
    assert "✓ allow" in out.decode()
    assert not (folder / "report.html").exists()


def test_damage_and_findings(folder: Path) -> None:
    """Damaged lines are named on the page and on standard error; a run without its end is no finding here."""
    code, _, err = report(folder, "edited.jsonl", "k3v9", "torn.jsonl")
    assert code == 1
    assert err.splitlines() == [
        "wrote report.html: 3 runs",
        "damaged: edited.jsonl:5: changed after it was written: its hash is not that of the event",
        "the audit of 1 run has findings: see the page, or `agentgate audit verify`",
    ]
    page = (folder / "report.html").read_text()
    assert "✗ Damaged" in page
    assert "unfinished" in page
    assert report(folder, "torn.jsonl")[0] == 0


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", ["file", "link", "dangling", "folder", "pipe"])
def test_what_is_not_written_over(folder: Path, kind: str, force: bool) -> None:
    """Only an older report is replaced, any other file with `--force`; nothing is ever written through a link."""
    precious, target = folder / "precious", folder / "out.html"
    precious.write_text("<!doctype html>\nprecious")
    match kind:
        case "file":
            target.write_bytes(precious.read_bytes())
        case "link":
            target.symlink_to(precious)
        case "dangling":
            target.symlink_to(folder / "nowhere")
        case "folder":
            target.mkdir()
        case _:
            os.mkfifo(target)
    code, out, err = report(folder, "k3v9", "-o", "out.html", *(["--force"] if force else []))
    assert precious.read_text() == "<!doctype html>\nprecious"
    assert not (folder / "nowhere").exists()
    if kind == "file" and force:
        assert (code, err) == (0, "wrote out.html: 1 run\n")
        assert target.read_text().startswith("<!doctype html>\n<!-- agentgate report -->")
    else:
        assert (code, out) == (2, b"")
        assert err.startswith("error: `out.html` ")
        assert "help: " in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nobody"], 2, "error: no run `nobody`\n"),
        (["none"], 2, "error: no transcript at `none`\n"),
        (["-"], 2, "error: a report reads each run more than once"),
        (["k3v9", "-o", "no/where.html"], 3, "error: cannot write `no/where.html`: no such file or directory\n"),
        (["k3v9", "--state", "else"], 2, "error: no run `k3v9`\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage(folder: Path, arguments: list[str], code: int, message: str) -> None:
    """One message, no traceback, nothing written."""
    found, out, err = report(folder, *arguments)
    assert (found, out) == (code, b"")
    assert err.startswith(message)
    assert not (folder / "report.html").exists()
