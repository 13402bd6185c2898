"""Ctrl-C and SIGTERM as facts to look at, never as exceptions: nothing is torn in the middle of a write."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_LOOK_EVERY = 0.05
"""Seconds between two looks at whether somebody wants to stop, while waiting."""


class Interrupted(Exception):
    """Somebody wanted to stop, and what was being waited for was given up."""


class Interrupts:
    """Counts the signals that want the run to stop; waits for work without being deaf to them. For the main thread only."""

    def __init__(
        self,
        signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is counted before it is entered.

        Args:
            signals: which ones; those that this process was started to ignore (`nohup`) stay ignored.
            clock: seconds, from any moment on.
        """
        self._signals = signals
        self._clock = clock
        self._before: dict[signal.Signals, Any] = {}
        self.count = 0
        """How often somebody asked to stop."""

    def __enter__(self) -> Self:
        for number in self._signals:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN and before is not None:
                self._before[number] = before
                signal.signal(number, self._arrived)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _arrived(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1

    def wait_for(
        self, work: Callable[[], T], *, grace: float, give_up: Callable[[], None], unless: Callable[[], object | None] = lambda: None
    ) -> T:
        """Does `work` in a thread and waits for it.

        After a first signal it is waited for `grace` seconds longer, after a second not at all; then `give_up` is called, which must make
        the work end or not matter.

        Args:
            work: what to do.
            grace: seconds.
            give_up: safe to call while the work goes on.
            unless: asked again and again in this thread; anything but None counts like a first signal.

        Raises:
            Interrupted: the work was given up.
            Exception: whatever the work raised.
        """
        results: list[T] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def working() -> None:
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)
            finally:
                done.set()

        threading.Thread(target=working, daemon=True).start()
        until: float | None = None
        while not done.wait(_LOOK_EVERY):
            if until is None and (self.count or unless() is not None):
                until = self._clock() + grace
            if self.count > 1 or (until is not None and self._clock() >= until):
                give_up()
                raise Interrupted
        if errors:
            raise errors[0]
        return results[0]
