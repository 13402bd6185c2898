"""Web pages that the operator names: what their browser asks before, and what it must hear so that they may read an answer."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agentgate.errors import UsageError
from agentgate.gateway.settings import settings
from tests.gateway.serving import KEY, Response, Served, call_delta, sse
from tests.scripted_server import ScriptedServer, call, chat

PAGE = "https://app.internal"
ASKS = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-os",
}
CLIENT = "c" * 24


def served(folder: Path, upstream: ScriptedServer) -> Served:
    """A gateway with a key that one page may call."""
    return Served(folder, upstream, origins=(PAGE,), key_env="K", environ={"K": CLIENT})


def lets_read(got: Response) -> bool:
    """Whether a browser gives the page what it got."""
    return got.headers.get("access-control-allow-origin") == PAGE and got.headers.get("vary") == "origin"


def test_a_browser_may_ask_before_the_page_does(tmp_path: Path) -> None:
    """Without a key, which browsers never send then; it hears what the page may send, and the upstream hears nothing."""
    with ScriptedServer() as upstream, served(tmp_path, upstream) as gateway:
        got = gateway.send("OPTIONS", "/v1/chat/completions", headers=ASKS)
        assert (got.status, got.raw, lets_read(got)) == (200, b"", True)
        assert got.headers["access-control-allow-methods"] == "POST"
        assert got.headers["access-control-allow-headers"] == ASKS["access-control-request-headers"]
        assert "access-control-allow-private-network" not in got.headers
        near = gateway.send("OPTIONS", "/v1/events", headers={**ASKS, "access-control-request-private-network": "true"})
        assert (near.status, near.headers["access-control-allow-private-network"]) == (200, "true")
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/chat/completions", {"origin": "https://evil.example"}, 403),
        ("/v1/chat/completions", {"host": "evil.example"}, 421),
        ("/v1/embeddings", {}, 404),
    ],
    ids=["another page", "another name", "nothing there"],
)
def test_not_every_browser_may(tmp_path: Path, path: str, headers: dict[str, str], status: int) -> None:
    """Pages and names that are not listed hear no, and not by whom it could be yes."""
    with ScriptedServer() as upstream, served(tmp_path, upstream) as gateway:
        got = gateway.send("OPTIONS", path, headers={**ASKS, **headers})
        assert got.status == status
        assert lets_read(got) is (status == 404)


def test_the_page_may_read_every_answer(tmp_path: Path) -> None:
    """Let go, withheld, streamed, broken off, and without a key; whoever is no page hears nothing of pages."""
    streams = [sse({"content": "Well. "}, call_delta(name), finish="tool_calls") for name in ("read", "delete")]
    script = [chat("hi"), chat(calls=[call("delete")]), *streams, chat("hi")]
    with ScriptedServer(*script) as upstream, served(tmp_path, upstream) as gateway:
        headers = {"origin": PAGE, "authorization": f"Bearer {CLIENT}"}
        asked: Sequence[dict[str, Any]] = ({}, {}, {"stream": True}, {"stream": True})
        got = [gateway.ask(headers=headers, **more) for more in asked]
        assert [one.status for one in got] == [200, 409, 200, 200]
        got.append(gateway.ask(headers={"origin": PAGE}))
        assert got[-1].status == 401
        assert all(map(lets_read, got))
        assert "x-agentgate-event" in got[0].headers["access-control-expose-headers"]
        plain = gateway.ask(headers={"authorization": f"Bearer {CLIENT}"})
        assert not any(name.startswith("access-control") for name in plain.headers)


def test_what_could_never_be_an_origin_does_not_start() -> None:
    """An option that lets nobody in is a mistake; names of machines have no port."""
    for origin in ("https://app.internal/", "app.internal", "*", "null", "HTTPS://app.internal", "https://App.internal", "https://app:443"):
        with pytest.raises(UsageError, match="Origin"):
            settings(upstream="https://example.com/v1", environ={}, origins=(origin,))
    for host in ("gate:41002", "http://gate", "", "gate/x", "a b", "[a]:1"):
        with pytest.raises(UsageError, match="machine"):
            settings(upstream="https://example.com/v1", environ={}, hosts=(host,))
    sound = ("https://app.internal", "http://localhost:5173", "app://obsidian.md", "chrome-extension://abcdef", "http://[::1]:8080")
    made = settings(upstream="https://example.com/v1", environ={}, origins=sound, hosts=("Gate.internal", "[2001:db8::1]", "10.0.0.7"))
    assert (made.origins, made.hosts) == (frozenset(sound), frozenset(("gate.internal", "2001:db8::1", "10.0.0.7")))


def test_a_listed_address_is_known_as_a_request_says_it(tmp_path: Path) -> None:
    """In brackets and with a port."""
    with ScriptedServer(chat("hi")) as upstream, Served(tmp_path, upstream, hosts=("[2001:db8::1]",)) as gateway:
        assert gateway.ask(headers={"host": "[2001:db8::1]:41002"}).status == 200


def test_requests_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    """With their status: what is no request, and what is too long."""
    with ScriptedServer() as upstream, Served(tmp_path, upstream, environ={"AGENTGATE_EVENTS_KEY": KEY}, max_body=100) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        connection.putrequest("GET", "/healthz", skip_host=True)
        connection.endheaders()
        assert connection.getresponse().status == 400
        connection.close()
        assert gateway.ask(text="x" * 200).status == 413
        told = gateway.send("GET", "/metrics", headers={"authorization": f"Bearer {KEY}"}).raw.decode()
    assert 'agentgate_requests_total{route="other",status="400"} 1' in told
    assert 'agentgate_requests_total{route="other",status="413"} 1' in told
