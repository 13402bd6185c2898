"""A session counts in a state of its own, and nobody can tell: it is what the pure fold makes, and what was seen stays as it was."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest
from msgspec.structs import asdict, replace
from rpds import HashTrieMap

from agentgate.core.events import ApprovalAnswered, Effect, Json, ModelReplied, ToolCall, ToolReturned, Usage
from agentgate.core.own import let_through
from agentgate.core.state import State, after_decision
from agentgate.session import Session

from .building import START, limit, policy, rule

STORY = policy(
    rule("allow", "read_*"),
    rule("allow", "pay", when={"amount": [1, 2]}),
    rule("ask", "send"),
    rule("block", "drop"),
    limit("tool_calls", 60),
    limit("calls", 20, "pay"),
    limit("refusals", 9),
)
TOOLS = ("pay", "pay", "send", "drop", "nobody", "bad name")


def told(state: State) -> dict[str, Any]:
    """All that is in a state, by itself."""
    fields = asdict(state)
    counts = dict(state.calls_by_tool.items())
    return {**deepcopy({name: fields[name] for name in ("allowed", "asked", "blocked", "let_through", "refusals", "steps")}),
            "counts": counts, "proposed": {key: state.proposed.get(key) for key in state.proposed}}  # fmt: skip


def random_call(random: Random, number: int, tools: int) -> ToolCall:
    """A call that may be let through, or not."""
    name = random.choice((*TOOLS, *(f"read_{one}" for one in range(tools))))
    id: Json = random.choice((f"c{number}",) * 12 + (f"c{random.randint(0, 9)}", "", 5))
    return ToolCall(id, name, random.choice(('{"amount": 1}', '{"amount": 2}', '{"amount": 3}', "{}", "{")))


@pytest.mark.parametrize("tools", [3, 50])
@pytest.mark.parametrize("looking", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_what_a_session_counts_is_what_the_pure_fold_counts(seed: int, looking: float, tools: int) -> None:
    """However often somebody looks at the state, and whatever else happens in between; and each state that was seen stays as it was."""
    random = Random(seed)
    session = Session(STORY, clock=lambda: START)
    pure = State(started=START)
    seen: list[tuple[State, dict[str, Any]]] = []
    for number in range(150):
        call = random_call(random, number, tools)
        decision = session.propose(call)
        pure = after_decision(pure, None, call.id, call.name, "", decision.effect)
        if random.random() < 0.05:
            happened = random.choice(
                (
                    ModelReplied(at=START, step=1, message={}, usage=Usage(1, 1)),
                    ApprovalAnswered(at=START, call_id=str(call.id), args_hash="", answer="approve", by="ann"),
                    ToolReturned(at=START, call_id=call.id, executed=True, ok=True, content="{}"),
                )
            )
            session.record(happened)
            pure = session.state
        if random.random() < looking:
            assert told(session.state) == told(pure)
            seen.append((session.state, told(session.state)))
    assert session.state == pure
    for state, then in seen:
        assert told(state) == then


OWN = after_decision(State(), None, "c", "read", "", Effect.ALLOW)
UNSUITED: dict[str, State] = {
    "an id that was used": OWN,
    "counts that are no dictionary": replace(OWN, calls_by_tool=HashTrieMap({"read": 1})),
}


@pytest.mark.parametrize("state", UNSUITED.values(), ids=list(UNSUITED))
def test_where_it_cannot_be_done_nothing_changes(state: State) -> None:
    """Then the state is made anew, as always."""
    before = told(state)
    assert not let_through(state, "c", "read")
    assert told(state) == before


def test_a_state_from_which_another_was_made_is_left_alone() -> None:
    """What both of them remember of the calls is shared, so only the latest may grow."""
    older = after_decision(State(), None, "c", "read", "", Effect.ALLOW)
    newer = after_decision(older, None, "d", "read", "", Effect.ALLOW)
    before = told(older)
    assert not let_through(older, "e", "read")
    assert told(older) == before
    assert let_through(newer, "e", "send")
    assert told(newer) == told(
        after_decision(after_decision(older, None, "d", "read", "", Effect.ALLOW), None, "e", "send", "", Effect.ALLOW)
    )
    assert told(older) == before


def test_a_row_of_refusals_ends_with_a_call_that_is_let_through() -> None:
    """In place as otherwise."""
    state = replace(after_decision(State(), None, "c", "read", "", Effect.ALLOW), refusals=3)
    assert let_through(state, "d", "read")
    assert (state.refusals, state.let_through, state.allowed, state.calls_by_tool) == (0, 2, 2, {"read": 2})
