"""Regular expressions under attack: patterns and inputs that make backtracking engines take forever, in a policy, through the whole path.

Each pattern stands in a block rule (`search`) and in an allow rule (`matches`), and gets its own worst input at growing lengths. Beside it:
the same pattern and input by Python's `re`, for as short an input as it still bears; it is stopped after a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count

from agentgate import Session, ToolCall
from agentgate.core.events import Effect
from agentgate.core.policy import Condition, Policy, Rule
from tests.benchmarks.decision import microseconds
from tests.benchmarks.report import Aim, Options, Report, Table

ATTACKS = {
    "nested repetition": (r"^(a+)+$", "a", "!"),
    "overlapping choices": (r"^(a|aa)+$", "a", "!"),
    "choices that match alike": (r"^(a|a)*$", "a", "!"),
    "repetition of anything": (r"(.*)*=(.*)*;", "x", ""),
    "polynomial": (r"\s+$", " ", "x"),
    "three stars": (r"^.*.*.*=$", "x", ""),
    "e-mail address": (
        r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
        "a",
        "!",
    ),
    "Java class name": (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a", ""),
    "HTML tags": (r"<(\w+\s*)+>", "a ", ""),
    "numbers with commas": (r"^(\d+,?)+$", "1", "x"),
    "counted repetition": (r"(x+x+)+y", "x", ""),
    "large counts": (r"(?:a{0,30}){0,30}b", "a", ""),
}
"""Name → pattern, what its worst input repeats, and how that ends."""
LENGTHS = (100, 1_000, 10_000)
_BACKTRACKING = 26
"""Characters that Python's `re` gets."""


def run(options: Options) -> Report:
    """Tries every attack."""
    calls = 30 if options.quick else 300
    rows: list[tuple[str, str, float, float, float, str]] = []
    worst = 0.0
    for name, (pattern, piece, end) in ATTACKS.items():
        taken = [max(_decision(pattern, _input(piece, end, length), where, calls) for where in ("search", "matches")) for length in LENGTHS]
        worst = max(worst, taken[1])
        rows.append(
            (name, pattern if len(pattern) < 32 else pattern[:29] + "…", taken[0], taken[1], taken[2], _backtracking(pattern, piece, end))
        )
    everything = _all_at_once(calls)
    columns = ("attack", "pattern", *(f"{length:,} characters" for length in LENGTHS), f"Python's re, {_BACKTRACKING} characters")
    return Report(
        "patterns",
        "python -m tests.benchmarks patterns",
        str(__doc__),
        [Table("one decision, p50 in µs", columns, rows)],
        [
            Aim("the worst decision, 1,000 characters", worst / 1000, most=1.0, unit="ms"),
            Aim("all patterns in one policy, the worst of their inputs, 1,000 characters", everything / 1000, most=1.0, unit="ms"),
        ],
        ["a decision reads all of its input (JSON, the text as it stands and normalised), so it grows with its length, and only so"],
    )


def _input(piece: str, end: str, length: int) -> str:
    return piece * (length // len(piece)) + end


def _decision(pattern: str, text: str, where: str, calls: int) -> float:
    effect = Effect.BLOCK if where == "search" else Effect.ALLOW
    rules = [Rule("anything", Effect.ALLOW, ("*",)), Rule("attacked", effect, ("post",), when=(Condition("text", ((where, pattern),)),))]
    return _timed(Policy("attack", rules=tuple(rules)), text, calls)


def _all_at_once(calls: int) -> float:
    rules = [Rule("anything", Effect.ALLOW, ("*",))]
    for number, (pattern, _, _) in enumerate(ATTACKS.values()):
        rules.append(Rule(f"attack-{number}", Effect.BLOCK, ("post",), when=(Condition("text", (("search", pattern),)),)))
    policy = Policy("attacks", rules=tuple(rules))
    return max(_timed(policy, _input(piece, end, 1_000), calls) for _, piece, end in ATTACKS.values())


def _timed(policy: Policy, text: str, calls: int) -> float:
    session, arguments, ids = Session(policy), json.dumps({"text": text}), map("call_{}".format, count())
    return microseconds(lambda: session.propose(ToolCall(next(ids), "post", arguments)), calls=calls)


def _backtracking(pattern: str, piece: str, end: str) -> str:
    """How long Python's own engine takes for a short input, in a process that can be stopped."""
    code = "import re, sys, time; began = time.process_time(); re.search(sys.argv[1], sys.argv[2]); print(time.process_time() - began)"
    text = _input(piece, end or "\x00", _BACKTRACKING)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, pattern, text.replace("\x00", "")], capture_output=True, text=True, timeout=2, check=True
        )
    except subprocess.TimeoutExpired:
        return "over 2 s"
    return f"{float(done.stdout) * 1e6:,.0f} µs"
