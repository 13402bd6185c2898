"""Asks a program of the operator's: the question on its standard input, the answer on its standard output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from agentgate.approvers.messages import MAX_ANSWER
from agentgate.approvers.remote import Failed

_LOOK_EVERY = 0.1
_CLOSING_SECONDS = 5.0
"""How long the end of a program is waited for; killing takes no longer than the next look, unless the system is stuck."""
_CHUNK = 65536


class CommandLine:
    """Starts the program once for every question, in a process group of its own, which is killed when the time is over."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        """Starts nothing yet.

        Args:
            words: the program and its arguments; no shell reads them.
            environ: all that the program sees of the environment.
        """
        self._words = list(words)
        self._environ = dict(environ)
        self._closed = threading.Event()
        self._idle = threading.Event()
        """Whether no program runs."""
        self._idle.set()

    def exchange(self, data: bytes, seconds: float) -> bytes:
        """See `Line.exchange`."""
        self._idle.clear()
        try:
            if self._closed.is_set():
                raise Failed("interrupted")
            return self._exchange(data, time.monotonic() + seconds)
        finally:
            self._idle.set()

    def close(self) -> None:
        """See `Line.close`. Waits until the program is killed: it must not outlive the run."""
        self._closed.set()
        self._idle.wait(_CLOSING_SECONDS)

    def _exchange(self, data: bytes, until: float) -> bytes:
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator named it
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environ,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Failed(f"the approver cannot be started: {(getattr(error, 'strerror', None) or type(error).__name__).lower()}") from None
        try:
            said = self._talk(process, data, until)
            code = self._wait(process, until)
        finally:
            _kill(process)
        if code != 0:
            raise Failed(f"the approver ended with exit code {code}")
        return said

    def _talk(self, process: subprocess.Popen[bytes], data: bytes, until: float) -> bytes:
        """Writes and reads at the same time, until the program says no more."""
        assert process.stdin is not None
        assert process.stdout is not None
        said = b""
        os.set_blocking(process.stdin.fileno(), False)
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdin, selectors.EVENT_WRITE)
            waiting.register(process.stdout, selectors.EVENT_READ)
            while process.stdout in waiting.get_map():
                for key, _ in waiting.select(self._patience(until)):
                    if key.fileobj is process.stdout:
                        more = os.read(process.stdout.fileno(), _CHUNK)
                        said += more
                        if len(said) > MAX_ANSWER:
                            raise Failed(f"the answer is longer than {MAX_ANSWER} bytes")
                        if not more:
                            waiting.unregister(process.stdout)
                        continue
                    data = _written(process, data)
                    if not data:
                        waiting.unregister(process.stdin)
                        with suppress(BrokenPipeError):
                            process.stdin.close()
        return said

    def _wait(self, process: subprocess.Popen[bytes], until: float) -> int:
        while True:
            try:
                return process.wait(self._patience(until))
            except subprocess.TimeoutExpired:
                continue

    def _patience(self, until: float) -> float:
        """Seconds until one must look again.

        Raises:
            Failed: there is no time left, or somebody wants to stop.
        """
        if self._closed.is_set():
            raise Failed("interrupted")
        left = until - time.monotonic()
        if left <= 0:
            raise Failed("no answer in time")
        return min(left, _LOOK_EVERY)


def _written(process: subprocess.Popen[bytes], data: bytes) -> bytes:
    """What is left to write; nothing where the program does not want to read it."""
    assert process.stdin is not None
    try:
        return data[os.write(process.stdin.fileno(), data[:_CHUNK]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends everything that is left of its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()
