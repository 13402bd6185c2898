"""Recorded runs as they look: every format at several widths, in UTF-8 and ASCII, kept as text files under tests/data/output/screens.

`AGENTGATE_WRITE_SCREENS=1` writes them anew; look at the difference before keeping it.
"""

from __future__ import annotations

import os

import pytest

from agentgate.core.events import CallDecided, RunEnded, RunStarted
from agentgate.core.findings import Place
from agentgate.output import FORMATS, open_screen
from agentgate.output.port import View
from tests.output.terminal import DATA, PLAIN_ROW, RUNS, TABLE_ROW, TRANSCRIPT, Tape, on_screen, read_event, run_events

PLACES = {
    "read-customer": Place("policies/strict.yaml", 12),
    "change-tier": Place("policies/strict.yaml", 17),
    "limits.tokens": Place("policies/strict.yaml", 30),
}
TWO_FILES = {"refunds-big": Place("a.yaml", 41), "vip-guard": Place("policies/b.yaml", 9)}
LOOKS = [
    *((format, width, encoding) for format in ("table",) for width in (40, 72, 80, 120) for encoding in ("utf-8", "ascii")),
    ("plain", 80, "utf-8"),
    ("plain", 80, "ascii"),
]


def shown(name: str, format: str, width: int, encoding: str = "utf-8", verbosity: int = 0) -> tuple[str, str]:
    """What a recorded run writes to its stream, and beside it."""
    stream, talk = Tape(encoding), Tape(encoding)
    view = View(width=width, verbosity=verbosity, places=TWO_FILES if name == "asked" else PLACES)
    screen = open_screen(format, stream, talk, view)
    for event in run_events(name):
        if isinstance(event, RunStarted):
            screen.started(event, limits="6 steps, 10 calls")
        elif isinstance(event, RunEnded):
            screen.note("the server wants fewer tools")
            screen.finished(event, transcript=TRANSCRIPT)
        else:
            screen.show(event)
    return stream.text, talk.text


def check(name: str, text: str) -> None:
    path = DATA / "screens" / f"{name}.txt"
    if os.environ.get("AGENTGATE_WRITE_SCREENS"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("format", "width", "encoding"), LOOKS)
@pytest.mark.parametrize("run", RUNS)
def test_a_run_looks_as_recorded(run: str, format: str, width: int, encoding: str) -> None:
    """Every format, width and encoding shows what is kept, in lines that fit, with one row for each decision."""
    text, talk = shown(run, format, width, encoding)
    check(f"{run}-{format}-{width}-{encoding}", text + ("\n(beside it)\n" + talk if talk else ""))
    decisions = sum(isinstance(event, CallDecided) for event in run_events(run))
    assert encoding == "utf-8" or text.isascii()
    if format == "table":
        lines = on_screen(text, width)
        assert sum(bool(TABLE_ROW.match(line)) for line in lines) == decisions
    else:
        assert sum(bool(PLAIN_ROW.match(line)) for line in on_screen(text)) == decisions


@pytest.mark.parametrize("run", RUNS)
def test_events_are_written_as_events(run: str) -> None:
    """`jsonl` gives lines that read back as the events that were shown; what is said about the run stands beside them."""
    text, talk = shown(run, "jsonl", 80)
    assert text.isascii()
    assert [read_event(line) for line in on_screen(text)[:-1]] == run_events(run)
    check(f"{run}-jsonl-beside", talk)


@pytest.mark.parametrize("verbosity", [1, 2])
@pytest.mark.parametrize("format", ["table", "plain"])
@pytest.mark.parametrize("run", ["observe", "asked", "stopped"])
def test_more_is_shown_on_demand(run: str, format: str, verbosity: int) -> None:
    """`-v` shows more of results and what the model said beside its calls, `-vv` leaves nothing out."""
    text, _ = shown(run, format, 80, verbosity=verbosity)
    check(f"{run}-{format}-80-{'v' * verbosity}", text)
    on_screen(text, 80 if format == "table" else None)
    if verbosity == 2:
        assert "characters…" not in text


@pytest.mark.parametrize("run", RUNS)
def test_quiet_shows_only_the_answer(run: str) -> None:
    """`--quiet` prints the final answer and nothing else; a bad end is told beside it."""
    text, talk = shown(run, "table", 80, verbosity=-1)
    check(f"{run}-quiet", text + ("\n(beside it)\n" + talk if talk else ""))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("run", RUNS)
def test_events_alone_are_enough(run: str, format: str) -> None:
    """`show` with the events of a transcript gives the same rows as a run that says more, without what only the run knows."""
    stream, talk = Tape(), Tape()
    screen = open_screen(format, stream, talk, View(width=80))
    for event in run_events(run):
        screen.show(event)
        screen.show(event) if isinstance(event, RunEnded) else None
    full, _ = shown(run, format, 80)
    assert abs(len(stream.text.splitlines()) - len(full.splitlines())) <= 12
    assert not screen.silenced
    assert not on_screen(stream.text)[-1]
