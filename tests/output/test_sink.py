"""Streams that break, terminals that can and cannot take a line back, and what decides on colours."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console

from agentgate.core.events import RunEnded, RunStarted
from agentgate.errors import OutsideError, UsageError
from agentgate.output import FORMATS, default_format, open_screen
from agentgate.output.port import Screen, View
from agentgate.output.sink import Sink
from agentgate.output.table import TableScreen
from tests.output.terminal import Tape, on_screen, run_events

ROOT = Path(__file__).parent.parent.parent


def closed_pipe() -> TextIO:
    """The writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8")


@pytest.mark.parametrize("format", FORMATS)
def test_a_screen_without_a_reader_goes_silent(format: str) -> None:
    """When the pipe is closed, the run goes on, and closing the stream at the end raises nothing."""
    stream = closed_pipe()
    screen: Screen = open_screen(format, stream, stream, View(width=80))
    for event in run_events("customer"):
        screen.show(event)
    screen.note("still here")
    with screen.waiting("for nobody"):
        pass
    assert screen.silenced
    stream.close()


def test_a_closed_stream_and_a_full_disk_are_no_reason_to_stop() -> None:
    """Any failure to write makes the sink silent."""
    tape = Tape()
    sink = Sink(tape)
    tape.close()
    sink.write("text")
    assert sink.silenced
    if Path("/dev/full").exists():
        with suppress(OSError), Path("/dev/full").open("w") as full:
            sink = Sink(full)
            sink.write("text")
            assert sink.silenced


@pytest.mark.parametrize("format", FORMATS)
def test_a_process_whose_reader_left_ends_well(format: str) -> None:
    """`agentgate run … | head -1`: exit code and standard error say nothing of the broken pipe."""
    program = (
        "import sys\n"
        "from agentgate.output import open_screen\n"
        "from agentgate.output.port import View\n"
        "from tests.output.terminal import run_events\n"
        "sys.stdin.read()\n"
        f"screen = open_screen({format!r}, sys.stdout, sys.stderr, View(width=80))\n"
        "[screen.show(event) for event in run_events('failed')]\n"
        "print('more')\n"
        "sys.exit(0 if screen.silenced else 9)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], env=environ, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.close()
        process.stdin.close()
        complaints = process.stderr.read()
        assert process.wait(60) == 0, complaints
    assert "Broken" not in complaints
    assert "Exception" not in complaints


def screen_on_a_terminal(term: str) -> tuple[TableScreen, Tape]:
    tape = Tape(terminal=True)
    environ = {"TERM": term}
    console = Console(file=tape, width=80, legacy_windows=False, _environ=environ)
    return TableScreen(console, View(width=80), Sink(tape, environ=environ)), tape


def test_waiting_is_one_line_that_goes_away() -> None:
    """While something lasts, a terminal shows it in its last line; rows appear above, and nothing of it remains."""
    screen, tape = screen_on_a_terminal("xterm")
    with screen.waiting("waiting for the model\n" + "x" * 200):
        assert on_screen(tape.text, 80)[-1].startswith("… waiting for the model\\nx")
        screen.note("hello")
        assert on_screen(tape.text, 80)[0] == "note: hello"
        assert on_screen(tape.text, 80)[1].startswith("… waiting")
    assert on_screen(tape.text) == ["note: hello", ""]


def test_waiting_ends_when_what_lasted_fails() -> None:
    """An exception passes through and takes the line with it."""
    screen, tape = screen_on_a_terminal("xterm")
    with pytest.raises(KeyError), screen.waiting("waiting"):
        raise KeyError
    assert on_screen(tape.text) == [""]


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_nothing_is_taken_back_where_that_is_impossible(term: str) -> None:
    """A dumb terminal sees no status line."""
    screen, tape = screen_on_a_terminal(term)
    with screen.waiting("waiting"):
        pass
    assert tape.text == ""


@pytest.mark.parametrize("format", FORMATS)
def test_a_pipe_sees_no_status_line(format: str) -> None:
    """Waiting writes nothing where nobody sits before it."""
    tape = Tape()
    with open_screen(format, tape, tape, View()).waiting("waiting"):
        pass
    assert tape.text == ""


@pytest.mark.parametrize(
    ("environ", "terminal", "coloured"),
    [
        ({"TERM": "xterm-256color"}, True, True),
        ({"TERM": "xterm-256color"}, False, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm-256color", "FORCE_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "xterm-256color", "CI": "true"}, False, False),
    ],
)
def test_the_environment_decides_on_colours(environ: dict[str, str], terminal: bool, coloured: bool) -> None:
    """NO_COLOR, FORCE_COLOR, TERM and what the stream is decide; forced colours in a pipe bring no status line."""
    tape = Tape(terminal=terminal)
    console = Console(file=tape, width=80, legacy_windows=False, _environ=environ)
    screen = TableScreen(console, View(), Sink(tape, environ=environ))
    with screen.waiting("waiting"):
        screen.show(RunEnded(status="done"))
    assert ("\x1b[1;32m" in tape.text) == coloured
    assert ("\x1b[2K" in tape.text) == (terminal and environ["TERM"] != "dumb")


def test_columns_decides_on_the_width() -> None:
    """`COLUMNS` is obeyed as rich does it."""
    tape = Tape()
    console = Console(file=tape, legacy_windows=False, _environ={"COLUMNS": "60"})
    TableScreen(console, View()).show(RunStarted(run_id="r"))
    assert max(len(line) for line in on_screen(tape.text)) == 59


def test_formats_are_found_by_name() -> None:
    """Each format opens; a wrong one is named with the right ones; a pipe gets plain lines by default."""
    for format in FORMATS:
        assert not open_screen(format, Tape(), Tape(), View()).silenced
    with pytest.raises(UsageError, match="unknown format `html`"):
        open_screen("html", Tape(), Tape(), View())
    assert default_format(Tape()) == "plain"
    assert default_format(Tape(terminal=True)) == "table"


def test_a_stored_event_is_written_as_it_is_stored() -> None:
    """jsonl writes what the transcript keeps, object or line, with DEL as an escape."""
    started = RunStarted(run_id="r")
    for stored in ({"type": "run_started", "seq": 1, "run_id": "r\x7f"}, b'{"type":"run_started","seq":1,"run_id":"r\x7f"}\n'):
        tape = Tape()
        open_screen("jsonl", tape, tape, View(stored=lambda _, kept=stored: kept)).show(started)  # type: ignore[misc]
        assert tape.text == '{"type":"run_started","seq":1,"run_id":"r\\u007f"}\n'


def test_a_result_that_did_not_arrive() -> None:
    """A full disk is a failure that is raised when asked for; a reader that went away is none."""

    class Failing(io.StringIO):
        def __init__(self, error: OSError) -> None:
            super().__init__()
            self.error = error

        def write(self, text: str) -> int:
            raise self.error

    for error in (BrokenPipeError(), None):
        sink = Sink(Failing(error) if error is not None else io.StringIO())
        sink.write("text")
        sink.check()
    sink = Sink(Failing(OSError(28, "No space left on device")))
    sink.write("text")
    with pytest.raises(OutsideError, match="no space left on device"):
        sink.check()
