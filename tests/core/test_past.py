"""What a run has come to after the earlier calls that an example or a test tells of."""

from __future__ import annotations

from agentgate.core.arguments import digest
from agentgate.core.past import MOMENT, refused, returned
from agentgate.core.state import State, repeat_key

ARGUMENTS = {"b": 1, "a": "x"}
KEY = repeat_key("read", digest(ARGUMENTS))


def test_a_call_that_returned_was_allowed_and_executed() -> None:
    """It counts as any call does, and its result is what later conditions look at."""
    state = returned(State(), "c1", "read", ARGUMENTS, ["y"])
    assert (state.calls, state.allowed, state.let_through, state.executed, state.blocked) == (1, 1, 1, 1, 0)
    assert dict(state.repeats) == {KEY: 1}
    assert set(state.returned) == {"read"}
    assert {tool: list(texts) for tool, texts in state.results.items()} == {"read": ['{"ok":true,"result":["y"],"tool":"read"}']}
    assert state.made[KEY].call_id == "c1"
    assert state.now == MOMENT


def test_a_call_that_was_refused_did_nothing() -> None:
    """It counts as refused and as proposed, and its id is used up."""
    state = refused(State(), "c1", "read", ARGUMENTS)
    assert (state.calls, state.blocked, state.refusals, state.let_through, state.executed) == (1, 1, 1, 0, 0)
    assert dict(state.repeats) == {KEY: 1}
    assert state.proposed.get("c1") is not None
    assert not state.returned
    assert not state.made
