"""The worker's side of its pipes: reads requests from one, answers on another, and leaves 0, 1 and 2 to the tools.

A process forked off by a tool has no part in this: it loses the pipes at once, and ends where it would return into this module.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from agentgate.core.events import Json
from agentgate.tools.frames import HEADER, frame


def serve(requests: int, answers: int, answer: Callable[[dict[str, Json]], bytes]) -> NoReturn:
    """Serves requests until the other side closes the pipe.

    Args:
        requests: the descriptor to read from.
        answers: the descriptor to write to.
        answer: makes the answer to a request; raises for no request.
    """
    process = os.getpid()
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=lambda: _close(requests, answers))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # what a tool prints must not make it fail
    while True:
        nonce, size = HEADER.unpack(_read(requests, HEADER.size))
        reply = answer(json.loads(_read(requests, size)))
        if os.getpid() != process:
            os._exit(1)
        _write(answers, frame(nonce, reply))


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        with suppress(OSError):  # a tool may have closed it already
            os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = os.read(descriptor, size - len(data))
        if not chunk:
            os._exit(0)
        data += chunk
    return bytes(data)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
