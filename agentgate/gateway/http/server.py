"""Takes connections and looks after them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from email.utils import formatdate
from typing import Protocol

from agentgate.gateway.deadlines import Deadlines
from agentgate.gateway.http.messages import RequestHead, Response
from agentgate.gateway.http.request import Request, Stream
from agentgate.gateway.http.server_connection import Connection
from agentgate.gateway.settings import Patience

_BACKLOG = 1024


class Route(Protocol):
    """Where a request goes."""

    @property
    def limit(self) -> int:
        """Bytes of a body at most."""
        ...

    def answer(self, request: Request) -> Awaitable[Response | Stream]:
        """Answers a request. What it raises ends the connection.

        Returns:
            the whole answer, or the stream that it has sent to its end.
        """
        ...


class Application(Protocol):
    """What is served."""

    def route(self, head: RequestHead) -> Route | Response:
        """Who answers a request, or why nobody does. Its body has not been read."""
        ...

    def unreadable(self) -> Response:
        """What is told to a client that sent no request, or one that could be read in two ways."""
        ...

    def too_long(self, limit: int) -> Response:
        """What is told to a client whose body is longer than the limit."""
        ...

    def too_slow(self) -> Response:
        """What is told to a client whose body did not come in time."""
        ...


class Server:
    """Made inside a running loop."""

    def __init__(self, app: Application, patience: Patience, deadlines: Deadlines, name: str) -> None:
        """Takes no connections yet.

        Args:
            app: answers.
            patience: how long clients may be slow.
            deadlines: looks after the connections.
            name: what it calls itself.
        """
        self.app = app
        self.patience = patience
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self._deadlines = deadlines
        self._name = name
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._stamp = ""
        self._stamped = 0.0
        self._empty = asyncio.Event()

    async def listen(self, host: str, port: int) -> int:
        """Takes connections from now on.

        Returns:
            the port, which is another one where 0 was asked for.

        Raises:
            OSError: it cannot.
        """
        self._server = await self.loop.create_server(lambda: Connection(self), host, port, backlog=_BACKLOG)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self, grace: float) -> None:
        """Takes no more connections, waits until answers that were begun are out, and ends what is left.

        Args:
            grace: seconds that it waits at most.
        """
        if self._server is not None:
            self._server.close()
        for one in list(self._connections):
            one.leave()
        try:
            async with asyncio.timeout(grace):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            pass
        finally:
            tasks = [one.task for one in self._connections if one.task is not None]
            for one in list(self._connections):
                one.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stamp(self) -> str:
        """The lines that every answer has."""
        now = self.now()
        if now - self._stamped >= 1.0 or not self._stamp:
            self._stamp, self._stamped = f"server: {self._name}\r\ndate: {formatdate(usegmt=True)}\r\n", now
        return self._stamp

    def opened(self, connection: Connection) -> None:
        """There is a new connection."""
        self._connections.add(connection)
        self._deadlines.watches.add(connection)

    def closed(self, connection: Connection) -> None:
        """It is there no more."""
        self._connections.discard(connection)
        self._deadlines.watches.discard(connection)
        if not self._connections:
            self._empty.set()
