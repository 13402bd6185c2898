"""A request as whoever answers it sees it, and an answer that is sent piece by piece."""

from __future__ import annotations

from collections.abc import Mapping

from agentgate.gateway.http.messages import LAST_CHUNK, RequestHead, as_chunk
from agentgate.gateway.http.outlet import Outlet


class Request:
    """A request that came whole."""

    __slots__ = ("_head", "_outlet", "begun", "body", "headers")

    def __init__(self, outlet: Outlet, head: RequestHead, body: bytes) -> None:
        self._outlet = outlet
        self._head = head
        self.headers = head.headers
        self.body = body
        self.begun = False
        """Whether an answer was begun."""

    @property
    def method(self) -> str:
        """As it was sent."""
        return self._head.method

    @property
    def path(self) -> str:
        """Where it goes to, without the query."""
        return self._head.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What stands behind the path; empty where nothing does."""
        return self._head.target.partition("?")[2]

    def begin(self, headers: Mapping[str, str]) -> Stream:
        """Begins an answer of unknown length, with status 200. It goes out with the first of its data."""
        self.begun = True
        return Stream(self._outlet, headers, chunks=self._head.modern)

    def abort(self) -> None:
        """Gives the client up, with all that it was not sent yet."""
        self._outlet.transport.abort()


class Stream:
    """An answer that is sent piece by piece, in chunks, or up to the end of the connection where the client does not know them."""

    __slots__ = ("_chunks", "_head", "_outlet", "status")

    def __init__(self, outlet: Outlet, headers: Mapping[str, str], *, chunks: bool) -> None:
        self.status = 200
        self._outlet = outlet
        self._chunks = chunks
        outlet.last = outlet.last or not chunks
        self._head = outlet.head(200, headers, "transfer-encoding: chunked\r\n" if chunks else "")

    async def send(self, data: bytes) -> None:
        """Sends a piece, and waits while the client does not take what it was sent.

        Raises:
            ConnectionResetError: it has gone.
        """
        head, self._head = self._head, b""
        await self._outlet.send(head + (as_chunk(data) if self._chunks else data))

    def end(self) -> None:
        """There is no more.

        Raises:
            ConnectionResetError: the client has gone.
        """
        self._outlet.write(self._head + (LAST_CHUNK if self._chunks else b""))
