"""When the upstream, the client, the disk or the policy file fails: an error that clients understand, and never half a call."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentgate.clock import steady_clock
from agentgate.errors import FileError
from agentgate.gateway.judging import Bench
from tests.core.building import policy, rule
from tests.gateway.judged import bench
from tests.gateway.serving import STORY, Served, call_delta, sse
from tests.scripted_server import Answer, ScriptedServer, body, call, chat, disconnect, error, hang

EVENTS = {"content-type": "text/event-stream"}
CALL = chat(calls=[call("read")])


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (error(429, "slow down", code="rate_limit_exceeded"), 429),
        (error(500, "broken"), 500),
        (error(401, "wrong key"), 401),
        (body({"detail": "no such model"}, status=404), 404),
        (Answer(b"<html>bad gateway</html>", status=502), 502),
        (Answer(b"", status=503), 502),
        (Answer(b"<html>hello</html>"), 502),
        (Answer(b"{}"), 502),
        (Answer(b"[]"), 502),
        (body({"error": {"message": "boom"}}), 502),
        (Answer(CALL.body, cut_at=len(CALL.body) // 2), 502),
        (disconnect(), 502),
        (body({"id": "x", "object": "chat.completion"}, status=201), 502),
    ],
    ids=["429", "500", "401", "404-detail", "html-502", "empty-503", "html", "no-choices", "list", "error-200", "cut", "nothing", "201"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_an_upstream_that_fails(tmp_path: Path, answer: Answer, status: int, stream: bool) -> None:
    """Its own errors pass with their status; everything else is one of ours."""
    with ScriptedServer(answer, answer) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask(stream=stream)
        assert got.status == status
        assert isinstance(got.error["message"], str)
        assert b"call_1" not in got.raw


def test_an_error_of_the_upstream_passes_with_its_body_and_headers(tmp_path: Path) -> None:
    """Nothing but the error itself."""
    told = {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}, "choices": [{"message": {}}]}
    answer = body(told, status=429, headers={"retry-after": "3", "set-cookie": "a=b"})
    with ScriptedServer(answer) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.ask()
        assert (got.body, got.headers["retry-after"]) == ({"error": told["error"]}, "3")
        assert "set-cookie" not in got.headers


def test_an_upstream_that_is_not_there(tmp_path: Path) -> None:
    """502, with no word about the network behind."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with Served(tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}/v1") as gateway:
            got = gateway.ask()
            assert (got.status, got.error["type"], got.error["message"]) == (502, "upstream_error", "the upstream cannot be reached")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_an_upstream_that_says_nothing(tmp_path: Path, stream: bool) -> None:
    """504 after the time that it has."""
    with ScriptedServer(hang()) as upstream, Served(tmp_path, upstream, upstream_timeout=0.3) as gateway:
        got = gateway.ask(stream=stream)
        assert (got.status, got.error["type"]) == (504, "upstream_error")


def test_a_stream_that_breaks_off(tmp_path: Path) -> None:
    """Before any text a 502, after it an error as the last event; a call that was on its way is never seen."""
    whole = sse({"content": "Well, "}, call_delta("read"), finish="tool_calls").body
    silent = sse(call_delta("read"), finish="tool_calls").body
    texts = whole.partition(b'"finish_reason": "tool_calls"')[0].rpartition(b"data: ")[0]
    script = [Answer(texts, headers=EVENTS), Answer(silent, headers=EVENTS, cut_at=len(silent) // 2)]
    with ScriptedServer(*script) as upstream, Served(tmp_path, upstream) as gateway:
        begun = gateway.ask(stream=True)
        assert begun.status == 200
        assert b'"type":"upstream_error"' in begun.raw
        assert b"[DONE]" not in begun.raw
        assert b"call_1" not in begun.raw
        assert gateway.ask(stream=True).status == 502


class Live:
    """An upstream that sends what the test says, when it says it."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/v1"
        self._connection: socket.socket | None = None

    def take(self) -> None:
        """Takes one request and begins a stream."""
        self._connection, _ = self._server.accept()
        self._connection.settimeout(10)
        request = b""
        while b"\r\n\r\n" not in request or not request.rstrip().endswith(b"}"):
            request += self._connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._connection.sendall(head)

    def send(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def gone(self) -> bool:
        """Whether the gateway has closed its side."""
        assert self._connection is not None
        try:
            return self._connection.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        for one in (self._connection, self._server):
            if one is not None:
                one.close()


@contextmanager
def live(folder: Path, upstream_timeout: float = 10.0, **options: Any) -> Iterator[tuple[Live, Served, socket.socket]]:
    """A gateway in front of such an upstream, and a client that has asked for a stream."""
    upstream = Live()
    said = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(said)}\r\n\r\n".encode()
    try:
        with (
            Served(folder, upstream.url, upstream_timeout=upstream_timeout, **options) as gateway,
            socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client,
        ):
            client.sendall(head + said)
            upstream.take()
            yield upstream, gateway, client
    finally:
        upstream.close()


def until(client: socket.socket, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        piece = client.recv(65536)
        assert piece, got
        got += piece
    return got


def piece(text: str) -> bytes:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def test_text_goes_through_while_the_upstream_is_still_speaking(tmp_path: Path) -> None:
    """Piece by piece, each before the next one is sent."""
    with live(tmp_path) as (upstream, _, client):
        for word in ("first", "second", "third"):
            upstream.send(piece(word))
            until(client, word.encode())


def test_a_client_that_leaves_cancels_the_upstream(tmp_path: Path) -> None:
    """Nobody pays for an answer that nobody reads."""
    with live(tmp_path) as (upstream, _, client):
        upstream.send(piece("hello"))
        until(client, b"hello")
        client.close()
        assert upstream.gone()


def test_a_stream_that_stops_is_ended(tmp_path: Path) -> None:
    """With an error as its last event."""
    with live(tmp_path, upstream_timeout=0.4) as (upstream, _, client):
        upstream.send(piece("hello"))
        until(client, b"did not go on in time")
        assert upstream.gone()


def test_a_reload_changes_what_is_judged_by(tmp_path: Path) -> None:
    """From the next request on; a file that cannot be used changes nothing, and that is said."""
    loads: list[Callable[[], Bench]] = []

    def load() -> Bench:
        return loads[-1]()

    def broken() -> Bench:
        raise FileError("`policy.yaml` is broken", help="mend it")

    loads.append(lambda: bench(STORY, clock=steady_clock()))
    with ScriptedServer(CALL, CALL, CALL) as upstream, Served(tmp_path, upstream, load) as gateway:
        assert gateway.ask().status == 200
        loads.append(broken)
        gateway.reload()
        assert gateway.said == ["the policy is kept as it was: `policy.yaml` is broken (mend it)"]
        assert gateway.ask().status == 200
        loads.append(lambda: bench(policy(rule("allow", "other")), clock=steady_clock()))
        gateway.reload()
        assert gateway.ask().status == 409


def test_a_store_that_fails_lets_nothing_through(tmp_path: Path) -> None:
    """Text still passes, for it needs no record."""
    with ScriptedServer(CALL, chat("hi")) as upstream, Served(tmp_path, upstream) as gateway:
        assert gateway.gateway is not None
        store = gateway.gateway.tools.store
        store._books._db.change("DROP TABLE answers")  # type: ignore[attr-defined]
        got = gateway.ask()
        assert (got.status, got.error["type"]) == (503, "internal_error")
        assert gateway.ask().status == 200


def test_many_at_once(tmp_path: Path) -> None:
    """Each gets its own answer, and each of their events is there."""
    answers = [chat(calls=[call("read", {"n": number}, id=f"c{number}")]) for number in range(40)]
    environ = {"AGENTGATE_EVENTS_KEY": "k" * 24}
    with ScriptedServer(*answers) as upstream, Served(tmp_path, upstream, environ=environ) as gateway:
        got: list[str] = []
        threads = [
            threading.Thread(target=lambda: got.append(gateway.ask().body["choices"][0]["message"]["tool_calls"][0]["id"]))
            for _ in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == sorted(f"c{number}" for number in range(40))
        assert len(gateway.events("?limit=100")) == 40
