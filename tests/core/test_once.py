"""What is executed once: which calls a repeat repeats, what it is told, and what comes before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentgate.core.events import ApprovalAnswered, Code, Decision, Effect, Json, Mode, ToolCall, ToolReturned
from agentgate.core.once import Earlier
from agentgate.session import Session
from tests.core.building import limit, policy, propose, rule

PAY = policy(rule("allow", "*"), once=("pay", "charge_*", "@mails"), groups={"mails": ("send", "reply_*")})
OK = json.dumps({"ok": True, "tool": "pay", "result": "paid"})


def returned(session: Session, call_id: str, *, executed: bool = True, ok: bool = True, content: str = OK, unknown: bool = False) -> None:
    """What came of a call."""
    session.record(ToolReturned(call_id=call_id, executed=executed, ok=ok, content=content, unknown=unknown))


def code(decision: Decision) -> str:
    """The effect, or what is refused why."""
    return decision.effect.value if decision.effect is not Effect.BLOCK else decision.code.value


def twice(first: dict[str, Any] | None, **setting: Any) -> Decision:
    """The decision on a call that was allowed before, with what came of it; None for nothing yet."""
    session = Session(PAY, **setting)
    propose(session, "pay", {"to": "X", "amount": 5}, id="first")
    if first is not None:
        returned(session, "first", **first)
    return propose(session, "pay", {"amount": 5, "to": "X"})


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ({}, "the same call was executed, as first"),
        ({"ok": False, "content": "boom"}, "the same call was executed, as first, and gave no result"),
        ({"ok": False, "unknown": True}, "the same call is being executed, or may have run, as first"),
        (None, "the same call is being executed, or may have run, as first"),
        ({"executed": False}, "the same call was executed, as first"),
    ],
    ids=["executed", "failed", "given-up", "no-answer-yet", "rehearsed"],
)
def test_a_repeat_is_refused_and_told_what_it_repeats(first: dict[str, Any] | None, reason: str) -> None:
    """However its arguments are written."""
    decision = twice(first)
    assert (decision.effect, decision.code, decision.rule, decision.reason) == (Effect.BLOCK, Code.DUPLICATE, "once", reason)


def test_a_call_that_never_started_may_be_made_again() -> None:
    """It certainly had no effect."""
    assert twice({"executed": False, "ok": False}).effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("tool", "arguments", "through"),
    [
        ("pay", {"to": "X", "amount": 5}, False),
        ("pay", {"to": "X", "amount": 5.0}, True),
        ("pay", {"to": "X", "amount": "5"}, True),
        ("pay", {"to": "X"}, True),
        ("charge_card", {"to": "X", "amount": 5}, True),
        ("read", {"to": "X", "amount": 5}, True),
    ],
)
def test_only_the_same_is_a_repeat(tool: str, arguments: Json, through: bool) -> None:
    """The same tool with the same arguments, as they are hashed."""
    session = Session(PAY)
    propose(session, "pay", {"amount": 5, "to": "X"}, id="first")
    returned(session, "first")
    assert (propose(session, tool, arguments).effect is Effect.ALLOW) is through


@pytest.mark.parametrize(("tool", "once"), [("send", True), ("reply_all", True), ("charge_card", True), ("read", False)])
def test_names_patterns_and_groups_are_covered(tool: str, once: bool) -> None:
    """Other tools may be called as often as one likes."""
    session = Session(PAY)
    propose(session, tool, {}, id="first")
    returned(session, "first")
    assert (propose(session, tool, {}).code is Code.DUPLICATE) is once


def test_what_was_refused_is_no_earlier_call() -> None:
    """By a rule, by a limit, or by a person."""
    asked = policy(rule("ask", "pay"), once=("pay",))
    session = Session(asked)
    propose(session, "pay", {}, id="first")
    session.record(ApprovalAnswered(call_id="first", args_hash="", answer="reject", by="somebody"))
    returned(session, "first", executed=False, ok=False)
    assert propose(session, "pay", {}, id="second").effect is Effect.ASK
    session.record(ApprovalAnswered(call_id="second", args_hash="", answer="approve", by="somebody"))
    assert propose(session, "pay", {}).code is Code.DUPLICATE


def test_whoever_may_not_make_a_call_gets_no_result_of_it() -> None:
    """A rule that blocks comes first; so does the default."""
    late = policy(rule("allow", ["pay", "read"]), rule("block", "pay", after=("read",), id="late"), once=("pay",))
    session = Session(late)
    for tool in ("pay", "read"):
        propose(session, tool, {}, id=tool)
        returned(session, tool)
    assert propose(session, "pay", {}).rule == "late"
    assert propose(Session(policy(once=("pay",))), "pay", {}).code is Code.DEFAULT


def test_a_repeat_comes_before_limits_because_it_uses_up_nothing() -> None:
    """The model is told what came of the call, not that there is no more room; another call is told that."""
    session = Session(policy(rule("allow", "pay"), limit("calls", 1, "pay"), once=("pay",)))
    propose(session, "pay", {"n": 1}, id="first")
    returned(session, "first")
    assert propose(session, "pay", {"n": 1}).code is Code.DUPLICATE
    assert propose(session, "pay", {"n": 2}).code is Code.LIMIT
    assert session.state.let_through == 1


def test_observe_mode_says_so_and_holds_nobody_to_it() -> None:
    """The repeat would have been refused."""
    decision = twice({}, mode=Mode.OBSERVE)
    assert (decision.code, decision.enforced) == (Code.DUPLICATE, False)


def test_what_observe_mode_executed_is_an_earlier_call_whatever_was_decided() -> None:
    """It has happened."""
    blocked = policy(rule("block", "pay", before=("read",)), rule("allow", ["pay", "read"]), once=("pay",))
    session = Session(blocked, mode=Mode.OBSERVE)
    assert propose(session, "pay", {}, id="first").effect is Effect.BLOCK
    returned(session, "first")
    propose(session, "read", {}, id="read")
    returned(session, "read")
    assert propose(session, "pay", {}).code is Code.DUPLICATE


def test_an_id_that_is_used_again_frees_nothing() -> None:
    """What returns under it could belong to either call."""
    session = Session(PAY)
    propose(session, "pay", {}, id="first")
    propose(session, "pay", {}, id="first")
    returned(session, "first", executed=False, ok=False)
    assert propose(session, "pay", {}).code is Code.DUPLICATE


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ("done run r1 call c 1", "the same call was executed in run r1, as c 1"),
        ("failed run r1 call c1", "the same call was executed in run r1, as c1, and gave no result"),
        ("started run r1 call c1", "the same call is being executed in run r1, or may have run, as c1"),
        ("whatever", "the same call was executed in run unknown, as another call, and gave no result"),
    ],
)
def test_what_is_known_of_other_runs_counts(fact: str, reason: str) -> None:
    """A replay judges by what was recorded, even where it makes no sense: there was something."""
    decision = Session(PAY).propose(ToolCall("c", "pay", "{}"), facts={"once": fact})
    assert (decision.code, decision.reason, decision.facts) == (Code.DUPLICATE, reason, {"once": fact})


def test_a_fact_says_what_is_known_of_an_earlier_call() -> None:
    """As a decision records it."""
    assert Earlier("c1", "r1", "text", ok=True).fact == "done run r1 call c1"
    assert Earlier("c1", "r1", "text", ok=False).fact == "failed run r1 call c1"
    assert Earlier("c1", "r1").fact == "started run r1 call c1"


def test_explain_tells_of_the_earlier_call_and_of_the_way_out() -> None:
    """Like a rule that matched, and what would be decided without `once`."""
    session = Session(PAY)
    propose(session, "pay", {}, id="first")
    returned(session, "first")
    _, considered, changes = session.explain(ToolCall("c", "pay", "{}"))
    assert (considered[0].rule, considered[0].matched, considered[0].why) == ("once", True, "the same call was executed, as first")
    assert ("without once", Effect.ALLOW) in [(change.change, change.effect) for change in changes]
    _, considered, _ = session.explain(ToolCall("c", "pay", '{"n": 1}'))
    assert (considered[0].rule, considered[0].matched) == ("once", False)


@pytest.mark.parametrize("effect", ["allow", "ask"])
def test_what_came_of_a_call_is_known_however_it_was_let_through(effect: str) -> None:
    """By the policy or by a person: its repeat gets the result."""
    session = Session(policy(rule(effect, "pay"), once=("pay",)))
    call = ToolCall("c", "pay", "{}")
    assert session.propose(call).effect.value == effect
    if effect == "ask":
        session.record(ApprovalAnswered(call_id="c", args_hash="", answer="approve", by="ann"))
    session.record(ToolReturned(call_id="c", executed=True, ok=True, content="paid"))
    again = ToolCall("d", "pay", "{}")
    said = session.propose(again)
    earlier = session.earlier(again, said)
    assert (said.code, earlier and (earlier.call_id, earlier.ok, earlier.content)) == (Code.DUPLICATE, ("c", True, "paid"))


def test_a_repeat_that_was_refused_takes_nothing_back() -> None:
    """What came of the first call is still known when the second one was told so."""
    session = Session(policy(rule("allow", "pay"), once=("pay",)))
    session.propose(ToolCall("c", "pay", "{}"))
    session.record(ToolReturned(call_id="c", executed=True, ok=True, content="paid"))
    for id in ("d", "e", "f"):
        assert session.propose(ToolCall(id, "pay", "{}")).code is Code.DUPLICATE
        session.record(ToolReturned(call_id=id, executed=False, ok=False, content="{}"))


def test_what_the_default_refuses_by_now_gets_no_earlier_result() -> None:
    """Whoever may not make a call may not read what came of it either."""
    session = Session(policy(rule("allow", "pay", before=("read",)), rule("allow", "read"), once=("pay",)))
    propose(session, "pay", {"to": "X"}, id="first")
    returned(session, "first")
    assert propose(session, "pay", {"to": "X"}).code is Code.DUPLICATE
    propose(session, "read", id="second")
    returned(session, "second")
    assert propose(session, "pay", {"to": "X"}).code is Code.DEFAULT


def test_what_the_default_allows_is_a_repeat_like_any_other() -> None:
    """Among many rules, none of which matches."""
    others = [rule("block", "pay", id=f"never-{number}", when={"to": f"nobody-{number}"}) for number in range(4)]
    session = Session(policy(*others, default="allow", once=("pay",)))
    propose(session, "pay", {"to": "X"}, id="first")
    returned(session, "first")
    assert propose(session, "pay", {"to": "X"}).code is Code.DUPLICATE
