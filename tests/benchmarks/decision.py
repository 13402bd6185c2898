"""What one decision costs, by number of rules, beside what else could decide; and by the length of the run.

Every engine gets the tool's name and the raw JSON text of its arguments, and says whether the call passes. agentgate does more with it than
its peers: strict parsing, the tool's JSON Schema, limits, a Decision with its reason, and the state's evolution. All engines have to agree
about the same calls before anything is measured. They run in processes of their own, in turn, several rounds; times are processor time,
and ratios are within a round. Calls are eight of a kind that differ each time in one number, so that no arguments ever come twice; and the
same eight again and again, which agents also do, and which agentgate remembers. Their arguments are small flat objects of plain values, as
with most tools, which agentgate reads and checks in one go; lists, objects and floats in them, and schemas that ask for more than types,
take it about 1.3 µs more.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from agentgate import Session, ToolCall
from agentgate.core.events import Effect
from agentgate.core.policy import Condition, Limit, Policy, Rule
from tests.benchmarks.engines import Engine, TooSlow, start
from tests.benchmarks.environments import Environments, Missing, environments
from tests.benchmarks.report import Aim, Chart, Line, Options, Report, Table, say
from tests.benchmarks.work import SIZES, work

OWN = "agentgate"
ENGINES = {
    OWN: "agentgate_session",
    "plain loop (json, fnmatch, re)": "plain_loop",
    "cedarpy": "cedar",
    "agent-governance-toolkit": "governance_toolkit",
    "inspect_ai approval": "inspect_approval",
    "LiteLLM tool permission": "litellm_permission",
    "Invariant": "invariant_policy",
    "pycasbin": "pycasbin",
    "regorus": "rego",
}
_PREPARING, _MEASURING = 60.0, 60.0
"""Seconds that are waited for an engine to read its rules, and for a round."""

ARGUMENTS = '{"action": "read", "customer_id": 101, "note": "a few words, as they occur in calls"}'
TOOL = {
    "type": "function",
    "function": {
        "name": "customer_db",
        "parameters": {
            "type": "object",
            "properties": {"action": {"type": "string"}, "customer_id": {"type": "integer"}, "note": {"type": "string"}},
            "required": ["action"],
        },
    },
}


class Measured:
    """What came of one engine at one size."""

    def __init__(self) -> None:
        self.p50: list[float] = []
        self.p99: list[float] = []
        self.again: list[float] = []
        """The p50 where the same arguments come again and again."""
        self.seconds: float | None = None
        """How long it took to make the rules ready."""


def run(options: Options) -> Report:
    """Measures every engine that can be had at every size."""
    rounds, seconds = (2, 0.1) if options.quick else (5, 0.3)
    notes: dict[str, None] = {}
    found: dict[int, dict[str, Measured]] = {}
    with environments(options) as peers:
        for size in SIZES:
            say(f"decision: {size:,} rules")
            found[size] = _measured(size, peers, rounds, seconds, notes)
    names = [name for name in ENGINES if any(found[size][name].p50 for size in SIZES)]
    p50 = {name: [_median(found[size][name].p50) for size in SIZES] for name in names}
    columns = ("engine", *(f"{size:,} rules" for size in SIZES))
    ratios = {name: [_ratio(found[size][name].p50, found[size][OWN].p50) for size in SIZES] for name in names}
    early, late = length(options)
    flat = Table("by length of the run, 1,000 rules, µs", ("at call 10", "at call 10,000", "ratio"), [(early, late, late / early)])
    return Report(
        "decision",
        "python -m tests.benchmarks decision",
        str(__doc__),
        [
            Table(
                "one decision, arguments that never come twice, p50 in µs of processor time",
                columns,
                [(name, *p50[name]) for name in names],
            ),
            Table(
                "the same, p99 in µs of processor time",
                columns,
                [(name, *(_median(found[size][name].p99) for size in SIZES)) for name in names],
            ),
            Table(
                "the same arguments again and again, p50 in µs of processor time",
                columns,
                [(name, *(_median(found[size][name].again) for size in SIZES)) for name in names],
            ),
            Table("times agentgate's p50, median of the rounds", columns, [(name, *ratios[name]) for name in names]),
            Table(
                "making the rules ready, s of processor time",
                columns,
                [(name, *(found[size][name].seconds for size in SIZES)) for name in names],
            ),
            flat,
        ],
        _aims(found, ratios, late / early),
        list(notes),
        [
            Chart(
                "decision",
                "One decision",
                "rules",
                "µs of processor time (p50)",
                [f"{size:,}" for size in SIZES],
                [Line(name, p50[name]) for name in names],
            )
        ],
    )


def _measured(size: int, peers: Environments, rounds: int, seconds: float, notes: dict[str, None]) -> dict[str, Measured]:
    question = work(size)
    found = {name: Measured() for name in ENGINES}
    engines: dict[str, Engine] = {}
    agreed: list[bool] | None = None
    for name, script in ENGINES.items():
        if any(note.startswith(f"{name}: at ") for note in notes):
            continue  # it was too slow already with fewer rules
        try:
            engines[name] = start(script, peers)
            answer = engines[name].ask(question, _PREPARING)
        except (Missing, TooSlow) as reason:
            notes[f"{name}: {_where(reason, size)}{reason}"] = None
            if name in engines:
                engines.pop(name).close()
            continue
        agreed = agreed or answer["decisions"]
        if answer["decisions"] != agreed:
            wrong = [call for call, one, other in zip(question["calls"], agreed, answer["decisions"], strict=True) if one != other]
            notes[f"{name} DISAGREES about {len(wrong)} of {len(agreed)} calls at {size:,} rules, and is not measured: {wrong[0]}"] = None
            engines.pop(name).close()
            continue
        found[name].seconds = answer["seconds"]
    for _ in range(rounds):
        for name, engine in list(engines.items()):
            _round(name, engine, engines, found[name], seconds, notes)
    for engine in engines.values():
        engine.close()
    return found


def _where(reason: Exception, size: int) -> str:
    return f"at {size:,} rules: " if isinstance(reason, TooSlow) else "missing: "


def _round(name: str, engine: Engine, engines: dict[str, Engine], measured: Measured, seconds: float, notes: dict[str, None]) -> None:
    try:
        answer = engine.ask({"seconds": seconds, "fresh": True}, _MEASURING)
        again = engine.ask({"seconds": seconds}, _MEASURING)
    except (TooSlow, Missing) as reason:
        notes[f"{name}: while it was measured: {reason}"] = None
        engines.pop(name).close()
        return
    measured.p50.append(answer["p50"])
    measured.p99.append(answer["p99"])
    measured.again.append(again["p50"])


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _ratio(peers: list[float], own: list[float]) -> float | None:
    """How many times as long the peer took, in the same round."""
    return _median([theirs / ours for theirs, ours in zip(peers, own, strict=False)])


_WHY = (
    "In a loop an allowed call takes 3.0 µs (1,000 rules; each step by itself): finding and trying rules 0.9, of which RE2 alone "
    "takes 0.4; reading the arguments and checking their types 0.4, of which msgspec alone takes 0.2; counting the call 0.4; the Decision "
    "0.1; the rest are some 200 instructions of Python that look at the id, the tool, the role, limits and what is remembered. Between "
    "other work, with caches that others have used, it is about one more."
)


def _aims(found: dict[int, dict[str, Measured]], ratios: dict[str, list[float | None]], flat: float) -> list[Aim]:
    at = {size: _median(found[size][OWN].p50) for size in SIZES}
    worst = max(value for value in at.values() if value is not None)
    worst_again = max(statistics.median(found[size][OWN].again) for size in SIZES)
    aims = [
        Aim("one decision, arguments that never come twice, the slowest size", worst, most=5.0, unit="µs", missed=_WHY),
        Aim("one decision, arguments that come again, the slowest size", worst_again, most=5.0, unit="µs"),
        Aim("10,000 rules against 10", (at[10_000] or 0) / (at[10] or 1), most=2.0),
        Aim("call 10,000 of a run against call 10", flat, most=1.25),
    ]
    for name in ("agent-governance-toolkit", "cedarpy"):
        for size, least in ((1_000, 200.0), (10_000, 2_000.0)):
            ratio = ratios[name][SIZES.index(size)] if name in ratios else None
            if ratio is not None:
                missed = f"The peer judges rules alone. {_WHY}"
                aims.append(Aim(f"faster than {name} at {size:,} rules", ratio, least=least, missed=missed))
            again = _ratio(found[size][name].again, found[size][OWN].again)
            if again is not None:
                aims.append(Aim(f"faster than {name} at {size:,} rules, arguments that come again", again, least=least))
    return aims


def length(options: Options) -> tuple[float, float]:
    """The p50 of a decision at call 10 of a run and at call 10,000, in µs, with 1,000 rules."""
    rounds = 3 if options.quick else 9
    early, late = [], []
    for _ in range(rounds):
        early.append(microseconds(proposing(1_000, calls_before=10), calls=2_000))
        late.append(microseconds(proposing(1_000, calls_before=10_000), calls=2_000))
    return statistics.median(early), statistics.median(late)


def proposing(size: int, calls_before: int = 0, calls: int = 5_000) -> Callable[[], object]:
    """A function that proposes one more allowed call in a session that has seen some."""
    session = Session(policy(size), tools=[TOOL])
    numbers = range(1_000, 1_000 + calls_before + calls)
    ready = iter([ToolCall(f"call_{number}", "customer_db", ARGUMENTS.replace("101", str(number))) for number in numbers])
    for _ in range(calls_before):
        session.propose(next(ready))
    return lambda: session.propose(next(ready))


def microseconds(judge: Callable[[], Any], *, calls: int) -> float:
    """The median of one call's duration."""
    gc.collect()
    gc.disable()
    taken = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        judge()
        taken.append(time.perf_counter_ns() - began)
    gc.enable()
    return statistics.median(taken) / 1000


def policy(size: int) -> Policy:
    """Rules as they occur, in equal parts: other tools, patterns of tool names, values of this tool's argument, patterns over its text."""
    rules = [Rule(id="read-customer", effect=Effect.ALLOW, tools=("customer_db",), when=(_is("action", "equals", "read"),))]
    for number in range(size - 1):
        match number % 4:
            case 0:
                rules.append(_rule(number, Effect.ALLOW, f"tool_{number}", _is("action", "equals", "read")))
            case 1:
                rules.append(_rule(number, Effect.BLOCK, f"http_{number}_*"))
            case 2:
                rules.append(_rule(number, Effect.ALLOW, "customer_db", _is("action", "equals", f"read_{number}")))
            case _:
                rules.append(_rule(number, Effect.BLOCK, "customer_db", _is("note", "search", rf"(?i)\bsecret{number}\b")))
    limits = (Limit("tool_calls", 10**9, id="limits.tool_calls"), Limit("steps", 10**9, id="limits.steps"))
    return Policy(f"{size} rules", rules=tuple(rules), limits=limits)


def _rule(number: int, effect: Effect, tool: str, *when: Condition) -> Rule:
    return Rule(id=f"rule-{number}", effect=effect, tools=(tool,), when=when)


def _is(argument: str, operator: str, operand: str) -> Condition:
    return Condition(argument, ((operator, operand),))
