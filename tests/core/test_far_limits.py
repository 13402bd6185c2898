"""Where all limits are far from being reached, none is asked one by one: that never changes what is decided."""

from __future__ import annotations

import json
from random import Random

import pytest
from msgspec.structs import replace

from agentgate.core.compiled import compile
from agentgate.core.engine import decide
from agentgate.core.events import ApprovalAnswered, Decision, ModelReplied, ModelRequest, ToolCall, Usage
from agentgate.core.state import State, repeat_key
from agentgate.session import Session

from .building import START, limit, policy, rule

BOUND = policy(
    rule("allow", "read"),
    rule("ask", "send"),
    limit("steps", 4),
    limit("tool_calls", 7),
    limit("calls", 2, "send"),
    limit("tokens", 90),
    limit("cost_usd", 0.5),
    limit("repeats", 3),
    limit("refusals", 5),
    limit("seconds", 60),
)
COUNTING = policy(rule("allow", "read"), rule("ask", "send"), limit("steps", 4), limit("refusals", 3), limit("repeats", 2))
_NO_MATTER = 10**9
"""A limit of a task's own that is never reached, but makes each limit be asked."""


def play(session: Session, random: Random) -> None:
    """Something happens in a run."""
    match random.randrange(4):
        case 0:
            session.record(ModelReplied(at=START, step=1, message={}, usage=Usage(random.randrange(9), 1), cost_usd=0.01))
        case 1:
            session.record(ApprovalAnswered(at=START, call_id=f"c{session.state.calls - 1}", args_hash="", answer="approve", by="ann"))
        case _:
            name = random.choice(("read", "send", "drop"))
            session.propose(ToolCall(f"c{session.state.calls}", name, json.dumps({"n": random.randrange(3)})))


def keys(state: State) -> list[str]:
    """What calls have repeated, and what none has."""
    return [*state.repeats.keys(), repeat_key("read", "none")]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_far_is_not_reached(seed: int) -> None:
    """What a limit has used up is never more than what is counted for it."""
    random, ready = Random(seed), compile(BOUND)
    session = Session(ready, clock=lambda: START)
    for _ in range(40):
        play(session, random)
        for one in (*ready.call_limits, *ready.request_limits):
            if one.counted(session.state) < one.value:
                assert [one.reached(session.state, key) for key in keys(session.state)] == [None] * len(keys(session.state))


@pytest.mark.parametrize("bound", [BOUND, COUNTING], ids=["all kinds", "what is counted"])
@pytest.mark.parametrize("seed", range(20))
def test_a_request_is_decided_as_if_each_limit_was_asked(seed: int, bound: object) -> None:
    """Estimated or not."""
    random, ready = Random(seed), compile(bound)  # type: ignore[arg-type]
    session = Session(ready, clock=lambda: START)
    decided: list[Decision] = []
    for _ in range(40):
        play(session, random)
        for request in (ModelRequest(), ModelRequest(input_tokens=5, input_usd=0.1)):
            asked_each = decide(ready, replace(session.state, max_steps=_NO_MATTER), request)
            assert decide(ready, session.state, request) == asked_each
            decided.append(asked_each)
    assert len({decision.effect for decision in decided}) == 2, "some are let through, some are not"
