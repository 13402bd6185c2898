"""A progress bar on standard error: it appears only on a terminal, and only where the work takes a while."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from agentgate.output.sink import Sink
from agentgate.output.summary import plural

PATIENCE = 1.0
"""Seconds before the bar appears: shorter work should not flash."""
_BETWEEN = 0.1
"""Seconds between two drawings."""
_WIDEST = 30
"""Characters of the bar itself."""


class Progress:
    """How far reading has come. Draws nothing where the stream is no terminal."""

    def __init__(
        self, sink: Sink, total: Callable[[], int], *, clock: Callable[[], float] = time.monotonic, width: int | None = None
    ) -> None:
        """Begins now.

        Args:
            sink: where to draw; other text must go through the same one, so that the bar makes way for it.
            total: how many bytes there are to read; asked only where the bar appears.
            clock: seconds, from anywhere.
            width: of the terminal, in cells; asked for by default.
        """
        self._sink = sink
        self._total = total
        self._clock = clock
        self._width = width
        self._done = 0
        self._size = 0
        self._began = clock()
        self._next = self._began + PATIENCE

    def advance(self, size: int) -> None:
        """So many more bytes were read."""
        self._done += size
        if not self._sink.can_erase:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _BETWEEN
        self._size = self._size or max(self._total(), 1)
        self._sink.status(self._line(now - self._began))

    def close(self) -> None:
        """Takes the bar away."""
        self._sink.status("")

    def _line(self, seconds: float) -> str:
        share = min(self._done / self._size, 1.0)
        speed = max(self._done, 1) / seconds
        left = round(max(self._size - self._done, 0) / speed)
        numbers = f" {share:4.0%}  {self._done / 1e6:,.0f} of {self._size / 1e6:,.0f} MB  {plural(left, 'second')} left"
        width = (self._width or shutil.get_terminal_size().columns) - 1
        room = min(width - len("reading ") - len(numbers), _WIDEST)
        if room < 1:
            return f"{share:4.0%}"
        full, empty = ("#", ".") if self._sink.ascii else ("━", "╌")
        filled = round(room * share)
        return f"reading {full * filled}{empty * (room - filled)}{numbers}"


def total_size(files: Iterable[str]) -> int:
    """Bytes of all these files together; what cannot be asked counts as nothing."""
    size = 0
    for file in files:
        with suppress(OSError, ValueError):
            size += Path(file).stat().st_size
    return size
