"""`agentgate serve` as processes of its own: several on one store, killed, restarted, stopped and told to read their policy again."""

from __future__ import annotations

import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.building import policy
from tests.gateway.processes import ROOT, Process
from tests.gateway.serving import KEY, sse
from tests.gateway.test_faults import Live, piece, until
from tests.gateway.test_store import replayed
from tests.scripted_server import Answer, Request, ScriptedServer, call, chat

APPROVER = "a" * 24
ENVIRON = {"AGENTGATE_EVENTS_KEY": KEY, "AGENTGATE_APPROVALS_KEY": APPROVER}
LIMITED = """\
version: 1
name: shared
rules: [{id: reading, allow: [read, send]}]
limits: {tool_calls: 23, tools: {send: {calls: 5}}}
"""
SIMPLE = "version: 1\nname: simple\nrules: [{id: reading, allow: read}, {id: sending, ask: send}]\n"
STORE = ("--store", "shared.db")


def proposals(*names: str) -> Iterator[Callable[[Request], Answer]]:
    """Calls of these tools in turn, each with an id of its own."""
    for number in itertools.count():
        name = names[number % len(names)]
        yield lambda request, name=name, number=number: chat(calls=[call(name, {"n": number}, id=f"c{number}")])  # type: ignore[misc]


def at_once(*jobs: Callable[[], Any]) -> None:
    """Runs jobs side by side."""
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_processes_share_limits_exactly(tmp_path: Path) -> None:
    """Asked from eight sides at once, together they let through what the limits say, and not one call more or less."""
    got: list[tuple[int, str]] = []
    with ScriptedServer(*itertools.islice(proposals("read", "send", "read"), 96)) as upstream, ExitStack() as stack:
        gateways = [stack.enter_context(Process(tmp_path, upstream.url, *STORE, policy=LIMITED)) for _ in range(2)]

        def hammer(gateway: Process) -> None:
            for _ in range(12):
                answer = gateway.ask(("read", "send"), session="s")
                name = answer.body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] if answer.status == 200 else ""
                got.append((answer.status, name))

        at_once(*[lambda gateway=gateway: hammer(gateway) for gateway in gateways * 4])
    passed = [name for status, name in got if status == 200]
    assert {status for status, _ in got} == {200, 409}
    assert (len(passed), passed.count("send")) == (23, 5)


def test_one_approval_passes_once_in_two_processes(tmp_path: Path) -> None:
    """However many ask for it at the same time."""
    same = chat(calls=[call("send", {"to": "x"})])
    got: list[int] = []
    with ScriptedServer(*[same] * 17) as upstream, ExitStack() as stack:
        one, other = (stack.enter_context(Process(tmp_path, upstream.url, *STORE, policy=SIMPLE, environ=ENVIRON)) for _ in range(2))
        id = one.ask(("send",), session="s").error["approval"]
        answer = {"decision": "approve"}
        assert other.send("POST", f"/v1/approvals/{id}", answer, {"authorization": f"Bearer {APPROVER}"}).status == 200

        def hammer(gateway: Process) -> None:
            got.extend(gateway.ask(("send",), session="s").status for _ in range(4))

        at_once(*[lambda gateway=gateway: hammer(gateway) for gateway in (one, other) * 2])
    assert sorted(got) == [200] + [409] * 15


def test_killed_at_any_moment_the_store_knows_what_was_let_through(tmp_path: Path) -> None:
    """And the session goes on from there in the next process."""
    passed: set[str] = set()
    with ScriptedServer(*itertools.islice(proposals("read"), 200)) as upstream:
        with Process(tmp_path, upstream.url, *STORE, policy=LIMITED) as gateway:
            enough = threading.Event()

            def hammer() -> None:
                try:
                    while True:
                        answer = gateway.ask(("read",))
                        passed.add(answer.body["choices"][0]["message"]["tool_calls"][0]["id"])
                        if len(passed) > 20:
                            enough.set()
                except (OSError, json.JSONDecodeError):
                    return

            threads = [threading.Thread(target=hammer) for _ in range(3)]
            for thread in threads:
                thread.start()
            assert enough.wait(60)
            gateway.kill()
            for thread in threads:
                thread.join()
        kept = replayed(tmp_path / "shared.db", policy())
        assert passed <= {judged.call_id for calls in kept.values() for judged in calls}
        with Process(tmp_path, upstream.url, *STORE, policy=LIMITED) as gateway:
            assert gateway.ask(("read",)).status == 200


def test_a_session_survives_a_kill(tmp_path: Path) -> None:
    """Its limit is used up by what was let through before."""
    one_call = LIMITED.replace("tool_calls: 23", "tool_calls: 1")
    with ScriptedServer(*itertools.islice(proposals("read"), 2)) as upstream:
        with Process(tmp_path, upstream.url, *STORE, policy=one_call) as gateway:
            assert gateway.ask(session="s").status == 200
            gateway.kill()
        with Process(tmp_path, upstream.url, *STORE, policy=one_call) as gateway:
            assert gateway.ask(session="s").error["policy"] == "limits.tool_calls"


def agentgate(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Any command."""
    known = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environ}
    command = [sys.executable, "-m", "agentgate", *arguments]
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, timeout=60, check=False)


def test_the_kill_switch_stops_a_gateway_that_runs(tmp_path: Path) -> None:
    """From the next call on, until it is taken back; before the upstream is even asked."""
    with ScriptedServer(*itertools.islice(proposals("read"), 4)) as upstream, Process(tmp_path, upstream.url, policy=SIMPLE) as gateway:
        assert gateway.ask(("read",)).status == 200
        thrown = agentgate(tmp_path, "stop", "--all", "--reason", "enough")
        assert thrown.returncode == 0, thrown.stderr
        got = gateway.ask(("read",))
        assert (got.status, got.error["policy"], "enough" in got.error["message"]) == (409, "killed", True)
        assert len(upstream.requests) == 1
        assert agentgate(tmp_path, "stop", "--clear", "--all").returncode == 0
        assert gateway.ask(("read",)).status == 200


def test_one_session_of_a_gateway_is_stopped(tmp_path: Path) -> None:
    """By the name that its client gives it; all others go on, and it does again once the stop is cleared."""
    with ScriptedServer(*itertools.islice(proposals("read"), 4)) as upstream, Process(tmp_path, upstream.url, policy=SIMPLE) as gateway:
        assert gateway.ask(session="a").status == 200
        assert agentgate(tmp_path, "stop", "--session", "a", "--reason", "enough").returncode == 0
        got = gateway.ask(session="a")
        assert (got.status, got.error["policy"], got.error["message"]) == (409, "killed", "the kill switch is on: enough")
        assert [gateway.ask(session=other).status for other in ("b", None)] == [200, 200]
        assert agentgate(tmp_path, "stop", "--clear", "a").returncode == 0
        assert gateway.ask(session="a").status == 200


def test_approvals_are_answered_on_the_command_line(tmp_path: Path) -> None:
    """Listed, approved, and then the same call passes once."""
    same = chat(calls=[call("send", {"to": "x"})])
    with ScriptedServer(same, same, same) as upstream, Process(tmp_path, upstream.url, *STORE, policy=SIMPLE) as gateway:
        id = gateway.ask(("send",)).error["approval"]
        listed = agentgate(tmp_path, "approvals", "list", *STORE)
        assert id in listed.stdout, listed.stderr
        assert agentgate(tmp_path, "approvals", "approve", id, *STORE).returncode == 0
        assert [gateway.ask(("send",)).status for _ in range(2)] == [200, 409]


def test_the_policy_is_read_again(tmp_path: Path) -> None:
    """At SIGHUP; a broken file keeps the old one, and the operator hears of both."""
    with ScriptedServer(*itertools.islice(proposals("read"), 3)) as upstream, Process(tmp_path, upstream.url, policy=SIMPLE) as gateway:
        file = tmp_path / "policy.yaml"
        file.write_text("version: 1\nname: broken\nrules: [{id: x, alow: read}]\n")
        gateway.process.send_signal(signal.SIGHUP)
        assert "kept as it was" in gateway.wait_for("the policy is kept")
        assert gateway.ask(("read",)).status == 200
        file.write_text("version: 1\nname: other\nrules: [{id: x, allow: other}]\n")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for("the policy was read again")
        assert gateway.ask(("read",)).status == 409


@contextmanager
def stopping(folder: Path) -> Iterator[tuple[Process, Live, socket.socket]]:
    """A gateway that got a SIGTERM when the first words of a stream were out; what sends the rest, and whoever reads it."""
    upstream = Live()
    said = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(said)}\r\n\r\n".encode()
    with (
        Process(folder, upstream.url, policy=SIMPLE) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client,
    ):
        client.sendall(head + said)
        upstream.take()
        upstream.send(piece("first"))
        until(client, b"first")
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_for("stopping")
        yield gateway, upstream, client
    upstream.close()


def test_an_answer_that_has_begun_is_finished(tmp_path: Path) -> None:
    """After SIGTERM nobody new is let in, and the stream still comes to its end."""
    with stopping(tmp_path) as (gateway, upstream, client):
        upstream.send(sse({"content": "last"}).body)
        upstream.send(b"")
        assert b"last" in until(client, b"[DONE]")
        client.close()
        assert gateway.process.wait(40) == 0
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", gateway.port), timeout=5)


def test_a_policy_from_standard_input(tmp_path: Path) -> None:
    """It can be read once only, and is still there when it is to be read again."""
    with (
        ScriptedServer(*itertools.islice(proposals("read"), 2)) as upstream,
        Process(tmp_path, upstream.url, *STORE, policy=SIMPLE, piped=True) as gateway,
    ):
        assert gateway.ask(("read",)).status == 200
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for("the policy was read again")
        assert gateway.ask(("read",)).status == 200


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """In the midst of an answer, with a word about that and no traceback; what was decided before is on disk."""
    with stopping(tmp_path) as (gateway, _, _):
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(20) == 130
        gateway.wait_for("stopped at once")
        assert "Traceback" not in gateway.said


SECRET = "sk-up-0123456789abcdefghij"


def test_it_takes_as_many_connections_as_the_system_allows(tmp_path: Path) -> None:
    """Shells begin with a low limit that a process may raise, and 500 streams take 1,000 files."""
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("only Linux tells the limits of another process")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1] // 2, before[1]))
    try:
        with ScriptedServer() as upstream, Process(tmp_path, upstream.url, policy=SIMPLE) as gateway:
            assert resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_no_key_is_ever_told(tmp_path: Path) -> None:
    """Not in the log, not in events, not in the store, even where the model says it; the client's call keeps it."""
    said = SIMPLE.replace("allow: read}", "allow: read, when: {action: [a]}}")
    leaking = chat(calls=[call("read", {"action": SECRET})])
    client = {"authorization": f"Bearer {'c' * 30}"}
    environ = {**ENVIRON, "OPENAI_API_KEY": SECRET, "K": "c" * 30}
    options = ("--key-env", "K", *STORE)
    with ScriptedServer(leaking, leaking) as upstream, Process(tmp_path, upstream.url, *options, policy=said, environ=environ) as gateway:
        got = gateway.ask(("read",), headers=client)
        assert got.status == 409
        assert gateway.ask(headers={"authorization": "Bearer wrong-key-of-somebody"}).status == 401
        assert gateway.ask(("read",), headers=client, model=SECRET).status == 409
        odd: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [{"type": SECRET}]}
        assert gateway.send("POST", "/v1/chat/completions", odd, client).status == 409
        told = json.dumps(gateway.events())
        gateway.process.send_signal(signal.SIGTERM)
        gateway.process.wait(40)
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("shared.db*"))
        for place in (gateway.said, told, stored.decode("latin-1"), got.raw.decode()):
            assert not [key for key in (SECRET, "c" * 30, "wrong-key-of-somebody", KEY, APPROVER) if key in place]


@pytest.mark.parametrize(
    ("options", "environ", "words"),
    [
        (["--host", "0.0.0.0"], {}, "anybody who reaches this machine"),
        (["--key-env", "K"], {}, "holds no key"),
        (["--key-env", "K"], {"K": "short"}, "only 5 characters"),
        (["--upstream", "http://models.example.com/v1"], {"OPENAI_API_KEY": "sk-1234567890123456"}, "not encrypted"),
        (["--upstream", "https://u:p@example.com/v1"], {}, "name or password"),
        (["--upstream", "ftp://example.com"], {}, "not an address"),
        (["--role", "boss"], {}, "no role"),
        (["--observe", "--on-block", "repair"], {}, "nothing is repaired"),
        (["--store", "policy.yaml"], {}, "not a store"),
        (["--store", "/dev/null"], {}, "not a regular file"),
    ],
    ids=["host", "no-key", "short-key", "plain-http", "user-info", "scheme", "role", "observe-repair", "no-store", "device"],
)
def test_a_dangerous_start_is_refused(tmp_path: Path, options: list[str], environ: dict[str, str], words: str) -> None:
    """With the reason and a way on, in two lines, and exit code 2."""
    (tmp_path / "policy.yaml").write_text(SIMPLE)
    start = ["serve", "--policy", "policy.yaml", "--upstream", "https://example.com/v1", "--port", "0", *options]
    done = agentgate(tmp_path, *start, **environ)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(key in done.stderr for key in environ.values())
