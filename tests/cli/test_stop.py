"""The kill switch from one process to another: a run under way, and `agentgate stop` beside it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Done, Program, end_of, no_traceback
from tests.scripted_server import ScriptedServer, call, chat, hang
from tests.tools.running import Witness

TOOLS = [{"python": "tools.py:add", "effect": "read"}, {"python": "tools.py:send"}, {"python": "tools.py:wait"}]
POLICY = {"rules": [{"id": "all", "allow": ["add", "wait", "send"]}]}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path, task={"tools": TOOLS}, policy=POLICY)


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """Held open by a running tool for as long as its process lives."""
    os.mkfifo(tmp_path / "release")
    pipe = Witness(tmp_path / "witness")
    yield pipe
    pipe.close()


def wait_call(folder: Path) -> dict[str, Any]:
    """A call of the tool that waits to be released."""
    return call("wait", {"started": str(folder / "witness"), "release": str(folder / "release")}, id="w")


def start(program: Program, server: ScriptedServer, *arguments: str) -> subprocess.Popen[bytes]:
    program.environ["OPENAI_BASE_URL"] = server.url
    return program.start("run", "task.yaml", "--policy", "policy.yaml", *arguments)


def stop(program: Program, *arguments: str) -> Done:
    """`agentgate stop`, which must succeed."""
    done = program.agentgate("stop", *arguments)
    assert done.code == 0, done.err
    return done


def events(program: Program) -> list[dict[str, Any]]:
    """The one transcript in the state folder."""
    (file,) = (program.folder / ".agentgate" / "runs").glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def answers(program: Program) -> dict[str, str | None]:
    """Call id → the code in its answer, None for a result."""
    returned = [event for event in events(program) if event["type"] == "tool_returned"]
    return {event["call_id"]: json.loads(event["content"]).get("code") for event in returned}


@pytest.mark.parametrize("by", ["all", "id", "beginning"])
def test_while_the_model_is_asked(program: Program, by: str) -> None:
    """The request is given up, the run ends as stopped with the reason, and the exit code is 1."""
    with ScriptedServer(hang()) as server:
        process = start(program, server)
        server.wait_for_request()
        run_id = events(program)[0]["run_id"]
        stop(program, {"all": "--all", "id": run_id, "beginning": run_id[:5]}[by], "--reason", "incident 42")
        done = end_of(process)
    assert done.code == 1
    assert no_traceback(done)
    assert (events(program)[-1]["status"], events(program)[-1]["reason"]) == ("stopped", "the kill switch is on: incident 42")
    assert "incident 42" in done.out


def test_while_a_tool_runs(program: Program, witness: Witness) -> None:
    """It may end, and its result is on record; the calls after it are killed, and the model is not asked again."""
    with ScriptedServer(chat(calls=[wait_call(program.folder), call("send", {"to": "x"}, id="s")])) as server:
        process = start(program, server)
        assert witness.started()
        stop(program, "--all", "--reason", "incident 42")
        (program.folder / "release").write_text("released")
        done = end_of(process)
        assert len(server.requests) == 1
    assert done.code == 1
    assert answers(program) == {"w": None, "s": "killed"}
    decided = [event for event in events(program) if event["type"] == "call_decided"]
    assert [(event["effect"], event["code"]) for event in decided] == [("allow", "rule"), ("block", "killed")]


@pytest.mark.parametrize("mode", [(), ("--observe",)], ids=["enforce", "observe"])
@pytest.mark.parametrize(
    ("scope", "killed"),
    [(("--tool", "se*"), {"s"}), (("--writes",), {"s"}), (("--tool", "add"), {"a"}), (("--tool", "add", "--writes"), set())],
    ids=["pattern", "writes", "name", "name-and-writes"],
)
def test_some_tools(program: Program, witness: Witness, scope: tuple[str, ...], killed: set[str], mode: tuple[str, ...]) -> None:
    """Their calls are killed, the others executed, and the run goes on to its end."""
    calls = [wait_call(program.folder), call("send", {"to": "x"}, id="s"), call("add", {"a": 1, "b": 2}, id="a")]
    with ScriptedServer(chat(calls=calls), chat("done")) as server:
        process = start(program, server, *mode)
        assert witness.started()
        stop(program, *scope, "--reason", "incident 42")
        (program.folder / "release").write_text("released")
        done = end_of(process)
    assert done.code == 0
    assert events(program)[-1]["status"] == "done"
    assert {id for id, code in answers(program).items() if code == "killed"} == killed


def test_another_run_goes_on(program: Program) -> None:
    """A stop of one run is not about others."""
    with ScriptedServer(chat("first"), chat(calls=[call("add", {"a": 1, "b": 2})]), chat("done")) as server:
        assert end_of(start(program, server)).code == 0
        stop(program, events(program)[0]["run_id"], "--reason", "x")
        assert end_of(start(program, server)).code == 0


@pytest.mark.parametrize("spoil", ["file", "link", "text", "keys"])
def test_an_unreadable_switch(program: Program, spoil: str) -> None:
    """It stops, says so, and `--list` and `--clear` lead the way on."""
    stops = program.folder / ".agentgate" / "stops"
    stops.parent.mkdir()
    if spoil == "file":
        stops.write_text("")
    elif spoil == "link":
        stops.symlink_to(".")
    else:
        stops.mkdir()
        (stops / "s1.json").write_text("{" if spoil == "text" else '{"id": "s1", "extra": 1}')
    with ScriptedServer() as server:
        done = end_of(start(program, server))
        assert server.requests == []
    assert done.code == 1
    assert "the kill switch cannot be read" in done.out
    assert "cannot be read" in stop(program, "--list").out
    if spoil in ("text", "keys"):
        assert stop(program, "--clear", "s1").out == "cleared  s1\n"
        assert stop(program, "--list").out == "nothing is stopped\n"


def test_list_and_clear(program: Program) -> None:
    """As a table and as JSON; by the id of the stop, or all of them."""
    for name in ("one", "two", "three"):
        stop(program, "--tool", name, "--reason", f"because of {name}")
    listed = json.loads(stop(program, "--list", "--format", "json").out)
    assert [(row["tools"], row["reason"], row["run"], row["writes"]) for row in listed] == [
        ([name], f"because of {name}", None, False) for name in ("one", "two", "three")
    ]
    table = stop(program, "--list").out.splitlines()
    assert len(table) == 4
    assert "because of two" in table[2]
    assert stop(program, "--clear", listed[1]["id"]).out == f"cleared  {listed[1]['id']}\n"
    assert stop(program, "--clear", "--all").out.count("cleared") == 2
    assert stop(program, "--list").out == "nothing is stopped\n"


def test_clear_by_run(program: Program) -> None:
    """Takes back all stops of that run, and no other."""
    with ScriptedServer(chat("done")) as server:
        assert end_of(start(program, server)).code == 0
    run_id = events(program)[0]["run_id"]
    stop(program, run_id, "--reason", "x")
    stop(program, run_id, "--tool", "y", "--reason", "x")
    stop(program, "--all", "--reason", "stays")
    assert stop(program, "--clear", run_id).out.count("cleared") == 2
    assert [row["reason"] for row in json.loads(stop(program, "--list", "--format", "json").out)] == ["stays"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing is named to be stopped"),
        (("--reason", "x"), "nothing is named to be stopped"),
        (("--all",), "a stop needs a reason"),
        (("--all", "--reason", "  "), "a stop needs a reason"),
        (("--all", "--reason", "x" * 501), "the reason cannot be written"),
        (("nobody", "--reason", "x"), "no run `nobody`"),
        (("nobody", "--all", "--reason", "x"), "a run, --session and --all"),
        (("nobody", "--session", "s", "--reason", "x"), "a run, --session and --all"),
        (("--session", "s", "--all", "--reason", "x"), "a run, --session and --all"),
        (("--session", "two words", "--reason", "x"), "`two words` cannot be a session"),
        (("--session", "s", "--clear"), "belong to a new stop"),
        (("--tool", "two words", "--reason", "x"), "`two words` is not a tool name"),
        (("--list", "--clear"), "--list shows, --clear takes back"),
        (("--list", "--reason", "x"), "belong to a new stop"),
        (("--list", "nobody"), "--list shows all stops"),
        (("--clear",), "nothing is named to be cleared"),
        (("--clear", "nobody"), "there is no stop `nobody`"),
    ],
)
def test_wrong_usage(program: Program, arguments: tuple[str, ...], said: str) -> None:
    """Nothing is stopped or cleared, and the way on is named."""
    done = program.agentgate("stop", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "help: " in done.err
    assert not (program.folder / ".agentgate").exists()


def test_another_state_folder(program: Program) -> None:
    """A stop binds the runs of its own state folder."""
    first = stop(program, "--all", "--reason", "elsewhere", "--state", "other")
    assert f"runs that keep their state in {program.folder / 'other'}." in first.err
    assert "warning: this folder was not there before" in first.err
    assert "warning" not in stop(program, "--all", "--reason", "once more", "--state", "other").err
    with ScriptedServer(chat("done")) as server:
        assert end_of(start(program, server)).code == 0
        assert end_of(start(program, server, "--state", "other")).code == 1
    assert len(list((program.folder / "other" / "runs").glob("*.jsonl"))) == 1


def test_a_killed_run_is_judged_by_the_policy_alone_when_it_is_replayed(program: Program) -> None:
    """What the kill switch refused is no flip, whatever the policy says about it."""
    stop(program, "--tool", "send", "--reason", "x")
    with ScriptedServer(chat(calls=[call("send", {"to": "x"})]), chat("done")) as server:
        assert end_of(start(program, server)).code == 0
    replayed = program.agentgate("replay", ".agentgate/runs", "--policy", "policy.yaml", "--format", "json", "--fail-on-flip")
    assert replayed.code == 0
    result = json.loads(replayed.out)
    assert (result["effects"]["allow"], result["flips"]) == (1, 0)
