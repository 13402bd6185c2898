"""`python -m agentgate`, as a user starts it: in a folder with a task, tools and a policy, and with nothing else in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agentgate.files.transcript_verify import Verification, verify

ROOT = Path(__file__).parents[2]
TOOLS = '''
import os


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def send(to: str) -> str:
    """Sends something."""
    return f"sent to {to}"


def wait(started: str, release: str) -> str:
    """Says that it has started, and comes back when it is released."""
    with open(started, "w") as witness:
        witness.write("!")
        witness.flush()
        with open(release) as door:
            return door.read()
'''
TASK: dict[str, Any] = {
    "version": 1,
    "name": "sums",
    "prompt": "add them",
    "model": "openai:scripted",
    "tools": [{"python": "tools.py:add"}, {"python": "tools.py:send"}, {"python": "tools.py:wait"}],
}
POLICY: dict[str, Any] = {"version": 1, "name": "sums", "rules": [{"id": "sums", "allow": ["add", "wait"]}, {"id": "mail", "ask": "send"}]}
_AS_LEADER = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@dataclass(frozen=True)
class Done:
    """What a finished program leaves."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class Program:
    """The program in a folder of its own."""

    def __init__(self, folder: Path, *, task: Mapping[str, Any] | None = None, policy: Mapping[str, Any] | None = None) -> None:
        """Writes the task, its tools and the policy, each over what the default ones say."""
        self.folder = folder
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "OPENAI_API_KEY": "sk-test",
        }
        (folder / "tools.py").write_text(TOOLS)
        (folder / "task.yaml").write_text(yaml.safe_dump({**TASK, **(task or {})}))
        (folder / "policy.yaml").write_text(yaml.safe_dump({**POLICY, **(policy or {})}))

    def start(self, *arguments: str, stdin: Any = subprocess.DEVNULL, leader: bool = False) -> subprocess.Popen[bytes]:
        """Starts `agentgate` and does not wait for it.

        Args:
            arguments: of the command line.
            stdin: where it reads from.
            leader: whether `stdin` is a terminal that becomes its own.
        """
        launcher = ["-c", _AS_LEADER] if leader else []
        return subprocess.Popen(
            [sys.executable, *launcher, "-m", "agentgate", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=not leader,  # away from the terminal of the test runner
        )

    def agentgate(self, *arguments: str, stdin: bytes | None = None) -> Done:
        """Runs `agentgate` to its end."""
        process = self.start(*arguments, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        return end_of(process, stdin)

    def run(self, *arguments: str) -> Done:
        """Runs the task under the policy, with the transcript in `run.jsonl`."""
        return self.agentgate(*RUN, *arguments)

    @property
    def transcript(self) -> Path:
        return self.folder / "run.jsonl"

    def verified(self) -> Verification:
        """The audit of the transcript, which must find nothing."""
        found = verify(self.transcript)
        assert found.problems == ()
        return found


RUN = ("run", "task.yaml", "--policy", "policy.yaml", "--transcript", "run.jsonl")


def end_of(process: subprocess.Popen[bytes], stdin: bytes | None = None) -> Done:
    """Waits for a program, for a minute at most."""
    try:
        out, err = process.communicate(stdin, timeout=60)
    finally:
        process.kill()
    return Done(process.returncode, out.decode(), err.decode())


def no_traceback(done: Done) -> bool:
    """Whether it ended in words."""
    return "Traceback" not in done.said and "Exception ignored" not in done.said


def lines(text: str, first: str) -> Sequence[str]:
    """The lines of the plain format that begin with a word."""
    return [line for line in text.splitlines() if line.split("  ")[0] == first]
