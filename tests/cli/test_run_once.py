"""`agentgate run` with what runs share: SIGKILL within an effect, two runs at once, limits over time, a state that cannot be used."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Done, Program, end_of, lines, no_traceback
from tests.scripted_server import ScriptedServer, call, chat
from tests.tools.running import Witness

ONCE = {"once": ["wait", "add"]}
SCOPE = ("--idempotency-scope", "order-7")
ADD = call("add", {"a": 1, "b": 2}, id="a")


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """Held open by a running tool for as long as its process lives."""
    os.mkfifo(tmp_path / "release")
    pipe = Witness(tmp_path / "witness")
    yield pipe
    pipe.close()


def wait_call(folder: Path) -> dict[str, Any]:
    """A call of the tool that has its effect, and then waits to be released."""
    return call("wait", {"started": str(folder / "witness"), "release": str(folder / "release")}, id="a")


def program(folder: Path, server: ScriptedServer, **policy: Any) -> Program:
    """The program before a scripted model."""
    made = Program(folder, policy=policy)
    made.environ["OPENAI_BASE_URL"] = server.url
    return made


def command(number: int, *more: str) -> tuple[str, ...]:
    """A run with a transcript of its own."""
    return ("run", "task.yaml", "--policy", "policy.yaml", "--transcript", f"run{number}.jsonl", *more)


def answers(folder: Path, number: int) -> list[tuple[bool, dict[str, Any]]]:
    """What every call of a run got: whether it was executed, and the content."""
    events = [json.loads(line) for line in (folder / f"run{number}.jsonl").read_text().splitlines()]
    return [(event["executed"], json.loads(event["content"])) for event in events if event["type"] == "tool_returned"]


@contextmanager
def killed_in_its_effect(made: Program, witness: Witness) -> Iterator[None]:
    """After a run that was killed once its tool had begun; the tool goes with it. The witness stays usable for another one."""
    process: subprocess.Popen[bytes] = made.start(*command(1, *SCOPE))
    assert witness.started()
    process.send_signal(signal.SIGKILL)
    end_of(process)
    assert witness.all_dead()
    writer = os.open(witness.path, os.O_WRONLY)
    try:
        yield
    finally:
        os.close(writer)


def test_what_was_begun_before_a_kill_is_never_begun_again(witness: Witness, tmp_path: Path) -> None:
    """Between the effect and its record: the next run with the key learns that it may have run, and does not run it."""
    with ScriptedServer(chat(calls=[wait_call(tmp_path)]), chat(calls=[wait_call(tmp_path)]), chat("done")) as server:
        made = program(tmp_path, server, **ONCE)
        with killed_in_its_effect(made, witness):
            again = made.agentgate(*command(2, *SCOPE))
    assert again.code == 0
    ((executed, content),) = answers(tmp_path, 2)
    assert not executed
    assert (content["ok"], content["code"]) == (False, "duplicate")
    assert "is being executed in run" in content["error"]
    assert content["error"].endswith("or may have run, as a; it is not executed again")


def test_another_key_is_another_effect(witness: Witness, tmp_path: Path) -> None:
    """So it is executed, as the first one was."""
    with ScriptedServer(chat(calls=[wait_call(tmp_path)]), chat(calls=[wait_call(tmp_path)]), chat("done")) as server:
        made = program(tmp_path, server, **ONCE)
        with killed_in_its_effect(made, witness):
            process = made.start(*command(2, "--idempotency-scope", "order-8"))
            assert witness.started()
            (tmp_path / "release").write_text("released")
            assert end_of(process).code == 0
    assert [executed for executed, _ in answers(tmp_path, 2)] == [True]


def test_of_two_runs_at_once_one_executes(witness: Witness, tmp_path: Path) -> None:
    """While the first is at it, the second is told so; after it, a third gets the result."""
    script = [chat(calls=[wait_call(tmp_path)]), chat(calls=[wait_call(tmp_path)]), chat("done"), chat("done")]
    with ScriptedServer(*script, chat(calls=[wait_call(tmp_path)]), chat("done")) as server:
        made = program(tmp_path, server, **ONCE)
        first = made.start(*command(1, *SCOPE))
        assert witness.started()
        assert made.agentgate(*command(2, *SCOPE)).code == 0
        (tmp_path / "release").write_text("released")
        assert end_of(first).code == 0
        assert made.agentgate(*command(3, *SCOPE)).code == 0
    assert [executed for number in (1, 2, 3) for executed, _ in answers(tmp_path, number)] == [True, False, False]
    assert answers(tmp_path, 3)[0][1] == {"ok": True, "tool": "wait", "result": "released", "code": "duplicate"}


def test_a_run_that_was_killed_goes_on_without_a_second_effect(witness: Witness, tmp_path: Path) -> None:
    """With `--retry-unknown` the same call is its run's own to try again; another call with the same arguments is a repeat."""
    with ScriptedServer(chat(calls=[wait_call(tmp_path)]), chat(calls=[wait_call(tmp_path) | {"id": "b"}]), chat("done")) as server:
        made = program(tmp_path, server, **ONCE)
        with killed_in_its_effect(made, witness):
            process = made.start("resume", "run1.jsonl", "--retry-unknown")
            assert witness.started()
            (tmp_path / "release").write_text("released")
            done = end_of(process)
    assert done.code == 0, done.said
    told = answers(tmp_path, 1)
    assert [executed for executed, _ in told] == [True, False]
    assert told[1][1] == {"ok": True, "tool": "wait", "result": "released", "code": "duplicate"}


def test_a_run_that_was_killed_goes_on_and_leaves_it_at_that(witness: Witness, tmp_path: Path) -> None:
    """Nobody says to try again, and the model's own try is a repeat."""
    with ScriptedServer(chat(calls=[wait_call(tmp_path)]), chat(calls=[wait_call(tmp_path) | {"id": "b"}]), chat("done")) as server:
        made = program(tmp_path, server, **ONCE)
        with killed_in_its_effect(made, witness):
            done = made.agentgate("resume", "run1.jsonl")
    assert done.code == 0, done.said
    assert [content["error"] for _, content in answers(tmp_path, 1)] == [
        "interrupted, may have run",
        "the same call is being executed, or may have run, as a; it is not executed again",
    ]


def adding(folder: Path, runs: int, *options: str, **policy: Any) -> list[Done]:
    """So many runs, each of which proposes the same call once."""
    with ScriptedServer(*(answer for _ in range(runs) for answer in (chat(calls=[ADD]), chat("done")))) as server:
        made = program(folder, server, **policy)
        return [made.agentgate(*command(number, *options)) for number in range(runs)]


def test_runs_share_a_limit_over_time(tmp_path: Path) -> None:
    """The third of three finds nothing left, goes on, and says when there is room again."""
    done = adding(tmp_path, 3, limits={"per_hour": {"tool_calls": 2}})
    assert [one.code for one in done] == [0, 0, 0]
    assert [executed for number in range(3) for executed, _ in answers(tmp_path, number)] == [True, True, False]
    (line,) = lines(done[2].out, "block")
    assert "limit of 2 tool calls per hour reached; again in " in line
    assert "limits.per_hour.tool_calls:" in line


def test_another_state_folder_is_another_count(tmp_path: Path) -> None:
    """`--state` says where."""
    policy = {"limits": {"tools": {"add": {"per_day": 1}}}}
    adding(tmp_path, 1, **policy)
    (tmp_path / "run0.jsonl").unlink()
    adding(tmp_path, 1, "--state", "other", **policy)
    assert [executed for executed, _ in answers(tmp_path, 0)] == [True]
    assert (tmp_path / "other" / "state.db").is_file()


def test_a_state_that_cannot_be_used_starts_nothing(tmp_path: Path) -> None:
    """Exit code 3, with the path and the way on, and no run."""
    (tmp_path / ".agentgate").mkdir(mode=0o700)
    (tmp_path / ".agentgate" / "state.db").write_text("no database" * 100)
    (done,) = adding(tmp_path, 1, limits={"per_hour": {"tool_calls": 2}})
    assert done.code == 3
    assert "the state `.agentgate/state.db` cannot be used: file is not a database" in done.err
    assert "help: mend or remove it, or use another folder with --state" in done.err
    assert no_traceback(done)
    assert not (tmp_path / "run0.jsonl").exists() or (tmp_path / "run0.jsonl").read_text() == ""


def test_a_state_that_fails_under_way_stops_the_run(witness: Witness, tmp_path: Path) -> None:
    """The call is refused, the answer to it is on record, and the end says why."""
    policy = {"limits": {"per_hour": {"tool_calls": 9}}}
    with ScriptedServer(chat(calls=[wait_call(tmp_path), ADD | {"id": "b"}]), chat("never asked")) as server:
        made = program(tmp_path, server, **policy)
        process = made.start(*command(1))
        assert witness.started()
        with sqlite3.connect(tmp_path / ".agentgate" / "state.db") as other:
            other.execute("DROP TABLE used")
        other.close()
        (tmp_path / "release").write_text("released")
        done = end_of(process)
        assert len(server.requests) == 1
    assert done.code == 3
    assert no_traceback(done)
    assert [executed for executed, _ in answers(tmp_path, 1)] == [True, False]
    assert "no such table: used" in lines(done.out, "end")[0]


def test_without_need_there_is_no_state(tmp_path: Path) -> None:
    """A policy that counts over one run alone keeps nothing."""
    adding(tmp_path, 1)
    assert not (tmp_path / ".agentgate").exists()


def test_a_scope_without_tools_under_once_is_wrong_usage(tmp_path: Path) -> None:
    """It would do nothing, and somebody counts on it; so is an empty one."""
    (done,) = adding(tmp_path, 1, *SCOPE)
    assert done.code == 2
    assert "`--idempotency-scope` is for tools under `once`, and the policy has none" in done.err
    (done,) = adding(tmp_path, 1, "--idempotency-scope", "", **ONCE)
    assert done.code == 2
    assert "an idempotency scope is 1 to 200 printable characters" in done.err


def test_requests_that_cannot_be_paid_are_not_sent(tmp_path: Path) -> None:
    """What is sent is reserved; where little is left, the answer is bounded."""
    price = {"input": 1.0, "output": 10.0}
    task = {"model": {"provider": "openai", "name": "scripted", "price": price}}
    with ScriptedServer(chat(calls=[ADD]), chat("never asked")) as server:
        made = Program(tmp_path, task=task, policy={"limits": {"cost_usd": 0.005}})
        made.environ["OPENAI_BASE_URL"] = server.url
        done = made.agentgate(*command(1))
    assert done.code == 0, done.said
    bounds = [request.body["max_completion_tokens"] for request in server.requests]
    assert all(0 < bound < 500 for bound in bounds)
    with ScriptedServer(chat("never asked")) as server:
        made = Program(tmp_path, task=task, policy={"limits": {"cost_usd": 0.0005}})
        made.environ["OPENAI_BASE_URL"] = server.url
        done = made.agentgate(*command(2))
        assert server.requests == []
    assert done.code == 1
    assert "the next request may cost $0.00" in done.out
    assert "and of the limit of $0.0005 $0.00 are spent" in done.out
