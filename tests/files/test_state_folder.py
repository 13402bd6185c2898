"""The state folder: its parts, how it is made, and what RUN means."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from agentgate.errors import FileError, OutsideError, UsageError
from agentgate.files.state_folder import StateFolder, find_run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_parts(tmp_path: Path) -> None:
    """Every part lies in the folder, and the default one in the current directory."""
    state = StateFolder(str(tmp_path / "s"))
    assert [part.name for part in (state.runs, state.stops, state.database, state.history)] == ["runs", "stops", "state.db", "history.db"]
    assert {part.parent for part in (state.runs, state.stops, state.database, state.history)} == {tmp_path / "s"}
    assert str(StateFolder().runs) == ".agentgate/runs"


def test_making_it(tmp_path: Path) -> None:
    """Missing folders are made for their owner alone; what is there already stays as it is."""
    state = StateFolder(str(tmp_path / "a" / "s"))
    assert state.make(state.runs) == state.runs
    assert state.make() == tmp_path / "a" / "s"
    assert {mode(folder) for folder in (tmp_path / "a", tmp_path / "a" / "s", state.runs)} == {0o700}
    state.runs.chmod(0o750)
    state.make(state.runs)
    assert mode(state.runs) == 0o750


@pytest.mark.parametrize(("kind", "what"), [("link", "is a link"), ("file", "is not a folder")])
@pytest.mark.parametrize("part", ["s", "s/runs"])
def test_never_through_links(tmp_path: Path, kind: str, what: str, part: str) -> None:
    """A link or a file in place of the folder, or of a part of it, is refused."""
    place = tmp_path / part
    place.parent.mkdir(exist_ok=True)
    (tmp_path / "else").mkdir()
    if kind == "link":
        place.symlink_to(tmp_path / "else")
    else:
        place.write_text("")
    state = StateFolder(str(tmp_path / "s"))
    with pytest.raises(FileError, match=what):
        state.make(state.runs)
    assert list((tmp_path / "else").iterdir()) == []


def test_where_nothing_can_be_made(tmp_path: Path) -> None:
    """A file in the way further up is something outside that fails."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError, match="cannot make the folder"):
        StateFolder(str(tmp_path / "file" / "s")).make()


def test_what_run_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id comes before a file of that name, a file before the beginning of an id."""
    monkeypatch.chdir(tmp_path)
    state = StateFolder()
    runs = state.make(state.runs)
    for name in ("abc", "abd", "xyz", "xy"):
        (runs / f"{name}.jsonl").write_text("")
    for name in ("abc", "x"):
        Path(name).write_text("")
    assert find_run("abc", state) == runs / "abc.jsonl"
    assert find_run("xy", state) == runs / "xy.jsonl"
    assert find_run("xyz", state) == runs / "xyz.jsonl"
    assert find_run("x", state) == Path("x")
    assert find_run("abd", state) == find_run(".agentgate/runs/abd.jsonl", state)
    assert find_run("abd.jsonl", state) == runs / "abd.jsonl"
    (tmp_path / "abc").unlink()
    for name, what in {
        "ab": "begins the ids of 2 runs: abc, abd",
        "q": "no run `q`",
        "ab.jsonl": "no run",
        "../runs/abc.jsonl": "no run",
        "../abc": "no run",
        "*": "no run",
        "": "no run",
    }.items():
        with pytest.raises(FileError, match=what.replace("*", r"\*")):
            find_run(name, state)


def test_transcripts_lie_in_one_folder_by_id() -> None:
    """The id of a run is the name of its file."""
    assert StateFolder("state").transcript("k3v9") == Path("state/runs/k3v9.jsonl")


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".", "x" * 65, "a\n", "é", "a.b"])
def test_ids_from_elsewhere_never_become_paths(run_id: str) -> None:
    """Only ids like ours name files."""
    with pytest.raises(UsageError, match=r"cannot name a file$"):
        StateFolder("state").transcript(run_id)
