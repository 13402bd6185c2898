"""A request as whoever answers it sees it, and an answer that is sent piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agentgate.gateway.http.messages import LAST_CHUNK, RequestHead, as_chunk

if TYPE_CHECKING:
    from agentgate.gateway.http.server_connection import Connection


class Request:
    """A request that came whole."""

    __slots__ = ("_connection", "_modern", "begun", "body", "headers", "method", "path", "query")

    def __init__(self, connection: Connection, head: RequestHead) -> None:
        self._connection = connection
        self.method = head.method
        self.path, _, self.query = head.target.partition("?")
        self.headers = head.headers
        self._modern = head.modern
        self.body = b""
        self.begun = False
        """Whether an answer was begun."""

    def begin(self, headers: Mapping[str, str]) -> Stream:
        """Begins an answer of unknown length, with status 200. It goes out with the first of its data."""
        self.begun = True
        return Stream(self._connection, self._modern, headers)

    def abort(self) -> None:
        """Gives the client up, with all that it was not sent yet."""
        self._connection.abort()


class Stream:
    """An answer that is sent piece by piece."""

    __slots__ = ("_chunks", "_connection", "_head", "status")

    def __init__(self, connection: Connection, chunks: bool, headers: Mapping[str, str]) -> None:
        self.status = 200
        self._connection = connection
        self._chunks = chunks
        self._head = connection.head(200, headers, "transfer-encoding: chunked\r\n" if chunks else "", close=not chunks)

    async def send(self, data: bytes) -> None:
        """Sends a piece, and waits while the client does not take what it was sent.

        Raises:
            ConnectionResetError: it has gone.
        """
        piece = as_chunk(data) if self._chunks else data
        head, self._head = self._head, b""
        await self._connection.send(head + piece)

    def end(self) -> None:
        """There is no more."""
        self._connection.write(self._head + (LAST_CHUNK if self._chunks else b""))
