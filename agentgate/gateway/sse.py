"""Server-sent events, read from bytes that may be cut anywhere. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from agentgate.gateway.shapes import Broken

MAX_EVENT = 16 * 1024 * 1024
"""Bytes of one event, at most."""


_OTHER_ENDS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))
"""Characters that end a line for Python's `splitlines`, and what JSON has for them."""


class Sse(NamedTuple):
    """One event; a comment has no data."""

    data: bytes | None
    name: bytes = b""


COMMENT = Sse(None)


class SseReader:
    """Lines may end in LF, CR or CRLF, as the specification says."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        """Of a line that has not ended."""
        self._size = 0
        self._after_cr = False
        self._first = True
        self._data: list[bytes] = []
        self._name = b""

    def feed(self, data: bytes) -> list[Sse]:
        """The events that are complete now.

        Raises:
            Broken: one is longer than anybody needs.
        """
        if self._after_cr and data:
            self._after_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        self._size += len(data)
        if self._size > MAX_EVENT:
            raise Broken(f"an event of the stream is longer than {MAX_EVENT} bytes")
        if b"\n" not in data and b"\r" not in data:
            if data:
                self._pieces.append(data)
            return []
        self._after_cr = data.endswith(b"\r")
        if self._pieces:
            data = b"".join([*self._pieces, data])
            self._pieces = []
        lines = data.splitlines(keepends=True)
        if not lines[-1].endswith((b"\n", b"\r")):
            self._pieces = [lines.pop()]
        found: list[Sse] = []
        for line in lines:
            self._line(line.rstrip(b"\r\n"), found)
        if found:
            self._size = sum(map(len, (*self._pieces, *self._data))) if self._pieces or self._data else 0
        return found

    def leftover(self) -> bytes | None:
        """What was begun and never ended; None where nothing was."""
        if self._pieces:
            return b"".join([*self._data, *self._pieces])
        return b"\n".join(self._data) if self._data else None

    def _line(self, line: bytes, found: list[Sse]) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.startswith(b"data: "):
            self._data.append(line[6:])
        elif not line:
            if self._data:
                found.append(Sse(b"\n".join(self._data), self._name))
            self._data, self._name = [], b""
        elif line.startswith(b":"):
            found.append(COMMENT)
        else:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                self._data.append(value)
            elif name == b"event":
                self._name = value


def write(data: bytes, name: bytes = b"") -> bytes:
    """An event as it goes out, with line feeds alone.

    Some clients take other characters for ends of lines, which JSON may hold as they are; behind one an event of its own could begin.
    """
    if b"\xe2\x80" in data or b"\xc2\x85" in data:
        for character, escaped in _OTHER_ENDS:
            data = data.replace(character, escaped)
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.splitlines())
    return b"event: " + name + b"\ndata: " + data + b"\n\n" if name else b"data: " + data + b"\n\n"
