"""A progress bar on standard error: it appears only on a terminal, and only where the work takes a while."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from agentgate.files.transcript_lines import Source
from agentgate.output.plural import plural
from agentgate.output.sink import Sink

PATIENCE = 1.0
"""Seconds before the bar appears: shorter work should not flash."""
_BETWEEN = 0.1
"""Seconds between two drawings."""
_WIDEST = 30
"""Characters of the bar itself."""
_NARROWEST = 8
"""Of a bar that anybody can read; where there is less room, figures are left out."""


class Progress:
    """How far reading has come. Draws nothing where the stream is no terminal."""

    def __init__(
        self,
        sink: Sink,
        total: Callable[[], int],
        *,
        calls: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
        width: int | None = None,
    ) -> None:
        """Begins now.

        Args:
            sink: where to draw; other text must go through the same one, so that the bar makes way for it.
            total: how many bytes there are to read; asked only where the bar appears.
            calls: how many calls were judged so far, where they are judged.
            clock: seconds, from anywhere.
            width: of the terminal, in cells; asked for by default.
        """
        self._sink = sink
        self._total = total
        self._calls = calls
        self._clock = clock
        self._width = width
        self._done = 0
        self._size = 0
        self._began = clock()
        self._next = self._began + PATIENCE

    @property
    def shown(self) -> bool:
        """Whether anybody can see it, so that telling it something has a sense."""
        return self._sink.can_erase

    def advance(self, size: int) -> None:
        """So many more bytes were read."""
        self._done += size
        now = self._clock()
        if now < self._next or not self.shown:
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
        far = f"{self._done / 1e6:,.0f} of {self._size / 1e6:,.0f} MB"
        left = _left(max(self._size - self._done, 0) / speed)
        rates = [f"{speed / 1e6:,.0f} MB/s"]
        if self._calls is not None:
            rates.insert(0, f"{self._calls() / seconds:,.0f} calls/s")
        width = (self._width or shutil.get_terminal_size().columns) - 1
        for figures in ([far, *rates, left], [*rates, left], [far, left], [left]):
            numbers = "  ".join([f" {share:4.0%}", *figures])
            room = width - len("reading ") - len(numbers)
            if room >= _NARROWEST:
                break
        else:
            return f"{share:4.0%}"
        room = min(room, _WIDEST)
        full, empty = ("#", ".") if self._sink.ascii else ("━", "╌")
        filled = round(room * share)
        return f"reading {full * filled}{empty * (room - filled)}{numbers}"


def _left(seconds: float) -> str:
    """How much longer it takes, in whole seconds, minutes and hours."""
    whole = round(seconds)
    if whole < 60:
        return f"{plural(whole, 'second')} left"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes:02} min left" if hours else f"{minutes} min {whole % 60:02} s left"


def total_size(sources: Iterable[Source]) -> int:
    """Bytes of all these files together; what cannot be asked counts as nothing."""
    size = 0
    for source in sources:
        with suppress(OSError, ValueError):
            size += source.measured()
    return size
