"""Writes a transcript: one line an event, on disk before the next thing happens, by one writer, into a file of its own."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self

from msgspec import Struct

from agentgate.core.events import Event, Json
from agentgate.errors import AgentgateError, FileError, RecordError
from agentgate.files.transcript_chain import ZEROS, InvalidEvent, seal

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_run_id(random: Callable[[int], bytes] = os.urandom) -> str:
    """A name for a run: eight letters and digits, 40 bits from `random` (given a number of bytes)."""
    number = int.from_bytes(random(5), "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -1, -5))


class Disk:
    """What a transcript needs of the operating system. Raises OSError."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def make_folder(self, path: str) -> None:
        Path(path).mkdir(mode=0o700)

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)


class Head(Struct, frozen=True):
    """How far a transcript has been written."""

    events: int = 0
    hash: str = ZEROS
    """Of the last event. Kept elsewhere, it proves later that nothing was cut off or rewritten."""
    size: int = 0
    """Bytes, all in whole lines."""


class TranscriptWriter:
    """A recorder that keeps every event in a file. When a call returns, the event is on disk; when it raises, the event does not count.

    An exception from outside in the midst of it (Ctrl-C) leaves nothing behind: the next event takes the place of the torn one.
    After a failure of the disk nothing more is written, whatever is tried.
    """

    def __init__(self, path: str | Path, *, disk: Disk | None = None, read: Callable[[BinaryIO], Head] | None = None) -> None:
        """Creates the file with mode 0600, folders above it with mode 0700, and locks it.

        Args:
            path: a file that does not exist yet, or an empty one of one's own. Links are not followed.
            disk: the operating system.
            read: see `continued`.

        Raises:
            FileError: the path names something that is no empty file.
            RecordError: the file cannot be made, or another run holds it.
        """
        self.path = os.fspath(path)
        self._disk = disk or Disk()
        self._broken: str | None = None
        self._torn = False
        self._latest: tuple[Event, Mapping[str, Json]] | None = None
        self._descriptor = -1
        self.head = Head()
        """How far it has been written."""
        try:
            if read is None:
                self._descriptor = self._open()
            else:
                self._reopen(read)
        except OSError as error:
            raise _cannot_write(self.path, error) from None

    @classmethod
    def continued(cls, path: str | Path, read: Callable[[BinaryIO], Head], *, disk: Disk | None = None) -> Self:
        """Opens a transcript that was written before, to write on. It is locked first, then read, so that nobody writes in between.

        Args:
            path: the file. Links are not followed.
            read: is given the file and says how far it is whole; what follows there is cut off when the next event is written.
            disk: the operating system.

        Raises:
            FileError: there is no such file, or it is no regular file of one's own; and whatever `read` raises.
            RecordError: it cannot be opened, or another run holds it.
        """
        return cls(path, disk=disk, read=read)

    def __call__(self, event: Event) -> None:
        """Writes one event and waits until it is on disk.

        Raises:
            RecordError: it is not, or cannot be. Nothing may be executed after that.
        """
        if self._broken is not None:
            raise RecordError(self._broken)
        try:
            sealed = seal(event, self.head.events + 1, self.head.hash)
        except InvalidEvent as error:
            raise RecordError(f"an event cannot be written: {error}") from None
        self._append(sealed.line)
        self.head = Head(self.head.events + 1, sealed.hash, self.head.size + len(sealed.line))
        self._torn = False
        self._latest = (event, sealed.raw)

    def stored(self, event: Event) -> Mapping[str, Json] | None:
        """The event as the file keeps it, with `seq`, `prev` and `hash`, if it is the one that was written last."""
        return self._latest[1] if self._latest is not None and self._latest[0] is event else None

    def close(self) -> None:
        """Lets go of the file. Safe to call twice."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            self._broken = self._broken or f"the transcript `{self.path}` is closed"
            with suppress(OSError):  # what is in it was synced, event by event
                self._disk.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        try:
            if self._torn:
                self._disk.truncate(self._descriptor, self.head.size)
            self._torn = True
            written = 0
            while written < len(line):
                count = self._disk.write(self._descriptor, line[written:])
                if count <= 0:
                    raise OSError(errno.EIO, "nothing was written")
                written += count
        except OSError as error:
            self._break(error, cut=True)
        try:
            self._disk.fsync(self._descriptor)
        except OSError as error:
            self._break(error, cut=False)

    def _break(self, error: OSError, *, cut: bool) -> NoReturn:
        """Nothing more is written. Half a line is cut off if the disk still lets us; a whole one that may not be on disk stays."""
        failure = _cannot_write(self.path, error)
        self._broken = failure.message
        if cut:
            with suppress(OSError):  # the reader knows torn lines
                self._disk.truncate(self._descriptor, self.head.size)
        raise failure from None

    def _open(self) -> int:
        folder = os.path.dirname(self.path) or "."  # noqa: PTH120 - Path would turn `./x` and `x/` into something else
        self._make_folders(folder)
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
        try:
            descriptor = self._disk.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            descriptor = self._open_existing(flags | os.O_NONBLOCK)
        try:
            _claim(descriptor, self.path)
            self._sync_folder(folder)
        except BaseException:
            self._disk.close(descriptor)
            raise
        return descriptor

    def _open_existing(self, flags: int) -> int:
        try:
            return self._disk.open(self.path, flags)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise FileError(f"`{self.path}` is a link; transcripts are not written through links") from None
            if error.errno in (errno.EISDIR, errno.ENXIO):
                raise _not_a_file(self.path, empty=not flags & os.O_RDWR) from None
            raise

    def _reopen(self, read: Callable[[BinaryIO], Head]) -> None:
        try:
            self._descriptor = self._open_existing(os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise FileError(f"no transcript at `{self.path}`") from None
        try:
            _claim(self._descriptor, self.path, empty=False)
            with os.fdopen(os.dup(self._descriptor), "rb") as stream:
                self.head = read(stream)
            self._torn = os.fstat(self._descriptor).st_size > self.head.size
        except BaseException:
            self.close()
            raise

    def _make_folders(self, folder: str) -> None:
        missing = []
        while folder and not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)  # noqa: PTH120
        for path in reversed(missing):
            try:
                self._disk.make_folder(path)
            except FileExistsError:
                continue  # another run was quicker
            self._sync_folder(os.path.dirname(path) or ".")  # noqa: PTH120

    def _sync_folder(self, folder: str) -> None:
        descriptor = self._disk.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._disk.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some file systems have nothing to sync for a folder
                raise
        finally:
            self._disk.close(descriptor)


def _claim(descriptor: int, path: str, *, empty: bool = True) -> None:
    """Makes sure that the file is ours, written by nobody else, and empty if it must be."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _not_a_file(path, empty=empty)
    if found.st_uid != os.geteuid() or found.st_nlink != 1:
        help = "name a file that does not exist yet" if empty else None
        raise FileError(f"`{path}` belongs to somebody else, or has a second name", help=help)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        help = "name another file" if empty else "the run is still going: `agentgate stop` ends it; what it asks is answered where it runs"
        raise RecordError(f"another run is writing to `{path}`", help=help) from None
    if empty and os.fstat(descriptor).st_size:
        raise FileError(f"`{path}` exists already", help="a transcript holds one run: name another file, or move this one away")
    os.fchmod(descriptor, 0o600)


def _not_a_file(path: str, *, empty: bool) -> FileError:
    help = "name a file that does not exist yet" if empty else "name the transcript of one run; `agentgate audit list` shows them"
    return FileError(f"`{path}` is not a regular file", help=help)


def _cannot_write(path: str, error: OSError) -> AgentgateError:
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return RecordError(f"cannot write the transcript `{path}`: {reason}", help="nothing is executed that cannot be recorded")
