"""The line to the upstream: connections are used again only where nothing is left on them, and servers prove who they are."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path

import pytest

from agentgate.gateway.http.client import Line
from agentgate.gateway.http.client_connection import BrokenOff
from agentgate.gateway.http.incoming import Incoming
from agentgate.gateway.server import loops

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


def run(check: Callable[[], Coroutine[None, None, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await check()

    with asyncio.Runner(loop_factory=loops()) as runner:
        runner.run(bounded())


async def with_line(server: Server, check: Callable[[Line], Coroutine[None, None, None]], context: ssl.SSLContext | None = None) -> None:
    listening = await asyncio.start_server(server, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    line = Line(f"http{'s' if context else ''}://127.0.0.1:{port}/v1")
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


def test_a_connection_in_the_midst_of_an_answer_is_not_used_again() -> None:
    """Whoever leaves an answer before its end leaves the connection too."""

    async def check() -> None:
        server = Server(LONG, OK)

        async def leave(line: Line) -> None:
            with await ask(line):
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

    run(check)


def test_an_answer_that_comes_while_nobody_waits_is_refused() -> None:
    """Bytes on an idle connection: the next request fails rather than take them for its answer."""

    async def check() -> None:
        class Late(Server):
            async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                self.writer = writer
                await super().__call__(reader, writer)

        server = Late(OK)

        async def twice(line: Line) -> None:
            assert await read(line) == b"ok"
            server.writer.write(OK.replace(b"ok", b"no"))
            for _ in range(10):
                await asyncio.sleep(0)  # on loopback it is there at once; the loop has to look
            with pytest.raises(BrokenOff):
                await read(line)

        await with_line(server, twice)

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


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl, which makes the certificate")
def test_a_server_must_prove_who_it_is(tmp_path: Path) -> None:
    """A certificate that nobody vouches for gets no request, and so no key."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [*made, "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True
    )

    async def check() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = Server(OK)

        async def once(line: Line) -> None:
            with pytest.raises(ssl.SSLCertVerificationError):
                await ask(line, {"authorization": "Bearer secret"})

        await with_line(server, once, context)
        assert server.requests == []

    run(check)
