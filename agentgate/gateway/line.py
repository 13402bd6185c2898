"""The line to the upstream: aiohttp's connections, its writer and its parser, without what its session does for others at every request.

There is one address, no redirects, no cookies, no retries and no proxies here, so a request is written as it is and the answer is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp.http import StreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.http_parser import RawResponseMessage

_CONNECT_SECONDS = 10.0
_MOST_CONNECTIONS = 1000
_LONGEST_HEADER = 16 * 1024


class Incoming:
    """An answer of which the head is read. Whoever has it enters it, or closes it."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(self, connection: Connection, message: RawResponseMessage, content: aiohttp.StreamReader) -> None:
        self._connection = connection
        self.status = message.code
        self.headers = message.headers
        self.content = content
        content.on_eof(self.close)

    @property
    def content_type(self) -> str:
        """Without its parameters, in lower case; empty where there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def close(self) -> None:
        """Ends it, and its connection where anything of it was not read yet."""
        if _has_more_to_send(self._connection):
            _break_off(self._connection)  # the answer came before all of the request had gone out
        else:
            self._connection.release()  # one that is in the midst of an answer is not used again, but closed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failed: object) -> None:
        self.close()


class _Writer(StreamWriter):
    """Does not wait until all has gone out: the body is in memory anyway, and a server may answer before it has taken it."""

    async def drain(self) -> None:
        """Nothing to wait for."""


class Line:
    """Asks one server. Made inside a running loop."""

    def __init__(self, base: str) -> None:
        """Connects to nothing yet.

        Args:
            base: where all paths start, without a slash at the end.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS, ttl_dns_cache=60)
        url = URL(base)
        self._path = url.raw_path.rstrip("/")
        self._host = url.host_port_subcomponent or ""
        self._where = aiohttp.ClientRequest("GET", url, loop=loop)
        """Tells the connector which server is meant."""
        self._patience = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)

    async def close(self) -> None:
        """Gives back all connections."""
        await self._connector.close()

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Incoming:
        """Sends a request and waits for the head of its answer.

        Raises:
            aiohttp.ClientError: there is none, or it cannot be understood.
            TimeoutError: nobody takes the connection.
            ValueError: a header cannot be sent.
        """
        connection = await self._connector.connect(self._where, [], self._patience)
        try:
            protocol = connection.protocol
            if protocol is None or protocol.should_close:
                raise aiohttp.ServerDisconnectedError("something came that nobody had asked for")  # it would be taken for the answer
            protocol.set_response_params(read_until_eof=True, max_line_size=_LONGEST_HEADER, max_field_size=_LONGEST_HEADER)
            await self._send(protocol, f"{method} {self._path}{path} HTTP/1.1", headers, body)
            return Incoming(connection, *await _head(protocol))
        except BaseException:
            _break_off(connection)
            raise

    async def _send(self, protocol: ResponseHandler, line: str, headers: Mapping[str, str], body: bytes | None) -> None:
        head = CIMultiDict({"Host": self._host, **headers})
        if body is not None:
            head["Content-Length"] = str(len(body))
        writer = _Writer(protocol, self._loop)
        await writer.write_headers(line, head)
        await writer.write_eof(body or b"")


async def _head(protocol: ResponseHandler) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """The head of the answer proper."""
    try:
        while True:
            message, content = await protocol.read()
            if message.code >= 200 or message.code == 101:
                return message, content
    except HttpProcessingError as error:
        raise aiohttp.ClientPayloadError(error.message) from None


def _has_more_to_send(connection: Connection) -> bool:
    return connection.transport is not None and connection.transport.get_write_buffer_size() > 0


def _break_off(connection: Connection) -> None:
    """Ends it at once: a server that does not read would else keep what was not sent yet, and the connection, for ever."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()
