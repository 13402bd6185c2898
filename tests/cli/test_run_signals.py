"""Ctrl-C, SIGTERM and a closed terminal in every phase of a run: the record is complete, nothing goes on, exit code 130."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import RUN, Done, Program, end_of, lines, no_traceback
from tests.scripted_server import Answer, Request, ScriptedServer, call, chat, hang
from tests.tools.running import Witness

ENDINGS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
any_signal = pytest.mark.parametrize("number", ENDINGS, ids=lambda number: signal.Signals(number).name)
HANGING = """
with open({witness!r}, "w") as witness:
    witness.write("!")
    witness.flush()
    open({release!r}).read()
"""


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """Held open by a running tool for as long as its process lives."""
    os.mkfifo(tmp_path / "release")
    pipe = Witness(tmp_path / "witness")
    yield pipe
    pipe.close()


def wait_call(folder: Path, id: str = "a") -> dict[str, Any]:
    """A call of the tool that waits to be released."""
    return call("wait", {"started": str(folder / "witness"), "release": str(folder / "release")}, id=id)


def started(folder: Path, server: ScriptedServer, *arguments: str) -> tuple[Program, subprocess.Popen[bytes]]:
    """The run, under way."""
    program = Program(folder)
    program.environ["OPENAI_BASE_URL"] = server.url
    return program, program.start(*RUN, *arguments)


def interrupted(program: Program, done: Done) -> list[dict[str, Any]]:
    """Its events, after a look at everything that such an end promises."""
    assert done.code == 130
    assert no_traceback(done)
    assert program.verified().status == "interrupted"
    assert lines(done.out, "end")[0].startswith("end  Interrupted")
    assert lines(done.out, "saved") == ["saved  run.jsonl"]
    return [json.loads(line) for line in program.transcript.read_text().splitlines()]


def returned(events: list[dict[str, Any]]) -> list[tuple[str, bool, bool, str]]:
    """The answer of every call: id, whether executed, whether it went well, and what the model would have been told."""
    answers = [event for event in events if event["type"] == "tool_returned"]
    return [(event["call_id"], event["executed"], event["ok"], json.loads(event["content"]).get("error", "")) for event in answers]


@any_signal
def test_while_the_model_is_asked(number: signal.Signals, tmp_path: Path) -> None:
    """The request is given up at once, and the server sees the connection go."""
    with ScriptedServer(hang()) as server:
        program, process = started(tmp_path, server)
        server.wait_for_request()
        process.send_signal(number)
        done = end_of(process)
        server.wait_for_hangup()
    assert [event["type"] for event in interrupted(program, done)] == ["run_started", "run_ended"]


@any_signal
def test_while_a_tool_runs(number: signal.Signals, witness: Witness, tmp_path: Path) -> None:
    """The tool may end, and its result is on record; the calls after it are answered and not executed; no process stays behind."""
    answer = chat(calls=[wait_call(tmp_path), call("add", {"a": 1, "b": 2}, id="b")])
    with ScriptedServer(answer, chat("never asked")) as server:
        program, process = started(tmp_path, server)
        assert witness.started()
        process.send_signal(number)
        (tmp_path / "release").write_text("released")
        done = end_of(process)
        assert len(server.requests) == 1
    assert witness.all_dead()
    assert returned(interrupted(program, done)) == [("a", True, True, ""), ("b", False, False, "the run ended before this call")]


def test_twice_while_a_tool_runs(witness: Witness, tmp_path: Path) -> None:
    """The tool is killed at once, with everything that it started."""
    answer = chat(calls=[wait_call(tmp_path), call("add", {"a": 1, "b": 2}, id="b")])
    with ScriptedServer(answer) as server:
        program, process = started(tmp_path, server)
        assert witness.started()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        done = end_of(process)
    assert witness.all_dead()
    first, second = returned(interrupted(program, done))
    assert first == ("a", True, False, "interrupted, may have run")
    assert second == ("b", False, False, "the run ended before this call")


def test_between_an_answer_and_its_calls(tmp_path: Path) -> None:
    """A signal that comes with the answer: its calls are decided, answered and not executed."""

    def with_a_signal(request: Request) -> Answer:
        process.send_signal(signal.SIGINT)
        return chat(calls=[call("add", {"a": 1, "b": 2}, id="a")])

    program = Program(tmp_path)
    with ScriptedServer(with_a_signal) as server:
        program.environ["OPENAI_BASE_URL"] = server.url
        process = program.start(*RUN)
        done = end_of(process)
    events = interrupted(program, done)
    assert not [event for event in events if event["type"] == "tool_returned" and event["executed"]]


def test_while_tools_are_imported(witness: Witness, tmp_path: Path) -> None:
    """Nothing has begun yet, so nothing is recorded; a tool file that hangs does not keep anybody waiting."""
    with ScriptedServer() as server:
        program = Program(tmp_path)
        program.environ["OPENAI_BASE_URL"] = server.url
        (tmp_path / "tools.py").write_text(HANGING.format(witness=str(tmp_path / "witness"), release=str(tmp_path / "release")))
        process = program.start(*RUN)
        assert witness.started()
        process.send_signal(signal.SIGINT)
        done = end_of(process)
    assert done == Done(130, "", "interrupted before the run began; nothing was recorded\n")
    assert not program.transcript.exists()
    assert witness.all_dead()


class Terminal:
    """A terminal window with the program in it; results go to a pipe."""

    def __init__(self, program: Program, *arguments: str) -> None:
        self.seen = b""
        self._keyboard, terminal = pty.openpty()
        self.process = program.start(*RUN, *arguments, stdin=terminal, leader=True)
        os.close(terminal)

    def reads_until(self, text: bytes) -> None:
        while text not in self.seen:
            assert select.select([self._keyboard], [], [], 30)[0], self.seen
            self.seen += os.read(self._keyboard, 65536)

    def types(self, keys: bytes) -> None:
        os.write(self._keyboard, keys)

    def close(self) -> None:
        os.close(self._keyboard)


def send(to: str, id: str) -> dict[str, Any]:
    return call("send", {"to": to}, id=id)


def test_a_person_is_asked_on_the_terminal(tmp_path: Path) -> None:
    """Although output goes to a pipe: once yes, once no, and Ctrl-C is a no that ends the run."""
    with ScriptedServer(chat(calls=[send("x", "a"), send("y", "b"), send("z", "c"), send("q", "d")])) as server:
        program = Program(tmp_path)
        program.environ["OPENAI_BASE_URL"] = server.url
        window = Terminal(program)
        for recipient, keys in ("x", b"y\n"), ("y", b"n\n"), ("z", b"\x03"):
            window.reads_until(f'send(to="{recipient}")'.encode())
            window.seen = window.seen[window.seen.index(f'send(to="{recipient}")'.encode()) :]
            window.reads_until(b"\r\n  > ")
            window.types(keys)
        done = end_of(window.process)
        window.close()
    events = interrupted(program, done)
    assert [(event["call_id"], event["answer"], event["by"]) for event in events if event["type"] == "approval_answered"] == [
        ("a", "approve", "terminal"),
        ("b", "reject", "terminal"),
        ("c", "reject", "nobody"),
    ]
    assert [(id, executed) for id, executed, _, _ in returned(events)] == [("a", True), ("b", False), ("c", False), ("d", False)]
    assert b"send(" not in window.seen.split(b"\r\n  > ", 1)[1]


def test_x_stops_the_run(tmp_path: Path) -> None:
    """The person ends it: exit code 1, like any other stop."""
    with ScriptedServer(chat(calls=[send("x", "a")]), chat("never asked")) as server:
        program = Program(tmp_path)
        program.environ["OPENAI_BASE_URL"] = server.url
        window = Terminal(program)
        window.reads_until(b"\r\n  > ")
        window.types(b"x\n")
        done = end_of(window.process)
        window.close()
        assert len(server.requests) == 1
    assert done.code == 1
    assert program.verified().status == "stopped"


def test_a_terminal_that_is_closed(tmp_path: Path) -> None:
    """The window goes away while it asks: a no, and the run is over with a complete record."""
    with ScriptedServer(chat(calls=[send("x", "a")]), chat("done")) as server:
        program = Program(tmp_path)
        program.environ["OPENAI_BASE_URL"] = server.url
        window = Terminal(program)
        window.reads_until(b"\r\n  > ")
        window.close()
        done = end_of(window.process)
    events = interrupted(program, done)
    assert [event["answer"] for event in events if event["type"] == "approval_answered"] == ["reject"]
