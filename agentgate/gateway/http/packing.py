"""Bodies that come packed, unpacked a bounded piece at a time: what is small on the wire may be endless in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from agentgate.gateway.http.messages import Unreadable

_PIECE = 256 * 1024
_NOT_PACKED = ("", "identity")
_GZIP, _ZLIB, _BARE = 31, 15, -15
_DEFLATED = 8


class Unpacker:
    """Unpacks one body."""

    def __init__(self, coding: str) -> None:
        """Begins.

        Raises:
            Unreadable: the coding is not known.
        """
        self._coding = coding.lower()
        if self._coding not in ("gzip", "deflate"):
            raise Unreadable
        self._packed: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes unpack to, in pieces of bounded size.

        Raises:
            Unreadable: they are not packed as was said.
        """
        while data:
            if self._packed is None:
                self._packed = zlib.decompressobj(_GZIP if self._coding == "gzip" else _window(data[0]))
            elif self._packed.eof:
                raise Unreadable  # something behind the end
            try:
                piece = self._packed.decompress(data, _PIECE)
            except zlib.error:
                raise Unreadable from None
            data = self._packed.unconsumed_tail or self._packed.unused_data
            if piece:
                yield piece

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
    pieces, size = [], 0
    for piece in unpacker.feed(data):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            return b"".join(pieces)[: limit + 1]
    unpacker.end()
    return b"".join(pieces)


def _window(first: int) -> int:
    """Many send the bare stream where the standard wants one with a header, whose first byte names the method."""
    return _ZLIB if first & 0xF == _DEFLATED else _BARE
