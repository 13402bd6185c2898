"""The gateway's HTTP without anything around it: a server that answers with what it was asked, and connections of bytes alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self

from agentgate.gateway.deadlines import Deadlines
from agentgate.gateway.http.messages import RequestHead, Response
from agentgate.gateway.http.request import Request, Stream
from agentgate.gateway.http.server import Server
from agentgate.gateway.http.server_connection import Connection
from agentgate.gateway.server import loops
from agentgate.gateway.settings import Patience

LIMIT = 200_000


def run(check: Callable[[], Coroutine[None, None, None]]) -> None:
    """Runs a check in a loop as the gateway has it, for 20 seconds at most."""

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await check()

    with asyncio.Runner(loop_factory=loops()) as runner:
        runner.run(bounded())


class Echo:
    """Answers with the method, the target and the body. See `http.server.Application` and `Route`."""

    limit = LIMIT

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.heads: list[RequestHead] = []
        self.go_on = asyncio.Event()
        """What `/wait` waits for."""
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    def route(self, head: RequestHead) -> Echo | Response:
        self.heads.append(head)
        return Response(404, b"nothing here") if head.target.startswith("/nothing") else self

    async def answer(self, request: Request) -> Response | Stream:
        if request.path == "/begun":
            stream = request.begin({})
            await stream.send(b"one ")
            self.waiting.set()
            await self.go_on.wait()
            return stream
        self.bodies.append(request.body)
        if request.path == "/wait":
            self.waiting.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if request.path in ("/stream", "/endless", "/twice"):
            stream = request.begin({"content-type": "text/plain"})
            await stream.send(b"one ")
            while request.path == "/endless":
                await stream.send(bytes(65536))
            await stream.send(b"")
            await stream.send(b"two")
            return Response(500, b"behind") if request.path == "/twice" else stream
        if request.path == "/wrong":
            raise RuntimeError
        if request.path == "/long":
            return Response(200, bytes(64 << 20))
        return Response(200, f"{request.method} {request.path} {request.query} ".encode() + request.body)

    def unreadable(self) -> Response:
        return Response(400, b"unreadable")

    def too_long(self, limit: int) -> Response:
        return Response(413, b"too long")

    def too_slow(self) -> Response:
        return Response(408, b"too slow")


class Wire(asyncio.Transport):
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.ended = False
        self.closed = False
        self.paused = False

    def write(self, data: Any) -> None:
        self.sent += data

    def writelines(self, list_of_data: Any) -> None:
        self.sent += b"".join(list_of_data)

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0


async def answered(pieces: list[bytes], *, at_once: bool = True) -> tuple[bytes, Wire, Echo]:
    """What a server says to some reads, at once or each when all before it is answered, and nothing more."""
    app, wire, deadlines = Echo(), Wire(), Deadlines()
    server = Server(app, Patience(), deadlines, "test")
    connection = Connection(server)
    connection.connection_made(wire)
    for piece in pieces:
        if wire.closed or wire.ended:
            break
        connection.data_received(piece)
        while connection.task is not None and not at_once:
            await asyncio.sleep(0)
    while connection.task is not None:
        await asyncio.gather(connection.task, return_exceptions=True)
    await deadlines.close()
    return wire.sent, wire, app


class Talk:
    """A real connection to a real server with an `Echo` in it, while it is entered."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()

    async def __aenter__(self) -> Self:
        self.app, self._deadlines = Echo(), Deadlines(0.02)
        self.server = Server(self.app, self._patience, self._deadlines, "test")
        self.port = await self.server.listen("127.0.0.1", 0)
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *failed: object) -> None:
        self.app.go_on.set()
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
        await self.server.close(1.0)
        await self._deadlines.close()

    async def say(self, data: bytes) -> bytes:
        """All that comes back until the server ends the connection."""
        self.writer.write(data)
        with suppress(ConnectionError):
            return await self.reader.read()
        return b""
