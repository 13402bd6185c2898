"""Bytes as no well-behaved client sends them: whatever could be understood in two ways is refused, and the connection with it."""

from __future__ import annotations

import gzip
import json
import re
import socket
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from agentgate.gateway.settings import Patience
from tests.gateway.serving import Served, call_delta, sse
from tests.gateway.test_faults import live, until
from tests.gateway.test_faults import piece as text
from tests.scripted_server import Answer, ScriptedServer, call, chat

SAID = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
LENGTH = b"Content-Length: %d\r\n" % len(SAID)
HI = chat("hi")


def request(
    line: bytes = b"POST /v1/chat/completions HTTP/1.1", head: bytes = b"Host: localhost\r\n" + LENGTH, body: bytes = SAID
) -> bytes:
    return line + b"\r\n" + head + b"\r\n" + body


def chunked(body: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n0\r\n" % (len(body), extension, body)


def conversation(gateway: Served, data: bytes) -> bytes:
    """All that comes back until the gateway closes the connection."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        got = b""
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(data)
            while piece := connection.recv(65536):
                got += piece
        return got


def statuses(got: bytes) -> list[int]:
    """The statuses of the responses in some bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d\d\d)", got)]


HOST = b"Host: localhost\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
"""A request after which the connection ends."""
CHUNKS = b"Transfer-Encoding: chunked\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1"


@pytest.mark.parametrize(
    "data",
    [
        request(head=HOST + LENGTH + LENGTH),
        request(head=HOST + b"Content-Length: 0\r\n" + LENGTH),
        request(head=HOST + LENGTH.replace(b"\r\n", b", 3\r\n")),
        request(head=HOST + LENGTH + CHUNKS, body=chunked(SAID) + b"\r\n"),
        request(head=HOST + CHUNKS + LENGTH, body=chunked(SAID) + b"\r\n"),
        request(head=HOST + b"Transfer-Encoding: \x0bchunked\r\n" + LENGTH),
        request(head=HOST + b"Transfer-Encoding : chunked\r\n" + LENGTH),
        request(head=HOST + b"Transfer-Encoding: identity\r\n" + LENGTH),
        request(head=HOST + CHUNKS + CHUNKS, body=chunked(SAID) + b"\r\n"),
        request(head=HOST + b"Content-Length: 0x40\r\n"),
        request(head=HOST + b"Content-Length: 1_0\r\n"),
        request(head=HOST + b"Content-Length: \xd9\xa1\r\n"),
        request(head=HOST + HOST.replace(b"localhost", b"evil.example") + LENGTH),
        request(head=LENGTH),
        request(head=b"Host: localhost\x00.evil.example\r\n" + LENGTH),
        request(head=HOST + b"X: a\rb\r\n" + LENGTH),
        request(head=HOST + b"X: a\x00b\r\n" + LENGTH),
        request(head=HOST + b": nameless\r\n" + LENGTH),
        request(head=HOST + CHUNKS, body=b"-1\r\n" + SAID + b"\r\n0\r\n\r\n"),
        request(head=HOST + CHUNKS, body=b"0x10\r\n" + SAID + b"\r\n0\r\n\r\n"),
        request(head=HOST + CHUNKS, body=b"%x\n%s\r\n0\r\n\r\n" % (len(SAID), SAID)),
        request(head=HOST + CHUNKS, body=b"%x\r\n%sXX0\r\n\r\n" % (len(SAID), SAID)),
        request(head=HOST + CHUNKS, body=b"fffffffffffffffff\r\n" + SAID),
        request(line=POST.replace(b" HTTP", b"\x00 HTTP")),
        request(line=POST.replace(b"POST", b"PO ST")),
        request(line=POST.replace(b"1.1", b"9.9")),
        request(line=POST.replace(b"HTTP/1.1", b"HTTPS/1.1")),
        request(line=b"POST /v1/chat/completions" + b"x" * 9000 + b" HTTP/1.1"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SAID,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SAID,
    ],
    ids=range(30),
)
def test_what_can_be_read_in_two_ways_is_not_read_at_all(tmp_path: Path, data: bytes) -> None:
    """Neither it, nor what another reader might take for a second request behind it."""
    with ScriptedServer(HI, HI, HI) as upstream, Served(tmp_path, upstream) as gateway:
        got = conversation(gateway, data + request())
        assert statuses(got) == [400]
        assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"
        assert not [word for word in (b"httptools", b"llhttp", b"python") if word in got.lower()]
        assert upstream.requests == []


@pytest.mark.parametrize(
    "path",
    [
        b"//v1/chat/completions",
        b"/v1//chat/completions",
        b"/v1/../v1/chat/completions",
        b"/v1/./chat/completions",
        b"/v1/chat%2fcompletions",
        b"/v1%2Fchat/completions",
        b"/v1/chat/completions;x",
        b"/v1/chat/completions%00",
        b"/v1/chat/completions#x",
        b"\\v1\\chat\\completions",
        b"http://localhost/v1/chat/completions",
        b"http://evil.example/v1/chat/completions",
        b"/v1/responses/../chat/completions",
        b"/v1/files",
        b"/v1/approvals/../chat/completions",
        b"*",
    ],
)
def test_a_route_has_one_spelling(tmp_path: Path, path: bytes) -> None:
    """Every other one leads nowhere."""
    with ScriptedServer(HI) as upstream, Served(tmp_path, upstream) as gateway:
        got = statuses(conversation(gateway, request(b"POST " + path + b" HTTP/1.1") + LAST))
        assert got[0] in (400, 403, 404)
        assert upstream.requests == []


@pytest.mark.parametrize(
    ("head", "status"),
    [(b"Upgrade: websocket\r\nConnection: upgrade\r\n", 200), (b"Connection: keep-alive, X-Agentgate-Session\r\n", 200)],
    ids=["upgrade", "connection-list"],
)
def test_nothing_but_plain_requests(tmp_path: Path, head: bytes, status: int) -> None:
    """An upgrade is not made, and headers of the connection stay here."""
    with ScriptedServer(HI) as upstream, Served(tmp_path, upstream) as gateway:
        got = conversation(gateway, request(head=HOST + LENGTH + head) + LAST)
        assert statuses(got)[0] == status
        assert not {"upgrade", "x-agentgate-session"} & set(upstream.requests[0].headers)


def test_connect_is_no_way_out(tmp_path: Path) -> None:
    """The gateway is no proxy."""
    with ScriptedServer(HI) as upstream, Served(tmp_path, upstream) as gateway:
        got = conversation(gateway, b"CONNECT %s HTTP/1.1\r\nHost: localhost\r\n\r\n%s" % (upstream.address.encode(), LAST))
        assert statuses(got)[0] >= 400
        assert upstream.requests == []


def test_requests_one_behind_the_other_are_answered_in_order(tmp_path: Path) -> None:
    """A refused one between others takes nothing away from them, nor gives them anything."""
    bad = b'{"model": "m", "messages": []}'
    three = request() + request(head=HOST + b"Content-Length: %d\r\n" % len(bad), body=bad) + request() + LAST
    with ScriptedServer(chat("one"), chat("two")) as upstream, Served(tmp_path, upstream) as gateway:
        got = conversation(gateway, three)
        assert statuses(got) == [200, 400, 200, 200]
        assert got.index(b'"one"') < got.index(b"messages") < got.index(b'"two"')


def test_trailers_are_no_headers(tmp_path: Path) -> None:
    """What comes behind a body in chunks changes nothing."""
    body = chunked(SAID, b";name=value") + b"X-Agentgate-Session: stolen\r\nAuthorization: Bearer x\r\n\r\n"
    with ScriptedServer(HI) as upstream, Served(tmp_path, upstream) as gateway:
        got = conversation(gateway, request(head=HOST + CHUNKS, body=body) + LAST)
        assert statuses(got)[0] in (200, 400)
        assert all("authorization" not in one.headers for one in upstream.requests)


@pytest.mark.parametrize("unpacked", [40 << 20, 1 << 30], ids=["40MiB", "1GiB"])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_packed_body_is_unpacked_within_bounds(tmp_path: Path, unpacked: int, coding: str) -> None:
    """A bomb is refused once it has grown too long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(unpacked >> 20)]) + packer.flush()
    with ScriptedServer() as upstream, Served(tmp_path, upstream) as gateway:
        assert gateway.send("POST", "/v1/chat/completions", bomb, {"content-encoding": coding}).status in (400, 413)
        assert upstream.requests == []


@pytest.mark.parametrize(
    "headers", [{"content-encoding": "gzip"}, {"content-encoding": "zstd, gzip"}, {"content-encoding": "made-up"}], ids=str
)
def test_a_body_that_is_not_packed_as_it_says_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    """Never passed on as it stands."""
    with ScriptedServer(HI) as upstream, Served(tmp_path, upstream) as gateway:
        assert gateway.send("POST", "/v1/chat/completions", b"\x1f\x8b" + SAID, headers).status == 400
        assert upstream.requests == []


def test_a_packed_stream_of_the_upstream_is_judged(tmp_path: Path) -> None:
    """Unpacked first: a refused call in it is seen, and a bomb ends it."""
    refused = gzip.compress(sse({"role": "assistant"}, call_delta("delete"), finish="tool_calls").body)
    bomb = gzip.compress(b": " + b"x" * (80 << 20))
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    script = [Answer(refused, headers=headers), Answer(bomb, headers=headers)]
    with ScriptedServer(*script) as upstream, Served(tmp_path, upstream) as gateway:
        assert gateway.ask(stream=True).status == 409
        assert gateway.ask(stream=True).status == 502


def test_a_connection_serves_many_requests(tmp_path: Path) -> None:
    """Also after a refusal, on both sides: neither the client nor the gateway connects anew."""
    blocked = chat(calls=[call("delete")])
    with ScriptedServer(HI, blocked, HI) as upstream, Served(tmp_path, upstream) as gateway:
        got = conversation(gateway, request() * 3 + LAST)
        assert statuses(got) == [200, 409, 200, 200]
        assert len(upstream.requests) == 3


def test_a_reader_that_does_not_read_holds_the_upstream_back(tmp_path: Path) -> None:
    """The gateway takes no more from the upstream than the client takes from it, apart from buffers: sending comes to a halt."""
    with live(tmp_path) as (upstream, _, client):
        upstream.send(text("first"))
        until(client, b"first")
        block = b"".join([text("x" * 1000) for _ in range(60)])
        connection = upstream._connection
        assert connection is not None
        connection.settimeout(2)
        sent, halted = 0, False
        while sent < 48 << 20 and not halted:
            try:
                upstream.send(block)
                sent += len(block)
            except TimeoutError:
                halted = True
        assert halted


SLOW = Patience(idle=0.2, body=0.2, client=0.2)


@pytest.mark.parametrize("begun", [b"", b"POST", request()[:60], request() + b"GET /hea"], ids=["silent", "line", "head", "next-head"])
def test_a_client_may_not_be_slow_with_its_head(tmp_path: Path, begun: bytes) -> None:
    """The connection is closed once its time is over; what was answered before stays answered."""
    with ScriptedServer(HI) as upstream, Served(tmp_path, upstream, patience=SLOW) as gateway:
        got = conversation(gateway, begun)
        assert statuses(got) == ([200] if b"GET" in begun else [])


@pytest.mark.parametrize("begun", [request()[:-5], request(head=HOST + CHUNKS, body=b"5\r\n{")], ids=["length", "chunks"])
def test_a_client_may_not_be_slow_with_its_body(tmp_path: Path, begun: bytes) -> None:
    """Nothing of it reaches the upstream."""
    with ScriptedServer() as upstream, Served(tmp_path, upstream, patience=SLOW, upstream_timeout=1) as gateway:
        assert statuses(conversation(gateway, begun)) == [408]
        assert upstream.requests == []


def test_a_client_may_not_be_slow_with_reading(tmp_path: Path) -> None:
    """One that takes nothing is given up, and so is the upstream's answer."""
    with live(tmp_path, patience=SLOW) as (upstream, _, _client):
        block = b"".join([text("x" * 1000) for _ in range(60)])
        gone = False
        for _ in range(1000):
            try:
                upstream.send(block)
            except (ConnectionError, TimeoutError):
                gone = True
                break
        assert gone


def test_what_is_no_request_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither its bytes nor a traceback stand in the log: there may be a key in it."""
    bad = request(head=HOST + b"Authorization : Bearer sk-secret\r\nX: \x1b[31m\r\n" + LENGTH)
    with caplog.at_level("DEBUG"), ScriptedServer() as upstream, Served(tmp_path, upstream) as gateway:
        got = conversation(gateway, bad)
    assert statuses(got) == [400]
    for told in (got.decode(), caplog.text):
        assert not [word for word in ("sk-secret", "Bearer", "\x1b", "Traceback") if word in told]
