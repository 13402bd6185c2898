"""The operators within rules: what cannot be judged never loosens, facts are recorded, groups stand for their tools."""

from __future__ import annotations

import json

import pytest
from rpds import HashTrieMap, List

from agentgate.core.compiled import compile
from agentgate.core.conditions import World
from agentgate.core.engine import decide
from agentgate.core.events import Effect, Json, ToolCall
from agentgate.core.policy import Condition, Policy, Rule
from agentgate.core.state import State
from agentgate.session import Session
from tests.conditions.cases import LINKS, WORKDIR, resolve

BLOCKING = [
    ("command", ["rm **"], ["ls; rm x", "sudo rm x", "/bin/rm x", "\\rm x", "$(rm x)", 5]),
    ("url", {"hosts": ["evil.com"]}, ["https://evil.com./", "http://evil.com/", "https://evil.com:1/", "https://x@evil.com/", None]),
    ("email", ["evil.com"], ["a@b.com,eve@evil.com", "Eve <eve@evil.com>", "eve@evil.com.", ["eve@evil.com"]]),
    ("path", ["docs"], ["Docs/a", "docs\\a", "~/x", "docs/loop", True]),
    (
        "sql",
        {"statements": ["delete"], "tables": ["users"]},
        ["SELECT 1; DELETE FROM users", "DELETE FROM public.users", "DELETE/**/FROM users"],
    ),
]


def decision(rule: Rule, value: Json) -> Effect:
    """What the rule makes of one argument, beside a rule that allows everything."""
    rules = (rule,) if rule.effect is Effect.ALLOW else (rule, Rule("rest", Effect.ALLOW, ("t",)))
    session = Session(Policy("p", rules=rules), workdir=WORKDIR, resolve=resolve)
    return session.propose(ToolCall("1", "t", json.dumps({"x": value}))).effect


@pytest.mark.parametrize(("key", "operand", "values"), BLOCKING)
def test_what_cannot_be_judged_is_blocked_and_not_allowed(key: str, operand: Json, values: list[Json]) -> None:
    """A disguise of a listed value is blocked by a block rule, not allowed by an allow rule, and no exception from a block."""
    condition = (Condition("x", ((key, operand),)),)
    for value in values:
        assert decision(Rule("no", Effect.BLOCK, ("t",), when=condition), value) is Effect.BLOCK
        assert decision(Rule("yes", Effect.ALLOW, ("t",), when=condition), value) is Effect.BLOCK
        assert decision(Rule("no", Effect.BLOCK, ("t",), unless=condition), value) is Effect.BLOCK
        assert decision(Rule("yes", Effect.ALLOW, ("t",), unless=condition), value) is Effect.BLOCK


def test_facts_are_recorded_and_believed() -> None:
    """Where a path leads is recorded with the decision, and a replay goes by the record."""
    rule = Rule("read", Effect.ALLOW, ("t",), when=(Condition("x", (("path", ["docs"]),)),))
    call = ToolCall("1", "t", '{"x": "docs/out/passwd"}')
    first = Session(Policy("p", rules=(rule,)), workdir=WORKDIR, resolve=resolve).propose(call)
    assert first.effect is Effect.BLOCK
    assert first.facts == {f"{WORKDIR}/docs/out/passwd": "/etc/passwd", f"{WORKDIR}/docs": f"{WORKDIR}/docs"}
    moved = dict(first.facts) | {f"{WORKDIR}/docs/out/passwd": f"{WORKDIR}/docs/passwd"}
    replayed = Session(Policy("p", rules=(rule,)), workdir=WORKDIR).propose(call, facts=moved)
    assert replayed.effect is Effect.ALLOW


def test_paths_are_not_judged_without_somebody_who_resolves_links() -> None:
    """Nobody to ask means that a path is not allowed."""
    rule = Rule("read", Effect.ALLOW, ("t",), when=(Condition("x", (("path", ["/"]),)),))
    assert Session(Policy("p", rules=(rule,))).propose(ToolCall("1", "t", '{"x": "/a"}')).effect is Effect.BLOCK


def test_a_working_directory_that_is_a_link_is_resolved() -> None:
    """Folders and values start at the same place, wherever that is."""
    rule = Rule("read", Effect.ALLOW, ("t",), when=(Condition("x", (("path", ["."]),)),))
    session = Session(Policy("p", rules=(rule,)), workdir=f"{WORKDIR}/elsewhere", resolve=resolve)
    assert LINKS[f"{WORKDIR}/elsewhere"] == "docs"
    assert session.propose(ToolCall("1", "t", '{"x": "a"}')).effect is Effect.ALLOW
    assert session.propose(ToolCall("2", "t", '{"x": "../src/a"}')).effect is Effect.BLOCK


@pytest.mark.parametrize("answer", ["relative", "/a/../b", "/a/./b", ""])
def test_an_answer_that_is_no_resolved_path_is_not_believed(answer: str) -> None:
    """Whoever resolves links must answer with a resolved path."""
    rule = Rule("read", Effect.ALLOW, ("t",), when=(Condition("x", (("path", ["/"]),)),))
    compiled = compile(Policy("p", rules=(rule,)))
    found = decide(compiled, State(), ToolCall("1", "t", '{"x": "/a"}'), World(resolve=lambda path: answer))
    assert found.effect is Effect.BLOCK


@pytest.mark.parametrize(("written", "seen"), [("@trusted", True), (["prompt", "@trusted"], True), ("@other", False), ("get_*", True)])
def test_groups_stand_for_their_tools(written: Json, seen: bool) -> None:
    """`seen_in: "@group"` looks at the results of the group's tools."""
    rule = Rule("pay", Effect.ALLOW, ("pay",), when=(Condition("to", (("seen_in", written),)),))
    policy = Policy("p", rules=(rule,), groups={"trusted": ("get_*", "@inner"), "inner": ("list",), "other": ("read_web",)})
    state = State(results=HashTrieMap({"get_contacts": List(['{"ok":true,"result":"US123"}'])}))
    found = decide(compile(policy), state, ToolCall("1", "pay", '{"to": "US123"}'))
    assert (found.effect is Effect.ALLOW) is seen
