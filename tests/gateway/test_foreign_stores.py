"""Commands that are given a database which is no store, or a damaged one: one message, nothing changed, and never a traceback."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agentgate.clock import steady_clock
from agentgate.errors import FileError
from agentgate.gateway.store import open_store
from tests.cli.program import Program
from tests.gateway.test_store import kept

COMMANDS = {
    "events": ("events", "tail", "--store", "gateway.db"),
    "approvals": ("approvals", "list", "--store", "gateway.db"),
    "approve": ("approvals", "approve", "apr_1", "--store", "gateway.db"),
    "replay": ("replay", "gateway.db", "--policy", "policy.yaml"),
    "audit": ("audit", "verify", "gateway.db"),
}
QUESTIONS = "id, at, session, tool, arguments, args_hash, policy, role, rule, reason, state, by, note, answered_at"


def _made(*statements: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        db = sqlite3.connect(path)
        for statement in statements:
            db.execute(statement)
        db.commit()
        db.close()

    return make


def _write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def _damaged(path: Path) -> None:
    """A store whose pages were overwritten, but for the first one, which says what is where."""
    kept(path.parent)
    raw = path.read_bytes()
    page = int.from_bytes(raw[16:18])
    path.write_bytes(raw[:page] + b"\xff" * (len(raw) - page))


FILES: dict[str, Callable[[Path], None]] = {
    "foreign": _made("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"),
    "same-name": _made("CREATE TABLE answers (a)"),
    "header": lambda path: _write(path, b"SQLite format 3\0" + b"\xff" * 4000),
    "types": _made(
        "CREATE TABLE answers (seq, id, at, session, results, line, hash)",
        "INSERT INTO answers VALUES ('x', 1, 2, 3, 4, 999999999999, 6)",
        f"CREATE TABLE questions ({QUESTIONS})",
        "INSERT INTO questions VALUES (1, 'z', 3, 4, 5, 6, 7, 8, 9, 10, 'pending', 12, 13, 14)",
        "CREATE TABLE removed (seq, hash)",
    ),
    "damaged": _damaged,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("file", FILES)
def test_what_is_no_store_is_named(tmp_path: Path, file: str, command: str) -> None:
    """With exit code 2; the file is as it was before."""
    path = tmp_path / "gateway.db"
    FILES[file](path)
    (tmp_path / "policy.yaml").write_text("version: 1\nrules: [{id: r, allow: read}]\n")
    before = path.read_bytes()
    done = Program(tmp_path).agentgate(*COMMANDS[command])
    assert (done.code, done.said.count("error: ")) == (2, 1), done.said
    assert "Traceback" not in done.said
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", ["events", "approvals", "approve"])
def test_an_empty_file_is_made_into_nothing(tmp_path: Path, command: str) -> None:
    """Only `serve` makes stores."""
    (tmp_path / "gateway.db").touch()
    done = Program(tmp_path).agentgate(*COMMANDS[command])
    assert done.code == 2, done.said
    assert (tmp_path / "gateway.db").read_bytes() == b""


def test_a_gateway_does_not_write_into_foreign_databases(tmp_path: Path) -> None:
    """It does not start, and the database is as it was."""
    path = tmp_path / "notes.db"
    FILES["foreign"](path)
    before = path.read_bytes()
    with pytest.raises(FileError, match="is not a store"):
        open_store(path, steady_clock())
    assert path.read_bytes() == before


def test_a_line_that_somebody_wrote_into_is_named_and_the_rest_is_judged(tmp_path: Path) -> None:
    """That is damage, and no reason to read nothing."""
    kept(tmp_path)
    db = sqlite3.connect(tmp_path / "gateway.db")
    db.execute("UPDATE answers SET line = 'nonsense' WHERE seq = 1")
    db.commit()
    db.close()
    (tmp_path / "policy.yaml").write_text("version: 1\nrules: [{id: r, allow: read}]\n")
    done = Program(tmp_path).agentgate(*COMMANDS["replay"])
    assert (done.code, "not a record of a gateway" in done.said) == (1, True), done.said


def test_runs_without_a_beginning_are_counted(tmp_path: Path) -> None:
    """`replay` says how many it leaves out; the rest is judged."""
    kept(tmp_path)
    db = sqlite3.connect(tmp_path / "gateway.db")
    db.execute("INSERT INTO removed (one, seq, hash) SELECT 1, seq, hash FROM answers WHERE seq = 1")
    db.execute("DELETE FROM answers WHERE seq = 1")
    db.commit()
    db.close()
    (tmp_path / "policy.yaml").write_text("version: 1\nrules: [{id: r, allow: read}]\n")
    done = Program(tmp_path).agentgate(*COMMANDS["replay"])
    assert (done.code, "gateway.db: 1 run left out" in done.said) == (0, True), done.said
    assert "Replayed 1 call from 1 run" in done.said
