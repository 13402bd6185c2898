"""The kill switch for many requests a second: the folder of stops is read again whenever it may have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

from agentgate.core.events import Json
from agentgate.core.stops import Halt, Stop, Switch
from agentgate.files.state_folder import StateFolder
from agentgate.files.stops import Unreadable, halted, read_stops

_BREATH_NANOSECONDS = 1_000_000
_SETTLED_NANOSECONDS = 50_000_000
"""A folder that changed this recently may change again without another time to show for it."""


class Stops:
    """The stops of a state folder. Files are made and removed whole, and that changes the time of their folder."""

    def __init__(self, state: StateFolder, clock: Callable[[], int] = time.time_ns) -> None:
        """Reads nothing yet.

        Args:
            state: where stops are.
            clock: the time as files have it, in nanoseconds.
        """
        self._state = state
        self._path = os.fspath(state.stops)
        self._clock = clock
        self._looked = 0
        self._seen: tuple[int, ...] | None = None
        self._found: list[Stop | Unreadable] = []

    def switch(self, run: str) -> Switch:
        """The kill switch as one run sees it."""
        return partial(self._halt, run)

    def _halt(self, run: str, tool: Json, /) -> Halt | None:
        """What the stops mean for a run, as they are now, or were within the breath that it takes to judge one answer."""
        now = self._clock()
        if not 0 <= now - self._looked < _BREATH_NANOSECONDS:
            self._looked, self._found = now, self._read(now)
        return halted(self._found, run, tool) if self._found else None

    def _read(self, now: int) -> list[Stop | Unreadable]:
        try:
            status = os.lstat(self._path)
        except FileNotFoundError:
            self._seen = None
            return []
        except OSError:
            return read_stops(self._state)
        mark = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_mode)
        if mark != self._seen or self._found:
            settled = abs(now - status.st_mtime_ns) > _SETTLED_NANOSECONDS
            self._seen = mark if settled else None
            return read_stops(self._state)
        return []
