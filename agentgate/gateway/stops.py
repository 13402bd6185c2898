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
        self._known: tuple[int, tuple[int, ...] | None, list[Stop | Unreadable]] = (0, None, [])
        """When somebody looked, by what the folder is known again, and what was in it. Threads may share it: it changes in one step."""

    def switch(self, run: str) -> Switch:
        """The kill switch as one run sees it."""
        return partial(self._halt, run)

    def _halt(self, run: str, tool: Json, /) -> Halt | None:
        """What the stops mean for a run, as they are now, or were within the breath that it takes to judge one answer."""
        now = self._clock()
        looked, _, found = self._known
        if not 0 <= now - looked < _BREATH_NANOSECONDS:
            found = self._look(now)
        return halted(found, run, tool) if found else None

    def _look(self, now: int) -> list[Stop | Unreadable]:
        _, seen, found = self._known
        mark: tuple[int, ...] | None = None
        try:
            status = os.lstat(self._path)
        except FileNotFoundError:
            found = []
        except OSError:
            found = read_stops(self._state)
        else:
            mark = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_mode)
            if mark != seen or found:
                found = read_stops(self._state)
                mark = mark if abs(now - status.st_mtime_ns) > _SETTLED_NANOSECONDS else None
        self._known = now, mark, found
        return found
