"""The kill switch on disk: what was thrown is read back, and whatever else lies in its place stops everything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from agentgate.core.stops import Halt, Stop
from agentgate.errors import AgentgateError
from agentgate.files.state_folder import StateFolder
from agentgate.files.stops import FileSwitch, Unreadable, clear, read_stops, recorded_id, throw

Spoil: TypeAlias = Callable[[StateFolder], object]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVERYTHING = Stop("s1", NOON, "incident 42", by="anna")
GOOD: dict[str, Any] = {"id": "s1", "at": "2026-01-01T12:00:00Z", "reason": "incident 42"}


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    (tmp_path / "work").mkdir()
    return StateFolder(str(tmp_path / "work" / "state"))


def said(state: StateFolder, tool: Any = "send", *, run: str = "r1", reads: tuple[str, ...] = ()) -> Halt | None:
    return FileSwitch(state, run, reads=reads)(tool)


def test_nothing_is_stopped_where_nothing_was_thrown(state: StateFolder) -> None:
    """Neither without a state folder, nor without a folder of stops, nor with an empty one."""
    assert said(state) is None
    state.make()
    assert said(state) is None
    state.make(state.stops)
    assert said(state) is None


def test_a_stop_comes_back_as_it_was_thrown(state: StateFolder) -> None:
    """In a file that only its owner can read, and with nothing left beside it."""
    stop = Stop("s1", NOON, "it's 5 o'clock \u202e", by="anna", run="r1", tools=("send", "x_*"), writes=True)
    throw(state, stop)
    assert read_stops(state) == [stop]
    assert [file.name for file in state.stops.iterdir()] == ["s1.json"]
    assert (state.stops / "s1.json").stat().st_mode & 0o777 == 0o600
    assert state.stops.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("stop", "wanted"),
    [
        (EVERYTHING, Halt("the kill switch is on: incident 42", ends_run=True)),
        (msgspec.structs.replace(EVERYTHING, run="r1"), Halt("the kill switch is on: incident 42", ends_run=True)),
        (msgspec.structs.replace(EVERYTHING, run="r2"), None),
        (msgspec.structs.replace(EVERYTHING, tools=("send",)), Halt("the kill switch is on for tool 'send': incident 42", ends_run=False)),
        (msgspec.structs.replace(EVERYTHING, tools=("pay",)), None),
        (msgspec.structs.replace(EVERYTHING, writes=True), Halt("the kill switch is on for tool 'send': incident 42", ends_run=False)),
        (msgspec.structs.replace(EVERYTHING, writes=True, run="r2"), None),
    ],
)
def test_what_a_run_is_told(state: StateFolder, stop: Stop, wanted: Halt | None) -> None:
    """Only what is about this run and this tool; a tool of unknown effect counts as writing."""
    throw(state, stop)
    assert said(state) == wanted


def test_reading_goes_on_while_writing_is_stopped(state: StateFolder) -> None:
    """For tools that are known to only read; the model may be asked, too."""
    throw(state, msgspec.structs.replace(EVERYTHING, writes=True))
    assert said(state, "look", reads=("look",)) is None
    assert said(state, None) is None


def test_the_end_of_a_run_goes_before_the_stop_of_a_tool(state: StateFolder) -> None:
    """Whatever was thrown first."""
    throw(state, msgspec.structs.replace(EVERYTHING, tools=("*",)))
    throw(state, Stop("s2", NOON, "all of it"))
    assert said(state) == Halt("the kill switch is on: all of it", ends_run=True)


def write(text: str | bytes) -> Spoil:
    """Puts a file where a stop would be."""

    def spoil(state: StateFolder) -> None:
        state.make(state.stops)
        (state.stops / "s1.json").write_bytes(text if isinstance(text, bytes) else text.encode())

    return spoil


def with_keys(**changes: Any) -> Spoil:
    return write(json.dumps({**GOOD, **changes}))


def replace_folder(make: Callable[[Path], object]) -> Spoil:
    """Puts something else where the folder of stops would be."""

    def spoil(state: StateFolder) -> None:
        state.make()
        make(state.stops)

    return spoil


def link_to_elsewhere(path: Path) -> None:
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    path.symlink_to(elsewhere)


def link_file(state: StateFolder) -> None:
    state.make(state.stops)
    outside = Path(state.path).parent / "s1.json"
    outside.write_text(json.dumps(GOOD))
    (state.stops / "s1.json").symlink_to(outside)


def pipe(state: StateFolder) -> None:
    state.make(state.stops)
    os.mkfifo(state.stops / "s1.json")


def other_state(make: Callable[[Path], object]) -> Spoil:
    """Puts something else where the state folder would be."""
    return lambda state: make(Path(state.path))


SPOILT: dict[str, Spoil] = {
    "empty": write(""),
    "torn": write('{"id": "s1", "at"'),
    "not utf-8": write(b"\xff\xfe"),
    "list": write("[]"),
    "null": write("null"),
    "missing keys": write('{"id": "s1"}'),
    "unknown key": with_keys(until="tomorrow"),
    "duplicate key": write(json.dumps(GOOD)[:-1] + ', "reason": "x"}'),
    "another id": with_keys(id="s2"),
    "tools as text": with_keys(tools="send"),
    "tools as null": with_keys(tools=None),
    "nameless tool": with_keys(tools=[""]),
    "writes as text": with_keys(writes="no"),
    "time without zone": with_keys(at="2026-01-01T12:00:00"),
    "time as a number": with_keys(at=1),
    "too large": write(json.dumps({**GOOD, "by": "x" * 100_000})),
    "foreign name": lambda state: (state.make(state.stops) / "notes.txt").write_text("x"),
    "folder in folder": lambda state: (state.make(state.stops) / "s1.json").mkdir(),
    "link to a stop": link_file,
    "pipe": pipe,
    "folder is a file": replace_folder(lambda path: path.write_text("x")),
    "folder is a link": replace_folder(link_to_elsewhere),
    "folder is a dangling link": replace_folder(lambda path: path.symlink_to("nowhere")),
    "state is a file": other_state(lambda path: path.write_text("x")),
    "state is a link": other_state(link_to_elsewhere),
    "state is a dangling link": other_state(lambda path: path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_what_cannot_be_read_stops_everything(state: StateFolder, spoil: Spoil) -> None:
    """Every run and every tool, and it says why."""
    spoil(state)
    (bad,) = read_stops(state)
    assert isinstance(bad, Unreadable)
    halt = said(state, "look", run="any", reads=("look",))
    assert halt is not None
    assert halt.ends_run
    assert halt.reason.startswith("the kill switch cannot be read: ")


def test_a_folder_without_permission_stops_everything(state: StateFolder) -> None:
    """Root may read everything, so this is tried by everybody else."""
    state.make(state.stops).chmod(0)
    try:
        readable = os.access(state.stops, os.R_OK)
        assert (said(state) is None) == readable
    finally:
        state.stops.chmod(0o700)


def test_a_good_stop_beside_a_bad_one_changes_nothing(state: StateFolder) -> None:
    """Not even one that is about another run."""
    throw(state, Stop("s2", NOON, "x", run="r2"))
    write("")(state)
    halt = said(state)
    assert halt is not None
    assert halt.ends_run


def test_clearing(state: StateFolder) -> None:
    """By name, or everything there is; what is not there is not taken away."""
    assert clear(state) == []
    for name in ("s1", "s2", "s3"):
        throw(state, Stop(name, NOON, "x"))
    assert clear(state, ["s2", "s9", "../s1"]) == ["s2"]
    write("")(state)
    assert clear(state) == ["s1", "s3"]
    assert said(state) is None


@pytest.mark.parametrize("name", ["folder is a file", "folder is a link", "state is a link"])
def test_neither_thrown_nor_cleared_through_something_else(state: StateFolder, name: str) -> None:
    """It is said, and nothing outside of the state folder changes."""
    SPOILT[name](state)
    with pytest.raises(AgentgateError):
        throw(state, EVERYTHING)
    with pytest.raises(AgentgateError):
        clear(state)


def test_the_run_of_a_transcript(tmp_path: Path) -> None:
    """Its first line says which it is; anything else is refused."""
    transcript = tmp_path / "run.jsonl"
    transcript.write_text('{"type": "run_started", "run_id": "r1"}\n{"type": "torn')
    assert recorded_id(transcript) == "r1"
    for text in ("", "{}", "[]", '{"type": "run_started", "run_id": "../x"}', '{"type": "run_ended", "run_id": "r1"}'):
        transcript.write_text(text)
        with pytest.raises(AgentgateError):
            recorded_id(transcript)
    with pytest.raises(AgentgateError):
        recorded_id(tmp_path)
