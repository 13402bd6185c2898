"""Limits: what uses them up, from when on they block, and which of several speaks."""

from __future__ import annotations

from itertools import product

import pytest

from agentgate.core.events import ApprovalAnswered, Code, Decision, Effect, ModelReplied, ToolCall, ToolReturned, Usage
from agentgate.core.limits import CompiledLimit
from agentgate.session import Session

from .building import Clock, limit, policy, propose, rule

READ = rule("allow", "read")
SEND = rule("ask", "send")


def effects(session: Session, *names: str) -> list[str]:
    """What happens to one call of each tool in turn, each with other arguments."""
    return [propose(session, name, {"n": number}).effect.value for number, name in enumerate(names)]


def reply(session: Session, usage: Usage | None, step: int = 1) -> None:
    """The model answers."""
    session.record(ModelReplied(step=step, message={"role": "assistant"}, usage=usage))


def answer(session: Session, id: str, word: str) -> None:
    """A person answers."""
    session.record(ApprovalAnswered(call_id=id, args_hash="", answer=word, by="ann"))


@pytest.mark.parametrize(("value", "through"), [(0, 0), (1, 1), (2, 2), (5, 3)])
def test_tool_calls_are_let_through_up_to_the_limit(value: int, through: int) -> None:
    """0 means none; the calls of one answer use the limit up one after the other."""
    session = Session(policy(READ, limit("tool_calls", value)))
    assert effects(session, "read", "read", "read") == ["allow"] * through + ["block"] * (3 - through)


def test_a_limit_speaks_by_its_id() -> None:
    """A limit decides like a rule and has a rule's id."""
    said = propose(Session(policy(READ, limit("tool_calls", 0))), "read")
    assert (said.effect, said.code, said.rule) == (Effect.BLOCK, Code.LIMIT, "limits.tool_calls")
    assert propose(Session(policy(READ, limit("tool_calls", 0, message="enough"))), "read").reason == "enough"


def test_refused_calls_do_not_use_up_tool_calls() -> None:
    """Only what is let through counts, not what is malformed, unknown, blocked or over another limit."""
    session = Session(policy(READ, rule("block", "send"), limit("tool_calls", 1)))
    assert effects(session, "send", "nobody", "bad name", "send", "read", "read") == ["block"] * 4 + ["allow", "block"]


def test_an_ask_uses_up_tool_calls_once_it_is_approved() -> None:
    """A question takes nothing, a no takes nothing, a yes takes one."""
    session = Session(policy(SEND, limit("tool_calls", 1)))
    assert effects(session, "send", "send") == ["ask", "ask"]
    answer(session, "call_0", "reject")
    assert propose(session, "send").effect is Effect.ASK
    answer(session, "call_1", "approve")
    assert propose(session, "send").code is Code.LIMIT


@pytest.mark.parametrize(("first", "second"), [("approve", "approve"), ("reject", "approve"), ("reject", "reject")])
def test_a_question_is_answered_once(first: str, second: str) -> None:
    """A second answer to the same question changes nothing."""
    session = Session(policy(SEND, limit("tool_calls", 9), limit("refusals", 9)))
    propose(session, "send")
    answer(session, "call_0", first)
    propose(session, "bad name")
    before = session.state
    answer(session, "call_0", second)
    assert (session.state.let_through, session.state.refusals) == (before.let_through, before.refusals)


def test_calls_of_a_tool_are_counted_apart() -> None:
    """A limit of one tool leaves the others alone; a pattern and a group count all their tools together."""
    story = policy(
        rule("allow", "*"),
        limit("calls", 1, "send"),
        limit("calls", 2, "http_*"),
        limit("calls", 1, "@slow"),
        groups={"slow": ("crawl", "index")},
    )
    assert effects(Session(story), "send", "send", "read") == ["allow", "block", "allow"]
    assert effects(Session(story), "http_get", "http_put", "http_get", "https") == ["allow", "allow", "block", "allow"]
    assert effects(Session(story), "crawl", "index", "crawl", "read") == ["allow", "block", "block", "allow"]
    assert propose(Session(policy(READ, limit("calls", 0, "read"))), "read").rule == "limits.tools.read"


@pytest.mark.parametrize(("spent", "blocked"), [(0, False), (99, False), (100, True), (101, True)])
def test_tokens_are_used_up_when_spent_reaches_the_limit(spent: int, blocked: bool) -> None:
    """Input and output count, cached input is part of the input; then every call and model request is blocked."""
    session = Session(policy(READ, limit("tokens", 100)))
    reply(session, Usage(spent // 2, spent - spent // 2, spent // 2))
    assert (propose(session, "read").code is Code.LIMIT) is blocked
    assert (session.request().effect is Effect.BLOCK) is blocked


def test_usage_that_nobody_told_is_not_zero() -> None:
    """With a limit of tokens, an answer without usage uses it up, and a later one with usage does not mend that."""
    session = Session(policy(READ, limit("tokens", 1_000_000)))
    reply(session, None)
    reply(session, Usage(1, 1), 2)
    assert propose(session, "read").rule == "limits.tokens"
    assert session.request().rule == "limits.tokens"


def test_usage_that_nobody_told_matters_to_no_other_limit() -> None:
    """Without a limit of tokens nobody needs to know."""
    session = Session(policy(READ, limit("steps", 5)))
    reply(session, None)
    assert propose(session, "read").effect is Effect.ALLOW
    assert session.request().effect is Effect.ALLOW


@pytest.mark.parametrize("usage", [Usage(-50, 0), Usage(0, -50), Usage(-1, 1)])
def test_negative_usage_gives_nothing_back(usage: Usage) -> None:
    """Usage below zero is no usage that anybody told: the limit is used up."""
    session = Session(policy(READ, limit("tokens", 10)))
    reply(session, usage)
    assert propose(session, "read").rule == "limits.tokens"


@pytest.mark.parametrize(
    ("value", "waits", "expected"), [(0, [0], ["block"]), (10, [9.5, 0.5], ["allow", "block"]), (0.5, [0.25, 0.25], ["allow", "block"])]
)
def test_seconds_are_used_up_when_that_long_has_passed(value: float, waits: list[float], expected: list[str]) -> None:
    """Counted from the start of the run, in fractions too."""
    clock = Clock()
    session = Session(policy(READ, limit("seconds", value)), clock=clock)
    said = []
    for wait in waits:
        clock.wait(wait)
        said.append(propose(session, "read").effect.value)
    assert said == expected
    assert session.request().rule == "limits.seconds"


@pytest.mark.parametrize("value", [0, 1, 3])
def test_repeats_are_earlier_proposals_of_the_same(value: int) -> None:
    """The same tool with the same arguments, in whatever order and spelling they are written, refused ones included."""
    session = Session(policy(READ, limit("repeats", value)))
    spellings = ['{"a":1,"b":"x"}', '{"b":"x","a":1}', '{ "a": 1, "b": "\\u0078" }', '{"a":1,"b":"x"}', '{"a":1,"b":"x"}']
    assert [propose(session, "read", text).effect.value for text in spellings] == ["allow"] * value + ["block"] * (5 - value)
    assert (propose(session, "read", {"a": 2}).effect is Effect.ALLOW) is (value > 0)


def test_refused_proposals_are_repeats_too() -> None:
    """A call that a rule refuses again and again becomes a matter for the limit."""
    session = Session(policy(rule("block", "read", when={"a": 1}), READ, limit("repeats", 2)))
    assert [propose(session, "read", {"a": 1}).code.value for _ in range(3)] == ["rule", "rule", "limit"]


@pytest.mark.parametrize("value", [0, 1, 2])
def test_refusals_are_counted_in_a_row(value: int) -> None:
    """So many refused calls in a row, for whatever reason, and nothing more is let through."""
    session = Session(policy(READ, limit("refusals", value)))
    assert effects(session, *["bad name", "nobody"][:value], "read") == ["block"] * (value + 1)
    assert session.request().rule == "limits.refusals"
    assert session.state.refusals == value + 1


def test_a_call_let_through_ends_the_row() -> None:
    """Allowed and approved calls start the count again, a rejected one carries it on."""
    session = Session(policy(READ, SEND, limit("refusals", 2)))
    assert effects(session, "nobody", "read", "nobody", "send") == ["block", "allow", "block", "ask"]
    answer(session, "call_3", "approve")
    assert effects(session, "nobody", "send") == ["block", "ask"]
    answer(session, "call_5", "reject")
    assert propose(session, "read").rule == "limits.refusals"


@pytest.mark.parametrize("value", [0, 1, 2])
def test_steps_are_model_requests(value: int) -> None:
    """After so many answers no further request; the calls of the last answer are judged as any."""
    session = Session(policy(READ, limit("steps", value)))
    for step in range(1, value + 1):
        assert session.request().effect is Effect.ALLOW
        reply(session, Usage(1, 1), step)
    said = session.request()
    assert (said.effect, said.code, said.rule) == (Effect.BLOCK, Code.LIMIT, "limits.steps")
    assert propose(session, "read").effect is Effect.ALLOW


def test_tool_calls_leave_model_requests_alone() -> None:
    """The run goes on, so that the model can finish without tools."""
    session = Session(policy(READ, limit("tool_calls", 0), limit("calls", 0, "read"), limit("repeats", 0)))
    assert propose(session, "read").code is Code.LIMIT
    assert session.request().effect is Effect.ALLOW


def test_without_limits_nothing_is_limited() -> None:
    """Leaving a limit out means none."""
    session = Session(policy(READ))
    for _ in range(50):
        reply(session, None)
        assert propose(session, "read").effect is Effect.ALLOW
    assert session.request().effect is Effect.ALLOW


def limited(*limits: tuple[str, float]) -> Decision:
    """The decision on a call with these limits."""
    return propose(Session(policy(READ, *(limit(kind, value) for kind, value in limits))), "read")


def test_limits_are_judged_before_rules() -> None:
    """A used-up limit speaks even where a block rule matches."""
    session = Session(policy(READ, rule("block", "read", when={"a": 1}), limit("tool_calls", 0)))
    assert propose(session, "read", {"a": 1}).code is Code.LIMIT


def test_of_several_limits_the_first_by_kind_then_value_speaks() -> None:
    """Whatever their order."""
    assert limited(("tool_calls", 0), ("seconds", 0), ("repeats", 0)).rule == "limits.repeats"
    assert limited(("tool_calls", 0), ("refusals", 0)).rule == "limits.refusals"
    two = [limit("tool_calls", 0), limit("tool_calls", 0)]
    assert propose(Session(policy(READ, *two)), "read").rule == "limits.tool_calls"


def test_the_lower_of_two_limits_of_a_kind_binds() -> None:
    """Merged policies may bring one each."""
    session = Session(policy(READ, limit("tool_calls", 5), limit("tool_calls", 1)))
    assert effects(session, "read", "read") == ["allow", "block"]


def test_an_executed_refusal_uses_nothing_up() -> None:
    """Where observe mode executed what the policy refuses, tool calls count by the judgement."""
    session = Session(policy(READ, limit("tool_calls", 1)), mode="observe")
    assert propose(session, "nobody").effect is Effect.BLOCK
    session.record(ToolReturned(call_id="call_0", executed=True, ok=True, content="{}"))
    assert effects(session, "read", "read") == ["allow", "block"]


WORDS: list[tuple[str, float, str | None, list[str], str]] = [
    ("tool_calls", 1, None, ["read", "read"], "limit of 1 tool call reached"),
    ("tool_calls", 2, None, ["read"] * 3, "limit of 2 tool calls reached"),
    ("tool_calls", 0, None, ["read"], "limit of 0 tool calls reached"),
    ("calls", 1, "read", ["read", "read"], "limit of 1 call of 'read' reached"),
    ("calls", 2, "re*", ["read"] * 3, "limit of 2 calls of 're*' reached"),
    ("refusals", 1, None, ["no", "read"], "1 refused call in a row"),
    ("refusals", 2, None, ["no", "no", "read"], "2 refused calls in a row"),
    ("seconds", 0, None, ["read"], "limit of 0 seconds reached"),
    ("seconds", 1, None, ["read", "read"], "limit of 1 second reached"),
    ("seconds", 0.5, None, ["read", "read"], "limit of 0.5 seconds reached"),
    ("seconds", 2.0, None, ["read"] * 3, "limit of 2 seconds reached"),
]


@pytest.mark.parametrize(("kind", "value", "tools", "names", "reason"), WORDS, ids=[case[4] for case in WORDS])
def test_a_limit_says_what_is_used_up(kind: str, value: float, tools: str | None, names: list[str], reason: str) -> None:
    """How much there was, in whole words."""
    clock = Clock()
    session = Session(policy(READ, limit(kind, value, tools)), clock=clock)
    for number, name in enumerate(names):
        said = propose(session, name, {"n": number})
        clock.wait(1)
    assert said.reason == reason


def test_repeats_tokens_cost_and_steps_say_it_too() -> None:
    """What was used goes with it where it may be more than the limit."""
    session = Session(policy(READ, limit("repeats", 1), limit("tokens", 1_500_000), limit("cost_usd", 0.5), limit("steps", 1)))
    propose(session, "read")
    assert propose(session, "read").reason == "the same call was already made 1 time"
    assert session.request().effect is Effect.ALLOW
    session.record(ModelReplied(step=1, message={}, usage=Usage(1_000_000, 499_999), cost_usd=0.25))
    assert session.request().reason == "limit of 1 step reached"
    session.record(ModelReplied(step=2, message={}, usage=Usage(1, 1), cost_usd=1234.25))
    assert propose(session, "read", {"n": 1}).reason == "limit of $0.50 reached: $1,234.50 spent"
    session = Session(policy(READ, limit("tokens", 1_500_000), limit("repeats", 2)))
    session.record(ModelReplied(step=1, message={}, usage=Usage(1_500_000, 1), cost_usd=0.25))
    assert propose(session, "read").reason == "limit of 1500000 tokens reached: 1500001 used"
    session.record(ModelReplied(step=2, message={}))
    assert "did not report its usage, so the limit of 1500000 tokens cannot be kept" in propose(session, "read").reason


def test_a_limit_may_speak_in_its_own_words() -> None:
    """Also where what was used is not known."""
    for kind in ("tokens", "cost_usd"):
        session = Session(policy(READ, limit(kind, 5, message="too much")))
        session.record(ModelReplied(step=1, message={}))
        assert propose(session, "read").reason == "too much"


GROUPS = {"both": ("read", "send"), "wide": ("read", "s*"), "none": ()}


@pytest.mark.parametrize(
    ("tools", "counted"),
    [("@both", {"read", "send"}), ("@wide", {"read", "send", "see"}), ("s*", {"send", "see"}), ("read", {"read"}), ("@none", set())],
)
def test_a_limit_of_several_tools_counts_the_calls_of_all(tools: str, counted: set[str]) -> None:
    """Together, whichever of them is called; calls of other tools use nothing up."""
    everything = policy(rule("allow", "*"), limit("calls", 2, tools), groups=GROUPS)
    for names in product(("read", "send", "see", "pay"), repeat=3):
        spent = (names[0] in counted) + (names[1] in counted)
        last = "block" if spent == 2 and names[2] in counted else "allow"
        assert effects(Session(everything), *names) == ["allow", "allow", last]


def test_tool_names_that_a_model_makes_up_are_not_remembered_by_a_limit_for_ever() -> None:
    """Ten thousand names, each counted as before, with as many remembered as there is room for."""
    compiled = CompiledLimit(limit("calls", 3, "read_*"), policy())
    for number in range(10_000):
        assert compiled.counts(f"read_{number}")
        assert not compiled.counts(f"send_{number}")
        assert len(compiled._known) <= 4096
    assert compiled.counts("read_0")
    assert not compiled.counts("send_0")


@pytest.mark.parametrize(
    ("to_come", "reached"),
    [(("read", "pay"), None), (("pay",), None), (("read",), "limits.tools.pay"), ((), "limits.tools.pay"), (("pay", "pay"), None)],
)
def test_a_call_that_was_let_through_earlier_has_its_own_room(to_come: tuple[str, ...], reached: str | None) -> None:
    """What was counted for those that are still to come leaves room for them, and for no others."""
    session = Session(policy(READ, rule("allow", "pay"), limit("tool_calls", 2), limit("calls", 1, "pay")))
    assert effects(session, "read", "pay") == ["allow", "allow"]
    held = session.exceeded(ToolCall("call_1", "pay", "{}"), to_come)
    assert (held and (held.effect, held.code, held.rule)) == (reached and (Effect.BLOCK, Code.LIMIT, reached))
    held = session.exceeded(ToolCall("call_0", "read", "{}"), to_come)
    assert (held and held.rule) == (None if to_come else "limits.tool_calls")


def test_a_limit_of_all_tools_counts_every_tool() -> None:
    """One of some tools counts those."""
    assert CompiledLimit(limit("tool_calls", 1), policy()).counts("send")
    some = CompiledLimit(limit("calls", 1, "read_*"), policy())
    assert [some.counts(name) for name in ("read_a", "send", "read_a")] == [True, False, True]
