"""A process with agentgate loaded, which forks a child for every command that it is told: hundreds of runs a minute, each of which can be
broken in its own way. Reads one order a line, and answers with the exit code once the child is gone, with everything that it started."""

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.breaking import Faults

LOADED = (
    "agentgate.cli.main",
    "agentgate.cli.going_on",
    "agentgate.cli.opening",
    "agentgate.files.policy_file",
    "agentgate.files.state_db",
    "agentgate.files.task_file",
    "agentgate.models.recorded",
    "agentgate.output.plain",
    "agentgate.output.errors",
    "rich.console",
)
_SUBREAPER = 36
_A_MOMENT = 15.0
"""Seconds."""


def main() -> None:
    """Serves orders until there are no more."""
    for module in LOADED:
        importlib.import_module(module)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
            return importlib.import_module("agentgate.cli.main").main()  # type: ignore[no-any-return]
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code} {int(_bury())}\n")
        sys.stdout.flush()
    return None


def _bury() -> bool:
    """Waits for the orphans, which do not outlive their run by more than a moment. Whether some did, and had to be killed."""
    stayed = False
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return stayed
        if signal.sigtimedwait({signal.SIGCHLD}, _A_MOMENT) is None:
            stayed = True
            for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)


def _become(order: dict[str, Any]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.setsid()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv = ["agentgate", *order["arguments"]]
    for descriptor, name in ((0, os.devnull), (1, "out"), (2, "err")):
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    Path("pid").write_text(str(os.getpid()))
    faults = order["faults"]
    number = faults.pop("signal", signal.SIGKILL)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    _break(_Logged(log, die=lambda: os.kill(os.getpid(), number), **{**faults, "only": tuple(faults.get("only", ()))}))
    if order.get("back"):
        _set_back(order["back"])
    if order.get("room") is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["room"], order["room"]))


class _Logged(Faults):
    """Writes down what was counted, as the process may not live to tell."""

    def __init__(self, descriptor: int, **settings: Any) -> None:
        super().__init__(**settings)
        self._write, self._descriptor = os.write, descriptor

    def _mine(self, name: str) -> bool:
        before = len(self.log)
        mine = super()._mine(name)
        if len(self.log) > before:
            self._write(self._descriptor, f"{name}\n".encode())
        return mine


def _break(faults: Faults) -> None:
    """Puts the faults between this process and the system: files of agentgate's own, and its database."""
    ours: set[int] = set()
    os.open = _opening(faults, ours, os.open)
    os.write = _writing(faults, ours, os.write)
    os.close = _closing(ours, os.close)  # type: ignore[assignment]
    os.fsync = _on_descriptor("fsync", faults, ours, os.fsync)
    os.ftruncate = _on_descriptor("truncate", faults, ours, os.ftruncate)
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            with _database(faults):
                return super().execute(*arguments)

    sqlite3.connect = lambda *arguments, **options: connect(*arguments, **options, factory=Connection)  # type: ignore[assignment]


@contextmanager
def _database(faults: Faults) -> Iterator[None]:
    try:
        with faults.around("sql"):
            yield
    except OSError as error:
        said = "database or disk is full" if error.errno == errno.ENOSPC else "disk I/O error"
        raise sqlite3.OperationalError(said) from None


def _opening(faults: Faults, ours: set[int], real: Callable[..., int]) -> Callable[..., int]:
    def opening(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        name = os.fspath(path) if not isinstance(path, int) else ""
        folder = bool(flags & os.O_DIRECTORY) and not flags & os.O_NOFOLLOW
        if more or not (folder or (str(name).endswith((".jsonl", ".db")) and flags & os.O_ACCMODE != os.O_RDONLY)):
            return real(path, flags, mode, **more)
        with faults.around("open"):
            descriptor = real(path, flags, mode)
            ours.add(descriptor)
            return descriptor

    return opening


def _writing(faults: Faults, ours: set[int], real: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
    def writing(descriptor: int, data: Any) -> int:
        if descriptor not in ours:
            return real(descriptor, data)
        with faults.around("write") as half:
            return real(descriptor, data[: (len(data) + 1) // 2] if half else data)

    return writing


def _closing(ours: set[int], real: Callable[[int], None]) -> Callable[[int], None]:
    def closing(descriptor: int) -> None:
        ours.discard(descriptor)
        real(descriptor)

    return closing


def _on_descriptor(name: str, faults: Faults, ours: set[int], real: Callable[..., None]) -> Callable[..., None]:
    def doing(descriptor: Any, *more: Any) -> None:
        if descriptor not in ours:
            return real(descriptor, *more)
        with faults.around(name):
            return real(descriptor, *more)

    return doing


def _set_back(seconds: float) -> None:
    """The machine's clock is another one than that of the process before."""
    import time

    real = time.time
    time.time = lambda: real() - seconds


if __name__ == "__main__":
    main()
