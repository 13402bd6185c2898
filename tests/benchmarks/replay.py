"""How fast recorded calls are judged again, by one process and by two, beside a script with `json` and `fnmatch` over the same file.

Takes the recorded transcripts beside the repository, repeated to a size, or made-up ones where there are none. CPU time is shown beside
wall time: on a busy machine only the former says what the work costs.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from agentgate.core.events import Effect
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.divided import Task, add, judge_divided
from agentgate.files.transcript import Damage
from agentgate.files.transcript_reader import find_transcripts, read_sources
from agentgate.replay import Replay, Tally
from tests.benchmarks.engines import ROOT
from tests.benchmarks.environments import plain_environment
from tests.benchmarks.machine import most_memory
from tests.benchmarks.report import Aim, Cell, Options, Report, Table

RULES = 1_000
MEGABYTES = 100
LARGE = 1_000
PLAIN_LINES = 300
"""Of the corpus, for the script: all of it would take minutes."""
CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


def corpus(path: Path, megabytes: float, *, repeated: bool = True) -> None:
    """Writes transcripts, as they are in the corpora or with other arguments each time they come again."""
    lines = [line for file in sorted(CORPORA.glob("*.jsonl")) for line in file.read_bytes().splitlines()] or made_up()
    tools = CORPORA / "tools"
    if tools.is_dir():
        Path(path.parent, "tools").symlink_to(tools)
    size = turn = 0
    with path.open("wb") as file:
        while size < megabytes * 1e6:
            for line in lines:
                if not repeated:
                    line = line.replace(b'"arguments":"{', b'"arguments":"{' + b" " * (turn % 97) + b"\\n" * (turn // 97))
                size += file.write(line + b"\n")
            turn += 1


def made_up() -> list[bytes]:
    """Conversations of four calls each, with results of a usual size."""
    lines = []
    for number in range(500):
        messages: list[dict[str, object]] = [{"role": "user", "content": f"Please look after customer {number}."}]
        for index, name in enumerate(("customer_db", "http_get", "tool_4", "send_mail")):
            arguments = json.dumps({"action": "read", "customer_id": number, "note": "a few words, as they occur in calls"})
            call = {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": f"call_{index}", "content": "a result " * 100})
        lines.append(json.dumps({"id": f"run-{number}", "messages": messages}, separators=(",", ":")).encode())
    return lines


def policy() -> Policy:
    """A thousand rules over the tools of the corpora: each is allowed, and values, patterns and texts of its arguments are not."""
    tools: dict[str, list[str]] = {}
    for file in sorted((CORPORA / "tools").glob("*.json")):
        for tool in json.loads(file.read_text()):
            properties = tool["function"].get("parameters", {}).get("properties", {})
            tools[tool["function"]["name"]] = [name for name, schema in properties.items() if schema.get("type") == "string"]
    tools = tools or {name: ["action", "note"] for name in ("customer_db", "http_get", "tool_4", "send_mail")}
    rules = [Rule(id=f"use-{number}", effect=Effect.ALLOW, tools=(name,)) for number, name in enumerate(tools)]
    names = list(tools)
    while len(rules) < RULES:
        number = len(rules)
        name, turn = names[number % len(names)], number // len(names)
        rules.append(_rule(f"rule-{number}", name, tools[name], turn))
    return Policy(f"{RULES} rules", rules=tuple(rules))


def _rule(id: str, tool: str, strings: list[str], turn: int) -> Rule:
    if not strings:
        return Rule(id=id, effect=Effect.BLOCK, tools=(f"{tool}_{turn}_*",))
    match turn % 3:
        case 0:
            when = Condition(strings[0], (("equals", f"forbidden-{turn}"),))
        case 1:
            when = Condition(strings[-1], (("search", rf"(?i)\bsecret{turn}\b"),))
        case _:
            when = Condition(strings[0], (("matches", f"internal-{turn}-.*"),))
    return Rule(id=id, effect=Effect.BLOCK, tools=(tool,), when=(when,))


def judge(path: Path) -> int:
    """Replays the file in this process, and says how many calls it held."""
    replay, tally = Replay(policy()), Tally()
    for found in read_sources(find_transcripts([path]), wanted=replay.wanted):
        assert not isinstance(found, Damage)
        replay.count(found, tally)
    return tally.calls


def judge_by_two(path: Path) -> int:
    """The same by two processes."""
    tally = Tally()
    for counted in judge_divided(Task(policy()), find_transcripts([path]), 2):
        add(tally, counted)
    return tally.calls


def judge_plainly(path: Path) -> int:
    """What a short script would do: every rule of the policy, by tool name alone."""
    patterns = [rule.tools[0] for rule in policy().rules]
    calls = 0
    with path.open() as file:
        for line, _ in zip(file, range(PLAIN_LINES), strict=False):
            for message in json.loads(line)["messages"]:
                for call in message.get("tool_calls") or ():
                    json.loads(call["function"]["arguments"]) if call["function"]["arguments"].startswith('{"') else None
                    any([fnmatchcase(call["function"]["name"], pattern) for pattern in patterns])  # noqa: C419 - all are tried
                    calls += 1
    return calls


def _spent() -> float:
    """CPU seconds of this process and of those it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def measure(work: Callable[[Path], int], path: Path) -> tuple[int, float, float]:
    """Calls, CPU seconds and wall seconds."""
    cpu, began = _spent(), time.perf_counter()
    calls = work(path)
    return calls, _spent() - cpu, time.perf_counter() - began


WORKS: dict[str, Callable[[Path], int]] = {"one": judge, "two": judge_by_two, "plain": judge_plainly}


class Measured(Struct):
    """What one process of its own came to, with those that it started."""

    calls: int
    cpu: float
    wall: float
    memory: float
    """The most that one of them took, in MB."""


def tell(work: str, path: str) -> None:
    """Prints what one of the works comes to. For a process of its own, whose memory is looked at."""
    calls, cpu, wall = measure(WORKS[work], Path(path))
    sys.stdout.write(msgspec.json.encode(Measured(calls, cpu, wall, most_memory())).decode())


def _measured(work: str, path: Path) -> Measured:
    script = f"from tests.benchmarks.replay import tell; tell({work!r}, {str(path)!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=plain_environment(ROOT))
    return msgspec.json.decode(done.stdout, type=Measured)


def run(options: Options) -> Report:
    """One process, two of them, arguments that never come twice, and the script. The best of some rounds, as others use the machine too."""
    megabytes = float(os.environ.get("MEGABYTES", MEGABYTES if options.quick else LARGE))
    rounds = 2 if options.quick else 3
    with tempfile.TemporaryDirectory() as folder:
        usual, fresh = Path(folder, "corpus.jsonl"), Path(folder, "fresh", "corpus.jsonl")
        fresh.parent.mkdir()
        corpus(usual, megabytes)
        corpus(fresh, min(megabytes, MEGABYTES), repeated=False)
        plan = {
            "one process": ("one", usual),
            "two processes": ("two", usual),
            "one process, arguments that never come twice": ("one", fresh),
            "json + fnmatch": ("plain", usual),
        }
        found: dict[str, list[Measured]] = {name: [] for name in plan}
        for _ in range(rounds):
            for name, (work, path) in plan.items():
                found[name].append(_measured(work, path))
        sizes = {name: path.stat().st_size / 1e6 for name, (_, path) in plan.items()}
    rows: list[tuple[Cell, ...]] = []
    for name, all_of in found.items():
        cpu, wall = (min(getattr(one, kind) for one in all_of) for kind in ("cpu", "wall"))
        calls, size = all_of[0].calls, None if name == "json + fnmatch" else sizes[name]
        of_size = (None, None) if size is None else (size / cpu, size / wall)
        rows.append((name, calls / cpu, of_size[0], calls / wall, of_size[1], max(one.memory for one in all_of)))
    one, two, _, plain = rows
    return Report(
        "replay",
        "python -m tests.benchmarks replay",
        f"{__doc__}\n\n{megabytes:,.0f} MB, {RULES:,} rules.",
        [
            Table(
                "calls judged again",
                ("", "calls a CPU second", "MB a CPU second", "calls a second", "MB a second", "most memory of a process, MB"),
                rows,
            )
        ],
        _aims(one, two, plain),
    )


_WHY_ONE = (
    "By the profile, for a line of 10.6 kB with 6.3 calls: 30 % is decoding it by its types, 20 % writing it again to compare, which shows "
    "that it holds nothing else, 14 % reading `meta` as strict JSON, 7 % the file, 13 % making calls and handing them on, 17 % judging and "
    "counting. The first four are native code, and would take two thirds of the time without any Python."
)
_WHY_TWO = (
    "Each process makes the policy ready and meets every call for a first time (0.05 s), and caches and processors are shared with "
    "whatever else runs."
)


def _aims(one: tuple[Any, ...], two: tuple[Any, ...], plain: tuple[Any, ...]) -> tuple[Aim, ...]:
    return (
        Aim("one process", one[1], least=150_000, unit="decisions a CPU second", missed=_WHY_ONE),
        Aim("one process", one[2], least=300, unit="MB a CPU second", missed=_WHY_ONE),
        Aim("two processes against one, by the clock", two[3] / one[3], least=1.9, missed=_WHY_TWO),
        Aim("two processes against one, by processor time (2 × where dividing costs nothing)", 2 * two[1] / one[1], least=1.9),
        Aim("agentgate, one process, against json + fnmatch", one[1] / plain[1], least=50),
        Aim("the most memory of a process", max(one[5], two[5]), most=200, unit="MB"),
    )
