"""`agentgate audit list`: what it lists, leaves out and names, and that its index changes no answer."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import (
    CallDecided,
    Code,
    Digest,
    Effect,
    Event,
    Mode,
    ModelReplied,
    PolicyDigest,
    RunEnded,
    RunStarted,
    ToolReturned,
    Totals,
    Usage,
)
from agentgate.files.transcript_chain import ZEROS, seal

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def audit(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command, started in a folder."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "agentgate", "audit", "list", *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def run_events(
    run_id: str,
    *calls: tuple[str, Effect, str | None],
    day: int = 1,
    status: str | None = "done",
    task: str = "sums",
    role: str | None = None,
) -> Iterator[Event]:
    """A run with one answer that proposes these calls: tool, effect, rule."""
    at = AT + timedelta(days=day - 1)
    policy = PolicyDigest("strict", f"{len(calls)}cdef{'0' * 59}")
    yield RunStarted(at=at, run_id=run_id, task=Digest(task, "ab"), policy=policy, role=role, mode=Mode.ENFORCE, model="openai:m")
    yield ModelReplied(at=at, step=1, message={"role": "assistant"}, usage=Usage(100, 10), cost_usd=0.25)
    for number, (tool, effect, rule) in enumerate(calls):
        code = Code.RULE if rule else Code.DEFAULT
        yield CallDecided(at=at, step=1, call_id=f"c{number}", tool=tool, arguments="{}", effect=effect, code=code, rule=rule)
        yield ToolReturned(at=at, call_id=f"c{number}", executed=effect is Effect.ALLOW, ok=True, content="")
    if status is not None:
        yield RunEnded(at=at + timedelta(seconds=3), status=status, totals=Totals(seconds=3.0))


def chained(events: Iterator[Event]) -> bytes:
    lines, prev = [], ZEROS
    for seq, event in enumerate(events, 1):
        sealed = seal(event, seq, prev)
        lines.append(sealed.line)
        prev = sealed.hash
    return b"".join(lines)


def write(folder: Path, run_id: str, *calls: tuple[str, Effect, str | None], **more: Any) -> Path:
    file = folder / ".agentgate" / "runs" / f"{run_id}.jsonl"
    file.write_bytes(chained(run_events(run_id, *calls, **more)))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Runs of every kind in a state folder."""
    (tmp_path / ".agentgate" / "runs").mkdir(parents=True)
    write(tmp_path, "calm", ("read", Effect.ALLOW, "reading"), day=1)
    write(tmp_path, "busy", ("read", Effect.ALLOW, "reading"), ("send_mail", Effect.BLOCK, None), day=2, role="viewer")
    write(tmp_path, "asks", ("pay", Effect.ASK, "money"), day=3, status="waiting", task="payments")
    write(tmp_path, "dead", ("read", Effect.BLOCK, "limits.steps"), day=4, status=None)
    return tmp_path


def names(folder: Path, *arguments: str) -> list[str]:
    code, out, err = audit(folder, "--format", "json", *arguments)
    assert code in (0, 1), err
    return [run["run"] for run in json.loads(out)["runs"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["dead", "asks", "busy", "calm"]),
        (["--limit", "2"], ["dead", "asks"]),
        (["--since", "2026-03-02"], ["dead", "asks", "busy"]),
        (["--until", "2026-03-02"], ["busy", "calm"]),
        (["--since", "2026-03-02T12:00:00Z", "--until", "2026-03-03T13:00:00+01:00"], ["busy"]),
        (["--since", "1h"], []),
        (["--until", "1h"], ["dead", "asks", "busy", "calm"]),
        (["--blocked"], ["dead", "busy"]),
        (["--tool", "read"], ["dead", "busy", "calm"]),
        (["--tool", "*mail"], ["busy"]),
        (["--blocked", "--tool", "read"], ["dead"]),
        (["--rule", "default"], ["busy"]),
        (["--rule", "limits.*"], ["dead"]),
        (["--role", "viewer"], ["busy"]),
        (["--status", "waiting"], ["asks"]),
        (["--status", "unfinished"], ["dead"]),
        (["--status", "running"], []),
        (["--task", "pay*"], ["asks"]),
        (["--policy", "strict"], ["dead", "asks", "busy", "calm"]),
        (["--policy", "2cdef0"], ["busy"]),
        (["--policy", "2"], []),
    ],
    ids=" ".join,
)
def test_filters(folder: Path, arguments: list[str], expected: list[str]) -> None:
    """Newest first, and only what is wanted; what is said about calls is about one and the same call."""
    assert names(folder, *arguments) == expected


def test_the_table(folder: Path) -> None:
    """A row a run, then what they come to, by rule and by tool."""
    code, out, err = audit(folder)
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["run", "started", "(UTC)", "task", "policy", "role", "status", "calls", "blocked", "tokens", "cost"]
    assert rows[2] == ["dead", "2026-03-04", "12:00", "sums", "strict@1cdef00", "-", "unfinished", "1", "1", "110", "$0.2500"]
    assert "4 runs: 2 done, 1 unfinished, 1 waiting" in out
    assert "5 calls: 2 allowed, 1 asked, 2 blocked, 2 executed" in out
    assert "$1.00" in out
    assert ["reading", "2", "2", "0", "0", "2", "2"] in rows
    assert ["read", "3", "2", "0", "1", "2", "3"] in rows
    assert "dead" not in audit(folder, "--totals")[1]


def test_json_and_csv(folder: Path) -> None:
    """Programs get the same numbers."""
    found = json.loads(audit(folder, "--format", "json")[1])
    assert found["damaged"] == []
    assert found["totals"]["by_tool"]["send_mail"] == {"runs": 1, "allow": 0, "ask": 0, "block": 1, "undecided": 0, "executed": 0}
    assert found["runs"][1]["cost_usd"] == 0.25
    rows = list(csv.DictReader(io.StringIO(audit(folder, "--format", "csv")[1])))
    assert [row["run"] for row in rows] == [run["run"] for run in found["runs"]]
    assert [row["seconds"] for row in rows] == ["0.0", "3.0", "3.0", "3.0"]
    shares = list(csv.DictReader(io.StringIO(audit(folder, "--format", "csv", "--totals")[1])))
    assert ("rule", "default", "1") in [(row["of"], row["name"], row["block"]) for row in shares]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "  =1", "\r=1", "＝1", '=HYPERLINK("http://x")'])
def test_no_cell_is_a_formula(folder: Path, name: str) -> None:
    """Names from transcripts that a spreadsheet would run begin with an apostrophe, and no control character is left."""
    write(folder, "evil", (name, Effect.BLOCK, None), task=name, role=name, day=9)
    for arguments in ([], ["--totals"]):
        out = audit(folder, "--format", "csv", *arguments)[1]
        cells = [cell for row in csv.reader(io.StringIO(out)) for cell in row]
        assert not any(cell.strip().startswith(("=", "+", "-", "@", "＝")) for cell in cells)
        assert not any(char < " " for cell in cells for char in cell)


def test_damage_is_never_hidden(folder: Path) -> None:
    """Whatever is wanted, each damaged file is named; what can be read of it is listed, and the exit code is 1."""
    runs = folder / ".agentgate" / "runs"
    whole = (runs / "busy.jsonl").read_bytes()
    (runs / "busy.jsonl").write_bytes(whole.replace(b'"block"', b'"allow"'))
    (runs / "junk.jsonl").write_bytes(b"\x00\xff\n")
    (runs / "torn.jsonl").write_bytes(whole[:40])
    for arguments in ([], ["--status", "waiting"], ["--limit", "1"]):
        code, out, err = audit(folder, *arguments)
        assert code == 1
        assert [line.split(":")[1].rpartition("/")[2] for line in err.splitlines()] == ["busy.jsonl", "junk.jsonl", "torn.jsonl"]
        assert "3 files with damage, named above" in out
    assert "done damaged" in audit(folder)[1]
    found = json.loads(audit(folder, "--format", "json", "--since", "1h")[1])
    assert found["runs"] == []
    assert len(found["damaged"]) == 3


def test_a_run_that_is_still_going(folder: Path) -> None:
    """While somebody holds its lock it is running, and a line that is just being written is no damage."""
    file = folder / ".agentgate" / "runs" / "dead.jsonl"
    with file.open("ab") as stream:
        stream.write(b'{"type":"run_')
        stream.flush()
        fcntl.flock(stream, fcntl.LOCK_EX)
        code, out, err = audit(folder, "--status", "running")
        assert (code, err) == (0, "")
        assert out.startswith("run ")
        assert " running " in out
        assert "damaged" not in out
    assert audit(folder, "--status", "unfinished")[0] == 1


def test_a_changed_file_is_read_again(folder: Path) -> None:
    """The index never answers for a file that looks another."""
    assert names(folder, "--role", "viewer") == ["busy"]
    file = write(folder, "busy", ("send_mail", Effect.BLOCK, None), role="nobody", day=2)
    assert names(folder, "--role", "viewer") == []
    times = file.stat()
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"done"', b'"dine"'))  # the same length, and the old times put back
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert audit(folder)[0] == 1
    file.unlink()
    assert names(folder) == ["dead", "asks", "calm"]


def spoil_nothing(index: Path) -> None:
    assert index.exists()


def spoil_by_removing(index: Path) -> None:
    index.unlink()


def spoil_with_garbage(index: Path) -> None:
    index.write_bytes(b"garbage" * 1000)


def spoil_pages(index: Path) -> None:
    content = bytearray(index.read_bytes())
    content[100:4096] = b"\xff" * 3996
    index.write_bytes(content)


def spoil_with_another(index: Path) -> None:
    index.unlink()
    connection = sqlite3.connect(index)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()


def spoil_with_a_trigger(index: Path) -> None:
    connection = sqlite3.connect(index)
    connection.execute("CREATE TRIGGER t AFTER INSERT ON files BEGIN DELETE FROM files; END")
    connection.commit()
    connection.close()


def spoil_rows(index: Path) -> None:
    connection = sqlite3.connect(index)
    connection.execute("UPDATE files SET history = x'c1', path = CASE rowid WHEN 1 THEN 7 ELSE path END")
    connection.commit()
    connection.close()


def spoil_with_a_link(index: Path) -> None:
    index.unlink()
    (index.parent / "elsewhere").write_bytes(b"precious")
    index.symlink_to(index.parent / "elsewhere")


def spoil_with_a_folder(index: Path) -> None:
    index.unlink()
    index.mkdir()


SPOILED = [
    (spoil_nothing, False),
    (spoil_by_removing, False),
    (spoil_with_garbage, True),
    (spoil_pages, True),
    (spoil_with_another, True),
    (spoil_with_a_trigger, True),
    (spoil_rows, False),
    (spoil_with_a_link, True),
    (spoil_with_a_folder, False),
]


@pytest.mark.parametrize(("spoil", "told"), SPOILED, ids=[spoil.__name__ for spoil, _ in SPOILED])
def test_the_index_changes_no_answer(folder: Path, spoil: Any, told: bool) -> None:
    """Gone, corrupt, foreign, or full of lies that do not parse: the list is the same, and it is said what was thrown away."""
    index = folder / ".agentgate" / "history.db"
    before = audit(folder)
    assert index.stat().st_mode & 0o777 == 0o600
    spoil(index)
    code, out, err = audit(folder)
    assert (code, out) == before[:2]
    note = "note: the index `.agentgate/history.db` is damaged or not one of agentgate: it is made anew\n"
    assert err == (note if told else "")
    if (folder / ".agentgate" / "elsewhere").exists():
        assert (folder / ".agentgate" / "elsewhere").read_bytes() == b"precious"
    assert audit(folder) == before
    assert audit(folder, "--rebuild") == before


def test_several_at_once(folder: Path) -> None:
    """Processes that list at the same time, with and without an index, all say the same."""
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda number: audit(folder, *(["--rebuild"] if number % 2 else [])), range(6)))
    assert {found[:2] for found in done} == {audit(folder)[:2]}


def test_looking_makes_no_folder(tmp_path: Path) -> None:
    """Where nothing has run yet, nothing is listed and nothing is made; files from elsewhere need no state."""
    assert audit(tmp_path)[:2] == (0, "0 runs\n0 steps, 0 tokens, 0 ms\n")
    (tmp_path / "x.jsonl").write_bytes(chained(run_events("x", ("read", Effect.ALLOW, "reading"))))
    (tmp_path / "chat.jsonl").write_bytes(b'{"messages": [{"role": "user", "content": "hi"}]}\n' * 2)
    assert names(tmp_path, ".") == ["./x.jsonl", "./chat.jsonl", "./chat.jsonl:2"]
    assert names(tmp_path, "*.jsonl", "--status", "imported") == ["chat.jsonl", "chat.jsonl:2"]
    assert not (tmp_path / ".agentgate").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "yesterday"], "error: `--since yesterday` is not a time\n"),
        (["--since", "2026-03-01T09:00:00"], "error: `--since 2026-03-01T09:00:00` is not a time\n"),
        (["--until", "999999w"], "error: `--until 999999w` is not a time\n"),
        (["--status", "finished"], "error: no run has the status `finished`\n"),
        (["none"], "error: no transcript at `none`\n"),
        (["--state", "none"], "error: no runs in `none/runs`\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage(folder: Path, arguments: list[str], message: str) -> None:
    """One message with a way on, exit code 2, no traceback."""
    code, out, err = audit(folder, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.splitlines()[1].startswith("help: ")
