"""The kill switch on disk: one JSON file each stop, in `stops` of the state folder. What cannot be read stops everything."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json
from agentgate.core.stops import Halt, Stop
from agentgate.errors import FileError, OutsideError
from agentgate.files.state_folder import StateFolder

MAX_REASON = 500
"""Characters."""
TOOL_PATTERN = re.compile(r"[A-Za-z0-9_.*-]{1,64}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_BYTES = 64 * 1024


class Unreadable(Struct, frozen=True):
    """Something in the place of a stop, or of all of them, that nobody can read. It counts as a stop of everything."""

    name: str
    """The file in the folder of stops, or the folder itself."""
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


class FileSwitch:
    """The kill switch as one run sees it: the files are read anew every time."""

    def __init__(self, state: StateFolder, run_id: str, *, reads: Collection[str] = ()) -> None:
        """Looks at nothing yet.

        Args:
            state: where stops are kept.
            run_id: of the run that looks.
            reads: the tools that are known to only read.
        """
        self._state = state
        self._run_id = run_id
        self._reads = frozenset(reads)

    def __call__(self, tool: Json, /) -> Halt | None:
        """See `agentgate.core.stops.Switch`."""
        return halted(read_stops(self._state), self._run_id, tool, reads=self._reads)


def halted(stops: Iterable[Stop | Unreadable], run_id: str, tool: Json, *, reads: Collection[str] = ()) -> Halt | None:
    """What stops mean for one call of a run, or with None as its tool for going on at all; `reads`: tools that are known to only read."""
    covering: Stop | None = None
    for stop in stops:
        if isinstance(stop, Unreadable):
            return Halt(f"the kill switch cannot be read: {stop}", ends_run=True)
        if stop.run not in (None, run_id):
            continue
        if stop.ends_runs:
            return Halt(f"the kill switch is on: {stop.reason}", ends_run=True)
        if isinstance(tool, str) and stop.covers(tool, reads=tool in reads):
            covering = covering or stop
    return None if covering is None else Halt(f"the kill switch is on for tool '{tool}': {covering.reason}", ends_run=False)


def read_stops(state: StateFolder) -> list[Stop | Unreadable]:
    """All stops, those first that nobody can read, then the oldest. Never raises; no folder means no stop."""
    try:
        with _opened(state) as folder:
            found = [_read(folder, name) for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208 - a descriptor
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        return [Unreadable(str(state.stops), _reason(error))]
    bad = sorted((item for item in found if isinstance(item, Unreadable)), key=str)
    return [*bad, *sorted((item for item in found if isinstance(item, Stop)), key=lambda stop: (stop.at, stop.id))]


@contextmanager
def _opened(state: StateFolder) -> Iterator[int]:
    """The folder of stops as a descriptor; neither it nor the state folder is a link.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be opened, or is something else.
    """
    whole = os.open(Path(state.path), _FOLDER)
    try:
        folder = os.open(state.stops.name, _FOLDER, dir_fd=whole)
    finally:
        os.close(whole)
    try:
        yield folder
    finally:
        os.close(folder)


def _read(folder: int, name: str) -> Stop | Unreadable | None:
    """One file of the folder; None where it has just gone."""
    try:
        data = _bytes(folder, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Unreadable(name, _reason(error))
    try:
        return _understood(name, data)
    except (InvalidJson, msgspec.ValidationError, ValueError) as error:
        return Unreadable(name, str(error))


def _bytes(folder: int, name: str) -> bytes:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(_MAX_BYTES + 1)


def _understood(name: str, data: bytes) -> Stop:
    """The stop in a file.

    Raises:
        ValueError: it is not one, to the letter.
    """
    stop = msgspec.convert(parse_json(data, limit=_MAX_BYTES), Stop, strict=True)
    if name != f"{stop.id}.json":
        raise ValueError("its id is not its name")
    if stop.at.tzinfo is None:
        raise ValueError("its time has no zone")
    if not all(TOOL_PATTERN.fullmatch(tool) for tool in stop.tools):
        raise ValueError("it names what cannot be a tool")
    return stop


def throw(state: StateFolder, stop: Stop) -> None:
    """Writes a stop; when this returns it is on disk, and every run sees it.

    Raises:
        FileError: the folder's name belongs to something else.
        OutsideError: it cannot be written.
    """
    state.make(state.stops)
    data = json.dumps(msgspec.to_builtins(stop), ensure_ascii=False, indent=2).encode() + b"\n"
    new = f".{stop.id}.new"
    try:
        with _opened(state) as folder:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
            try:
                with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                    file.write(data)
                    file.flush()
                    os.fsync(descriptor)
                os.rename(new, f"{stop.id}.json", src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(new, dir_fd=folder)
                raise
            os.fsync(folder)
    except OSError as error:
        raise OutsideError(f"the stop cannot be written to `{state.stops}`: {_reason(error)}", help="nothing was stopped") from None


def clear(state: StateFolder, names: Collection[str] | None = None) -> list[str]:
    """Takes stops back.

    Args:
        state: where they are kept.
        names: their ids, or the names of files that cannot be read; None for all there are.

    Returns:
        The names of what was taken away.

    Raises:
        OutsideError: the folder cannot be read, or something in it cannot be removed.
    """
    gone: list[str] = []
    try:
        with _opened(state) as folder:
            there = [name for name in os.listdir(folder) if names is None or name.removesuffix(".json") in names or name in names]  # noqa: PTH208
            for name in sorted(there):
                os.unlink(name, dir_fd=folder)
                gone.append(name.removesuffix(".json"))
            os.fsync(folder)
    except FileNotFoundError:
        return gone
    except OSError as error:
        raise OutsideError(f"`{state.stops}` cannot be cleared: {_reason(error)}", help="look at it, and mend it by hand") from None
    return gone


def recorded_id(transcript: Path) -> str:
    """The id of the run that a transcript holds, from its first line.

    Raises:
        FileError: it cannot be read, or begins with something else.
    """
    try:
        with transcript.open("rb") as file:
            first = parse_json(file.readline(16 * 1024 * 1024), limit=16 * 1024 * 1024)
    except OSError as error:
        raise FileError(f"cannot read `{transcript}`: {_reason(error)}") from None
    except InvalidJson:
        first = None
    run_id = first.get("run_id") if isinstance(first, dict) and first.get("type") == "run_started" else None
    if not isinstance(run_id, str) or _ID.fullmatch(run_id) is None:
        raise FileError(f"`{transcript}` does not begin with the start of a run", help="name a run by its id, or by its transcript")
    return run_id


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
