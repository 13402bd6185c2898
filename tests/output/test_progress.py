"""The progress bar: only on a terminal, only for long work, and out of the way of what is said."""

from __future__ import annotations

import pytest

from agentgate.output.progress import Progress
from agentgate.output.sink import Sink

from .terminal import Tape, on_screen


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def reading(tape: Tape, clock: Clock, *, width: int = 80, term: str = "xterm") -> tuple[Progress, Sink]:
    """A bar for 200 MB."""
    sink = Sink(tape, environ={"TERM": term})
    return Progress(sink, lambda: 200_000_000, clock=clock, width=width), sink


def test_short_work_shows_nothing() -> None:
    """Nothing flashes where the work is done within a second."""
    tape, clock = Tape(terminal=True), Clock()
    progress, _ = reading(tape, clock)
    for _ in range(9):
        clock.now += 0.1
        progress.advance(20_000_000)
    progress.close()
    assert tape.text == ""


def test_long_work_shows_how_far_it_is() -> None:
    """Share, megabytes, their rate and the time that is left, in one line that is taken away at the end."""
    tape, clock = Tape(terminal=True), Clock()
    progress, _ = reading(tape, clock)
    clock.now += 2
    progress.advance(50_000_000)
    assert on_screen(tape.text, 80) == ["reading ━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  25%  50 of 200 MB  25 MB/s  6 seconds left"]
    clock.now += 0.01
    progress.advance(1)
    assert tape.text.count("reading") == 1, "drawn no more than ten times a second"
    clock.now += 2
    progress.advance(149_999_999)
    assert on_screen(tape.text, 80) == ["reading ━━━━━━━━━━━━━━━━━━━━━━━━━━ 100%  200 of 200 MB  50 MB/s  0 seconds left"]
    progress.close()
    assert on_screen(tape.text) == [""]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, "reading ━━╌╌╌╌╌╌╌╌  25%  50 of 200 MB  150,000 calls/s  25 MB/s  6 seconds left"),
        (70, "reading ━━━━╌╌╌╌╌╌╌╌╌╌  25%  150,000 calls/s  25 MB/s  6 seconds left"),
        (60, "reading ━━━━╌╌╌╌╌╌╌╌╌╌╌╌  25%  50 of 200 MB  6 seconds left"),
        (40, "reading ━━╌╌╌╌╌╌╌╌  25%  6 seconds left"),
    ],
    ids=["80", "70", "60", "40"],
)
def test_where_calls_are_judged_their_rate_is_shown(width: int, shown: str) -> None:
    """As far as there is room: figures are left out before the bar or the time that is left."""
    tape, clock = Tape(terminal=True), Clock()
    progress = Progress(Sink(tape, environ={"TERM": "xterm"}), lambda: 200_000_000, calls=lambda: 300_000, clock=clock, width=width)
    clock.now += 2
    progress.advance(50_000_000)
    assert on_screen(tape.text, width) == [shown]


@pytest.mark.parametrize(("seconds", "said"), [(58, "58 seconds"), (100, "1 min 40 s"), (3600, "1 h 00 min"), (100_000, "27 h 46 min")])
def test_long_times_are_said_in_minutes_and_hours(seconds: int, said: str) -> None:
    """So much longer does it take."""
    tape, clock = Tape(terminal=True), Clock()
    progress, _ = reading(tape, clock)
    clock.now += seconds
    progress.advance(100_000_000)
    assert on_screen(tape.text, 80)[0].endswith(f"  {said} left")


def test_files_without_a_byte_are_no_hurry() -> None:
    """Work that takes a while and has come nowhere yet shows just that."""
    tape, clock = Tape(terminal=True), Clock()
    progress, _ = reading(tape, clock)
    clock.now += 2
    progress.advance(0)
    assert "  0%  0 of 200 MB" in on_screen(tape.text, 80)[0]


def test_what_is_said_meanwhile_stands_above() -> None:
    """A line that is written while the bar stands there gets a line of its own."""
    tape, clock = Tape(terminal=True), Clock()
    progress, sink = reading(tape, clock)
    clock.now += 2
    progress.advance(100_000_000)
    sink.write("damaged: a.jsonl:1: not JSON\n")
    above, bar = on_screen(tape.text, 80)
    assert above == "damaged: a.jsonl:1: not JSON"
    assert bar.startswith("reading ")


@pytest.mark.parametrize(("terminal", "term"), [(False, "xterm"), (True, "dumb")])
def test_no_bar_where_it_could_not_be_taken_away(terminal: bool, term: str) -> None:
    """In pipes and files, and on terminals that know no control."""
    tape, clock = Tape(terminal=terminal), Clock()
    progress, _ = reading(tape, clock, term=term)
    clock.now += 60
    progress.advance(1)
    progress.close()
    assert tape.text == ""


@pytest.mark.parametrize("width", [10, 40, 46, 50, 60, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_it_fits_any_terminal(width: int, encoding: str) -> None:
    """A bar that was broken by the terminal could not be taken away."""
    tape, clock = Tape(encoding, terminal=True), Clock()
    progress, _ = reading(tape, clock, width=width)
    for _ in range(12):
        clock.now += 2
        progress.advance(40_000_000)
    assert all(len(line) < width for line in on_screen(tape.text))
    assert "100%" in tape.text
