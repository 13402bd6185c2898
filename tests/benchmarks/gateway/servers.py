"""The servers that are compared: each a process of its own, before the same stub."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.gateway import rival
from tests.benchmarks.report import say

STUB, GATE, OPEN_GATE, RIVAL = "stub", "agentgate", "agentgate without rules", "LiteLLM"
PASSING, OWN_PASSING = "passing on (aiohttp)", "passing on (agentgate's HTTP)"

POLICY = """\
version: 1
name: bench
rules:
  - id: read-notes
    allow: read
    when: {path: {glob: "*.txt"}, id: {min: 0, max: 1000}}
  - id: search
    allow: search
  - {id: no-secrets, block: "*", when: {"*": {search: '(?i)password'}}}
limits: {tool_calls: 10, repeats: 3, steps: 20}
"""
NO_RULES = "version: 1\nname: open\ndefault: allow\nrules: []\n"
_STARTS_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """One of them."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """Processor time that all its threads have used: what answers cost, however busy the machine is."""
        nanoseconds = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(OSError):  # a thread that has just ended
                nanoseconds += int((task / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def started(
    stack: ExitStack,
    folder: Path,
    name: str,
    port: int,
    command: list[str],
    *,
    environ: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Server:
    """Starts a server and waits until it takes connections.

    Raises:
        RuntimeError: it does not.
    """
    known = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI", "AGENTGATE", "LITELLM"))}
    log = stack.enter_context((folder / f"{port}.log").open("wb"))
    process = subprocess.Popen(command, env={**known, **(environ or {})}, stdout=log, stderr=log)
    stack.enter_context(process)
    stack.callback(process.kill)
    until = time.monotonic() + _STARTS_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return Server(name, port, process, headers or {})
        time.sleep(0.05)
    raise RuntimeError(f"{name} does not start: {(folder / f'{port}.log').read_text(errors='replace')[-500:]}")


def start_all(stack: ExitStack, folder: Path, *, with_rival: bool) -> list[Server]:
    """All that can be had, the stub first. They end with the stack."""
    stub = free_port()
    us = [sys.executable, "-m"]
    passing, own = free_port(), free_port()
    found = [
        started(stack, folder, STUB, stub, [*us, "tests.benchmarks.gateway.stub", str(stub)]),
        started(stack, folder, PASSING, passing, [*us, "tests.benchmarks.gateway.passing", str(passing), str(stub)]),
        started(stack, folder, OWN_PASSING, own, [*us, "tests.benchmarks.gateway.passing_llhttp", str(own), str(stub)]),
        _gate(stack, folder, OPEN_GATE, NO_RULES, stub),
        _gate(stack, folder, GATE, POLICY, stub),
    ]
    other = _rival(stack, folder, stub) if with_rival else None
    return found if other is None else [*found, other]


def _gate(stack: ExitStack, folder: Path, name: str, policy: str, stub: int) -> Server:
    port = free_port()
    own = folder / str(port)
    own.mkdir()
    (own / "policy.yaml").write_text(policy)
    where = ["--upstream", f"http://127.0.0.1:{stub}/v1", "--port", str(port), "--state", str(own / "state")]
    return started(stack, folder, name, port, [sys.executable, "-m", "agentgate", "serve", "--policy", str(own / "policy.yaml"), *where])


def _rival(stack: ExitStack, folder: Path, stub: int) -> Server | None:
    port = free_port()
    command = rival.command(folder, stub, port)
    if command is None:
        say("LiteLLM is missing: it cannot be installed here")
        return None
    headers = {"Authorization": f"Bearer {rival.KEY}"}
    try:
        return started(stack, folder, RIVAL, port, command, environ=rival.environment(), headers=headers)
    except RuntimeError as error:
        say(f"LiteLLM is missing: {error}")
        return None
