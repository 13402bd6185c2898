"""The line to the upstream: one address, and the connections to it, which are used again and again.

There are no redirects, no cookies, no proxies, and no request is ever sent twice: it may have cost something the first time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from aiohappyeyeballs import start_connection

from agentgate.gateway.http.client_connection import BrokenOff, Connection
from agentgate.gateway.http.incoming import Incoming
from agentgate.gateway.http.messages import Unreadable, lines_of

_CONNECT_SECONDS = 10.0
_MOST_CONNECTIONS = 1000
_IDLE_SECONDS = 15.0
"""How long a connection is kept that nobody uses: servers end theirs sooner or later, and one that is about to end takes no request."""
_PATH = "/%:@!$&'()*+,;=~-._"
"""What a path holds as it is."""
_NEXT_ADDRESS_SECONDS = 0.25
"""Head start of an address of a name before the next one is tried beside it."""


class Unreachable(Exception):
    """Nobody takes connections there."""


class Line:
    """Asks one server. Made inside a running loop."""

    def __init__(self, origin: str, *, most: int = _MOST_CONNECTIONS, idle: float = _IDLE_SECONDS) -> None:
        """Connects to nothing yet.

        Args:
            origin: the base URL, where all paths start, without a slash at the end.
            most: connections at once; further requests wait.
            idle: how long a connection is kept that nobody uses, in seconds.
        """
        split = urlsplit(origin)
        self._loop = asyncio.get_running_loop()
        self._name = split.hostname or ""
        self._secure = _trusting() if split.scheme == "https" else None
        self._port = split.port or (443 if self._secure else 80)
        self._start = quote(split.path.rstrip("/"), safe=_PATH)
        self._host = f"Host: {_host(self._name, split.port)}\r\n"
        self._idle_seconds = idle
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(most)
        self._all: set[Connection] = set()
        self._tidying: asyncio.TimerHandle | None = None

    async def close(self) -> None:
        """Ends all connections."""
        if self._tidying is not None:
            self._tidying.cancel()
        for one in list(self._all):
            one.break_off()
        self._all.clear()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes them

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Incoming:
        """Sends a request and waits for the head of its answer.

        Raises:
            Unreachable: nobody takes the connection.
            BrokenOff: there is no answer, or it cannot be understood.
            TimeoutError: nobody takes the connection in time.
            ssl.SSLError: the server cannot prove who it is, or does not speak TLS.
            ValueError: a header cannot be sent.
        """
        length = "" if body is None else f"content-length: {len(body)}\r\n"
        head = f"{method} {self._start}{path} HTTP/1.1\r\n{self._host}{lines_of(headers)}{length}\r\n"
        raw = head.encode("utf-8", "surrogateescape")
        await self._room.acquire()
        connection = None
        try:
            connection = self._kept() or await self._connected()
            return Incoming(connection, await connection.ask(raw, body or b""), self._give_back)
        except Unreadable:
            self._drop(connection)
            raise BrokenOff from None
        except BaseException:
            self._drop(connection)
            raise

    def _kept(self) -> Connection | None:
        """A connection that was used before and is still there."""
        while self._idle:
            found = self._idle.pop()
            if found.lost or self._loop.time() - found.idle_since > self._idle_seconds:
                self._forget(found)
            else:
                return found
        return None

    async def _connected(self) -> Connection:
        async with asyncio.timeout(_CONNECT_SECONDS):
            try:
                found = await self._loop.getaddrinfo(self._name, self._port, type=1)
                connected = await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1, loop=self._loop)
            except TimeoutError:
                raise
            except OSError:
                raise Unreachable from None
            try:
                name = self._name if self._secure else None
                _, made = await self._loop.create_connection(Connection, sock=connected, ssl=self._secure, server_hostname=name)
            except BaseException as error:
                connected.close()
                if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | TimeoutError):
                    raise Unreachable from None
                raise
        self._all.add(made)
        return made

    def _give_back(self, connection: Connection) -> None:
        if not connection.is_free():
            self._drop(connection)
            return
        connection.idle_since = self._loop.time()
        self._idle.append(connection)
        self._room.release()
        if self._tidying is None:
            self._tidying = self._loop.call_later(self._idle_seconds, self._tidy)

    def _drop(self, connection: Connection | None) -> None:
        if connection is not None:
            self._forget(connection)
        self._room.release()

    def _forget(self, connection: Connection) -> None:
        connection.break_off()
        self._all.discard(connection)

    def _tidy(self) -> None:
        """Ends connections that nobody has used for long."""
        self._tidying = None
        until = self._loop.time() - self._idle_seconds
        old = [one for one in self._idle if one.lost or one.idle_since <= until]
        self._idle = [one for one in self._idle if not (one.lost or one.idle_since <= until)]
        for one in old:
            self._forget(one)
        if self._idle:
            self._tidying = self._loop.call_later(self._idle_seconds, self._tidy)


def _trusting() -> ssl.SSLContext:
    """Whom this machine trusts, and no protocol but this one."""
    made = ssl.create_default_context()
    made.set_alpn_protocols(["http/1.1"])
    return made


def _host(name: str, port: int | None) -> str:
    shown = f"[{name}]" if ":" in name else name if name.isascii() else name.encode("idna").decode()
    return shown if port is None else f"{shown}:{port}"
