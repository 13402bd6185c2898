"""The body of a message as it comes: of a known length, in chunks, or until the connection ends."""

from __future__ import annotations

from typing import Protocol

from httptools import HttpParserError, HttpRequestParser

from agentgate.gateway.http.messages import Unreadable

_MOST_AROUND = 64 * 1024
"""Bytes around chunks: their sizes, extensions and what follows the last one."""
_AROUND_EACH = 16
"""As many more of them may come for each byte of the body: in the smallest chunks there are five."""


class Body(Protocol):
    """Is fed what comes over a connection."""

    size: int
    """Bytes so far."""
    done: bool
    """Whether it is whole."""
    rest: bytes
    """What came behind it."""
    lost: bool
    """Whether something came behind it that cannot be told any more."""

    def feed(self, data: bytes) -> list[bytes]:
        """What of the body is in the next bytes.

        Raises:
            Unreadable: they are no body.
        """
        ...


class Sized:
    """See `Body`. Of a known length, or without one until the connection ends."""

    __slots__ = ("_length", "done", "lost", "rest", "size")

    def __init__(self, length: int | None) -> None:
        self._length = length
        self.size = 0
        self.done = length == 0
        self.rest = b""
        self.lost = False

    def feed(self, data: bytes) -> list[bytes]:
        """See `Body`."""
        if self._length is not None:
            missing = self._length - self.size
            if len(data) >= missing:
                self.done = True
                data, self.rest = data[:missing], data[missing:]
        self.size += len(data)
        return [data] if data else []


class Chunks:
    """See `Body`. In chunks, as llhttp reads them. Trailers are dropped."""

    __slots__ = ("_around", "_parser", "_pieces", "done", "lost", "rest", "size")

    def __init__(self) -> None:
        self._around = 0
        self._pieces: list[bytes] = []
        self.size = 0
        self.done = False
        self.rest = b""
        self.lost = False
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.done = True

    def on_message_begin(self) -> None:
        """Called by the parser: it goes on with what it takes for another message, and does not tell where that began."""
        if self.done:
            raise Unreadable

    def feed(self, data: bytes) -> list[bytes]:
        """See `Body`."""
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            if not self.done:
                raise Unreadable from None
            self.lost = True
        pieces, self._pieces = self._pieces, []
        found = sum(map(len, pieces))
        self.size += found
        self._around += len(data) - found
        if self._around > _MOST_AROUND + _AROUND_EACH * self.size:
            raise Unreadable
        return pieces
