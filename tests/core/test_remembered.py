"""Judgements that are kept for the next call that is the same: never another call's, and only so many."""

from __future__ import annotations

from itertools import product
from posixpath import normpath
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate.core.events import ApprovalAnswered, Code, Decision, Effect, Json, RunStarted, ToolCall, ToolReturned, Trial
from agentgate.core.policy import Policy
from agentgate.core.remembered import Recent, Remembered
from agentgate.core.schemas import ToolSet
from agentgate.core.stops import Halt
from agentgate.errors import UsageError
from agentgate.session import CompiledPolicy, Session, prepare
from tests.core.building import Clock, limit, policy, rule, tool

CALL = ToolCall("call_1", "x", "{}")
ALLOWED = Decision(Effect.ALLOW, Code.RULE, "r", "rule `r` allows it")


def test_only_the_same_call_is_recalled() -> None:
    """Same tool, arguments, role and tools offered; the id does not matter."""
    kept, tools = Remembered(), ToolSet([tool("x")])
    kept.keep(CALL, "admin", tools, ALLOWED)
    assert kept.recall(ToolCall("call_2", "x", "{}"), "admin", tools) is ALLOWED
    assert kept.recall(ToolCall("call_1", "y", "{}"), "admin", tools) is None
    assert kept.recall(ToolCall("call_1", "x", "{ }"), "admin", tools) is None
    assert kept.recall(CALL, None, tools) is None
    assert kept.recall(CALL, "admin", None) is None
    assert kept.recall(CALL, "admin", ToolSet([tool("x")])) is None
    assert kept.recall(CALL, "admin", tools) is ALLOWED


@pytest.mark.parametrize("arguments", [{}, 5, None, "x" * 1025], ids=["object", "number", "nothing", "long"])
def test_what_hardly_comes_twice_is_not_kept(arguments: Json) -> None:
    """Arguments that are no text, or a long one."""
    kept, call = Remembered(), ToolCall("call_1", "x", arguments)
    kept.keep(call, None, None, ALLOWED)
    assert kept.recall(call, None, None) is None


def test_any_number_of_calls_can_be_kept() -> None:
    """When it is full it begins anew, and the latest is there."""
    kept = Remembered()
    for number in range(8193):
        kept.keep(ToolCall("call_1", "x", str(number)), None, None, ALLOWED)
    assert kept.recall(ToolCall("call_1", "x", "0"), None, None) is None
    assert kept.recall(ToolCall("call_1", "x", "8192"), None, None) is ALLOWED


def test_all_tools_share_what_is_kept() -> None:
    """Many sets of tools with many calls each take no more room than one."""
    kept, sets = Remembered(), [ToolSet([tool("x")]) for _ in range(8)]
    for number in range(8192):
        kept.keep(ToolCall("call_1", "x", str(number)), None, sets[number % 8], ALLOWED)
    assert kept.recall(ToolCall("call_1", "x", "0"), None, sets[0]) is ALLOWED
    kept.keep(CALL, None, sets[3], ALLOWED)
    assert kept.recall(CALL, None, sets[3]) is ALLOWED
    assert kept.recall(ToolCall("call_1", "x", "0"), None, sets[0]) is None
    assert sum(len(kept.judgements(tools)) for tools in sets) == 1


def test_any_number_of_tool_sets_can_be_kept() -> None:
    """The same, and none is taken for another."""
    kept, sets = Remembered(), [ToolSet([tool("x")]) for _ in range(16)]
    for tools in sets:
        assert kept.recall(CALL, None, tools) is None
        kept.keep(CALL, None, tools, ALLOWED)
    assert kept.recall(CALL, None, sets[-1]) is ALLOWED
    assert kept.recall(CALL, None, sets[0]) is None


def twice(kept: Recent, call: ToolCall, decision: Decision, tools: ToolSet | None = None) -> None:
    """Keeps what comes a second time."""
    kept.keep(call, None, tools, decision)
    kept.keep(call, None, tools, decision)


def test_recent_calls_are_recalled_from_the_second_time_on() -> None:
    """Same tool, arguments, role and tools offered; what came once is not kept, as most never comes again."""
    kept, tools = Recent(), ToolSet([tool("x")])
    kept.keep(CALL, None, tools, ALLOWED)
    assert kept.recall(CALL, None, tools) is None
    kept.keep(CALL, None, tools, ALLOWED)
    assert kept.recall(ToolCall("call_2", "x", "{}"), None, tools) == ALLOWED
    assert kept.recall(ToolCall("call_1", "y", "{}"), None, tools) is None
    assert kept.recall(ToolCall("call_1", "x", "{ }"), None, tools) is None
    assert kept.recall(CALL, "admin", tools) is None
    assert kept.recall(CALL, None, None) is None
    assert kept.recall(CALL, None, ToolSet([tool("x")])) is None


def test_what_is_recalled_has_arguments_of_its_own() -> None:
    """Whoever changes those that were kept, or those of an earlier call, changes no later one."""
    kept, arguments = Recent(), {"a": 1}
    twice(kept, CALL, replace(ALLOWED, arguments=arguments))
    arguments["a"] = 2
    for _ in range(2):
        recalled = kept.recall(CALL, None, None)
        assert recalled == replace(ALLOWED, arguments={"a": 1})
        assert isinstance(recalled.arguments, dict)
        recalled.arguments["a"] = 3


def test_what_is_recalled_brings_no_facts_along() -> None:
    """It looked nothing up; but the world that it was decided in may have been asked by others since."""
    kept, facts = Recent(), {"/a": "/b"}
    twice(kept, CALL, replace(ALLOWED, facts=facts))
    recalled = kept.recall(CALL, None, None)
    assert recalled is not None
    assert recalled.facts == {}


@pytest.mark.parametrize("arguments", [{"a": []}, {"a": {}}, {"a": 1.5}], ids=["list", "object", "float"])
def test_arguments_with_something_inside_are_not_kept(arguments: Json) -> None:
    """To copy them would take a walk through all of it."""
    kept = Recent()
    twice(kept, CALL, replace(ALLOWED, arguments=arguments))
    assert kept.recall(CALL, None, None) is None


@pytest.mark.parametrize("arguments", [{}, 5, None, "x" * 513], ids=["object", "number", "nothing", "long"])
def test_what_is_no_text_or_a_long_one_is_not_kept_either(arguments: Json) -> None:
    """Not even as one that came once."""
    kept, call = Recent(), ToolCall("call_1", "x", arguments)
    twice(kept, call, ALLOWED)
    assert kept.recall(call, None, None) is None


def test_only_so_many_recent_calls_are_kept() -> None:
    """When it is full it begins anew, and the latest is there."""
    kept = Recent()
    calls = [ToolCall("call_1", "x", str(number)) for number in range(1025)]
    for call in calls[:1024]:
        twice(kept, call, ALLOWED)
    assert all(kept.recall(call, None, None) is not None for call in calls[:1024])
    twice(kept, calls[1024], ALLOWED)
    assert [call for call in calls if kept.recall(call, None, None) is not None] == [calls[1024]]


def different(kept: Recent, calls: int, again: int) -> list[int]:
    """Keeps so many different calls, so many of them twice, and says after each for how many it would rest."""
    rests = []
    for number in range(calls):
        for _ in range(2 if number < again else 1):
            kept.keep(ToolCall("call_1", "x", str(number)), None, None, ALLOWED)
        rests.append(kept.resting)
    return rests


@pytest.mark.parametrize(("again", "rest"), [(0, 8192), (63, 8192), (64, 0), (500, 0)])
def test_where_hardly_a_call_comes_again_nobody_looks_for_a_while(again: int, rest: int) -> None:
    """To look takes longer than it saves then. It is found out anew each time it is full."""
    kept = Recent()
    rests = different(kept, 1025, again)
    assert (set(rests[:-1]), rests[-1]) == ({0}, rest)
    kept.resting = 0
    assert different(kept, 1024, 64)[-1] == 0


def test_what_is_recalled_is_what_comes_again() -> None:
    """So a memory that serves is never given a rest."""
    kept = Recent()
    twice(kept, CALL, ALLOWED)
    for _ in range(63):
        kept.recall(CALL, None, None)
    assert different(kept, 1024, 0)[-1] == 0
    assert different(kept, 1025, 0)[-1] == 8192


@pytest.mark.parametrize("rest", [0, 3])
def test_a_memory_that_rests_changes_no_decision(rest: int) -> None:
    """It is neither asked nor given anything; after so many calls it is again."""
    ready = prepare(policy(rule("allow", "x"), limit("tool_calls", 5)))
    ready.recent.resting = rest
    session = Session(ready)
    assert [session.propose(ToolCall(f"call_{number}", "x", "{}")).code for number in range(7)] == ["rule"] * 5 + ["limit"] * 2
    assert ready.recent.resting == 0
    assert ready.recent.recall(CALL, None, None) is not None


READ = rule("allow", "read", hint="go on")
ROLES = {"viewer": (), "operator": ("viewer",)}
POLICIES: dict[str, Policy] = {
    "rules": policy(READ, rule("ask", "pay"), rule("block", "read", when={"n": 1}, message="not one", hint="two")),
    "roles": policy(READ, rule("allow", "pay", roles=("operator",)), rule("block", "read", id="no", roles=("operator",)), roles=ROLES),
    "trials": policy(READ, rule("ask", "pay"), rule("block", "*", id="trial", observe=True), limit("tool_calls", 2)),
    "links": policy(rule("allow", "read", when={"path": {"path": ["docs"]}}), rule("allow", "read", id="any", when={"n": 1})),
    "history": policy(READ, rule("block", "pay", after=("read",)), rule("allow", "pay", id="pay")),
    "default": policy(default="allow"),
    "repeats": policy(READ, rule("ask", "pay"), rule("block", "*", id="trial", observe=True), limit("repeats", 2)),
    "calls": policy(READ, rule("allow", "pay"), limit("calls", 1, "read"), limit("calls", 2, "*", message="two at most")),
    "refusals": policy(READ, rule("block", "pay"), limit("refusals", 2)),
    "seconds": policy(READ, rule("allow", "pay"), limit("seconds", 5)),
    "windows": policy(READ, rule("allow", "pay"), limit("tool_calls", 2, window="per_hour")),
    "once": policy(READ, rule("allow", "pay"), once=("pay",)),
    "once, asked": policy(READ, rule("ask", "pay"), rule("block", "pay", id="no", when={"n": 1}), once=("pay",), default="allow"),
}
TEXTS = ("{}", '{"n": 1}', '{"n": 1}', '{"n":1}', "{}", "{", '{"path": "docs/a"}', '{"path": "docs/a"}', "{}")
SETTINGS: dict[str, dict[str, Any]] = {
    "open": {},
    "operator": {"role": "operator"},
    "tools": {"tools": ToolSet([tool("read", {"type": "object", "properties": {"n": {"type": "integer"}}}), tool("pay")])},
    "other tools": {"tools": ToolSet([tool("pay", {"type": "object"})])},
    "offered": {"allowed_tools": ["pay"]},
    "none offered": {"allowed_tools": []},
}


def decisions(
    wanted: Policy, setting: dict[str, Any], known: CompiledPolicy | None = None, remembered: Remembered | None = None
) -> list[Decision]:
    """Tools called with each of the texts, a moment apart; what is asked is approved, what is allowed returns.

    With nothing `known`, each call is new to the policy.
    """
    clock = Clock()
    session = Session(known or prepare(wanted), clock=clock, resolve=normpath, remembered=remembered, **setting)
    said = []
    for number, text in enumerate(TEXTS):
        for name in ("read", "pay", "nobody", "bad name"):
            call = ToolCall(f"{name} {number}" if number != 6 else "read 5", name, text)
            session.policy = known or prepare(wanted)
            said.append(session.propose(call))
            clock.wait(0.25)
            if said[-1].effect is Effect.ASK:
                session.record(ApprovalAnswered(at=clock(), call_id=call.id, args_hash="", answer="approve", by="ann"))
            elif said[-1].effect is Effect.ALLOW:
                session.record(ToolReturned(at=clock(), call_id=call.id, executed=True, ok=True, content='{"ok": true, "result": "x"}'))
    return said


@pytest.mark.parametrize("live", [True, False], ids=["live", "replayed"])
@pytest.mark.parametrize("name", POLICIES)
def test_what_was_met_before_changes_no_decision(name: str, live: bool) -> None:
    """To the letter: in the same session, in another role, with other tools, where less was offered."""
    known, remembered = prepare(POLICIES[name]), None if live else Remembered()
    for setting in (*SETTINGS.values(), *SETTINGS.values()):
        assert decisions(POLICIES[name], setting, known, remembered) == decisions(POLICIES[name], setting)


OF_CALLS_ALONE = ("rules", "roles", "default")
"""The policies above that look at nothing but calls."""
STARTED = RunStarted(at=Clock()(), run_id="r")
STARTS = [
    STARTED,
    replace(STARTED, role="operator"),
    replace(STARTED, tools=(tool("read", {"type": "object", "properties": {"n": {"type": "integer"}}}), tool("pay"))),
    replace(STARTED, tools=(tool("pay"),)),
    replace(STARTED, tool_choice={"mode": "auto", "allowed_tools": ["pay"]}),
    replace(STARTED, tool_choice="none"),
]
CALLS = [ToolCall(f"c{number}", tool, text) for number, (tool, text) in enumerate(product(("read", "pay", "no", "n o"), TEXTS))]
ODD: list[ToolCall | None] = [
    None, ToolCall("c1", "read", "{}"), ToolCall("", "read", "{}"), ToolCall(5, "read", "{}"), ToolCall("x" * 256, "read", "{}"),
    ToolCall("x" * 257, "read", "{}"), ToolCall("x", "read", "{}"), ToolCall("odd", 5, "{}"), ToolCall("odd", "read", {"n": 1}),
    ToolCall("odd", None, None),
]  # fmt: skip


@pytest.mark.parametrize("name", OF_CALLS_ALONE)
def test_a_run_of_nothing_but_calls_is_decided_as_call_by_call(name: str) -> None:
    """However it was started, and whatever stands among them: ids that are none or were used before, and no names, and no texts."""
    known, remembered = prepare(POLICIES[name]), Remembered()
    session = Session(known, clock=Clock(), remembered=remembered)
    for started, odd in product((*STARTS, *STARTS), ODD):
        calls = CALLS if odd is None else [*CALLS[:9], odd, *CALLS[9:]]
        one_by_one = Session(prepare(POLICIES[name]), clock=Clock())
        one_by_one.record(started)
        assert session.decide_run(started, calls) == [one_by_one.propose(call) for call in calls]


@pytest.mark.parametrize("name", [name for name in POLICIES if name not in OF_CALLS_ALONE])
def test_a_policy_that_looks_at_more_than_calls_decides_about_no_whole_run(name: str) -> None:
    """It counts, or asks what returned, or where paths lead."""
    with pytest.raises(UsageError):
        Session(prepare(POLICIES[name]), remembered=Remembered()).decide_run(STARTED, [CALL])


@pytest.mark.parametrize("arguments", ["{}", "{"], ids=["allowed", "malformed"])
def test_the_kill_switch_stops_what_is_remembered(arguments: str) -> None:
    """A call that was let through a hundred times is stopped like any other."""
    stops: list[Halt] = []
    session = Session(prepare(policy(READ)), switch=lambda tool: stops[0] if stops else None)
    before = [session.propose(ToolCall(f"c{number}", "read", arguments)).code for number in range(3)]
    assert Code.KILLED not in before
    stops.append(Halt("stopped by Ann", ends_run=False))
    for number in range(3):
        said = session.propose(ToolCall(f"d{number}", "read", arguments))
        assert (said.effect, said.code, said.reason) == (Effect.BLOCK, Code.KILLED, "stopped by Ann")


def test_each_policy_above_decides_something_of_its_own() -> None:
    """The comparison compares something: calls are allowed, limits are reached, questions asked and rules tried."""
    said = {name: decisions(wanted, {}) for name, wanted in POLICIES.items()}
    for name in ("repeats", "calls", "refusals", "seconds", "windows"):
        assert {Code.RULE, Code.LIMIT} <= {one.code for one in said[name]}, name
    for name in ("once", "once, asked"):
        assert {Code.RULE, Code.DUPLICATE} <= {one.code for one in said[name]}, name
    for name in ("trials", "repeats"):
        assert any(one.code is Code.LIMIT and one.trials == (Trial("trial", Effect.BLOCK),) and one.arguments for one in said[name])
    assert any(one.facts for one in said["links"])


@pytest.mark.parametrize("operator", ["seen_in", "links_seen_in"])
def test_what_looks_at_the_run_is_judged_anew(operator: str) -> None:
    """The same call, before and after a tool has said what it is about."""
    session = Session(policy(rule("allow", "read"), rule("allow", "open", when={"page": {operator: ["read"]}})))
    arguments = '{"page": "https://a.example/x"}'
    for number in range(3):  # a judgement is kept from the second time on
        assert session.propose(ToolCall(f"before_{number}", "open", arguments)).effect is Effect.BLOCK
    session.propose(ToolCall("reads", "read", "{}"))
    session.record(ToolReturned(call_id="reads", executed=True, ok=True, content="see https://a.example/x"))
    assert session.propose(ToolCall("after", "open", arguments)).effect is Effect.ALLOW
