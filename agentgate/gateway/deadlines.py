"""Time limits for many requests at the price of one timer: what waits says until when, and one task looks after all."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol, Self


class Expired(Exception):
    """A request waited too long. Says for whom: `client`, `body` or `upstream`."""

    def __init__(self, whom: str) -> None:
        super().__init__(whom)
        self.whom = whom


class Waiting(Protocol):
    """Something that waits, until then at most."""

    until: float
    """By the clock of the loop."""

    def late(self) -> None:
        """The time is up. It may be called again while it is."""
        ...


class Watch:
    """The time limit of one request. Entered, it ends the request's task when the time is up."""

    __slots__ = ("_deadlines", "expired", "task", "until", "whom")

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self.until = 0.0
        self.whom = "client"
        self.expired = False
        self.task: asyncio.Task[object] | None = None

    def wait_for(self, whom: str, seconds: float) -> None:
        """From now on it waits for somebody, so long at most."""
        self.whom = whom
        self.until = self._deadlines.now() + seconds

    def late(self) -> None:
        """See `Waiting`."""
        if not self.expired and self.task is not None:
            self.expired = True
            self.task.cancel()

    def overdue(self) -> bool:
        """Whether the cancellation that is being handled is this watch's own. It is taken back then, and the task may go on."""
        if not self.expired or self.task is None:
            return False
        self.expired = False
        self.task.uncancel()
        return True

    def __enter__(self) -> Self:
        self.task = asyncio.current_task(self._deadlines.loop)
        self._deadlines.watches.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._deadlines.watches.discard(self)
        if isinstance(error, asyncio.CancelledError) and self.overdue():
            raise Expired(self.whom) from None


class Deadlines:
    """All that has a time limit, and the task that looks after it."""

    def __init__(self, every: float = 0.5) -> None:
        """Looks so often, in seconds: that is how late a limit may come."""
        self.watches: set[Waiting] = set()
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self._every = every
        self._task = asyncio.create_task(self._look())

    def watch(self) -> Watch:
        """A new watch."""
        return Watch(self)

    async def close(self) -> None:
        """Stops looking."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            now = self.now()
            for watch in [watch for watch in self.watches if now > watch.until]:
                watch.late()
