"""The gateway's own security: who may ask, from where, how much, how slowly, and what is passed on."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import Json
from agentgate.errors import UsageError
from agentgate.gateway.settings import settings
from tests.gateway.processes import Process
from tests.gateway.serving import KEY, Served
from tests.scripted_server import Answer, ScriptedServer, call, chat

CLIENT = "c" * 24
ASKED = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def raw_exchange(gateway: Served, data: bytes) -> bytes:
    """Bytes as they are, and the status line that comes back."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(data)
        received = b""
        while b"\r\n" not in received and (piece := connection.recv(65536)):
            received += piece
        return received.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("given", "status"),
    [(None, 401), ("Bearer wrong", 401), (f"Basic {CLIENT}", 401), (CLIENT, 401), (f"Bearer {CLIENT}x", 401), (f"bearer {CLIENT}", 200)],
)
def test_clients_need_the_key(tmp_path: Path, given: str | None, status: int) -> None:
    """Where one is set; the upstream never sees it."""
    with ScriptedServer(chat("hi")) as upstream, Served(tmp_path, upstream, key_env="K", environ={"K": CLIENT}) as gateway:
        got = gateway.ask(headers={} if given is None else {"authorization": given})
        assert got.status == status
        assert all("authorization" not in request.headers for request in upstream.requests)


def test_the_key_opens_every_route_that_answers(tmp_path: Path) -> None:
    """Without it only the probe answers."""
    with ScriptedServer() as upstream, Served(tmp_path, upstream, key_env="K", environ={"K": CLIENT}) as gateway:
        routes = [("POST", "/v1/chat/completions"), ("POST", "/v1/responses"), ("GET", "/v1/models"), ("GET", "/v1/events")]
        assert {gateway.send(method, path).status for method, path in [*routes, ("GET", "/metrics")]} == {401}
        assert gateway.send("GET", "/healthz").status == 200
        assert upstream.requests == []


def test_nobody_reads_events_without_a_key(tmp_path: Path) -> None:
    """Where none is configured."""
    with ScriptedServer() as upstream, Served(tmp_path, upstream) as gateway:
        assert gateway.send("GET", "/v1/events").status == 403
        assert gateway.send("GET", "/v1/events", headers={"authorization": "Bearer "}).status == 403


def test_the_upstream_gets_its_own_key(tmp_path: Path) -> None:
    """In place of what the client sent."""
    with ScriptedServer(chat("hi")) as upstream, Served(tmp_path, upstream, environ={"OPENAI_API_KEY": "sk-up"}) as gateway:
        gateway.ask(headers={"authorization": "Bearer sk-client"})
        assert upstream.requests[0].headers["authorization"] == "Bearer sk-up"


def test_without_any_key_the_client_s_own_goes_through(tmp_path: Path) -> None:
    """To the upstream that the operator named."""
    with ScriptedServer(chat("hi")) as upstream, Served(tmp_path, upstream) as gateway:
        gateway.ask(headers={"authorization": "Bearer sk-client"})
        assert upstream.requests[0].headers["authorization"] == "Bearer sk-client"


def test_headers_go_by_list_in_both_directions(tmp_path: Path) -> None:
    """Cookies, addresses and whatever else is not on the list stay here."""
    answer = Answer(chat("hi").body, headers={"set-cookie": "a=b", "x-secret": "1", "x-request-id": "r1", "location": "http://evil"})
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask(headers={"cookie": "c=d", "x-forwarded-for": "1.2.3.4", "openai-project": "p", "x-agentgate-role": "admin"})
        assert upstream.requests[0].headers["openai-project"] == "p"
        assert not {"cookie", "x-forwarded-for", "x-agentgate-role"} & set(upstream.requests[0].headers)
        assert got.headers["x-request-id"] == "r1"
        assert not {"set-cookie", "x-secret", "location"} & set(got.headers)
        assert got.headers["server"] == "agentgate"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:41002"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "localhost:1"}, 200),
        ({"host": "[::1]:41002"}, 200),
        ({"host": "gate.internal"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://app.internal"}, 200),
    ],
    ids=lambda value: str(value),
)
def test_requests_come_by_known_names(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    """A web page that leads its own name to this machine is refused, and so is any page that is not listed."""
    options: Any = {"hosts": ("gate.internal",), "origins": ("https://app.internal",)}
    with ScriptedServer(chat("hi")) as upstream, Served(tmp_path, upstream, **options) as gateway:
        assert gateway.ask(headers=headers).status == status
        assert len(upstream.requests) == (status == 200)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("OPTIONS", "/v1/chat/completions", 405),
        ("POST", "/v1/embeddings", 404),
        ("POST", "/v1/completions", 404),
        ("GET", "/", 404),
        ("POST", "/v1//chat/completions", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("POST", "/v1/x/../chat/completions", 404),
        ("POST", "/v1/%63hat/completions", 404),
        ("POST", "/V1/chat/completions", 404),
        ("POST", "/v1/chat/completions?x=1", 200),
        ("GET", "/v1/responses/resp_1", 404),
    ],
)
def test_there_is_no_other_way_through(tmp_path: Path, method: str, path: str, status: int) -> None:
    """What is not a route does not exist, however it is spelled."""
    with ScriptedServer(chat("hi")) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.send(method, path, ASKED)
        assert got.status == status
        assert len(upstream.requests) == (status == 200)
        assert status == 200 or got.error["type"] == "invalid_request_error"


def test_a_body_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    """By its announced length, by its real one, and by what it unpacks to."""
    with ScriptedServer() as upstream, Served(tmp_path, upstream, max_body=1000) as gateway:
        long = {**ASKED, "pad": "x" * 2000}
        assert gateway.send("POST", "/v1/chat/completions", long).status == 413
        bomb = gzip.compress(json.dumps({**ASKED, "pad": "x" * 100_000}).encode())
        assert gateway.send("POST", "/v1/chat/completions", bomb, {"content-encoding": "gzip"}).status == 413
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert b" 413 " in raw_exchange(gateway, head + b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n")
        assert upstream.requests == []


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: +5",
        b"Content-Length: -1",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"X-Long: " + b"x" * 20_000,
        b"\r\n".join(b"X-%d: y" % number for number in range(200)),
        b"Bad Header: x",
        b" folded: x",
    ],
    ids=[
        "two-lengths",
        "length-and-chunks",
        "plus",
        "minus",
        "chunked-first",
        "unknown-coding",
        "long-header",
        "many-headers",
        "space",
        "folded",
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(tmp_path: Path, head: bytes) -> None:
    """Nothing of it reaches the upstream, and the connection is closed."""
    with ScriptedServer(chat("hi"), chat("hi")) as upstream, Served(tmp_path, upstream) as gateway:
        start = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        got = raw_exchange(gateway, start + head + b"\r\n\r\n" + b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}')
        assert b" 400 " in got
        assert upstream.requests == []


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b'"x"',
        b"{",
        b'{"model": "m", "model": "n", "messages": [{"role": "user", "content": "x"}]}',
        b'{"messages": []}',
        b'{"messages": {"role": "user"}}',
        b'{"messages": [{"role": "user", "content": "x"}], "stream": "yes"}',
        b'{"messages": [{"role": "wizard", "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"messages": [{"role": "user", "content": NaN}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function"}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "tool_choice": "maybe"}',
        b"[" * 100_000,
    ],
    ids=range(14),
)
def test_a_body_that_cannot_be_judged_is_refused(tmp_path: Path, said: bytes) -> None:
    """With status 400 and a reason."""
    with ScriptedServer(chat("hi")) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.send("POST", "/v1/chat/completions", said)
        assert (got.status, got.error["type"], bool(got.error["message"])) == (400, "invalid_request_error", True)
        assert upstream.requests == []


def test_a_role_in_the_request_changes_nothing(tmp_path: Path) -> None:
    """Roles come from the operator."""
    with ScriptedServer(chat(calls=[call("delete")])) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask(headers={"x-agentgate-role": "admin"}, role="admin", metadata={"role": "admin"})
        assert got.status == 409


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        ({"host": "0.0.0.0"}, {}),
        ({"host": "example.com"}, {}),
        ({"host": "::"}, {}),
        ({"key_env": "K"}, {}),
        ({"key_env": "K"}, {"K": "short"}),
        ({"key_env": "K"}, {"K": "has spaces in it which is bad"}),
        ({"key_env": "K"}, {"K": CLIENT, "OPENAI_API_KEY": CLIENT}),
        ({"key_env": "K"}, {"K": CLIENT, "AGENTGATE_APPROVALS_KEY": CLIENT}),
        ({}, {"AGENTGATE_EVENTS_KEY": KEY, "AGENTGATE_APPROVALS_KEY": KEY}),
        ({"upstream": "http://models.example.com/v1"}, {"OPENAI_API_KEY": "sk-secret"}),
        ({"upstream": "http://models.example.com/v1"}, {}),
        ({"upstream": "https://user:secret@example.com/v1"}, {}),
        ({"upstream": "file:///etc/passwd"}, {}),
        ({"upstream": "example.com"}, {}),
        ({"upstream": "https://example.com/v1?key=secret"}, {}),
    ],
    ids=str,
)
def test_a_dangerous_configuration_does_not_start(options: dict[str, Json], environ: dict[str, str]) -> None:
    """And the message says why, without the secret."""
    with pytest.raises(UsageError) as caught:
        settings(**{"upstream": "https://example.com/v1", "environ": environ, **options})
    assert "secret" not in f"{caught.value.message} {caught.value.help}"
    assert caught.value.help


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        ({"host": "0.0.0.0", "key_env": "K"}, {"K": CLIENT}),
        ({"host": "::1"}, {}),
        ({"upstream": "http://localhost:11434/v1"}, {"OPENAI_API_KEY": "sk-x"}),
        ({"upstream": "http://models.example.com/v1", "key_env": "K"}, {"K": CLIENT}),
    ],
    ids=str,
)
def test_a_sound_configuration_starts(options: dict[str, Json], environ: dict[str, str]) -> None:
    """Beyond this machine with a key, locally without."""
    made = settings(**{"upstream": "https://example.com/v1/", "environ": environ, **options})
    assert not made.upstream.endswith("/")


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Wherever it leads."""
    answer = Answer(status=307, headers={"location": "http://127.0.0.1:1/v1/chat/completions"})
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask()
        assert (got.status, got.error["type"], len(upstream.requests)) == (502, "upstream_error", 1)


def test_a_packed_answer_is_unpacked_within_bounds(tmp_path: Path) -> None:
    """One of ordinary size is read; a bomb is an error of the upstream."""
    packed = Answer(gzip.compress(chat("hi").body), headers={"content-encoding": "gzip"})
    bomb = Answer(gzip.compress(b" " * (40 << 20)), headers={"content-encoding": "gzip"})
    with ScriptedServer(packed, bomb) as upstream, Served(tmp_path, upstream) as gateway:
        assert gateway.ask().body["choices"][0]["message"]["content"] == "hi"
        assert gateway.ask().status == 502
        assert upstream.requests[0].headers["accept-encoding"] == "identity"


def test_events_are_asked_for_soundly(tmp_path: Path) -> None:
    """Nothing is guessed."""
    with ScriptedServer() as upstream, Served(tmp_path, upstream, environ={"AGENTGATE_EVENTS_KEY": KEY}) as gateway:
        for query in (
            "limit=0",
            "limit=x",
            "limit=1001",
            "result=maybe",
            "since=yesterday",
            "before=yesterday",
            "limit=1&limit=2",
            "unknown=1",
            "limit",
        ):
            got = gateway.send("GET", f"/v1/events?{query}", headers={"authorization": f"Bearer {KEY}"})
            assert got.status == 400, query
        assert gateway.events("?since=2026-01-01T00:00:00Z&limit=5") == []
        assert gateway.events("?") == []


def test_what_comes_packed_wrongly_is_no_traceback(tmp_path: Path) -> None:
    """The client is told, and the operator reads one line."""
    with ScriptedServer() as upstream, Process(tmp_path, upstream.url, policy="version: 1\nrules: [{id: r, allow: read}]\n") as gateway:
        got = gateway.send("POST", "/v1/chat/completions", b"this is not packed at all", {"content-encoding": "gzip"})
        assert got.status == 400
    assert "Traceback" not in gateway.said
    assert not upstream.requests


def test_a_session_is_named_once(tmp_path: Path) -> None:
    """Of two names nobody could tell which one counts."""
    with ScriptedServer() as upstream, Served(tmp_path, upstream) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
        body = json.dumps(ASKED).encode()
        connection.putrequest("POST", "/v1/chat/completions")
        for name, value in (("content-length", str(len(body))), ("x-agentgate-session", "a"), ("x-agentgate-session", "b")):
            connection.putheader(name, value)
        connection.endheaders(body)
        assert connection.getresponse().status == 400
        connection.close()
