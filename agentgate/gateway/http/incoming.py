"""An answer of the upstream as whoever asked sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from agentgate.gateway.http.client_connection import BrokenOff, Connection
from agentgate.gateway.http.messages import AnswerHead, Headers, Unreadable
from agentgate.gateway.http.packing import Unpacker, is_packed


class TooLong(Exception):
    """A body is longer than it may be."""


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
        whole = None if self._unpacker is not None else self._connection.whole()
        if whole is not None:
            if len(whole) > limit:
                raise TooLong
            return whole
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
