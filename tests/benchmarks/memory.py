"""How much memory a million decisions keep, when a hostile model makes up a tool name for each of them.

One compiled policy, as in a server, and a session for every thousand calls, as in a server. What a session remembers goes with it; what the
policy remembers for speed is bounded. The names match no rule, patterns of rules, or nothing at all because they are no names; arguments
have made-up keys too. The last line is one session that lives on: it has to remember the id of every call.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from agentgate import Session, ToolCall
from agentgate.core.events import Effect
from agentgate.core.policy import Condition, Limit, Policy, Rule
from agentgate.session import prepare
from tests.benchmarks.decision import ARGUMENTS
from tests.benchmarks.decision import policy as plain_policy
from tests.benchmarks.report import Aim, Options, Report, Table

DECISIONS = 1_000_000
WARM = 100_000
"""Decisions made before memory is looked at first, so that every cache has been full."""
CALLS_PER_SESSION = 1_000
AIM = 5.0
"""MB."""


def policy() -> Policy:
    """Rules over patterns of names, and every limit that looks at a call."""
    rules = (
        *(Rule(f"http-{number}", Effect.BLOCK, (f"http_{number}_*",)) for number in range(50)),
        *(Rule(f"tool-{number}", Effect.ALLOW, (f"*_{number}",), when=(_secretless(number),)) for number in range(50)),
        Rule("reads", Effect.ALLOW, ("read_*",), except_tools=("read_me_*",)),
    )
    limits = (
        Limit("repeats", 3, id="limits.repeats"),
        Limit("calls", 10**9, "read_*", id="limits.tools.read_*"),
        Limit("tool_calls", 10**9, id="limits.tool_calls"),
    )
    return Policy("hostile names", rules=rules, limits=limits)


def _secretless(number: int) -> Condition:
    return Condition("note", (("matches", rf"(?i)[a-z0-9 ]*note{number % 7}"),), optional=True)


def hostile_calls(seed: int = 0) -> Iterator[ToolCall]:
    """Calls with a new name each; no end of them."""
    random = Random(seed)
    number = 0
    while True:
        number += 1
        made_up = f"{random.getrandbits(160):x}"
        name = (
            made_up,
            f"http_{number % 60}_{made_up}",
            f"{made_up}_{number % 50}",
            f"read_{made_up}",
            f"read_me_{made_up}",
            made_up * 200,
            f"{made_up}\n",
        )[number % 7]
        yield ToolCall(
            f"call_{number}", name, f'{{"note": "{made_up} note{number % 7}", "{made_up}": {number}, "text": "\\u{number % 55000:04x}"}}'
        )


def propose(ready: object, calls: Iterator[ToolCall], decisions: int) -> None:
    """Judges so many calls, in sessions of a thousand."""
    for _ in range(decisions // CALLS_PER_SESSION):
        session = Session(ready)  # type: ignore[arg-type]
        for call in islice(calls, CALLS_PER_SESSION):
            session.propose(call)


def resident() -> float:
    """The MB of memory that this process takes right now; its greatest so far where the system does not say."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run(options: Options) -> Report:
    """What many decisions keep, and what one long session keeps of each call."""
    decisions = DECISIONS // 10 if options.quick else DECISIONS
    ready, calls = prepare(policy()), hostile_calls()
    propose(ready, calls, WARM)
    before = resident()
    propose(ready, calls, decisions)
    grown = resident() - before
    session = Session(plain_policy(10))
    usual = [ToolCall(f"call_{number}", "customer_db", ARGUMENTS) for number in range(WARM)]
    before = resident()
    for call in usual:
        session.propose(call)
    kept = (resident() - before) * 1e6 / WARM
    rows = [
        (f"{decisions:,} decisions on hostile tool names", f"{grown:+.1f} MB"),
        (f"one session of {WARM:,} calls", f"{kept:.0f} bytes a call"),
    ]
    aim = Aim(f"growth over {decisions:,} decisions on hostile tool names", grown, most=AIM, unit="MB")
    return Report(
        "memory", "python -m tests.benchmarks memory", str(__doc__), [Table("memory that is kept", ("what", "how much"), rows)], [aim]
    )
