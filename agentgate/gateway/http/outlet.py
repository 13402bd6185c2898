"""What goes out to a client over one connection, and how the client is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from agentgate.gateway.http.messages import RequestHead, Response, head_of, in_pieces


class Outlet:
    """Writes answers."""

    __slots__ = ("_modern", "_stamp", "_wanted", "last", "taken", "transport")

    def __init__(self, transport: asyncio.Transport, stamp: Callable[[], str]) -> None:
        """Begins.

        Args:
            transport: where to.
            stamp: the lines that every answer has.
        """
        self.transport = transport
        self._stamp = stamp
        self.last = True
        """Whether the connection ends with the answer to the present request."""
        self._modern = True
        self._wanted = True
        self.taken: asyncio.Future[None] | None = None
        """Is there while the client does not take what it was sent."""

    def turn(self, head: RequestHead) -> None:
        """Answers belong to this request from now on."""
        self.last = not head.keep_alive
        self._modern = head.modern
        self._wanted = head.method != "HEAD"

    def head(self, status: int, headers: Mapping[str, str], framing: str) -> bytes:
        """The head of an answer."""
        if self.last:
            framing += "connection: close\r\n"
        elif not self._modern:
            framing += "connection: keep-alive\r\n"  # an old client would not expect it
        return head_of(status, headers, framing, self._stamp())

    def respond(self, response: Response) -> None:
        """Sends a whole answer.

        Raises:
            ConnectionResetError: the client has gone.
        """
        self.last = self.last or response.close
        raw = self.head(response.status, response.headers, f"content-length: {len(response.body)}\r\n")
        if self.transport.is_closing():
            raise ConnectionResetError
        self.transport.writelines(in_pieces(raw, response.body if self._wanted else b""))
        self._wanted = True

    def write(self, data: bytes) -> None:
        """Sends bytes, at once or as soon as the client takes them.

        Raises:
            ConnectionResetError: it has gone.
        """
        if self.transport.is_closing():
            raise ConnectionResetError
        self.transport.write(data)

    async def send(self, data: bytes) -> None:
        """Sends bytes, and waits while the client does not take them.

        Raises:
            ConnectionResetError: it has gone.
        """
        self.write(data)
        if self.taken is not None:
            await self.taken

    def pause(self) -> None:
        """The client does not take what it was sent."""
        if self.taken is None:
            self.taken = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """It does again, or never will."""
        taken, self.taken = self.taken, None
        if taken is not None and not taken.done():
            taken.set_result(None)
