"""Bodies that come packed, unpacked a bounded piece at a time: what is small on the wire may be endless in memory."""

from __future__ import annotations

import zlib

from agentgate.gateway.http.messages import Unreadable

_PIECE = 256 * 1024
_NOT_PACKED = ("", "identity")
_GZIP, _ZLIB, _BARE = 31, 15, -15
_DEFLATED = 8


class Unpacker:
    """Unpacks one body: each part of it is fed, and then all of it taken."""

    def __init__(self, coding: str) -> None:
        """Begins.

        Raises:
            Unreadable: the coding is not known.
        """
        self._coding = coding.lower()
        if self._coding not in ("gzip", "deflate"):
            raise Unreadable
        self._packed: zlib._Decompress | None = None
        self._data = b""

    def feed(self, data: bytes) -> None:
        """The next bytes, where there are any."""
        self._data += data

    def take(self) -> bytes:
        """A piece of what the bytes so far unpack to; nothing where all was taken.

        Raises:
            Unreadable: they are not packed as was said.
        """
        while self._data:
            if self._packed is None:
                self._packed = zlib.decompressobj(_GZIP if self._coding == "gzip" else _window(self._data[0]))
            if self._packed.eof:
                raise Unreadable  # something behind the end
            try:
                piece = self._packed.decompress(self._data, _PIECE)
            except zlib.error:
                raise Unreadable from None
            self._data = self._packed.unconsumed_tail or self._packed.unused_data
            if piece:
                return piece
        return b""

    def end(self) -> None:
        """There is no more.

        Raises:
            Unreadable: but there should be.
        """
        if self._packed is None or not self._packed.eof:
            raise Unreadable


def is_packed(coding: str) -> bool:
    """Whether a Content-Encoding means that there is something to unpack."""
    return coding.lower() not in _NOT_PACKED


def unpacked(data: bytes, coding: str, limit: int) -> bytes:
    """A whole body, unpacked; one byte more than the limit where it is longer.

    Raises:
        Unreadable: it is not packed as was said.
    """
    unpacker = Unpacker(coding)
    unpacker.feed(data)
    pieces, size = [], 0
    while piece := unpacker.take():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            return b"".join(pieces)[: limit + 1]
    unpacker.end()
    return b"".join(pieces)


def _window(first: int) -> int:
    """Many send the bare stream where the standard wants one with a header, whose first byte names the method."""
    return _ZLIB if first & 0xF == _DEFLATED else _BARE
