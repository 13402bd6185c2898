"""Files at URLs (`s3://…`, `gs://…`, `https://…`), through fsspec. It is imported where somebody names one, and only then."""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from msgspec import Struct

from agentgate.errors import FileError, OutsideError, UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_URL = re.compile(r"[a-z][a-z0-9+.-]*(::[a-z][a-z0-9+.-]*)*://", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")
_QUERY = re.compile(r"https?://", re.IGNORECASE)
_BUFFER = 1024 * 1024
_GIVE = "give a file, a folder that holds .jsonl or .json files, or a glob"


class Found(Struct, frozen=True):
    """A file at a URL."""

    url: str
    size: int | None
    """Bytes; None where its server does not say."""


def is_url(path: str) -> bool:
    """Whether a path names something that is not in this machine's folders."""
    return _URL.match(path) is not None


def find_at(url: str, suffixes: tuple[str, ...]) -> tuple[list[Found], bool]:
    """The files that a URL means, in order: one file, a folder, or a glob.

    Args:
        url: of any kind that fsspec knows.
        suffixes: how the files in a folder end that are meant.

    Returns:
        The files, and whether somebody named them rather than their folder.

    Raises:
        UsageError: fsspec, or what it needs for this kind of URL, is not installed.
        FileError: nothing is there.
        OutsideError: the server cannot be asked.
    """
    files, path = _opened(url)
    with _asking(url):
        if _GLOB.search(path) and not _QUERY.match(url):
            return _listed(files, url, files.glob(path, detail=True)), True
        about = files.info(path)
        if about.get("type") == "directory":
            below = files.find(path, detail=True)
            return _listed(files, url, {name: entry for name, entry in below.items() if name.endswith(suffixes)}), False
        return [Found(url, about.get("size"))], True


def open_url(url: str, step: int | None = None) -> BinaryIO:
    """Opens a file at a URL for reading. It can be wound back where its server can give parts of it.

    Args:
        url: of a file.
        step: bytes that are read at once; many, by default.

    Raises:
        OSError: it cannot be opened.
        UsageError: fsspec, or what it needs for this kind of URL, is not installed.
    """
    files, path = _opened(url)
    with _failing():
        return io.BufferedReader(_Raw(files.open(path, "rb", block_size=step)), step or _BUFFER)


class _Raw(io.RawIOBase):
    """A file of fsspec. Whatever its libraries raise is an OSError here."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = 0) -> int:
        with _failing():
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        with _failing():
            data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError(f"`{url}` needs fsspec, which is not installed", help="pip install -e '.[ray]'") from None
    try:
        files, path = url_to_fs(url)
    except ImportError as error:
        raise UsageError(f"`{url}` cannot be read here: {_why(error)}", help="install the package that it names") from None
    except Exception as error:
        raise UsageError(f"`{url}` cannot be read: {_why(error)}", help="give a path, or a URL of a kind that fsspec knows") from None
    return files, path


def _listed(files: Any, url: str, entries: dict[str, dict[str, Any]]) -> list[Found]:
    if "::" in url:
        raise UsageError(f"only single files can be named by `{url.partition('://')[0]}://`", help="name each of them")
    kept = ((name, entry) for name, entry in sorted(entries.items()) if entry.get("type") != "directory")
    found = [Found(files.unstrip_protocol(name), entry.get("size")) for name, entry in kept]
    if not found:
        raise FileError(f"no transcript at `{url}`", help=_GIVE)
    return found


@contextmanager
def _asking(url: str) -> Iterator[None]:
    try:
        yield
    except (UsageError, FileError):
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        if isinstance(cause, FileNotFoundError):
            raise FileError(f"no transcript at `{url}`", help=_GIVE) from None
        raise OutsideError(f"`{url}` cannot be looked at: {_why(cause)}", help="see that its server runs and lets you in") from None


@contextmanager
def _failing() -> Iterator[None]:
    """Clients of object stores raise errors of many families, also those that are about the network."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(errno.EIO, _why(error)) from error


def _why(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first[:1].lower() + first[1:].rstrip(".")
