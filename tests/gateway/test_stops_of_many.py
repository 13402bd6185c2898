"""The kill switch for many requests a second: it says what reading all files would, a breath later at most."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from agentgate.core.events import Json, Mode
from agentgate.core.stops import Halt, Stop
from agentgate.files.gateway_records import Denial
from agentgate.files.state_folder import StateFolder
from agentgate.files.stops import FileSwitch, clear, throw
from agentgate.gateway.stops import Stops
from tests.core.building import policy
from tests.gateway.judged import bench

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BREATH = 1_000_000
"""Nanoseconds."""
THROWN = (
    Stop("s1", NOON, "all"),
    Stop("s2", NOON, "one run", run="r1"),
    Stop("s3", NOON, "a tool", tools=("send",)),
    Stop("s4", NOON, "writing", writes=True),
)


class Time:
    """The time as files have it."""

    def __init__(self) -> None:
        self.now = int(NOON.timestamp()) * 1_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """With a folder of stops, empty."""
    made = StateFolder(str(tmp_path / "state"))
    made.make(made.stops)
    return made


def said(stops: Stops, state: StateFolder, time: Time) -> list[Halt | None]:
    """What each run is told about each tool, once a breath has passed; the same as by reading all files."""
    time.now += BREATH
    asked = [(run, tool) for run in ("", "r1", "r2") for tool in (None, "send", "look", 5)]
    told = [stops.switch(run)(tool) for run, tool in asked]
    assert told == [FileSwitch(state, run)(tool) for run, tool in asked]
    return told


@pytest.mark.parametrize("stop", THROWN, ids=[stop.reason for stop in THROWN])
def test_each_run_is_told_what_the_files_say(state: StateFolder, stop: Stop) -> None:
    """Also once a stop is taken back, and where the folder itself goes."""
    time = Time()
    stops = Stops(state, time)
    assert set(said(stops, state, time)) == {None}
    throw(state, stop)
    assert set(said(stops, state, time)) != {None}
    clear(state)
    assert set(said(stops, state, time)) == {None}
    state.stops.rmdir()
    assert set(said(stops, state, time)) == {None}


def test_what_cannot_be_read_stops_everything(state: StateFolder) -> None:
    """A file that is no stop, and a folder that is none."""
    time = Time()
    stops = Stops(state, time)
    (state.stops / "x.json").write_text("{")
    assert None not in said(stops, state, time)
    (state.stops / "x.json").unlink()
    state.stops.rmdir()
    state.stops.write_text("")
    assert None not in said(stops, state, time)


def test_within_a_breath_nobody_looks_again(state: StateFolder) -> None:
    """And nobody looks later than that."""
    time = Time()
    switch = Stops(state, time).switch("r1")
    assert switch("send") is None
    throw(state, THROWN[0])
    time.now += BREATH - 1
    assert switch("send") is None
    time.now += 1
    assert switch("send") is not None


def test_a_stop_that_changes_in_its_place_is_read_again(state: StateFolder) -> None:
    """Its folder does not tell of that, so as long as anything is stopped all is read."""
    time = Time()
    stops = Stops(state, time)
    throw(state, THROWN[2])
    told = said(stops, state, time)
    (state.stops / "s3.json").write_text("{")
    assert said(stops, state, time) != told


@pytest.mark.parametrize("ago", [0, 1_000_000, 40_000_000])
def test_a_folder_that_has_just_changed_is_read_again(state: StateFolder, ago: int) -> None:
    """What changed it once more may have left it the same time."""
    time = Time()
    stops = Stops(state, time)
    changed = time.now + BREATH - ago
    os.utime(state.stops, ns=(changed, changed))
    assert set(said(stops, state, time)) == {None}
    throw(state, THROWN[0])
    os.utime(state.stops, ns=(changed, changed))
    assert None not in said(stops, state, time)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("run", ["", "r1"])
def test_a_switch_that_fails_stops_everything(run: str, mode: Mode) -> None:
    """Whether somebody stopped it cannot be known then, in observe mode neither."""

    def failing(tool: Json, /) -> Halt | None:
        raise OSError("the disk is gone")

    judging = replace(bench(policy(), mode), switch=lambda run: failing)
    assert judging.stopped(run) == Denial(code="killed", reason="the kill switch cannot be read: OSError")
