"""Which events whoever only judges has to remember, and what adding up keeps."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Effect,
    Event,
    Json,
    ModelReplied,
    Offer,
    RunEnded,
    RunStarted,
    ToolCall,
    ToolReturned,
)
from agentgate.core.needs import Needs, counted_only, noted
from agentgate.core.state import State, evolve

USER = ({"role": "user", "content": "hello"},)


def replied(**more: Any) -> ModelReplied:
    """An answer of the model."""
    return ModelReplied(step=1, message={}, **more)


@pytest.mark.parametrize(
    ("event", "unusable", "by_nothing", "by_history"),
    [
        (RunStarted(run_id="r"), None, True, True),
        (CallDecided(step=1, call_id="c", tool="t", arguments="{}", effect=Effect.ALLOW, code=Code.RULE), None, True, True),
        (ToolReturned(call_id="c", executed=True, ok=True, content="{}"), None, False, True),
        (ApprovalAnswered(call_id="c", args_hash="", answer="approve", by="ann"), None, False, False),
        (RunEnded(status="done"), None, False, False),
        (replied(), None, False, False),
        (replied(finish_reason="stop"), None, False, False),
        (replied(finish_reason="length"), None, True, True),
        (replied(unusable="odd"), None, True, True),
        (replied(), "the one before was odd", True, True),
        (replied(offered=Offer(())), None, True, True),
        (replied(messages=USER), None, False, True),
    ],
)
def test_what_can_change_a_judgement_matters(event: Event, unusable: str | None, by_nothing: bool, by_history: bool) -> None:
    """Where anything is counted everything does; else what a policy looks at, and what makes calls unusable or offers other tools."""
    state = State(unusable=unusable)
    assert Needs(counts=True, history=False).matters(state, event)
    assert Needs(counts=False, history=False).matters(state, event) is by_nothing
    assert Needs(counts=False, history=True).matters(state, event) is by_history


@pytest.mark.parametrize(("name", "kept"), [("send", "send"), (5, ""), (None, "")])
def test_a_call_that_nobody_counts_uses_up_its_id(name: Json, kept: str) -> None:
    """And what returns for it is its tool's."""
    assert noted(State(), ToolCall("c", name, "{}")).proposed.get("c") == kept


def test_a_call_without_an_id_leaves_nothing() -> None:
    """There is nothing by which it could be found."""
    assert noted(state := State(), ToolCall(5, "send", "{}")) is state


def test_what_grows_with_the_calls_is_not_kept_for_adding_up() -> None:
    """The totals stay, now and later."""
    state = evolve(State(), RunStarted(run_id="r", messages=USER))
    decided = CallDecided(step=1, call_id="c", tool="t", arguments="{}", args_hash="0" * 64, effect=Effect.ALLOW, code=Code.RULE)
    for event in (replied(), decided, ToolReturned(call_id="c", executed=True, ok=True, content="{}")):
        state = evolve(state, event)
    state = replace(state, standing=state.standing.insert("asked", "c"))
    kept, empty = counted_only(state), State()
    assert kept.totals == state.totals
    assert (type(kept.proposed), kept.proposed.get("c")) == (type(empty.proposed), None)
    for field in ("standing", "repeats", "made", "returned", "prompt", "results"):
        assert getattr(kept, field) == getattr(empty, field)
    assert kept.run_id == "r"
