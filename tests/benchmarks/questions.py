"""Questions about recorded traffic that SQL can answer as well, beside DuckDB; and the memory that a replay takes, by size of the corpus.

Both read the same file anew for every question, in one thread, and must give the same answer. DuckDB reads what the question needs;
agentgate reads and checks all of a transcript, and judges every call by the whole policy, with state, limits and reasons.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from agentgate.core.events import Effect
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.files.transcript import Damage, Proposed
from agentgate.files.transcript_reader import find_transcripts, read_sources
from agentgate.replay import Replay, Tally
from tests.benchmarks.engines import PEERS, ROOT
from tests.benchmarks.environments import Missing, environments, plain_environment, requirements
from tests.benchmarks.machine import most_memory
from tests.benchmarks.replay import made_up
from tests.benchmarks.report import Options, Report, Table

_TIMES = 10
_SCRIPT = "import sys; from tests.benchmarks.questions import read_only; read_only(sys.argv[1])"
"""In a process of its own, whose greatest memory is looked at."""


def run(options: Options) -> Report:
    """Asks both."""
    repetitions = 2 if options.quick else 7
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder, environments(options) as peers:
        file = Path(folder, "corpus.jsonl")
        file.write_bytes(b"\n".join(made_up() * _TIMES) + b"\n")
        megabytes = file.stat().st_size / 1e6
        own: dict[str, tuple[object, float]] = {
            "calls of each tool": _taken(lambda: _by_tool(file), repetitions),
            "calls that three rules allow": _taken(lambda: _allowed(file), repetitions),
        }
        theirs: dict[str, dict[str, list[float]]] = {}
        try:
            script = PEERS / "duckdb_sql.py"
            python = peers.python("duckdb", requirements(script))
            done = subprocess.run([python, script, file, str(repetitions)], capture_output=True, text=True, check=True)
            theirs = json.loads(done.stdout)
        except (Missing, subprocess.CalledProcessError) as problem:
            notes.append(f"DuckDB: {'missing: ' if isinstance(problem, Missing) else ''}{problem}")
        rows = []
        for name, (answer, seconds) in own.items():
            other = statistics.median(theirs[name]["seconds"]) if theirs else None
            if theirs and json.dumps(theirs[name]["answer"]) != json.dumps(answer):
                notes.append(f"DISAGREE about {name}: {answer} and {theirs[name]['answer']}")
                other = None
            rows.append((name, seconds, megabytes / seconds, other, None if other is None else seconds / other))
        memory = _memory(Path(folder), 3 if options.quick else 4)
    return Report(
        "questions",
        "python -m tests.benchmarks questions",
        str(__doc__),
        [
            Table(
                f"questions about {megabytes:.0f} MB of recorded calls, processor time",
                ("question", "agentgate s", "agentgate MB/s", "DuckDB s", "agentgate / DuckDB"),
                rows,
            ),
            Table("the most memory that a replay takes", ("corpus MB", "MB"), memory),
        ],
        (),
        notes,
    )


def _taken(work: Callable[[], object], repetitions: int) -> tuple[object, float]:
    seconds, answer = [], None
    for _ in range(repetitions):
        began = time.process_time()
        answer = work()
        seconds.append(time.process_time() - began)
    return answer, statistics.median(seconds)


def _by_tool(file: Path) -> list[tuple[str, int]]:
    counted: Counter[str] = Counter()
    for found in read_sources(find_transcripts([file])):
        assert not isinstance(found, Damage)
        counted.update(item.call.name for item in found.items if isinstance(item, Proposed))
    return sorted(counted.items())


def policy() -> Policy:
    """The three rules of the second question."""
    return Policy(
        "three",
        rules=(
            Rule("reads", Effect.ALLOW, ("customer_db",), when=(Condition("action", (("equals", "read"),)),)),
            Rule("others", Effect.ALLOW, ("http_*", "tool_*")),
            Rule("secrets", Effect.BLOCK, ("*",), when=(Condition("note", (("search", "secret"),)),)),
        ),
    )


def _allowed(file: Path) -> list[tuple[int]]:
    return [(_tally(file).effects[Effect.ALLOW],)]


def _tally(file: Path) -> Tally:
    replay, tally = Replay(policy()), Tally()
    for found in read_sources(find_transcripts([file]), wanted=replay.wanted):
        assert not isinstance(found, Damage)
        replay.count(found, tally)
    return tally


def read_only(file: str) -> None:
    """Replays a file, and prints the most memory that took, in MB."""
    _tally(Path(file))
    sys.stdout.write(f"{most_memory()}\n")


def _memory(folder: Path, sizes: int) -> list[tuple[float, float]]:
    rows = []
    once = folder / "corpus.jsonl"
    for times in (1, 4, 16, 64)[:sizes]:
        file = folder / "larger.jsonl"
        with file.open("wb") as written:
            for _ in range(times):
                written.write(once.read_bytes())
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, file], capture_output=True, text=True, check=True, env=plain_environment(ROOT)
        )
        rows.append((file.stat().st_size / 1e6, float(done.stdout)))
    return rows
