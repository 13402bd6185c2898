"""Measures what the gateway adds: the same stub asked directly and through it, each a process of its own.

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
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.benchmarks.gateway.load import load

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


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit("nothing listens")


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Processor time that a process has used: what an answer costs, however busy the machine is."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(seconds: float) -> None:
    """Prints a line for each number of connections."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER"))))
        (folder / "policy.yaml").write_text(_POLICY)
        stub, gate = free_port(), free_port()
        serve = ["-m", "agentgate", "serve", "--policy", str(folder / "policy.yaml"), "--upstream", f"http://127.0.0.1:{stub}/v1"]
        commands = [["-m", "tests.benchmarks.gateway.stub", str(stub)], [*serve, "--port", str(gate), "--state", str(folder / "state")]]
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI", "AGENTGATE"))}
        processes = []
        for command in commands:
            process = subprocess.Popen([sys.executable, *command], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.enter_context(process)
            stack.callback(process.terminate)
            processes.append(process)
        for port in (stub, gate):
            wait_for(port)
        asyncio.run(load(gate, 8, 0.5))
        for connections in (1, 16, 64):
            for name, port, process in (("stub", stub, processes[0]), ("gateway", gate, processes[1])):
                before = cpu_seconds(process)
                got = asyncio.run(load(port, connections, seconds))
                cost = (cpu_seconds(process) - before) / max(1, got["answers"]) * 1e6
                sys.stdout.write(f"{connections:>3} connections  {name:<8} {got}  {cost:.0f} µs of processor time each\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
