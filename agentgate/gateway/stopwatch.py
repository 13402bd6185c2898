"""How long a request takes here."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


class Stopwatch:
    """The time that one request has taken, but for that from each request to the upstream to the last byte of its answer."""

    __slots__ = ("_now", "_since", "_spent")

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        """Starts it.

        Args:
            now: seconds that never go back.
        """
        self._now = now
        self._spent = 0.0
        self._since = now()

    def pause(self) -> None:
        """From now on the upstream is waited for."""
        self._spent += self._now() - self._since

    def go_on(self) -> None:
        """It has answered."""
        self._since = self._now()

    def seconds(self) -> float:
        """The time until now. Not to be asked during a pause."""
        return self._spent + self._now() - self._since
