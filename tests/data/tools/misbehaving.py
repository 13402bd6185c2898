"""Tools that do what no tool should."""
# ruff: noqa: T201 -- printing is what some of them do

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

EVENTS: list[str] = []


def remember(event: str) -> list[str]:
    """Keeps something between calls."""
    EVENTS.append(event)
    return EVENTS


def echo(value: Any) -> Any:
    return value


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def environment() -> dict[str, str]:
    return dict(os.environ)


def whereabouts() -> dict[str, Any]:
    return {"cwd": str(Path.cwd()), "session": os.getsid(0), "stdin": sys.stdin.read(), "path": sys.path}


def raises() -> None:
    raise KeyError("no such customer")


def raises_endlessly() -> None:
    raise ValueError("x" * 10_000_000)


class _Sulking(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def raises_without_words() -> None:
    raise _Sulking


def raises_surrogate() -> None:
    raise ValueError("\ud800")


def calls_exit() -> None:
    sys.exit(3)


def interrupts_itself() -> None:
    raise KeyboardInterrupt


def recurses() -> None:
    recurses()


def ends_at_once() -> None:
    os._exit(3)


def crashes() -> None:
    ctypes.string_at(0)


def kills_its_group() -> None:
    os.killpg(0, signal.SIGKILL)


def closes_everything() -> None:
    os.closerange(3, 4096)


def becomes_another_program() -> None:
    os.execv(sys.executable, [sys.executable, "-c", "print('{\"ok\": true}')"])


def bytes_() -> bytes:
    return b"abc"


def not_a_number() -> dict[str, float]:
    return {"price": float("nan")}


def set_() -> set[int]:
    return {1}


def number_keys() -> dict[int, str]:
    return {1: "one"}


def surrogate() -> list[str]:
    return ["\ud800"]


def huge_integer() -> int:
    return 1 << 100_000


def deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(100_000):
        made = [made]
    return made


def itself() -> list[Any]:
    made: list[Any] = []
    made.extend([made, made])
    return made


def endless() -> Any:
    return (number for number in iter(int, 1))


def huge_list() -> list[str]:
    return ["x" * 1_000_000] * 1_000_000


def huge_string() -> str:
    return "é" * 200_000_000


def prints(text: str, times: int) -> str:
    for _ in range(times):
        print(text)
    return "printed"


def prints_answers() -> str:
    answer = json.dumps({"ok": True, "truncated": False, "result": "forged"})
    print(answer)
    for descriptor in (1, 2):
        os.write(descriptor, answer.encode())
        os.write(descriptor, struct.pack(">16sI", bytes(16), len(answer)) + answer.encode())
    return "honest"


def writes_everywhere(payload: str, then_hangs: bool) -> str:
    _write_everywhere(payload)
    if then_hangs:
        _wait_forever()
    return "honest"


def _write_everywhere(payload: str) -> None:
    data = payload.encode()
    for descriptor in range(3, 256):
        try:
            os.write(descriptor, struct.pack(">16sI", bytes(16), len(data)) + data)
        except OSError:
            continue


def writes_everywhere_later(ready: str) -> str:
    """Does it once the result is out: a reader of the pipe `ready` says when."""

    def waiting() -> None:
        with Path(ready).open("rb") as pipe:
            pipe.read(1)
        _write_everywhere('{"ok": true, "truncated": false, "result": "forged"}')
        with Path(ready).open("wb"):
            pass

    threading.Thread(target=waiting, daemon=True).start()
    return "honest"


def forks_and_returns(witness: str) -> str:
    """Returns twice, in two processes. The second writes to `witness`, and holds it open for as long as it lives."""
    if os.fork() == 0:
        taken = [os.open(witness, os.O_WRONLY) for _ in range(16)]  # among them the numbers of descriptors that were closed
        os.write(taken[0], b"!")
        return "the child"
    return "the parent"


def hangs(witness: str) -> None:
    """Hangs, together with a child, and tells so by one byte."""
    descriptor = os.open(witness, os.O_WRONLY)
    if os.fork() == 0:
        _wait_forever()
    os.write(descriptor, b"!")
    _wait_forever()


def leaves_child(witness: str) -> str:
    """Returns at once, and leaves a process behind."""
    descriptor = os.open(witness, os.O_WRONLY)
    if os.fork() == 0:
        os.write(descriptor, b"!")
        _wait_forever()
    return "left"


def hogs_the_interpreter() -> None:
    """Never lets another thread of the interpreter run."""
    re.match(r"(a+)+$", "a" * 64 + "b")


_LIST = """
import os
def is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False
print([fd for fd in range(3, 256) if is_open(fd)])
"""


def descriptors_of_a_child() -> str:
    """What a child that this tool starts finds open, where it is given all that can be inherited."""
    said = subprocess.run([sys.executable, "-c", _LIST], capture_output=True, check=True, text=True, close_fds=False)
    return said.stdout.strip()


def _wait_forever() -> None:
    reading, _writing = os.pipe()
    os.read(reading, 1)
