"""`agentgate events tail` as a user starts it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.core.building import limit, policy, rule
from tests.gateway.serving import Served
from tests.scripted_server import ScriptedServer, call, chat


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """In a folder with the store of a gateway that has decided three answers."""
    evil = {"text": "\u001b[2J\nreleased"}
    answers = [chat(calls=[call(name, evil, id=f"c{number}")]) for number, name in enumerate(["read", "delete", "read"])]
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream) as served:
        assert [served.ask(session=name).status for name in "aba"] == [200, 409, 200]
    return Program(tmp_path)


def test_a_table_of_what_was_decided(program: Program) -> None:
    """A line for each answer, the newest last, and one for each call; nothing that a model says reaches the terminal as it is."""
    done = program.agentgate("events", "tail", "--store", "gateway.db")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert [line.split()[2] for line in lines if not line.startswith(" ")] == ["released", "withheld", "released"]
    assert [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "] == ["allowed", "blocked", "allowed"]
    assert "default: tool 'delete' is not allowed" in done.out
    assert "\x1b" not in done.out


def test_what_is_asked_for(program: Program) -> None:
    """Filters, a number of lines, and events as JSON."""

    def told(*options: str) -> list[tuple[str, str]]:
        done = program.agentgate("events", "tail", "--store", "gateway.db", "--format", "json", *options)
        assert done.code == 0, done.err
        events = [json.loads(line) for line in done.out.splitlines()]
        return [(event["session"], event["tool_calls"][0]["name"]) for event in events]

    assert told() == [("a", "read"), ("b", "delete"), ("a", "read")]
    assert told("--lines", "1") == [("a", "read")]
    assert told("--session", "b") == told("--result", "blocked") == [("b", "delete")]


@pytest.mark.parametrize(
    ("options", "told"),
    [(("--store", "none.db"), "no store"), (("--store", "gateway.db", "--since", "yesterday"), "`--since`")],
    ids=["no-store", "no-time"],
)
def test_what_cannot_be_told(program: Program, options: tuple[str, ...], told: str) -> None:
    """Is wrong usage, with the way on."""
    done = program.agentgate("events", "tail", *options)
    assert (done.code, told in done.err) == (2, True), done.err


def test_following_ends_with_ctrl_c(program: Program) -> None:
    """After what is there; with the exit code of an interrupted program and without a traceback."""
    process = program.start("events", "tail", "--store", "gateway.db", "--format", "json", "--follow")
    assert process.stdout is not None
    assert [json.loads(process.stdout.readline())["session"] for _ in range(3)] == ["a", "b", "a"]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"")


def test_what_is_no_decision_about_a_call_is_shown_too(tmp_path: Path) -> None:
    """A request that was refused itself, a rule on trial, and who approved a call."""
    on = policy(rule("allow", "read"), rule("block", "read", id="maybe", observe=True), rule("ask", "send"), limit("steps", 1))
    answers = [chat(calls=[call(name)]) for name in ("read", "send", "send")]
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream, on) as served:
        assert [served.ask(session="s").status for _ in range(2)] == [200, 409]
        question = served.ask().error["approval"]
        program = Program(tmp_path)
        assert program.agentgate("approvals", "approve", question, "--store", "gateway.db").code == 0
        assert served.ask().status == 200
    done = program.agentgate("events", "tail", "--store", "gateway.db")
    lines = [line.strip() for line in done.out.splitlines()]
    assert "on trial maybe would block" in lines
    assert "refused  limits.steps: limit of 1 step reached" in lines
    assert [line for line in lines if line.startswith("approve by ")]
