"""What a run has come to, as the fold of its events."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace
from rpds import HashTrieMap

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Effect,
    Json,
    ModelReplied,
    PolicyDigest,
    RunEnded,
    RunResumed,
    RunStarted,
    ToolReturned,
    Usage,
)
from agentgate.core.needs import counted_only
from agentgate.core.once import Earlier
from agentgate.core.schemas import ToolSet
from agentgate.core.state import State, after_decision, at_time, evolve, repeat_key, unspent
from agentgate.session import Session

from .building import START, limit, policy, propose, rule, tool

STORY = policy(rule("allow", "read"), rule("ask", "send"))


def test_a_run_that_nobody_started_begins_with_its_first_answer() -> None:
    """From then on its time is counted."""
    state = evolve(State(), ModelReplied(at=START, step=1, message={}))
    assert (state.started, state.now) == (START, START)


def test_totals_count_what_happened() -> None:
    """Calls by what was decided, executions by what was executed, tokens by what was said."""
    session = Session(STORY)
    session.record(ModelReplied(step=1, message={}, usage=Usage(10, 3, 4)))
    for name in ("read", "read", "send", "send", "nobody", "bad name", "read"):
        propose(session, name)
    session.record(ApprovalAnswered(call_id="call_2", args_hash="", answer="approve", by="ann"))
    session.record(ApprovalAnswered(call_id="call_3", args_hash="", answer="reject", by="ann"))
    for number, executed in enumerate((True, True, True, False, False, False, False)):
        session.record(ToolReturned(call_id=f"call_{number}", executed=executed, ok=executed, content="{}"))
    session.record(ModelReplied(step=2, message={}, usage=Usage(20, 2)))
    state = session.state
    assert (state.steps, state.calls, state.allowed, state.asked, state.blocked, state.executed) == (2, 7, 3, 2, 2, 3)
    assert (state.input_tokens, state.output_tokens, state.let_through) == (30, 5, 4)


def test_a_run_starts_with_nothing_and_its_setting() -> None:
    """`run_started` says everything that judging depends on besides the policy."""
    state = evolve(
        State(), RunStarted(at=START, run_id="r", role="viewer", tools=(tool("read"),), messages=({"role": "user", "content": "hello"},))
    )
    assert (state.role, state.calls, state.steps, state.started) == ("viewer", 0, 0, START)
    assert "hello" in state.prompt


BEGUN = RunStarted(
    at=START,
    run_id="r",
    policy=PolicyDigest("p", "1" * 64),
    role="viewer",
    tools=(tool("read"),),
    tool_choice={"mode": "auto", "allowed_tools": ["read"]},
    max_steps=3,
    workdir="/w",
    imported=True,
    messages=({"role": "user", "content": "hello"},),
)
SET = State(
    run_id="r",
    policy="1" * 64,
    role="viewer",
    tools=ToolSet([tool("read")]),
    allowed_tools=frozenset({"read"}),
    max_steps=3,
    workdir="/w",
    imported=True,
    prompt=("hello",),
    started=START,
    now=START,
)
LATER = START + timedelta(seconds=10)


def test_the_whole_setting_is_in_the_state() -> None:
    """And nothing of what was before."""
    assert evolve(State(allowed=5), BEGUN) == SET


STOOD = HashTrieMap({"key": "call_1"})
GONE_ON: dict[str, tuple[State, RunResumed, State]] = {
    "killed": (replace(SET, standing=STOOD), RunResumed(at=LATER), replace(SET, standing=STOOD, now=LATER, idle=timedelta(seconds=10))),
    "ended": (replace(SET, ended=START), RunResumed(at=LATER), replace(SET, now=LATER, idle=timedelta(seconds=10))),
    "ended before the last event": (
        replace(SET, now=LATER, ended=START), RunResumed(at=LATER), replace(SET, now=LATER, idle=timedelta(seconds=10)),
    ),
    "paused before": (
        replace(SET, idle=timedelta(seconds=5)), RunResumed(at=LATER), replace(SET, now=LATER, idle=timedelta(seconds=15)),
    ),
    "a clock that was set back": (replace(SET, now=LATER), RunResumed(at=START), replace(SET, now=LATER)),
    "nothing known": (State(), RunResumed(at=LATER), State(started=LATER, now=LATER)),
    "another policy": (
        replace(SET, standing=STOOD), RunResumed(at=START, policy=PolicyDigest("q", "2" * 64)), replace(SET, policy="2" * 64),
    ),
    "the same policy": (
        replace(SET, standing=STOOD), RunResumed(at=START, policy=PolicyDigest("q", "1" * 64)), replace(SET, standing=STOOD),
    ),
    "other tools": (SET, RunResumed(at=START, tools=(tool("send"),)), replace(SET, tools=ToolSet([tool("send")]))),
    "no more steps": (SET, RunResumed(at=START, max_steps=0), replace(SET, max_steps=0)),
}  # fmt: skip


@pytest.mark.parametrize(("before", "event", "after"), GONE_ON.values(), ids=list(GONE_ON))
def test_a_run_goes_on_as_it_was_but_for_what_was_changed(before: State, event: RunResumed, after: State) -> None:
    """The time in between does not count; what was approved for the run was approved under its policy."""
    assert evolve(before, event) == after


@pytest.mark.parametrize("withheld", [False, True])
@pytest.mark.parametrize("effect", list(Effect))
def test_each_decision_is_counted_as_what_it_is(effect: Effect, withheld: bool) -> None:
    """And the time of it is known. What nobody saw was let through no more than it was refused to anybody."""
    before = State(refusals=2, started=START, now=START)
    decided = CallDecided(
        at=LATER, step=1, call_id="c", tool="read", arguments="{}", args_hash="", effect=effect, code=Code.RULE, rule="r", reason="",
        withheld=withheld,
    )  # fmt: skip
    after = evolve(before, decided)
    allow, ask, block = (effect is one for one in (Effect.ALLOW, Effect.ASK, Effect.BLOCK))
    assert (after.started, after.now, after.calls) == (START, LATER, 1)
    assert (after.allowed, after.asked, after.blocked) == (allow, ask, block)
    assert after.let_through == (allow and not withheld)
    assert ("c" in after.proposed) is not withheld
    assert after.refusals == (0 if allow and not withheld else 3 if block else 2)


@pytest.mark.parametrize("args_hash", ["", "0" * 64])
@pytest.mark.parametrize("withheld", [False, True])
@pytest.mark.parametrize("effect", list(Effect))
@pytest.mark.parametrize("call_id", ["new", "used", "asked", "nameless", 5, None])
def test_what_nobody_times_changes_a_state_in_the_same_way(call_id: Json, effect: Effect, withheld: bool, args_hash: str) -> None:
    """Where a decision is recorded at no later time than it is known already, and where nobody says when it fell."""
    state = State(started=START, now=START, refusals=1, calls_by_tool={"read": 2})
    for id, name, before in (("used", "read", Effect.ALLOW), ("asked", "send", Effect.ASK), ("nameless", 7, Effect.BLOCK)):
        state = after_decision(state, None, id, name, "1" * 64, before)
    timed, untimed = (after_decision(state, at, call_id, "read", args_hash, effect, withheld) for at in (START, None))
    assert timed == untimed
    assert timed.calls == state.calls + 1


@pytest.mark.parametrize("code", [None, Code.RESULT_CUT, Code.RESULT_BLOCKED, Code.INTERNAL_ERROR])
@pytest.mark.parametrize("enforced", [True, False])
def test_a_result_that_was_kept_back_was_heard_by_nobody(code: Code | None, enforced: bool) -> None:
    """Its tool has returned, and was executed; but nothing is seen in what it said."""
    session = Session(STORY)
    propose(session, "read", id="c")
    session.record(ToolReturned(call_id="c", executed=True, ok=True, content="said", code=code, enforced=enforced))
    kept_back = enforced and code in (Code.RESULT_BLOCKED, Code.INTERNAL_ERROR)
    state = session.state
    assert (state.executed, list(state.returned)) == (1, ["read"])
    assert {tool: list(said) for tool, said in state.results.items()} == ({} if kept_back else {"read": ["said"]})


@pytest.mark.parametrize("code", [None, Code.RESULT_BLOCKED])
def test_a_call_whose_result_was_kept_back_was_made(code: Code | None) -> None:
    """So it is not made again where each is made once; what is known of it is what the model was told."""
    decided = CallDecided(step=1, call_id="c", tool="pay", arguments="{}", args_hash="0" * 64, effect=Effect.ALLOW, code=Code.RULE)
    state = evolve(evolve(State(), decided), ToolReturned(call_id="c", executed=True, ok=True, content="said", code=code))
    assert state.made.get(repeat_key("pay", "0" * 64)) == Earlier("c", content="said", ok=True)


def test_a_result_belongs_to_the_latest_call_by_its_id() -> None:
    """A second call by the same id takes it over; one whose tool is no text takes it to nobody."""
    for tool_name, returned in (("other", ["other"]), (None, [])):
        state = State()
        for name in ("pay", tool_name):
            decided = CallDecided(step=1, call_id="c", tool=name, arguments="{}", args_hash="0" * 64, effect=Effect.BLOCK, code=Code.RULE)
            state = evolve(state, decided)
        assert list(evolve(state, ToolReturned(call_id="c", executed=True, ok=True, content="x")).returned) == returned


def test_what_is_still_to_come_can_be_taken_off() -> None:
    """One call of each tool named, and no more."""
    state = State(let_through=5, calls_by_tool={"read": 3, "pay": 2})
    taken = unspent(state, ["read", "pay", "read"])
    assert (taken.let_through, taken.calls_by_tool) == (2, {"read": 1, "pay": 1})
    assert unspent(state, []) == state


def test_a_no_is_one_refusal() -> None:
    """In the row of refusals."""
    session = Session(STORY)
    propose(session, "send")
    session.record(ApprovalAnswered(call_id="call_0", args_hash="", answer="reject", by="ann"))
    assert session.state.refusals == 1


def test_a_question_stays_open_whoever_takes_its_id() -> None:
    """A second call by the same id is malformed; the answer is to the first."""
    session = Session(STORY)
    assert [propose(session, name, id="c").code for name in ("send", "read")] == [Code.RULE, Code.MALFORMED_CALL]
    session.record(ApprovalAnswered(call_id="c", args_hash="", tool="send", answer="approve", by="ann"))
    assert (session.state.let_through, session.state.calls_by_tool) == (1, {"send": 1})


def test_a_state_is_never_changed_by_what_follows() -> None:
    """Whoever holds an earlier state still holds it."""
    session = Session(STORY)
    propose(session, "read")
    earlier, kept = session.state, repr(session.state)
    for _ in range(5):
        propose(session, "read")
    assert repr(earlier) == kept
    assert session.state.calls == 6


@pytest.mark.parametrize("tools", [1, 5, 33, 34, 100])
def test_calls_are_counted_by_tool_however_many_tools_there_are(tools: int) -> None:
    """Few tools and many are kept in different ways, and neither way changes a state that somebody holds."""
    session = Session(policy(rule("allow", "t_*")))
    kept: list[tuple[State, str, dict[str, int]]] = []
    counted: dict[str, int] = {}
    for _ in range(2):
        for number in range(tools):
            propose(session, f"t_{number}")
            counted[f"t_{number}"] = counted.get(f"t_{number}", 0) + 1
            kept.append((session.state, repr(session.state), dict(counted)))
    for state, shown, counts in kept:
        assert dict(state.calls_by_tool.items()) == counts
        assert repr(state) == shown


@pytest.mark.parametrize("others", [0, 40])
def test_the_calls_of_a_tool_run_out_beside_however_many_others(others: int) -> None:
    """A limit over a pattern adds up its tools."""
    session = Session(policy(rule("allow", "*"), limit("calls", 3, "mail_*")))
    for number in range(others):
        propose(session, f"t_{number}")
    said = [propose(session, f"mail_{number}").code for number in range(4)]
    assert said == ["rule", "rule", "rule", "limit"]


def test_time_never_goes_back() -> None:
    """An event from before the latest moment changes nothing about how long the run has taken."""
    session = Session(STORY, clock=lambda: START)
    for seconds in (5, 3, 9, 0):
        session.record(ModelReplied(at=START + timedelta(seconds=seconds), step=1, message={}))
    assert (session.state.seconds, session.state.now) == (9, START + timedelta(seconds=9))
    assert State().seconds == 0
    assert at_time(State(), START).started == START
    assert at_time(State(started=START), START + timedelta(seconds=2)).seconds == 2


def test_the_end_of_a_run_leaves_everything_as_it_was() -> None:
    """Except for the time, and that it is over."""
    session = Session(STORY, clock=lambda: START)
    propose(session, "read")
    before = session.state
    session.record(RunEnded(at=START, status="done"))
    assert session.state == replace(before, now=START, ended=START)


@pytest.mark.parametrize(
    ("tool_choice", "names"),
    [
        ("auto", None),
        ("required", None),
        ("none", set()),
        (None, None),
        ({"mode": "auto"}, None),
        ({"mode": "none"}, set()),
        ({"mode": "auto", "allowed_tools": ["read"]}, {"read"}),
        ({"mode": "auto", "allowed_tools": []}, set()),
        ({"mode": "required", "required_function_name": "read"}, {"read"}),
        ({"mode": "none", "allowed_tools": ["read"]}, {"read"}),
        ({"mode": "auto", "allowed_tools": ("read", "send")}, {"read", "send"}),
        ([], None),
    ],
)
def test_a_tool_choice_restricts_what_may_be_called(tool_choice: Json, names: set[str] | None) -> None:
    """As the words and the mapping of a task say it; an empty list is not the absence of one."""
    state = evolve(State(), RunStarted(at=START, run_id="r", tool_choice=tool_choice))
    assert state.allowed_tools == names


@pytest.mark.parametrize(
    "tool_choice",
    [{"allowed_tools": names} for names in (None, "policy", 5, {"read": 1}, [["read"]], [1])]
    + [{"mode": "required", "required_function_name": name} for name in (None, 5, ["read"])],
)
def test_a_restriction_that_is_not_understood_is_refused(tool_choice: Json) -> None:
    """Rather than read as letters, as keys, or as no restriction at all."""
    with pytest.raises(ValueError, match="is not a list of names"):
        evolve(State(), RunStarted(at=START, run_id="r", tool_choice=tool_choice))


def test_the_prompt_is_what_the_user_said() -> None:
    """All texts of all user messages, also later ones; nothing that others said, and nothing that is no text."""
    messages = (
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "first"},
        {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "image_url"}, "third", {"text": 4}]},
        {"role": "user", "content": None},
        {"role": "assistant", "content": "sure"},
        {"content": "nobody"},
    )
    session = Session(STORY)
    session.record(RunStarted(at=START, run_id="r", messages=messages))
    session.record(ModelReplied(step=1, message={}))
    first = session.state.prompt
    session.record(ModelReplied(step=2, message={}, messages=({"role": "user", "content": "and now"}, {"role": "tool", "content": "no"})))
    assert (first, session.state.prompt) == (("first", "second"), ("first", "second", "and now"))


@pytest.mark.parametrize("id", [None, 7, ["call_0"], "call_9", ""])
def test_an_answer_to_no_call_changes_nothing(id: Json) -> None:
    """Neither a return nor an approval that belongs to no call that was asked about."""
    session = Session(STORY, clock=lambda: START)
    propose(session, "send")
    before = at_time(session.state, START)
    session.record(ApprovalAnswered(at=START, call_id=id, args_hash="", answer="approve", by="ann"))
    session.record(ToolReturned(at=START, call_id=id, executed=False, ok=True, content="{}"))
    assert session.state == before


def test_what_was_executed_is_counted_even_where_nobody_knows_the_call() -> None:
    """A record that says so of an unknown call is believed, but no tool has returned by it."""
    session = Session(STORY)
    session.record(ToolReturned(call_id="call_9", executed=True, ok=True, content="{}"))
    assert (session.state.executed, set(session.state.returned)) == (1, set())


def test_a_tool_has_returned_once_it_was_executed_or_answered_well() -> None:
    """A refusal told to the model is neither; a dry run's answer counts, and results are kept newest first."""
    session = Session(STORY)
    for number, (executed, ok) in enumerate([(False, False), (True, False), (False, True), (True, True)]):
        propose(session, "read")
        session.record(ToolReturned(call_id=f"call_{number}", executed=executed, ok=ok, content=f"{number}"))
    assert list(session.state.results["read"]) == ["3", "2", "1"]
    assert session.state.executed == 2


@pytest.mark.parametrize(
    ("usages", "tokens", "missing"),
    [
        ([Usage(1, 2), Usage(3, 4)], (4, 6), False),
        ([Usage(1, 2), None], (1, 2), True),
        ([None, Usage(1, 2)], (1, 2), True),
        ([Usage(0, 0)], (0, 0), False),
        ([Usage(-1, 5), Usage(1, 1)], (1, 1), True),
        ([Usage(5, -1)], (0, 0), True),
    ],
)
def test_tokens_add_up_and_what_is_unknown_stays_so(usages: list[Usage | None], tokens: tuple[int, int], missing: bool) -> None:
    """Usage that nobody told, or that is below zero, is missing, whatever comes later."""
    session = Session(STORY)
    for usage in usages:
        session.record(ModelReplied(step=1, message={}, usage=usage))
    state = session.state
    assert ((state.input_tokens, state.output_tokens), state.usage_missing) == (tokens, missing)


@pytest.mark.parametrize(
    ("costs", "spent", "missing"),
    [
        ([0.1] * 10, 1.0, False),
        ([0.0], 0.0, False),
        ([None], None, True),
        ([0.5, None, 0.25], 0.75, True),
        ([float("nan"), 0.5], 0.5, True),
        ([float("inf")], None, True),
        ([-1.0, 2.0], 2.0, True),
    ],
)
def test_costs_add_up_and_what_is_unknown_stays_so(costs: list[float | None], spent: float | None, missing: bool) -> None:
    """To the cent, however many answers; a cost that is none is missing, and then the total is not told."""
    session = Session(STORY)
    for cost in costs:
        session.record(ModelReplied(step=1, message={}, usage=Usage(1, 1), cost_usd=cost))
    assert (session.state.cost_usd, session.state.cost_missing) == (spent, missing)
    assert session.state.totals.cost_usd == (None if missing else spent)


def test_a_foreign_record_is_not_blamed_for_what_it_never_tells() -> None:
    """Usage and cost are not missing there, because such records have none."""
    state = evolve(State(), RunStarted(at=START, run_id="r", imported=True))
    state = evolve(state, ModelReplied(step=1, message={}))
    assert (state.usage_missing, state.cost_missing) == (False, False)


def test_totals_need_nothing_that_grows_with_the_calls() -> None:
    """They are the same of the rest of a state, and after further events."""
    session = Session(STORY, prompt="hello")
    for name in ("read", "send", "read", "nobody"):
        propose(session, name)
    session.record(ToolReturned(call_id="call_0", executed=True, ok=True, content="said"))
    slim = counted_only(session.state)
    assert slim.totals == session.state.totals
    assert not any((slim.proposed, slim.repeats, slim.made, slim.returned, slim.prompt, slim.results, slim.standing))
    more = ModelReplied(at=session.now(), step=1, message={}, usage=Usage(10, 3))
    assert evolve(slim, more).totals == evolve(session.state, more).totals
