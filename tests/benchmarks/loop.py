"""What an agent loop takes for each step, beside the bare client: the same scripted model over HTTP on loopback, the same tool, in turn.

Processor time, with that of tool processes: of a step, from the difference between long and short conversations, and of a run besides.
agentgate does more in a step than the others: it judges the call and the request, writes and syncs every event, looks at the kill switch,
and runs the tool in a process of its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.engines import ROOT
from tests.benchmarks.environments import Environments, Missing, environments, plain_environment, requirements
from tests.benchmarks.report import Aim, Chart, Line, Options, Report, Table

BARE, OWN = "bare openai client", "agentgate"
LOOPS = {
    BARE: "bare",
    OWN: "agentgate_loop",
    "OpenAI Agents SDK": "openai_agents",
    "LangChain (LangGraph)": "langchain_agents",
    "pydantic-ai": "pydantic_agents",
}
_PATIENCE = 300


def run(options: Options) -> Report:
    """Lets all loops have the same conversations, several rounds."""
    rounds, conversations = (1, 2) if options.quick else (5, 5)
    notes: dict[str, None] = {}
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in LOOPS}
    with model() as url, environments(options) as peers, tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, script in LOOPS.items():
                found = _taken(name, script, [url, str(conversations)], peers, Path(folder), notes)
                if found is not None:
                    taken[name].append(found)
    cpu = {name: statistics.median(one["cpu_ms"] for one in found) for name, found in taken.items() if found}
    wall = {name: statistics.median(one["ms"] for one in found) for name, found in taken.items() if found}
    added = {name: ms - cpu[BARE] for name, ms in cpu.items()} if BARE in cpu else {}
    besides = {name: statistics.median(one["run_cpu_ms"] for one in found) for name, found in taken.items() if found}
    rows = [(name, cpu[name], added.get(name), cpu[name] / cpu[OWN], wall[name], besides[name]) for name in cpu]
    columns = (
        "loop",
        "processor ms a step",
        "added to the bare client",
        "times agentgate",
        "wall ms a step",
        "processor ms a run, besides",
    )
    least = min((ms for name, ms in cpu.items() if name not in (BARE, OWN)), default=None)
    return Report(
        "loop",
        "python -m tests.benchmarks loop",
        str(__doc__),
        [Table("an agent loop, each step: a request, a call, its result", columns, rows)],
        [] if least is None else [Aim("agentgate's step against the leanest framework's", cpu[OWN] / least, most=1.0)],
        list(notes),
        [Chart("loop", "An agent loop", "", "processor ms a step", ["all"], [Line(name, [ms]) for name, ms in cpu.items()])],
    )


@contextmanager
def model() -> Iterator[str]:
    """A scripted model server while it is needed; gives its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.scripted"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def _taken(
    name: str, script: str, arguments: list[str], peers: Environments, folder: Path, notes: dict[str, None]
) -> dict[str, float] | None:
    path = Path(__file__).parent / "loops" / f"{script}.py"
    own = name in (BARE, OWN)  # agentgate's own environment has the client
    try:
        python = Path(sys.executable) if own else peers.python(script, requirements(path))
    except Missing as missing:
        notes[f"{name}: missing: {missing}"] = None
        return None
    environ = {**plain_environment(ROOT), "TMPDIR": str(folder), "OPENAI_API_KEY": "none"}
    try:
        done = subprocess.run([python, path, *arguments], capture_output=True, text=True, env=environ, timeout=_PATIENCE, check=True)
    except subprocess.TimeoutExpired:
        notes[f"{name}: not done in {_PATIENCE} s"] = None
        return None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()
        notes[f"{name}: failed: {last[-1][:200] if last else error.returncode}"] = None
        return None
    return dict(json.loads(done.stdout))
