"""One connection to the upstream: a request is written as it is, and its answer is read as fast as somebody wants it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Self, cast

from agentgate.gateway.http.messages import AnswerHead, Headers, Unreadable
from agentgate.gateway.http.packing import Unpacker, is_packed
from agentgate.gateway.http.parsing import END, LONGEST_HEAD, Chunks, read_answer

_MOST_UNREAD = 256 * 1024
"""Bytes of an answer that are taken before somebody wants them."""
_START = b"HTTP/1."


class BrokenOff(Exception):
    """There is no answer, or no more of one, or it cannot be understood."""


class TooLong(Exception):
    """A body is longer than it may be."""


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
        self._chunks: Chunks | None = None
        self._missing: int | None = None
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
                if self._seen + len(data) > LONGEST_HEAD or not (data.startswith(_START) or _START.startswith(data)):
                    raise Unreadable
                return
            self._seen += end
            head = read_answer(data[:end])
            data = data[end:]
            if head.status >= 200:
                break
            if self._seen > LONGEST_HEAD:
                raise Unreadable
        self._rest = b""
        self._head = head
        self._missing = head.length
        self._chunks = Chunks() if head.chunked else None
        if data or head.length == 0:
            self._read_body(data)

    def _read_body(self, data: bytes) -> None:
        if self._chunks is not None:
            pieces = self._chunks.feed(data)
            self._pieces += pieces
            self._unread += sum(map(len, pieces))
            done, more = self._chunks.done, self._chunks.more
        else:
            missing = self._missing
            if missing is None:
                done = more = False
            else:
                more, done = len(data) > missing, len(data) >= missing
                data = data[:missing] if more else data
                self._missing = missing - len(data)
            if data:
                self._pieces.append(data)
                self._unread += len(data)
        if done:
            self._asked = False
            if more:
                self.break_off()
        elif self._unread > _MOST_UNREAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _news(self) -> None:
        """Waits until something has come."""
        self._waiter = self._loop.create_future()
        await self._waiter

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
        self._transport.writelines((head, body))
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
        pieces, self._pieces, self._unread = self._pieces, [], 0
        if self._paused:
            self._paused = False
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


class Incoming:
    """An answer of which the head is read. Whoever has it enters it, or closes it."""

    __slots__ = ("_closed", "_connection", "_give_back", "_unpacker", "headers", "status")

    def __init__(self, connection: Connection, head: AnswerHead, give_back: Callable[[Connection], None]) -> None:
        """Takes over a connection.

        Raises:
            Unreadable: the body is packed in a way that is not understood.
        """
        self._connection = connection
        self._give_back = give_back
        self._closed = False
        self.status = head.status
        self.headers: Headers = head.headers
        coding = head.headers.get("content-encoding", "")
        self._unpacker = Unpacker(coding) if coding and is_packed(coding) else None

    @property
    def content_type(self) -> str:
        """Without its parameters, in lower case; empty where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def piece(self) -> bytes:
        """What has come of the body, unpacked, as soon as there is something, and of bounded size; nothing at its end.

        Raises:
            BrokenOff: before its end.
        """
        if self._unpacker is None:
            return await self._connection.piece()
        try:
            while not (piece := self._unpacker.take()):
                packed = await self._connection.piece()
                if not packed:
                    self._unpacker.end()
                    break
                self._unpacker.feed(packed)
        except Unreadable:
            raise BrokenOff from None
        return piece

    async def read(self, limit: int) -> bytes:
        """The whole body, unpacked.

        Raises:
            BrokenOff: it was cut off.
            TooLong: it has more bytes than the limit.
        """
        pieces: list[bytes] = []
        size = 0
        while piece := await self.piece():
            size += len(piece)
            if size > limit:
                raise TooLong
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Ends it, and its connection where anything of it was not read yet."""
        if not self._closed:
            self._closed = True
            self._give_back(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failed: object) -> None:
        self.close()
