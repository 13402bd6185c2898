"""The calls of one answer that goes out as a whole or not at all: what a gateway feeds a session with."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agentgate.core.events import ApprovalAnswered, CallDecided, Effect, Event, ModelReplied, Offer, ToolCall, Usage
from agentgate.core.state import State, evolve
from agentgate.session import Session
from tests.core.building import START, limit, policy, rule, tool

STORY = policy(rule("allow", "read"), rule("ask", "send"), limit("tool_calls", 2), limit("repeats", 3))


def session(kept: list[Event], mode: str = "enforce") -> Session:
    return Session(STORY, mode=mode, recorder=kept.append, clock=lambda: START)


def call(name: str, id: str = "c1", arguments: str = "{}") -> ToolCall:
    return ToolCall(id, name, arguments)


def effects(kept: list[Event]) -> list[tuple[str, bool]]:
    return [(event.effect.value, event.withheld) for event in kept if isinstance(event, CallDecided)]


def yes(call: ToolCall, decided: CallDecided) -> ApprovalAnswered:
    return ApprovalAnswered(at=START, call_id=call.id, args_hash=decided.args_hash, answer="approve", by="anna")


@pytest.mark.parametrize("names", [("read", "delete"), ("delete", "read"), ("read", "delete", "read")], ids="-".join)
def test_one_refused_call_withholds_all(names: tuple[str, ...]) -> None:
    """Wherever it stands: the allowed calls beside a blocked one are recorded as withheld, and use up nothing."""
    kept: list[Event] = []
    gate = session(kept)
    decisions, released = gate.propose_together([call(name, f"c{number}", f'{{"n": {number}}}') for number, name in enumerate(names)])
    expected = ["block" if name == "delete" else "allow" for name in names]
    assert ([decision.effect for decision in decisions], released) == (expected, False)
    assert effects(kept) == [(effect, True) for effect in expected]
    assert (gate.state.let_through, gate.state.calls, gate.state.blocked) == (0, len(names), 1)


def test_the_ids_of_withheld_calls_stay_free() -> None:
    """Nobody saw them, so the next answer may use them; those of released calls are taken."""
    gate = session([])
    gate.propose_together([call("read"), call("delete", "c2")])
    assert gate.propose_together([call("read")])[1]
    assert not gate.propose_together([call("read")])[1]


def test_limits_are_used_up_within_an_answer() -> None:
    """The third call of an answer exceeds a limit of two, so none of the three goes out, and two others still may."""
    gate = session([])
    assert not gate.propose_together([call("read", f"c{number}", f'{{"n": {number}}}') for number in range(3)])[1]
    assert gate.propose_together([call("read", f"d{number}", f'{{"n": {number}}}') for number in range(2)])[1]


def test_repeats_count_withheld_calls() -> None:
    """A model that proposes the same again and again is stopped, whether or not anybody saw it."""
    gate = session([])
    for _ in range(3):
        assert gate.propose_together([call("delete")])[0][0].code == "default"
    assert gate.propose_together([call("read"), call("delete", "c2")])[0][1].code == "default"
    for number in range(2):
        gate.propose_together([call("send", f"s{number}")])
    assert [decision.rule for decision in gate.propose_together([call("send", "s2"), call("send", "s3")])[0]] == [
        "ask-send",
        "limits.repeats",
    ]


def test_an_answer_of_a_person_lets_an_asked_call_through() -> None:
    """It is recorded after the decision, and counts as let through."""
    kept: list[Event] = []
    gate = session(kept)
    assert gate.propose_together([call("send")], approve=yes)[1]
    assert [type(event).__name__ for event in kept] == ["CallDecided", "ApprovalAnswered"]
    assert gate.state.let_through == 1


def test_a_no_of_a_person_withholds_all() -> None:
    """Like nobody's answer: the calls beside it go out no more than the one that was rejected."""
    kept: list[Event] = []
    gate = session(kept)
    decisions, released = gate.propose_together(
        [call("read"), call("send", "c2")], approve=lambda call, decided: replace(yes(call, decided), answer="reject")
    )
    assert ([decision.effect for decision in decisions], released) == ([Effect.ALLOW, Effect.ASK], False)
    assert effects(kept) == [("allow", True), ("ask", True)]
    assert gate.state.let_through == 0


def test_an_approval_beside_a_blocked_call_is_not_used() -> None:
    """The answer is withheld, so the approval is not recorded."""
    kept: list[Event] = []
    assert not session(kept).propose_together([call("send"), call("delete", "c2")], approve=yes)[1]
    assert effects(kept) == [("ask", True), ("block", True)]


def test_observe_mode_withholds_nothing() -> None:
    """Decisions are recorded and not enforced."""
    kept: list[Event] = []
    assert session(kept, mode="observe").propose_together([call("delete")])[1]
    assert effects(kept) == [("block", False)]


def test_the_events_tell_the_whole_state() -> None:
    """Folding what was recorded gives the state that the session has."""
    kept: list[Event] = []
    gate = session(kept)
    gate.record(ModelReplied(at=START, step=1, message={}, usage=Usage(1, 1), cost_usd=0.1, offered=Offer((tool("read"),), "none")))
    gate.propose_together([call("read"), call("delete", "c2")])
    gate.record(ModelReplied(at=START, step=2, message={}, usage=Usage(1, 1), cost_usd=0.1, offered=Offer((tool("read"), tool("send")))))
    assert gate.propose_together([call("read"), call("send", "c2")], approve=yes)[1]
    state = State(started=START)
    for event in kept:
        state = evolve(state, event)
    assert state == gate.state


def test_what_a_later_request_offers_counts() -> None:
    """Tools and `tool_choice` are those of the latest answer."""
    gate = session([])
    reply = ModelReplied(at=START, step=1, message={}, usage=Usage(1, 1), cost_usd=0.1)
    gate.record(reply)
    assert gate.state.tools is None
    gate.record(ModelReplied(at=START, step=2, message={}, offered=Offer((tool("send"),))))
    assert gate.propose_together([call("read")])[0][0].code == "unknown_tool"
    gate.record(ModelReplied(at=START, step=3, message={}, offered=Offer((tool("read"),), {"mode": "auto", "allowed_tools": []})))
    assert gate.propose_together([call("read")])[0][0].code == "not_offered"
