"""`agentgate serve` and `agentgate approvals` as a user starts them."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.program import Program
from tests.gateway.serving import function
from tests.scripted_server import ScriptedServer, call, chat

POLICY = {"version": 1, "name": "gate", "rules": [{"id": "reads", "allow": "read"}, {"id": "mail", "ask": "send"}]}


class Running:
    """A started gateway."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.port = int(self.wait_for(r"serving http://127\.0\.0\.1:(\d+)/v1")[1])

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The next line of its standard error that matches."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            found = re.search(pattern, line.decode())
            if found:
                return found
        raise AssertionError(f"it ended without {pattern}")

    def ask(self) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [function("read"), function("send")]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        got = connection.getresponse()
        answer = got.status, json.loads(got.read())
        connection.close()
        return answer


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path, policy=POLICY)
    made.environ.pop("OPENAI_API_KEY")
    return made


@contextmanager
def serving(program: Program, upstream: ScriptedServer) -> Iterator[Running]:
    arguments = ("serve", "--policy", "policy.yaml", "--upstream", upstream.url, "--port", "0")
    process = program.start(*arguments)
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def test_a_gateway_from_start_to_end(program: Program) -> None:
    """It answers, reads its policy again, keeps the old one where the new one is broken, and ends with code 0."""
    with ScriptedServer(*[chat(calls=[call("read")])] * 3) as upstream, serving(program, upstream) as gateway:
        assert gateway.ask()[0] == 200
        policy = program.folder / "policy.yaml"
        policy.write_text("version: 1\nrules: [{id: x, alow: y}]\n")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for("the policy is kept as it was")
        assert gateway.ask()[0] == 200
        policy.write_text(yaml.safe_dump({**POLICY, "rules": [{"id": "other", "allow": "other"}]}))
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for("the policy was read again")
        assert gateway.ask()[0] == 409
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(30) == 0
    assert (program.folder / ".agentgate" / "gateway.db").exists()


def test_a_call_is_approved_on_the_command_line(program: Program) -> None:
    """Listed, approved once, and let through once."""
    answers = [chat(calls=[call("send", {"to": "anna"}, id=f"c{number}")]) for number in range(3)]
    with ScriptedServer(*answers) as upstream, serving(program, upstream) as gateway:
        status, body = gateway.ask()
        id = body["error"]["approval"]
        assert (status, body["error"]["code"]) == (409, "approval_required")
        listed = program.agentgate("approvals", "list")
        assert id in listed.out
        assert 'send {"to": "anna"}' in listed.out
        assert program.agentgate("approvals", "approve", id).code == 0
        assert program.agentgate("approvals", "approve", id).code == 2
        assert [gateway.ask()[0] for _ in range(2)] == [200, 409]


def test_the_kill_switch_stops_the_gateway(program: Program) -> None:
    """Thrown by another process, without anything being started again; and lifted."""
    with ScriptedServer(*[chat(calls=[call("read")])] * 3) as upstream, serving(program, upstream) as gateway:
        assert gateway.ask()[0] == 200
        assert program.agentgate("stop", "--all", "--reason", "enough").code == 0
        status, body = gateway.ask()
        assert (status, body["error"]["policy"]) == (409, "killed")
        assert len(upstream.requests) == 1


def test_what_the_gateway_decided_replays(program: Program) -> None:
    """From its store, while it runs."""
    with ScriptedServer(chat(calls=[call("read")])) as upstream, serving(program, upstream) as gateway:
        gateway.ask()
        done = program.agentgate("replay", ".agentgate/gateway.db", "--policy", "policy.yaml", "--format", "json")
        assert done.code == 0, done.said
        assert json.loads(done.out)["effects"] == {"allow": 1, "ask": 0, "block": 0}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no policy is given"),
        (("--policy", "policy.yaml"), "no upstream is given"),
        (("--policy", "policy.yaml", "--upstream", "https://example.com/v1", "--host", "0.0.0.0"), "anybody who reaches this machine"),
        (("--policy", "policy.yaml", "--upstream", "https://example.com/v1", "--role", "king"), "has no role `king`"),
        (("--policy", "nothing.yaml", "--upstream", "https://example.com/v1"), "nothing.yaml"),
        (("--policy", "policy.yaml", "--upstream", "https://example.com/v1", "--observe", "--on-block", "repair"), "nothing is repaired"),
        (("--policy", "policy.yaml", "--upstream", "https://example.com/v1", "--session-ttl", "soon"), "is not a length of time"),
        (("--policy", "policy.yaml", "--upstream", "https://example.com/v1", "--keep-events", "1h"), "at least `--session-ttl`"),
        (("--policy", "policy.yaml", "--upstream", "https://example.com/v1", "--store", "postgresql://db/x"), "names no user"),
    ],
    ids=["no-policy", "no-upstream", "open", "role", "no-file", "observe-and-repair", "no-time", "too-short", "no-user"],
)
def test_what_does_not_start_says_why(program: Program, arguments: tuple[str, ...], told: str) -> None:
    """With exit code 2 and the way on."""
    done = program.agentgate("serve", *arguments)
    assert (done.code, told in done.err) == (2, True), done.err
    assert "Traceback" not in done.err


def test_rules_about_results_are_kept(tmp_path: Path) -> None:
    """By a gateway as it is started: the model gets what is left of a result."""
    program = Program(tmp_path, policy={**POLICY, "results": [{"id": "big", "cut": "read", "max_bytes": 10}]})
    program.environ.pop("OPENAI_API_KEY")
    said = [
        {"role": "user", "content": "read it"},
        {"role": "assistant", "content": None, "tool_calls": [call("read")]},
        {"role": "tool", "tool_call_id": "call_1", "content": "x" * 100},
    ]
    with ScriptedServer(chat("done")) as upstream, serving(program, upstream) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        connection.request(
            "POST", "/v1/chat/completions", json.dumps({"model": "m", "messages": said}), {"content-type": "application/json"}
        )
        assert connection.getresponse().status == 200
        connection.close()
        sent = json.loads(upstream.requests[0].body["messages"][2]["content"])
    assert (sent["result"], sent["truncated"]) == ("x" * 10, True)


def test_limits_per_hour_and_once_are_kept(tmp_path: Path) -> None:
    """Across sessions, by a gateway as it is started; and what it decided replays."""
    program = Program(tmp_path, policy={**POLICY, "once": ["read"], "limits": {"per_hour": {"tool_calls": 2}}})
    program.environ.pop("OPENAI_API_KEY")
    with ScriptedServer(*[chat(calls=[call("read")])] * 3) as upstream, serving(program, upstream) as gateway:
        assert [gateway.ask()[0] for _ in range(3)] == [200, 200, 409]
        done = program.agentgate("replay", ".agentgate/gateway.db", "--policy", "policy.yaml", "--fail-on-flip")
        assert done.code == 0, done.said


def test_a_port_that_is_taken(program: Program) -> None:
    """Is something outside that failed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = program.agentgate("serve", "--policy", "policy.yaml", "--upstream", "http://localhost:1/v1", "--port", port)
        assert (done.code, f"cannot listen at `127.0.0.1:{port}`" in done.err) == (3, True), done.err
