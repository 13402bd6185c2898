"""Measures what the gateway adds, beside a proxy that only passes on and LiteLLM's proxy with its check of tools, before the same stub.

Each is a process of its own on the same machine, asked one after the other in one run: read the ratios. LiteLLM is installed for this run,
or named by the variable LITELLM; without it, a line says that it is missing. The store is in BENCHMARK_FOLDER, else among temporary files.

python -m tests.benchmarks.gateway [SECONDS]
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.gateway import rival
from tests.benchmarks.gateway.load import load
from tests.benchmarks.gateway.streams import first_text, memory

_POLICY = """\
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
_CONNECTIONS = (1, 16, 64)
_STREAMS = 500
_STARTS_SECONDS = 120


@dataclass(frozen=True)
class Contestant:
    """One server that is asked."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def started(stack: ExitStack, folder: Path, name: str, port: int, command: list[str], **more: Mapping[str, str]) -> Contestant:
    """Starts a server and waits until it takes connections.

    Raises:
        RuntimeError: it does not.
    """
    known = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI", "AGENTGATE", "LITELLM"))}
    log = stack.enter_context((folder / f"{name}.log").open("wb"))
    process = subprocess.Popen(command, env={**known, **more.get("environ", {})}, stdout=log, stderr=log)
    stack.enter_context(process)
    stack.callback(process.kill)
    until = time.monotonic() + _STARTS_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return Contestant(name, port, process, more.get("headers", {}))
        time.sleep(0.05)
    raise RuntimeError(f"{name} does not start: {(folder / f'{name}.log').read_text(errors='replace')[-500:]}")


def contestants(stack: ExitStack, folder: Path) -> list[Contestant]:
    """All that can be had, the stub first."""
    stub, passing, gate, other = (free_port() for _ in range(4))
    (folder / "policy.yaml").write_text(_POLICY)
    us = [sys.executable, "-m"]
    serve = ["agentgate", "serve", "--policy", str(folder / "policy.yaml"), "--upstream", f"http://127.0.0.1:{stub}/v1"]
    found = [
        started(stack, folder, "stub", stub, [*us, "tests.benchmarks.gateway.stub", str(stub)]),
        started(stack, folder, "passing on", passing, [*us, "tests.benchmarks.gateway.passing", str(passing), str(stub)]),
        started(stack, folder, "agentgate", gate, [*us, *serve, "--port", str(gate), "--state", str(folder / "state")]),
    ]
    command = rival.command(folder, stub, other)
    if command is None:
        sys.stdout.write("LiteLLM is missing: it cannot be installed here\n")
        return found
    headers = {"Authorization": f"Bearer {rival.KEY}"}
    try:
        found.append(started(stack, folder, "LiteLLM", other, command, environ=rival.environment(), headers=headers))
    except RuntimeError as error:
        sys.stdout.write(f"LiteLLM is missing: {error}\n")
    return found


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Processor time that a process has used: what an answer costs, however busy the machine is."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answers(all: list[Contestant], seconds: float) -> None:
    """Whole answers with one call each."""
    columns = ("connections", "server", "answers/s", "p50 ms", "p99 ms", "added p50 ms", "CPU µs each", "bad", "of LiteLLM")
    _row(*columns)
    for connections in _CONNECTIONS:
        rows = []
        for one in all:
            before = cpu_seconds(one.process)
            got = asyncio.run(load(one.port, connections, seconds, one.headers))
            rows.append((one.name, got, (cpu_seconds(one.process) - before) / max(1, got["answers"]) * 1e6))
        direct = rows[0][1]["p50_ms"]
        slowest = next((got["requests_per_second"] for name, got, _ in rows if name == "LiteLLM"), None)
        for name, got, cost in rows:
            rate = got["requests_per_second"]
            times = f"{rate / slowest:.1f} x" if slowest else "-"
            added = f"{got['p50_ms'] - direct:.3f}"
            _row(connections, name, rate, got["p50_ms"], got["p99_ms"], added, f"{cost:.0f}", got["bad"], times)


def streams(all: list[Contestant]) -> None:
    """Streams: the first text, and memory."""
    _row("", "server", "first p50", "first p99", "of passing", f"MiB at {_STREAMS}", "KiB each")
    took = {one.name: asyncio.run(first_text(one.port, 20 if one.name == "LiteLLM" else 200, one.headers)) for one in all}
    for one in all:
        first = took[one.name]
        held: Mapping[str, float] | None = None
        if one.name not in ("stub", "LiteLLM"):
            held = asyncio.run(memory(one.port, one.process.pid, _STREAMS, one.headers))
        ratio = f"{first['p50_ms'] / took['passing on']['p50_ms']:.2f} x"
        cells = (held["during_mib"], held["kib_per_stream"]) if held else ("-", "-")
        _row("", one.name, first["p50_ms"], first["p99_ms"], ratio, *cells)


def _row(*cells: object) -> None:
    sys.stdout.write("  ".join(f"{cell!s:>12}" for cell in cells) + "\n")
    sys.stdout.flush()


def main(seconds: float) -> None:
    """Prints two tables."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER"), ignore_cleanup_errors=True)))
        all = contestants(stack, folder)
        for one in all:
            asyncio.run(load(one.port, 2, 1.0, one.headers))  # the first answers of a process are slow
        answers(all, seconds)
        streams(all)
        busy = os.getloadavg()[0] / (os.cpu_count() or 1)
        sys.stdout.write(
            f"load while measuring: {busy:.1f} processes for each processor" + (" (too busy to quote)\n" if busy > 1 else "\n")
        )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
