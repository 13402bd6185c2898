"""The index is only there for speed: without it every decision is the same, to the letter of its reason."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agentgate.core.compiled import CompiledPolicy, compile
from agentgate.core.engine import decide
from agentgate.core.events import Code, Effect, Json, ToolCall
from agentgate.core.index import Index, Plan
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.core.rules import CompiledRule

from .cases import ARGUMENTS, GLOBS, PATTERNS, VALUES, Case, chance, random_call, random_case, random_rule, some
from .test_properties import session_of, told

EXAMPLES = int(os.environ.get("AGENTGATE_EXAMPLES", "2000")) // 4
DISGUISED = ("ｘ", "X", "d\u200br\u00adop", "ｄｒｏｐ", "DROP", "x\u0301", "ſ", "\x1bx", "a\tx", "x\x00", "é", "ＤＲＯＰ", "x\u2060y")
LEADING_ASTRAY: tuple[dict[str, Any], ...] = (
    {"a": {"c": "x"}, "b": {"c": {"d": "x"}}}, {"a": "x", "b": {"c": "x"}}, {"a": ["x"], "b": {"c": [{"d": "x"}]}}, {"a.c": "x"},
    {"a": {"c": {"c": "x"}}, "b": None}, {"x": "x"}, {"drop": 1}, {"a": {"drop": 1}}, {"ｘ": "ｄｒｏｐ"}, {}, {"a": 1.0, "b": True},
    {"a": [], "b": {}}, {"a": [[["x"]]], "b": {"c": {"d": ["drop"]}}},
)  # fmt: skip
"""Arguments that paths lead through, past, or nowhere."""


class EveryRule(Plan):
    """Tries all rules, in the order of their rank."""

    __slots__ = ()

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        super().__init__(rules)
        self.indexed = False

    def candidates(self, arguments: Mapping[str, Json]) -> Iterable[CompiledRule]:
        return self.rules


class NoIndex(Index):
    """Looks every rule in the eye, for each call anew."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self._rules = tuple(rules)
        self.known = {}

    def plan(self, tool: str, role: str | None) -> Plan:
        return EveryRule(rule for rule in self._rules if rule.covers(tool) and rule.binds(role))


def unindexed(policy: Policy) -> CompiledPolicy:
    """The policy, ready to judge without its index."""
    compiled = compile(policy)
    compiled.index = NoIndex(compiled.rules)
    return compiled


def random_rules(random: Random, values: tuple[Any, ...]) -> tuple[Rule, ...]:
    """Between three and forty rules, most of them with a condition that an index can use."""
    made = []
    for number in range(random.choice((3, 4, 6, 12, 40))):
        rule = random_rule(random, f"n{number}", values)
        if chance(random, 70):
            certain = Condition(random.choice(ARGUMENTS), (found_by(random, values), *beside(random)))
            rule = replace(rule, when=(certain, *rule.when) if chance(random, 50) else (*rule.when, certain))
        made.append(replace(rule, tools=("read",)) if chance(random, 60) else rule)
    return tuple(made)


def found_by(random: Random, values: tuple[Any, ...]) -> tuple[str, Json]:
    """An operator by which rules are found, with its operand."""
    return random.choice(
        (
            ("equals", random.choice(values)),
            ("in", list(some(random, values, 3, 0))),
            ("matches", random.choice(PATTERNS)),
            ("search", random.choice(PATTERNS)),
            ("glob", random.choice(GLOBS)),
        )
    )


def beside(random: Random) -> tuple[tuple[str, Json], ...]:
    """Sometimes another operator, which may not be able to judge the same value."""
    others: tuple[tuple[str, Json], ...] = (("min", 1), ("max_length", 2), ("exists", False), ("exists", True), ("matches", "x.*"))
    return (random.choice(others),) if chance(random, 25) else ()


def random_arguments(random: Random, values: tuple[Any, ...]) -> dict[str, Any]:
    """Arguments of every type, in and out of disguise."""
    if chance(random, 25):
        return random.choice(LEADING_ASTRAY)
    pool = (*values, *DISGUISED)
    found = {key: random.choice(pool) for key in ("a", "b") if chance(random, 70)}
    if chance(random, 30):
        found["b"] = {"c": random.choice((random.choice(pool), {"d": random.choice(pool)}))}
    return found


@settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_the_index_changes_no_decision(random: Random) -> None:
    """Whatever the rules, the history and the arguments: the same decision with and without the index."""
    case = random_case(random)
    values = some(random, (*VALUES, *DISGUISED), 9, 3)
    policy = replace(case.policy, rules=(*case.policy.rules, *random_rules(random, values)))
    indexed, plain = compile(policy), unindexed(policy)
    session = session_of(replace(case, policy=policy), policy)
    told(case, session)
    for number in range(100, 106):
        call = ToolCall(f"c{number}", "read", json.dumps(random_arguments(random, values)))
        if chance(random, 20):
            call = random_call(random, number, values)
        decision = decide(indexed, session.state, call)
        assert decision == decide(plain, session.state, call)
        assert decision.code is not Code.INTERNAL_ERROR


def test_a_rule_is_found_by_a_condition_that_cannot_be_judged() -> None:
    """A path that leads through a text finds the rules that block, beside many that look elsewhere."""
    rules = [Rule(f"other-{number}", Effect.BLOCK, ("read",), when=(Condition("a", (("equals", f"v{number}"),)),)) for number in range(9)]
    wary = [
        Rule("by-value", Effect.BLOCK, ("read",), when=(Condition("b.c", (("equals", "x"),)),)),
        Rule("by-pattern", Effect.ASK, ("read",), when=(Condition("b.c", (("search", "x"),)),)),
        Rule("allowed", Effect.ALLOW, ("read",), when=(Condition("a", (("equals", "y"),)),)),
    ]
    decided = {}
    for left_out in ("", "by-value"):
        policy = Policy("story", rules=tuple(rule for rule in (*rules, *wary) if rule.id != left_out))
        case = Case(policy, random_case(Random(0)).setting, ())
        session = session_of(replace(case, setting=replace(case.setting, tools=None, allowed_tools=None, role=None)))
        decided[left_out] = session.propose(ToolCall("c", "read", '{"a": "y", "b": "x"}')).rule
    assert decided == {"": "by-value", "by-value": "by-pattern"}
