"""The line to the upstream: connections are used again only where nothing is left on them, and no request is sent twice."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from agentgate.gateway.http.client import Line, Unreachable
from agentgate.gateway.http.client_connection import BrokenOff
from agentgate.gateway.http.incoming import Incoming
from tests.gateway.raw_http import run
from tests.gateway.test_http_answers import CHUNKED, HINTS, head

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"


class Server:
    """Answers each request with the next bytes of a script, and counts connections."""

    def __init__(self, *script: bytes) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self._script = list(script)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head)
                writer.write(self._script.pop(0))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        finally:
            writer.close()


async def with_line(
    server: Server,
    check: Callable[[Line], Coroutine[None, None, None]],
    context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    **more: Any,
) -> None:
    listening = await asyncio.start_server(server, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    line = Line(f"http{'s' if context else ''}://{host}:{port}/v1", **more)
    try:
        await check(line)
    finally:
        await line.close()
        listening.close()


async def ask(line: Line, headers: dict[str, str] | None = None) -> Incoming:
    return await line.ask("GET", "/models", headers or {}, None)


async def read(line: Line) -> bytes:
    with await ask(line) as incoming:
        assert incoming.status == 200
        return await incoming.read(1 << 20)


def test_a_connection_is_used_again() -> None:
    """Once its answer was read whole, and the request says what was asked for, and of whom."""

    async def check() -> None:
        server = Server(OK, OK)

        async def twice(line: Line) -> None:
            assert [await read(line), await read(line)] == [b"ok", b"ok"]

        await with_line(server, twice)
        assert server.connections == 1
        assert server.requests[0].startswith(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:")

    run(check)


@pytest.mark.parametrize("read_before", [False, True], ids=["unread", "read"])
def test_a_connection_in_the_midst_of_an_answer_is_not_used_again(read_before: bool) -> None:
    """Whoever leaves an answer before its end leaves the connection too, also where all that had come was read."""

    async def check() -> None:
        server = Server(LONG, OK)

        async def leave(line: Line) -> None:
            with await ask(line) as incoming:
                while read_before and await incoming.piece() != b"ok":
                    pass
            assert await read(line) == b"ok"

        await with_line(server, leave)
        assert server.connections == 2

    run(check)


@pytest.mark.parametrize("sent", [OK + OK, OK + b"HTTP/1.1 2", OK + b"\0\0"], ids=["answer", "half", "garbage"])
def test_what_nobody_asked_for_is_no_answer(sent: bytes) -> None:
    """More than one answer to a request: the rest is never taken for the answer to the next request, which may be somebody else's."""

    async def check() -> None:
        server = Server(sent, LONG.replace(b"9\r\n\r\nok", b"3\r\n\r\nnew"))

        async def twice(line: Line) -> None:
            with suppress(BrokenOff):  # where what followed could not even be read
                assert await read(line) == b"ok"
            assert await read(line) == b"new"

        await with_line(server, twice)
        assert server.connections == 2

    run(check)


@pytest.mark.parametrize("sent", [OK.replace(b"ok", b"no"), b"x", b""], ids=["answer", "byte", "end"])
def test_a_connection_on_which_something_came_unasked_is_not_used_again(sent: bytes) -> None:
    """Nor one that the server has ended: bytes would be taken for the answer to the next request."""

    async def check() -> None:
        class Late(Server):
            async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                self.writer = writer
                await super().__call__(reader, writer)

        server = Late(OK, OK.replace(b"ok", b"is"))

        async def twice(line: Line) -> None:
            assert await read(line) == b"ok"
            (idle,) = line._idle
            if sent:
                server.writer.write(sent)
            else:
                server.writer.close()
            while not idle.lost:
                await asyncio.sleep(0)
            assert await read(line) == b"is"

        await with_line(server, twice, idle=1000.0)
        assert server.connections == 2

    run(check)


@pytest.mark.parametrize("answer", [b"", OK], ids=["silent", "answers-at-once"])
def test_what_a_server_does_not_read_is_not_kept_for_it(answer: bytes) -> None:
    """A request that is given up, or answered before it was read, takes its connection with it, however much of it is still to be sent."""

    async def check() -> None:
        body = bytes(64 * 1024 * 1024)
        came, ended = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken = len(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            came.set()
            with suppress(ConnectionError):
                await given_up.wait()
                while piece := await reader.read(1 << 20):
                    taken += len(piece)
            ended.set_result(taken)
            writer.close()

        given_up = asyncio.Event()
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        line = Line(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        try:
            asking = asyncio.create_task(line.ask("POST", "/", {}, body))
            await came.wait()
            if answer:
                with await asking as incoming:
                    assert await incoming.read(1 << 20) == b"ok"
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            given_up.set()
            assert await ended < len(body)
        finally:
            await line.close()
            listening.close()

    run(check)


def test_early_hints_are_passed_over() -> None:
    """An answer of the hundreds is not the answer yet."""

    async def check() -> None:
        async def once(line: Line) -> None:
            assert await read(line) == b"ok"

        await with_line(Server(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK), once)

    run(check)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nx: y", "a\0"], ids=["crlf", "lf", "null"])
def test_a_header_cannot_begin_another(value: str) -> None:
    """What would break the request in two is not sent."""

    async def check() -> None:
        server = Server(OK)

        async def once(line: Line) -> None:
            with pytest.raises(ValueError, match=r".*"):
                await ask(line, {"traceparent": value})

        await with_line(server, once)
        assert server.requests == []

    run(check)


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (OK, 1),
        (CHUNKED.replace(b"hel", b"ok ").replace(b"2;x=y\r\nlo\r\n", b""), 1),
        (HINTS + OK, 1),
        (head("Content-Length: 2", "Connection: close") + b"ok", 2),
        (OK.replace(b"1.1", b"1.0"), 2),
    ],
    ids=["length", "chunks", "hints", "closed", "old"],
)
def test_a_connection_is_used_as_long_as_the_server_keeps_it(answer: bytes, connections: int) -> None:
    """And all of an answer was read."""

    async def check() -> None:
        server = Server(answer, answer)

        async def twice(line: Line) -> None:
            assert [(await read(line)).strip() for _ in range(2)] == [b"ok", b"ok"]

        await with_line(server, twice)
        assert server.connections == connections

    run(check)


def test_a_connection_that_nobody_uses_is_ended() -> None:
    """Before the server ends it and a request is lost."""

    async def check() -> None:
        server = Server(OK, OK)

        async def twice(line: Line) -> None:
            assert await read(line) == b"ok"
            while line._all:
                await asyncio.sleep(0)
            assert await read(line) == b"ok"

        await with_line(server, twice, idle=0.02)
        assert server.connections == 2

    run(check)


def test_no_request_is_sent_twice() -> None:
    """Not even where a connection that was used before ends without an answer: it may have cost something."""

    async def check() -> None:
        server = Server(OK)

        async def twice(line: Line) -> None:
            assert await read(line) == b"ok"
            with pytest.raises(BrokenOff):
                await read(line)

        await with_line(server, twice)
        assert len(server.requests) == 2
        assert server.connections == 1

    run(check)


def test_there_are_so_many_connections_at_most() -> None:
    """Further requests wait, and those that are given up make room."""

    async def check() -> None:
        server = Server(*[OK] * 6)

        async def many(line: Line) -> None:
            first, second = await ask(line), await ask(line)
            waiting = [asyncio.create_task(read(line)) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            assert server.connections == 2
            first.close()
            assert await waiting[1] == b"ok"
            assert await second.read(10) == b"ok"
            second.close()
            second.close()
            assert await waiting[2] == b"ok"
            assert await read(line) == b"ok"
            assert len(line._idle) == len(set(line._idle))

        await with_line(server, many, most=2)

    run(check)


def test_what_is_sent() -> None:
    """The path below the base URL, the length of a body, and headers byte by byte."""

    async def check() -> None:
        server = Server(OK)

        async def once(line: Line) -> None:
            with await line.ask("POST", "/chat", {"a": "\xe4\udcff"}, b"{}") as incoming:
                assert await incoming.read(10) == b"ok"

        await with_line(server, once, host="localhost")
        start, *lines = server.requests[0].split(b"\r\n")
        assert start == b"POST /v1/chat HTTP/1.1"
        assert lines[0].startswith(b"Host: localhost:")
        assert lines[1:] == [b"a: \xc3\xa4\xff", b"content-length: 2", b"", b""]

    run(check)


@pytest.mark.parametrize(
    ("origin", "host", "path"),
    [
        ("http://example.com", "example.com", ""),
        ("https://example.com:8443/v1", "example.com:8443", "/v1"),
        ("http://[::1]:80/v1/", "[::1]:80", "/v1"),
        ("http://b\xfccher.example/a b/\xe4%20", "xn--bcher-kva.example", "/a%20b/%C3%A4%20"),
    ],
    ids=range(4),
)
def test_addresses(origin: str, host: str, path: str) -> None:
    """As they stand in a request."""

    async def check() -> None:
        line = Line(origin)
        assert (line._host, line._start) == (f"Host: {host}\r\n", path)
        await line.close()

    run(check)


def test_a_server_that_is_not_there() -> None:
    """Nobody listens, or nobody has the name."""

    async def check() -> None:
        listening = await asyncio.start_server(Server(), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        listening.close()
        for origin in (f"http://127.0.0.1:{port}", "http://name.invalid"):
            line = Line(origin)
            with pytest.raises(Unreachable):
                await ask(line)
            await line.close()

    run(check)
