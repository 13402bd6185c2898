"""What lint claims about all calls is compared with what `decide` says about many."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace
from rpds import HashTrieSet

from agentgate.core.compiled import compile
from agentgate.core.conditions import World
from agentgate.core.engine import decide
from agentgate.core.events import Effect, Json, ToolCall
from agentgate.core.findings import Finding, Place
from agentgate.core.lint import lint
from agentgate.core.policy import Condition, Limit, Policy, Rule
from agentgate.core.state import State

_TOOLS = ("alpha", "beta", "al*", "*", "@group", "gamma")
_NAMES = ("alpha", "beta", "gamma", "alphabet", "other")
_ROLES = {"viewer": (), "operator": ("viewer",), "admin": ("operator",)}
_VALUES: tuple[Json, ...] = (
    "read",
    "write",
    "READ",
    "DROP table",
    "drop\ntable",
    1,
    5,
    10,
    True,
    None,
    [],
    ["read"],
    {"b": "read"},
    "",
    1.5,
    "a@example.com",
    "A@B.EXAMPLE.ORG",
    "src/x",
    "SRC/x",
    "docs/../src",
    "https://a.example.com/",
    "http://a.example.com/",
    "git status",
    "sudo git status",
    ["read", "write"],
)
_OPERATORS: tuple[tuple[str, Json], ...] = (
    ("equals", "read"), ("equals", 5), ("in", ["read", "write"]), ("in", []), ("not_in", ["read"]), ("not_in", ["read", "write"]),
    ("min", 5), ("max", 3), ("min", 1), ("max", 10), ("min_length", 2), ("max_length", 1), ("exists", True), ("exists", False),
    ("email", ["example.com"]), ("email", ["example.com", "*.example.org"]), ("path", ["src"]), ("path", ["src", "docs"]), ("path", []),
    ("url", {"hosts": ["a.example.com"]}), ("url", {"hosts": ["a.example.com", "example.com"]}), ("command", ["git status"]),
    ("command", ["git status", "ls *"]), ("seen_in", "prompt"), ("seen_in", ["prompt", "alpha"]), ("links_seen_in", "prompt"),
    ("search", "DROP.table"), ("search", "(?i)read"), ("matches", "[a-z]+"), ("matches", ".*"), ("glob", "re*"), ("glob", "*"),
)  # fmt: skip

_PROMPTS: tuple[tuple[str, ...], ...] = ((), ("please read a@example.com, src/x at https://a.example.com/",))
_RESOLVERS: tuple[Callable[[str], str], ...] = (os.path.normpath, lambda path: "/srv/src/linked")


def _condition(rng: random.Random) -> Condition:
    argument = rng.choice(("a", "a", "b", "a.b", "*"))
    operators = dict(rng.sample(_OPERATORS, rng.choice((1, 1, 1, 2, 3))))
    return Condition(argument, tuple(operators.items()), optional=rng.random() < 0.15)


def _conditions(rng: random.Random, most: int) -> tuple[Condition, ...]:
    made = {condition.argument: condition for condition in (_condition(rng) for _ in range(rng.randint(0, most)))}
    return tuple(made.values())


def _times(rng: random.Random) -> tuple[str, ...] | None:
    return tuple(rng.sample(_TOOLS, rng.choice((1, 1, 2)))) if rng.random() < 0.15 else None


def _rule(rng: random.Random, number: int) -> Rule:
    return Rule(
        id=f"rule-{number}",
        effect=rng.choice(tuple(Effect)),
        tools=tuple(rng.sample(_TOOLS, rng.choice((1, 1, 2)))),
        except_tools=tuple(rng.sample(_TOOLS[:3], 1)) if rng.random() < 0.15 else (),
        roles=(rng.choice(tuple(_ROLES)),) if rng.random() < 0.3 else None,
        except_roles=(rng.choice(tuple(_ROLES)),) if rng.random() < 0.15 else (),
        when=_conditions(rng, 2),
        unless=_conditions(rng, 1) if rng.random() < 0.3 else (),
        after=_times(rng),
        before=_times(rng),
        observe=rng.random() < 0.05,
        place=Place("policy.yaml", number + 1),
    )


def _policy(rng: random.Random) -> Policy:
    return Policy(
        "random",
        default=rng.choice(tuple(Effect)),
        rules=tuple(_rule(rng, number) for number in range(rng.randint(1, 5))),
        limits=(Limit("steps", 9, id="limits.steps"),),
        roles=_ROLES,
        groups={"group": ("beta", "gamma")},
    )


def _decided_rules(policy: Policy, rng: random.Random, calls: int) -> Iterator[str | None]:
    compiled = compile(replace(policy, limits=()))
    for _ in range(calls):
        arguments = {name: rng.choice(_VALUES) for name in ("a", "b") if rng.random() < 0.8}
        returned = HashTrieSet(rng.sample(_NAMES, rng.randint(0, 2)))
        state = State(role=rng.choice((None, *_ROLES)), returned=returned, prompt=rng.choice(_PROMPTS))
        world = World(workdir="/srv", resolve=rng.choice(_RESOLVERS))
        yield decide(compiled, state, ToolCall("call", rng.choice(_NAMES), json.dumps(arguments)), world).rule


def _about(findings: list[Finding], code: str, *but: str) -> set[str]:
    return {f"rule-{found.place.line - 1}" for found in findings if found.code == code and not any(text in found.message for text in but)}


@pytest.mark.parametrize("seed", range(40))
def test_rules_said_never_to_decide_decide_none_of_many_calls(seed: int) -> None:
    """A rule that `never-matches` or `role-nobody-has` reports is never the deciding one, unless it stops what cannot be judged."""
    rng = random.Random(seed)
    for _ in range(25):
        policy = _policy(rng)
        findings = lint(policy)
        claimed = _about(findings, "never-matches", "nothing satisfies the condition") | _about(findings, "role-nobody-has")
        assert not claimed & set(_decided_rules(policy, rng, 300))


@pytest.mark.parametrize("seed", range(20))
def test_taking_a_redundant_rule_away_changes_no_effect(seed: int) -> None:
    """Without a rule that `redundant-rule` or `duplicate-rule` reports, every call has the same effect as before."""
    rng = random.Random(1000 + seed)
    for _ in range(25):
        policy = _policy(rng)
        findings = lint(policy)
        superfluous = _about(findings, "redundant-rule") | _about(findings, "duplicate-rule")
        for name in superfluous:
            without = replace(policy, rules=tuple(rule for rule in policy.rules if rule.id != name))
            for arguments in ({"a": first, "b": second} for first in _VALUES[:9] for second in _VALUES[:3]):
                for tool in _NAMES:
                    call = ToolCall("call", tool, json.dumps(arguments))
                    assert decide(compile(policy), State(), call).effect is decide(compile(without), State(), call).effect
