"""The calls of a run at once, where nobody counts: the same decisions as call by call."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from agentgate.core.again import judge_each
from agentgate.core.compiled import CompiledPolicy
from agentgate.core.events import EPOCH, Effect, Json, RunStarted, ToolCall
from agentgate.core.needs import noted
from agentgate.core.policy import Condition, Limit, Policy, Rule
from agentgate.core.remembered import Remembered
from agentgate.core.state import State
from agentgate.errors import UsageError
from agentgate.session import Session
from tests.core.building import tool

RULES = (
    Rule("reads", Effect.ALLOW, ("read", "read_*")),
    Rule("writes", Effect.ASK, ("write",), roles=("admin",)),
    Rule("secrets", Effect.BLOCK, ("*",), when=(Condition("a", (("search", "secret"),)),)),
)
POLICY = Policy("p", rules=RULES, roles={"admin": ()})
IDS: tuple[Json, ...] = ("c1", "c2", "c3", "c4", "", "x" * 257, None, 5, ["c1"])
NAMES: tuple[Json, ...] = ("read", "write", "gone", "no name", None, 5, {"a": 1})
ARGUMENTS: tuple[Json, ...] = ("{}", '{"a":"b"}', '{"a":"secret"}', "{", '{"b":1}', None, {"a": "b"}, 5)
TOOLS = ((tool("read"), tool("write")), None)


def drawn(random: Random) -> list[ToolCall]:
    """Calls of which most are as they should be."""

    def one(usual: int, values: tuple[Json, ...]) -> Json:
        return random.choice(values[:usual] if random.random() < 0.9 else values)

    return [ToolCall(one(4, IDS), one(2, NAMES), one(4, ARGUMENTS)) for _ in range(random.randrange(7))]


def session(policy: Policy, remembered: Remembered) -> Session:
    """One that judges what happened long ago."""
    return Session(policy, remembered=remembered, clock=lambda: EPOCH)


@pytest.mark.parametrize("tools", TOOLS, ids=["some tools", "nobody says"])
@pytest.mark.parametrize("seed", range(100))
def test_all_at_once_is_one_after_the_other(seed: int, tools: tuple[dict[str, Json], ...] | None) -> None:
    """Whatever is wrong with ids, names and arguments, and however often it came before."""
    random, remembered = Random(seed), Remembered()
    at_once = session(POLICY, remembered)
    for number, role in product(range(4), ("admin", None)):
        started = RunStarted(
            run_id=f"r{number}", tools=tools, role=role, tool_choice="none" if random.random() < 0.1 else "auto", imported=True
        )
        calls = drawn(random)
        one_by_one = session(POLICY, Remembered())
        one_by_one.record(started)
        assert at_once.decide_run(started, calls) == [one_by_one.propose(call) for call in calls]


def test_a_run_does_not_know_of_the_one_before() -> None:
    """The same ids again are no repetition, and the session stays what it was."""
    judging = session(POLICY, Remembered())
    before, call = judging.state, ToolCall("c1", "read", "{}")
    for _ in range(2):
        decisions = judging.decide_run(RunStarted(run_id="r"), [call, call])
        assert [(one.effect, one.code) for one in decisions] == [("allow", "rule"), ("block", "malformed_call")]
    assert judging.state is before


@pytest.mark.parametrize(
    ("state", "code"),
    [(State(), "rule"), (noted(State(), ToolCall("c1", "read", "{}")), "malformed_call"), (State(unusable="cut off"), "malformed_call")],
    ids=["fresh", "an id was used", "an answer was cut off"],
)
def test_what_came_before_counts(state: State, code: str) -> None:
    """A used id and an unusable answer, although the same call was allowed before."""
    compiled, remembered, call = CompiledPolicy(POLICY), Remembered(), ToolCall("c1", "read", "{}")
    assert [one.code.value for one in judge_each(compiled, State(), [call], remembered)] == ["rule"]
    assert [one.code.value for one in judge_each(compiled, state, [call], remembered)] == [code]


@pytest.mark.parametrize(
    "policy",
    [
        Policy("counts", rules=RULES, limits=(Limit("tool_calls", 1, None, id="limits.tool_calls"),)),
        Policy("order", rules=(Rule("r", Effect.ALLOW, ("read",), after=("write",)),)),
        Policy("world", rules=(Rule("r", Effect.ALLOW, ("read",), when=(Condition("a", (("path", ["docs"]),)),)),)),
        None,
    ],
    ids=["counts", "order", "world", "remembers nothing"],
)
def test_what_looks_at_more_than_calls_is_not_judged_by_them(policy: Policy | None) -> None:
    """A policy with limits, about orders or about files, or a session of today."""
    judging = Session(POLICY) if policy is None else session(policy, Remembered())
    with pytest.raises(UsageError):
        judging.decide_run(RunStarted(run_id="r"), [])
