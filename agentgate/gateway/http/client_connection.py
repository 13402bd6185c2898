"""One connection to the upstream: a request is written as it is, and its answer is read as fast as somebody wants it."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from agentgate.gateway.http.bodies import Body, Chunks, Sized
from agentgate.gateway.http.messages import AnswerHead, Unreadable, in_pieces
from agentgate.gateway.http.parsing import END, LONGEST_HEAD, read_answer

_MOST_UNREAD = 256 * 1024
"""Bytes of an answer that are taken before somebody wants them."""
_START = b"HTTP/1."
_NOTHING = Sized(0)


class BrokenOff(Exception):
    """There is no answer, or no more of one, or it cannot be understood."""


class Connection(asyncio.Protocol):
    """See the module. It has one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.idle_since = self._loop.time()
        self.lost = False
        """Whether it is of no more use."""
        self._asked = False
        """Whether there is a request without its whole answer."""
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._rest = b""
        """Of a head that is not whole."""
        self._seen = 0
        """Bytes of heads."""
        self._head: AnswerHead | None = None
        self._body: Body = _NOTHING
        self._pieces: list[bytes] = []
        self._unread = 0
        self._failed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by their class
        connected = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.lost = True
        if self._asked:
            head = self._head
            ends_with_it = head is not None and head.length is None and not head.chunked
            self._failed = error is not None or not ends_with_it
            self._asked = False
        self._wake()

    def eof_received(self) -> None:
        """See `asyncio.Protocol`. No other request goes out over it."""
        self.lost = True

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self._asked:
            self.break_off()  # it would be taken for the answer to the next request
            return
        try:
            if self._head is None:
                self._read_head(self._rest + data if self._rest else data)
            else:
                self._read_body(data)
        except Unreadable:
            self._failed = True
            self.break_off()
        self._wake()

    def _read_head(self, data: bytes) -> None:
        """Reads heads up to that of the answer proper."""
        while True:
            end = data.find(END) + len(END)
            if end < len(END):
                self._rest = data
                if len(data) > LONGEST_HEAD or not (data.startswith(_START) or _START.startswith(data)):
                    raise Unreadable
                return
            self._seen += end
            if self._seen > LONGEST_HEAD:
                raise Unreadable
            head = read_answer(data[:end])
            data = data[end:]
            if head.status >= 200:
                break
        self._rest = b""
        self._head = head
        self._body = Chunks() if head.chunked else Sized(head.length)
        if data or self._body.done:
            self._read_body(data)

    def _read_body(self, data: bytes) -> None:
        body = self._body
        pieces = body.feed(data)
        self._pieces += pieces
        for piece in pieces:
            self._unread += len(piece)
        if body.done:
            self._asked = False
            if body.rest or body.lost:
                self.break_off()
        elif self._unread > _MOST_UNREAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _news(self) -> asyncio.Future[None]:
        """Is done when something has come."""
        self._waiter = self._loop.create_future()
        return self._waiter

    async def ask(self, head: bytes, body: bytes) -> AnswerHead:
        """Sends a request and waits for the head of its answer. It does not wait until all has gone out: a server may answer before.

        Raises:
            BrokenOff: there is none.
        """
        if self.lost:
            raise BrokenOff
        self._asked, self._failed = True, False
        self._head, self._rest, self._seen = None, b"", 0
        self._pieces, self._unread = [], 0
        self._transport.writelines(in_pieces(head, body))
        while self._head is None:
            if self._failed:
                raise BrokenOff
            await self._news()
        return self._head

    async def piece(self) -> bytes:
        """What has come of the body, as soon as there is something; nothing at its end.

        Raises:
            BrokenOff: before its end.
        """
        while not self._unread:
            if self._failed:
                raise BrokenOff
            if not self._asked:
                return b""
            await self._news()
        return self._take()

    def whole(self) -> bytes | None:
        """All that was not read yet of a body that has come to its end; None where it has not."""
        if self._asked or self._failed:
            return None
        return self._take()

    def _take(self) -> bytes:
        pieces, self._pieces, self._unread = self._pieces, [], 0
        if self._paused:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def is_free(self) -> bool:
        """Whether it can take another request: all of the answer was read, and all of the request has gone out."""
        head = self._head
        spent = not (self.lost or self._asked or self._unread) and head is not None and head.keep_alive
        return spent and self._transport.get_write_buffer_size() == 0

    def break_off(self) -> None:
        """Ends it at once: a server that does not read would else keep what was not sent yet, and the connection, for ever."""
        self.lost = True
        self._transport.abort()
