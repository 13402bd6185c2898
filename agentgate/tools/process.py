"""The parent's side of the worker process: start it, talk to it, time it out, kill it.

Why a process of our own and not a pool: a tool file is imported once and keeps its state between calls, a hanging call must end for real
together with every process that it started, and nothing that a tool prints may be taken for an answer. So the worker is the leader of a
session of its own; requests and answers have pipes of their own; what tools print goes to a third pipe and into a short memory.

What ends it together with everything that it started is told in `group`.
"""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import agentgate
from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json
from agentgate.errors import OutsideError
from agentgate.tools.frames import HEADER, NONCE_BYTES, frame
from agentgate.tools.group import Group
from agentgate.tools.results import MAX_RESULT_BYTES

MAX_ANSWER = MAX_RESULT_BYTES + 512
"""Bytes of an answer: a result, and the little around it."""
MAX_PRINTED = 64 * 1024
"""How much of the end of what tools printed is remembered, in bytes."""
_LOOK_EVERY = 0.1
"""Seconds between two looks at whether somebody killed the worker, while waiting for it."""
_CHUNK = 64 * 1024

_START = """
import importlib, sys
at = next((i for i, p in enumerate(sys.path) if p.endswith(("site-packages", "dist-packages"))), len(sys.path))
sys.path.insert(at, sys.argv[1])
importlib.import_module(sys.argv[2]).main(int(sys.argv[3]), int(sys.argv[4]))
"""


class Lost(Exception):
    """The worker gave no answer. The message completes `tool 'x' failed: …`."""


class TimedOut(Lost):
    """No answer came in time: how far it got, nobody knows."""


class WorkerProcess:
    """One worker. It is of no use after `Lost`, apart from closing it."""

    def __init__(
        self,
        environ: Mapping[str, str],
        workdir: str | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        module: str = "agentgate.tools.worker",
    ) -> None:
        """Starts it.

        Args:
            environ: its whole environment.
            workdir: the folder that it runs in; the current one by default.
            clock: seconds, from any moment on.
            module: whose `main` serves the requests.

        Raises:
            OutsideError: the system does not start a process.
        """
        self._clock = clock
        self._printed = bytearray()
        self._group: Group | None = None
        self._open: list[int] = []
        try:
            self._start(environ, workdir, module)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise OutsideError(f"the process for the tools could not be started: {error}") from None
            raise

    def _start(self, environ: Mapping[str, str], workdir: str | None, module: str) -> None:
        theirs_requests, self._requests = self._pipe()
        self._answers, theirs_answers = self._pipe()
        self._output, theirs_output = self._pipe()
        package = str(Path(agentgate.__file__).parent.parent)
        self._group = Group(
            [sys.executable, "-I", "-B", "-u", "-c", _START, package, module, str(theirs_requests), str(theirs_answers)],
            environ=environ,
            workdir=workdir,
            stdout=theirs_output,
            stderr=theirs_output,
            pass_fds=(theirs_requests, theirs_answers),
        )
        for descriptor in (theirs_requests, theirs_answers, theirs_output):
            self._open.remove(descriptor)
            os.close(descriptor)
        for descriptor in (self._requests, self._answers, self._output):
            os.set_blocking(descriptor, False)

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open.extend(ends)
        return ends

    @property
    def printed(self) -> bytes:
        """The end of what tools printed."""
        return bytes(self._printed)

    @property
    def usable(self) -> bool:
        """Whether it waits for a request: alive, and silent on the pipe for answers."""
        if self._killed:
            return False
        self._read_output()
        return not select.select([self._answers], [], [], 0)[0]

    def ask(self, message: Mapping[str, Json], seconds: float) -> dict[str, Json]:
        """Sends a request and waits for its answer.

        Raises:
            Lost: none came in time, the worker ended, or something that is no answer came. The worker has been killed.
        """
        try:
            return self._exchange(json.dumps(message).encode(), seconds)
        except BaseException:
            self.kill()
            raise

    def _exchange(self, payload: bytes, seconds: float) -> dict[str, Json]:
        nonce = os.urandom(NONCE_BYTES)
        outgoing, incoming = memoryview(frame(nonce, payload)), bytearray()
        until = self._clock() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._requests, selectors.EVENT_WRITE)
            selector.register(self._answers, selectors.EVENT_READ)
            selector.register(self._output, selectors.EVENT_READ)
            while True:
                left = until - self._clock()
                if left <= 0:
                    raise TimedOut(f"no answer within {seconds:g} s")
                ready = {key.fd for key, _ in selector.select(min(left, _LOOK_EVERY))}
                if self._output in ready and not self._read_output():
                    selector.unregister(self._output)
                if self._requests in ready:
                    outgoing = self._send(outgoing)
                    if not outgoing:
                        selector.unregister(self._requests)
                if self._answers in ready:
                    incoming += self._receive()
                    answer = complete(incoming, nonce)
                    if answer is not None:
                        self._read_output()
                        return answer
                elif self._killed:
                    raise Lost(self._how_it_ended())

    def _send(self, data: memoryview) -> memoryview:
        try:
            return data[os.write(self._requests, data[:_CHUNK]) :]
        except BlockingIOError:
            return data
        except BrokenPipeError:
            raise Lost(self._how_it_ended()) from None

    def _receive(self) -> bytes:
        chunk = os.read(self._answers, _CHUNK)
        if not chunk:
            raise Lost(self._how_it_ended())
        return chunk

    def _read_output(self) -> bool:
        """Takes what was printed off the pipe, at most a little more than is remembered. False at its end."""
        for _ in range(2 * MAX_PRINTED // _CHUNK):
            try:
                chunk = os.read(self._output, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self._printed += chunk
            del self._printed[:-MAX_PRINTED]
        return True

    @property
    def _killed(self) -> bool:
        return self._group is None or self._group.killed

    def kill(self) -> None:
        """Kills the worker and every process of its group. Returns at once; safe in other threads and in signal handlers."""
        if self._group is not None:
            self._group.kill()

    def _how_it_ended(self) -> str:
        """Kills what is left, and says what the process itself died of."""
        if self._group is None or self._group.killed:
            return "interrupted, may have run"
        self._group.kill()
        code = self._group.reap()
        if code is None or code >= 0:
            return f"its process ended with exit code {code}"
        return f"its process was ended by {_signal_name(-code)}"

    def close(self) -> None:
        """Ends it and gives everything back. Not while another thread asks it something. Safe to call twice."""
        if self._group is not None:
            self._group.close()
        while self._open:
            os.close(self._open.pop())


def complete(data: bytearray, nonce: bytes) -> dict[str, Json] | None:
    """The answer, once it is whole.

    Raises:
        Lost: these bytes cannot become the answer to the request with this nonce.
    """
    foul = Lost("something other than an answer came out of its process")
    if data[:NONCE_BYTES] != nonce[: len(data)]:
        raise foul
    if len(data) < HEADER.size:
        return None
    _, size = HEADER.unpack_from(data)
    if size > MAX_ANSWER:
        raise foul
    if len(data) < HEADER.size + size:
        return None
    try:
        answer = parse_json(bytes(data[HEADER.size :]), limit=MAX_ANSWER)
    except InvalidJson:
        raise foul from None
    if not isinstance(answer, dict):
        raise foul
    return answer


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
