"""Things that go wrong when they are told to: everything a process asks of the world is counted, and something happens at one of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path

from agentgate.core.once import Earlier
from agentgate.core.windows import Used
from agentgate.errors import StateError
from agentgate.files.transcript_writer import Disk

BEFORE, AFTER, HALF, FAIL, SHORT = "before", "after", "half", "fail", "short"
"""How the n-th thing goes wrong: the process dies before it, after it, in the middle of it; it fails; it does half of what it was told."""


class Crash(BaseException):
    """The process is gone: nothing of it runs any more, whatever it meant to do."""


def _die() -> None:
    raise Crash


class Faults:
    """Counts, and breaks."""

    def __init__(
        self,
        at: int = -1,
        how: str = BEFORE,
        *,
        only: tuple[str, ...] = (),
        number: int = errno.EIO,
        lasting: bool = False,
        die: Callable[[], None] = _die,
    ) -> None:
        """Nothing happens unless `at` is given.

        Args:
            at: the thing that goes wrong, counted from 0.
            how: see above.
            only: which things are counted; all, by default.
            number: the error of what fails.
            lasting: whether everything after it fails as well.
            die: how the process ends.
        """
        self.log: list[str] = []
        """The names of all things that were counted."""
        self.happened = False
        self._at, self._how, self._only, self._number, self._lasting, self._die = at, how, only, number, lasting, die

    def soon(self, after: int, how: str, number: int = errno.EIO) -> None:
        """Something goes wrong that many things from now."""
        self._at, self._how, self._number = len(self.log) + after, how, number

    @contextmanager
    def around(self, name: str) -> Iterator[bool]:
        """Something is done; gives whether only half of it is to be."""
        mine = self._mine(name)
        if mine and self._how == FAIL and name not in ("ask", "tool"):  # people and tools do not fail in ways of their own
            raise OSError(self._number, os.strerror(self._number))
        if mine and self._how == BEFORE:
            self._die()
        yield mine and self._how in (HALF, SHORT)
        if mine and self._how in (AFTER, HALF):
            self._die()

    def _mine(self, name: str) -> bool:
        if self._only and name not in self._only:
            return False
        place = len(self.log)
        self.log.append(name)
        mine = place == self._at or (self._lasting and 0 <= self._at < place)
        self.happened = self.happened or mine
        return mine


class BreakableDisk(Disk):
    """Real files that fail on demand, and know what of them would survive a power cut: what was there at the last fsync."""

    def __init__(self, path: Path, faults: Faults) -> None:
        """The one file is the transcript at `path`; what is there already is durable."""
        self.durable = path.read_bytes() if path.exists() else b""
        self._path = path
        self._faults = faults
        self._open: dict[int, bool] = {}
        """Descriptor → whether it is that of a folder."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        with self._faults.around("open"):
            descriptor = super().open(path, flags, mode)
            self._open[descriptor] = bool(flags & os.O_DIRECTORY)
            return descriptor

    def make_folder(self, path: str) -> None:
        with self._faults.around("make_folder"):
            super().make_folder(path)

    def write(self, descriptor: int, data: bytes) -> int:
        with self._faults.around("write") as half:
            return super().write(descriptor, data[: (len(data) + 1) // 2] if half else data)

    def fsync(self, descriptor: int) -> None:
        with self._faults.around("fsync"):
            if not self._open[descriptor]:
                self.durable = self._path.read_bytes()

    def truncate(self, descriptor: int, size: int) -> None:
        with self._faults.around("truncate"):
            super().truncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        del self._open[descriptor]
        super().close(descriptor)
        with self._faults.around("close"):
            pass

    def process_gone(self) -> None:
        """The system closes what a process leaves open, and with it goes the lock."""
        while self._open:
            os.close(self._open.popitem()[0])

    def power_cut(self, more: float) -> None:
        """What is left once the machine is on again: what was durable, and of what came after it that share, from 0 to 1."""
        now = self._path.read_bytes()
        if now.startswith(self.durable):
            pending = now[len(self.durable) :]
            self._path.write_bytes(self.durable + pending[: int(len(pending) * more)])
        elif more < 0.5:
            self._path.write_bytes(self.durable)  # it was cut, and the cut was not made durable


class MemoryAccounts:
    """`Accounts` as its documentation says, in the simplest way that can be right; every turn can fail, or be the last."""

    def __init__(self, scope: str | None = None) -> None:
        self.scope = scope
        self.faults = Faults()
        """Of the process that uses it at the moment."""
        self.entries: dict[tuple[str, str, str], tuple[datetime, float]] = {}
        """(limit, run, call) → when, how much."""
        self.claims: dict[tuple[str, str], Earlier] = {}
        """(tool, hash) → the call that was executed, or may have been."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        entries, claims = dict(self.entries), deepcopy(self.claims)
        try:
            with self._failing("begin"):
                pass
            yield
            with self._failing("commit"):
                entries, claims = self.entries, self.claims
        finally:
            self.entries, self.claims = entries, claims

    @contextmanager
    def _failing(self, name: str) -> Iterator[None]:
        try:
            with self.faults.around(name):
                yield
        except OSError as error:
            raise StateError(f"the state cannot be used: {error.strerror}") from None

    def used(self, limit: str, since: datetime, value: float, length: timedelta, besides: tuple[str, str] | None = None) -> Used:
        counted = sorted(
            (at, amount) for key, (at, amount) in self.entries.items() if key[0] == limit and at > since and key[1:] != besides
        )
        amount = round(sum(amount for _, amount in counted), 12)
        left = amount
        for at, freed in counted if amount >= value > 0 else ():
            left -= freed
            if left < value:
                return Used(amount, at + length)
        return Used(amount)

    def enter(self, limit: str, run_id: str, call_id: str, amount: float, at: datetime) -> None:
        self.entries = {**self.entries, (limit, run_id, call_id): (at, amount)}

    def strike(self, run_id: str, call_id: str) -> None:
        self.entries = {key: entry for key, entry in self.entries.items() if key[1:] != (run_id, call_id)}

    def earlier(self, tool: str, args_hash: str) -> Earlier | None:
        return self.claims.get((tool, args_hash))

    def claim(self, tool: str, args_hash: str, run_id: str, call_id: str, at: datetime) -> Earlier | None:
        known = self.earlier(tool, args_hash)
        if known is not None and known != Earlier(call_id, run_id):
            return known
        self.claims = {**self.claims, (tool, args_hash): Earlier(call_id, run_id)}
        return None

    def complete(self, run_id: str, call_id: str, content: str, *, ok: bool) -> None:
        done = Earlier(call_id, run_id, content, ok)
        self.claims = {key: done if (known.run_id, known.call_id) == (run_id, call_id) else known for key, known in self.claims.items()}

    def withdraw(self, run_id: str, call_id: str) -> None:
        self.claims = {key: known for key, known in self.claims.items() if known != Earlier(call_id, run_id)}
