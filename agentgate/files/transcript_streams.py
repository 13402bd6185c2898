"""Opens what transcripts are kept in: files, compressed or not, and standard input. Compression is told by the first bytes.

Everything is a stream: never more than a line, or a document of the same size, is held, however much a file expands to.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO, Self, cast

from agentgate.files.remote import is_url, open_url
from agentgate.files.transcript_chain import MAX_LINE

STDIN = "-"
"""What standard input is called."""

SUFFIXES = tuple(f"{name}{packed}" for name in (".jsonl", ".json") for packed in ("", ".gz", ".zst"))
"""How the files in a folder end that may be transcripts."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
"""After one byte 0x50–0x5f: a frame that holds something else, before the first real one."""

_BUFFER = 1024 * 1024
"""Bytes that are read at once."""

Advance = Callable[[int], None]


def open_regular(path: str, *, step: int | None = None) -> BinaryIO:
    """Opens a file for reading, here or at a URL, if it is one: a named pipe or a device would never end.

    Args:
        path: of the file.
        step: bytes that are read at once; many, by default.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    if is_url(path):
        return open_url(path, step)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return os.fdopen(descriptor, "rb", step or _BUFFER)


def open_transcript(path: str, advance: Advance | None = None) -> tuple[BinaryIO, Advance | None]:
    """Opens a transcript, whatever it is kept in.

    Args:
        path: a regular file, a URL, or `-` for standard input.
        advance: is told how many more bytes of the file were read.

    Returns:
        The stream, and what is still to be told about lines that are read from it: where the file is compressed, its own reading tells.

    Raises:
        OSError: it cannot be opened, is something else, or its compression is not known here.
    """
    if path == STDIN:
        return unpack(sys.stdin.buffer, advance, owned=False)
    raw = open_regular(path)
    try:
        return unpack(raw, advance)
    except BaseException:
        raw.close()
        raise


def unpack(raw: BinaryIO, advance: Advance | None = None, *, owned: bool = True) -> tuple[BinaryIO, Advance | None]:
    """The same for a stream that is open. It can be wound back to its beginning as long as no more than a document was read.

    Args:
        raw: the stream.
        advance: is told how many more bytes of it were read.
        owned: whether closing what is returned closes the stream too.
    """
    buffered: Any = raw if hasattr(raw, "peek") else io.BufferedReader(cast(io.RawIOBase, raw))
    last = raw if owned else None
    magic = buffered.peek(4)[:4]
    if magic.startswith(_GZIP):
        return _kept(gzip.GzipFile(fileobj=cast(Any, _Counted(buffered, advance))), last), None
    if magic == _ZSTD or (magic[1:] == _ZSTD_SKIPPABLE and 0x50 <= magic[0] <= 0x5F):
        return _kept(_zstd().ZstdFile(_Counted(buffered, advance)), last), None
    return raw if owned and raw.seekable() else _kept(buffered, last), advance


def _kept(inner: Any, last: BinaryIO | None) -> BinaryIO:
    return cast(BinaryIO, Kept(inner, last))


def _zstd() -> Any:
    """The library, which Python has itself from 3.14 on."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise OSError(errno.ENOTSUP, "zstd is not supported here: install the package backports.zstd")


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, raw: BinaryIO, advance: Advance | None) -> None:
        self._raw = raw
        self._advance = advance

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        if self._advance is not None:
            self._advance(len(data))
        return data


class Kept:
    """A stream that keeps its beginning, so that it can be read again, until that is longer than any document.

    Where the data cannot be unpacked, it ends, and `failure` says why.
    """

    def __init__(self, inner: Any, last: BinaryIO | None = None) -> None:
        """Takes a stream.

        Args:
            inner: with `read` and `readline`.
            last: what is closed in the end.
        """
        self._inner = inner
        self._last = last
        self._start: bytearray | None = bytearray()
        self._place = 0
        self._lines = 1
        self.failure: tuple[int, str] | None = None
        """The line in which the data ended too early, and why."""

    def readline(self, size: int) -> bytes:
        """As files do."""
        if self._start is not None and self._place < len(self._start):
            end = self._start.find(b"\n", self._place, self._place + size) + 1
            kept = bytes(self._start[self._place : end or self._place + size])
            self._place += len(kept)
            return kept if end or len(kept) == size else kept + self._fresh(self._inner.readline, size - len(kept))
        return self._fresh(self._inner.readline, size)

    def read(self, size: int) -> bytes:
        """As files do, but that it can give less before the end."""
        kept = bytes(self._start[self._place : self._place + size]) if self._start is not None else b""
        self._place += len(kept)
        parts, missing = [kept], size - len(kept)
        while missing and (data := self._fresh(self._inner.read, missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _fresh(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            data = b"" if self.failure else read(size)
        except (EOFError, OSError, zlib.error, ValueError) as error:
            self.failure = (self._lines, str(error) or type(error).__name__)
            return b""
        except Exception as error:
            if type(error).__name__ != "ZstdError":  # which cannot be named without importing its library
                raise
            self.failure = (self._lines, str(error))
            return b""
        self._lines += data.count(b"\n")
        if self._start is not None:
            if len(self._start) + len(data) > MAX_LINE + 1:
                self._start = None
            else:
                self._start += data
        self._place += len(data)
        return data

    def seekable(self) -> bool:
        """Whether the beginning is still there."""
        return self._start is not None

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._place

    def seek(self, place: int) -> int:
        """Goes back to a place that was read before.

        Raises:
            OSError: it is not kept any more.
        """
        if self._start is None or place > len(self._start):
            raise OSError(errno.ESPIPE, "the beginning is not kept any more")
        self._place = place
        return place

    def close(self) -> None:
        """Lets go of it."""
        if self._last is not None:
            self._last.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
