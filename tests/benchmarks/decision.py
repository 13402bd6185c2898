"""What one decision costs through the public API, by number of rules and by length of the run, beside a plain loop over the rules.

The full path is measured: strict parsing, the tool's JSON Schema, limits, rules, the Decision, and the state's evolution. The plain loop
has `json.loads`, `fnmatch` and `re` over the same rules, and nothing else.
"""

from __future__ import annotations

import gc
import json
import re
import statistics
import time
from collections.abc import Callable
from fnmatch import fnmatchcase

from rich.console import Console
from rich.table import Table

from agentgate import Session, ToolCall
from agentgate.core.events import Effect
from agentgate.core.policy import Condition, Limit, Policy, Rule

SIZES = (10, 100, 1_000, 10_000)
MOST_CALLS = 400_000
"""Calls made ready for one measurement, so that making them is not measured."""
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


def proposing(size: int, calls_before: int = 0) -> Callable[[], None]:
    """A function that proposes one more allowed call in a session that has seen some."""
    session = Session(policy(size), tools=[TOOL])
    calls = iter([ToolCall(f"call_{number}", "customer_db", ARGUMENTS) for number in range(calls_before + MOST_CALLS)])

    def propose() -> None:
        session.propose(next(calls))

    for _ in range(calls_before):
        propose()
    assert session.propose(next(calls)).effect is Effect.ALLOW
    return propose


def plain(size: int) -> Callable[[], None]:
    """A function that judges the same call by trying every rule."""
    rules = policy(size).rules
    compiled = {
        rule.id: re.compile(str(rule.when[0].operators[0][1])) for rule in rules if rule.when and rule.when[0].operators[0][0] == "search"
    }

    def judge() -> None:
        arguments = json.loads(ARGUMENTS)
        allowed = False
        for rule in rules:
            if not fnmatchcase("customer_db", rule.tools[0]):
                continue
            for condition in rule.when:
                value = arguments.get(condition.argument)
                pattern = compiled.get(rule.id)
                if not (pattern.search(value) if pattern else value == condition.operators[0][1]):
                    break
            else:
                if rule.effect is Effect.BLOCK:
                    raise AssertionError
                allowed = True
        assert allowed

    return judge


def microseconds(work: Callable[[], None], *, seconds: float = 1.0) -> tuple[float, float]:
    """The median and the 99th percentile of one call's duration, in µs."""
    for _ in range(20):
        work()
    gc.collect()
    gc.disable()
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter_ns()
        work()
        taken.append((time.perf_counter_ns() - began) / 1000)
    gc.enable()
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def main() -> None:
    """Prints both tables."""
    console = Console()
    table = Table("rules", "agentgate p50", "p99", "plain loop p50", "plain / agentgate", title="one decision, µs", title_justify="left")
    medians = {}
    for size in SIZES:
        medians[size], p99 = microseconds(proposing(size))
        loop, _ = microseconds(plain(size))
        table.add_row(f"{size:,}", f"{medians[size]:.1f}", f"{p99:.1f}", f"{loop:.1f}", f"{loop / medians[size]:.1f} ×")
    console.print(table)
    console.print(f"10,000 rules / 10 rules: {medians[10_000] / medians[10]:.2f} ×")
    early, _ = microseconds(proposing(1_000, calls_before=10))
    late, _ = microseconds(proposing(1_000, calls_before=10_000))
    console.print(f"at call 10,000 / at call 10 (1,000 rules): {late:.1f} / {early:.1f} µs = {late / early:.2f} ×")
