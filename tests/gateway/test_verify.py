"""`agentgate audit verify` of a gateway's store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from agentgate.errors import FileError
from agentgate.files.gateway_verify import verify_store
from tests.cli.program import Program
from tests.gateway.test_store import kept


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store with five events of two runs, as bytes."""
    return kept(tmp_path_factory.mktemp("store")).read_bytes()


def changed(folder: Path, store: bytes, change: str = "") -> Path:
    path = folder / "gateway.db"
    path.write_bytes(store)
    db = sqlite3.connect(path)
    db.executescript(change)
    db.close()
    return path


def test_a_sound_store(tmp_path: Path, store: bytes) -> None:
    """Is told in the words of a transcript: how many events, the head, and what cannot be proven."""
    program = Program(tmp_path)
    changed(tmp_path, store)
    done = program.agentgate("audit", "verify", "gateway.db")
    assert (done.code, done.err) == (0, "")
    first, head, note = done.out.splitlines()
    assert first == "gateway.db: ok, 5 events, 2 runs"
    assert note.startswith("note: a file that was rewritten as a whole is not found by its own hashes")
    again = program.agentgate("audit", "verify", "gateway.db", "--head", head.split()[1])
    assert (again.code, again.out.splitlines()) == (0, [first, head])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("UPDATE answers SET line = CAST(replace(CAST(line AS TEXT), 'delete', 'delite') AS BLOB) WHERE seq = 2", 2),
        ("DELETE FROM answers WHERE seq = 2", 3),
        ("DELETE FROM answers WHERE seq = 1", 2),
        ("UPDATE answers SET seq = 9 WHERE seq = 5", 9),
        ("UPDATE answers SET line = 'x' WHERE seq = 5", 5),
        ("UPDATE answers SET session = 'b' WHERE seq = 4", 4),
        ("UPDATE answers SET at = '2000-01-01T00:00:00.000000+00:00' WHERE seq = 4", 4),
        ("UPDATE answers SET id = 'evt_x' WHERE seq = 4", 4),
        ("UPDATE answers SET hash = 'x' WHERE seq = 5", 5),
    ],
    ids=["edited", "removed", "first-removed", "moved", "garbage", "session", "time", "id", "hash"],
)
def test_a_change_is_found_at_its_place(tmp_path: Path, store: bytes, change: str, line: int) -> None:
    """Also one beside the chain, by which sessions and events are looked up."""
    found = verify_store(changed(tmp_path, store, change))
    assert not found.ok
    assert found.problems[0].line == line


def test_a_store_that_was_cut_off(tmp_path: Path, store: bytes) -> None:
    """Is found by the head that was kept elsewhere; an earlier head is that of a store that has gone on since."""
    whole = verify_store(changed(tmp_path, store))
    shorter = verify_store(changed(tmp_path, store, "DELETE FROM answers WHERE seq = 5"))
    assert shorter.ok
    assert not verify_store(tmp_path / "gateway.db", head=whole.head).ok
    later = verify_store(changed(tmp_path, store), head=shorter.head)
    assert later.ok
    assert later.notes == ("the head is that of event 4 of 5: what follows was written later, or by somebody else",)


def test_a_database_of_somebody_else(tmp_path: Path) -> None:
    """Is no store."""
    with pytest.raises(FileError, match="not the store of a gateway"):
        verify_store(changed(tmp_path, b"", "CREATE TABLE t (x)"))
