"""What must hold for every policy and run: total, order-free, never looser by a restriction, the same however arrived at."""

from __future__ import annotations

import os
from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agentgate.core.compiled import compile
from agentgate.core.engine import decide
from agentgate.core.events import (
    Action,
    CallDecided,
    Code,
    Decision,
    Effect,
    Event,
    ModelReplied,
    ModelRequest,
    RunStarted,
    ToolCall,
    ToolReturned,
    Usage,
)
from agentgate.core.policy import Condition, Limit, Policy, Rule
from agentgate.core.state import State, evolve
from agentgate.session import Session

from .cases import (
    START,
    Answer,
    Case,
    Proposal,
    Reply,
    Return,
    chance,
    event_of,
    play,
    random_call,
    random_case,
    random_policy,
    random_rule,
)

EXAMPLES = int(os.environ.get("AGENTGATE_EXAMPLES", "2000")) // 8
SEVERITY = {Effect.ALLOW: 0, Effect.ASK: 1, Effect.BLOCK: 2}
VALUES: tuple[Any, ...] = ("x", "X", "x\n", 1, 1.0, True, None, ["x"], {"c": "x"})

for_all_runs = settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
randoms = st.randoms(use_true_random=False)
anything = st.one_of(
    st.text(), st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF)), st.none(), st.booleans(), st.integers(), st.floats(),
    st.binary(),
    st.lists(st.text(), max_size=2), st.dictionaries(st.text(), st.text(), max_size=2),
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def session_of(case: Case, policy: Policy | None = None, **more: Any) -> Session:
    """A session in the setting of a case."""
    setting = case.setting
    options: dict[str, Any] = {"tools": setting.tools, "allowed_tools": setting.allowed_tools, "clock": lambda: START, **more}
    return Session(policy or case.policy, role=setting.role, **options)


def told(case: Case, session: Session) -> list[Decision]:
    """Plays a case's script to a session, the clock standing still."""
    calls: list[ToolCall] = []
    decisions: list[Decision] = []
    for happening in case.script:
        match happening:
            case Proposal():
                calls.append(happening.call)
                decisions.append(session.propose(happening.call))
            case Answer() if not isinstance(calls[happening.call].id, str):
                pass
            case Answer() | Return() | Reply():
                session.record(event_of(happening, calls, START))
    return decisions


@for_all_runs
@given(randoms, st.lists(st.tuples(anything, anything, anything), max_size=4))
def test_never_raises_whatever_a_model_says(random: Random, calls: list[tuple[Any, Any, Any]]) -> None:
    """Ids, names and arguments of every type and content get a decision with a code of the closed list."""
    case = random_case(random)
    events: list[Event] = []
    session = session_of(case, recorder=events.append)
    for id, name, arguments in calls:
        for call in (
            ToolCall(id, name, arguments),
            ToolCall(f"i{session.state.calls}", name, arguments),
            ToolCall(f"i{session.state.calls}", "read", arguments),
        ):
            decision = session.propose(call)
            assert isinstance(decision.effect, Effect)
            assert decision.code in list(Code)
            assert decision.code is not Code.INTERNAL_ERROR
            assert decision.reason


@for_all_runs
@given(randoms, st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), json_values), max_size=4))
def test_never_raises_whatever_the_arguments_hold(random: Random, many: list[dict[str, Any]]) -> None:
    """Parsed arguments of every shape are judged, never an internal error."""
    import json

    case = random_case(random)
    session = session_of(case)
    for number, arguments in enumerate(many):
        assert session.propose(ToolCall(f"j{number}", "read", json.dumps(arguments))).code is not Code.INTERNAL_ERROR


@for_all_runs
@given(randoms)
def test_order_never_matters(random: Random) -> None:
    """Rules, limits, roles, groups and tools in another order: the same decisions to the letter of the reason."""
    case = random_case(random)
    setting = replace(case.setting, tools=case.setting.tools and shuffled(random, case.setting.tools))
    assert told(case, session_of(replace(case, policy=reordered(random, case.policy), setting=setting))) == told(case, session_of(case))


@for_all_runs
@given(randoms)
def test_who_is_told_never_matters(random: Random) -> None:
    """With a recorder, timed, and with nobody who is told anything: the same decisions, and the same is counted."""
    case = random_case(random)
    events: list[Event] = []
    sessions = [session_of(case), session_of(case, recorder=events.append), session_of(case, switch=lambda tool: None)]
    decisions = [told(case, session) for session in sessions]
    assert decisions[0] == decisions[1] == decisions[2]
    assert sessions[0].state.totals == sessions[1].state.totals == sessions[2].state.totals
    assert sessions[0].state.calls_by_tool == sessions[1].state.calls_by_tool == sessions[2].state.calls_by_tool


@for_all_runs
@given(randoms)
def test_order_within_a_rule_never_matters(random: Random) -> None:
    """Conditions and operators in another order: the same effects, codes and rules. The reason may name another argument."""
    case = random_case(random)
    rules = tuple(replace(rule, when=mixed(random, rule.when), unless=mixed(random, rule.unless)) for rule in case.policy.rules)
    session = session_of(case, replace(case.policy, rules=rules))
    assert [verdict(decision) for decision in told(case, session)] == [verdict(decision) for decision in told(case, session_of(case))]


def verdict(decision: Decision) -> tuple[object, ...]:
    """What a decision says apart from its words."""
    return decision.effect, decision.code, decision.rule, decision.trials


def mixed(random: Random, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The same conditions with the same operators, each in another order."""
    return tuple(replace(one, operators=shuffled(random, one.operators)) for one in shuffled(random, conditions))


def shuffled(random: Random, things: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same things in another order."""
    order = list(things)
    random.shuffle(order)
    return tuple(order)


def reordered(random: Random, policy: Policy) -> Policy:
    """The same policy with everything that has an order in another one."""
    rules = tuple(
        replace(
            rule,
            tools=shuffled(random, rule.tools),
            roles=rule.roles and shuffled(random, rule.roles),
        )
        for rule in shuffled(random, policy.rules)
    )
    return replace(
        policy,
        rules=rules,
        limits=shuffled(random, policy.limits),
        roles=dict(shuffled(random, tuple(policy.roles.items()))),
        groups={name: shuffled(random, tools) for name, tools in shuffled(random, tuple(policy.groups.items()))},
    )


@for_all_runs
@given(randoms)
def test_a_restriction_never_loosens(random: Random) -> None:
    """In the same state, a policy with one more ask or block rule is never milder on any call."""
    case = random_case(random)
    session = session_of(case)
    told(case, session)
    added = replace(random_rule(random, "z-added", VALUES), effect=random.choice((Effect.ASK, Effect.BLOCK)))
    stricter = compile(replace(case.policy, rules=(*case.policy.rules, added)))
    for number in range(100, 104):
        call = random_call(random, number, VALUES)
        before, after = decide(compile(case.policy), session.state, call), decide(stricter, session.state, call)
        if before.code is Code.DEFAULT and added.effect is Effect.ASK and case.policy.default is Effect.BLOCK:
            continue  # what only the default refuses, an ask rule offers to a person: that is what it is written for
        assert SEVERITY[after.effect] >= SEVERITY[before.effect]


@for_all_runs
@given(randoms)
def test_a_limit_never_loosens(random: Random) -> None:
    """In the same state, one more limit is never milder on any call or model request."""
    case = random_case(random)
    session = session_of(case)
    told(case, session)
    limit = Limit(random.choice(("tool_calls", "calls", "repeats", "refusals", "tokens", "seconds", "steps")), 1, "re*", id="z")
    stricter = compile(replace(case.policy, limits=(*case.policy.limits, limit)))
    actions: list[Action] = [ModelRequest(), *(random_call(random, number, VALUES) for number in range(100, 103))]
    for action in actions:
        before, after = decide(compile(case.policy), session.state, action), decide(stricter, session.state, action)
        assert SEVERITY[after.effect] >= SEVERITY[before.effect]


@for_all_runs
@given(randoms)
def test_the_fold_of_the_events_is_the_live_state(random: Random) -> None:
    """Whoever has the events has the state: `evolve` over what the recorder was given makes the session's own."""
    case = random_case(random)
    events: list[Event] = []
    session = session_of(case, allowed_tools=None, recorder=events.append)
    session.record(
        RunStarted(at=START, run_id="r", role=case.setting.role, tools=case.setting.tools, messages=({"role": "user", "content": "hello"},))
    )
    told(case, session)
    state = State()
    for event in events:
        state = evolve(state, event)
    assert state == session.state


@for_all_runs
@given(randoms)
def test_a_recorder_changes_no_decision(random: Random) -> None:
    """Decisions are the same with and without somebody writing them down, and in observe mode but for `enforced`."""
    case = random_case(random)
    events: list[Event] = []
    plain = told(case, session_of(case))
    assert told(case, session_of(case, recorder=events.append)) == plain
    assert told(case, session_of(case, mode="dry-run")) == plain
    assert told(case, session_of(case, mode="observe")) == [replace(decision, enforced=False) for decision in plain]
    assert [event.effect for event in events if isinstance(event, CallDecided)] == [decision.effect for decision in plain]


@for_all_runs
@given(randoms)
def test_irrelevant_rules_change_nothing(random: Random) -> None:
    """Hundreds of rules for other tools, other roles and other values leave every decision as it was."""
    case = random_case(random)
    never = Condition("a", (("equals", "never said"),))
    many: list[Rule] = []
    for number in range(60):
        many.append(Rule(f"z-tool-{number}", random.choice(list(Effect)), (f"other_{number}", f"http_{number}_*")))
        many.append(Rule(f"z-role-{number}", random.choice(list(Effect)), ("*",), roles=("auditor",)))
        many.append(Rule(f"z-value-{number}", Effect.BLOCK, random.choice((("read",), ("*",), ("re*",))), when=(never,)))
        many.append(
            Rule(
                f"z-pattern-{number}", Effect.BLOCK, ("read",), when=(Condition("a", (("equals", f"v{number}"), ("search", f"v{number}"))),)
            )
        )
        many.append(Rule(f"z-trial-{number}", Effect.BLOCK, ("read",), when=(never,), observe=True))
    more = replace(case.policy, rules=shuffled(random, (*case.policy.rules, *many)), roles={**case.policy.roles, "auditor": ()})
    assert told(replace(case, policy=more), session_of(case, more)) == told(case, session_of(case))


@for_all_runs
@given(randoms)
def test_unrelated_history_changes_nothing(random: Random) -> None:
    """Without limits, `once`, `after` and `before`, a decision depends on the call alone."""
    policy = random_policy(random, VALUES)
    rules = tuple(replace(rule, after=None, before=None) for rule in policy.rules)
    case = replace(random_case(random), policy=replace(policy, rules=rules, limits=(), once=()))
    busy = session_of(case)
    told(case, busy)
    for number in range(100, 104):
        call = random_call(random, number, VALUES)
        if call.id == f"c{number}":
            assert busy.propose(call) == session_of(case).propose(call)


@for_all_runs
@given(randoms)
def test_judging_is_pure(random: Random) -> None:
    """The same inputs give the same decision again, and no input is changed by it."""
    case = random_case(random)
    before = deepcopy((case.policy, case.setting, case.script))
    session = session_of(case)
    told(case, session)
    state, compiled = session.state, compile(case.policy)
    kept = repr(state)
    for number in range(100, 103):
        call = random_call(random, number, VALUES)
        assert decide(compiled, state, call) == decide(compiled, state, call) == decide(compile(case.policy), state, call)
    assert repr(state) == kept
    assert (case.policy, case.setting, case.script) == before


@for_all_runs
@given(randoms)
def test_every_code_is_one_that_judging_can_give(random: Random) -> None:
    """Approvals and kills are said by others; judging alone never says them, nor fails inside."""
    for outcome in play(random_case(random)):
        assert outcome.decision.code in (
            Code.RULE, Code.DEFAULT, Code.LIMIT, Code.MALFORMED_CALL, Code.MALFORMED_ARGUMENTS, Code.UNKNOWN_TOOL,
            Code.INVALID_ARGUMENTS, Code.NOT_OFFERED, Code.DUPLICATE,
        )  # fmt: skip
        assert (outcome.decision.rule is not None) == (outcome.decision.code in (Code.RULE, Code.LIMIT, Code.DUPLICATE))
        assert outcome.decision.effect is Effect.BLOCK or outcome.decision.code in (Code.RULE, Code.DEFAULT)


@for_all_runs
@given(randoms, st.booleans())
def test_more_spent_is_never_looser(random: Random, unsaid: bool) -> None:
    """A model answer, with its usage said or not, never makes a limit milder."""
    case = random_case(random)
    session = session_of(case)
    told(case, session)
    call = random_call(random, 100, VALUES)
    before = decide(session.policy, session.state, call)
    session.record(ModelReplied(at=START, step=9, message={}, usage=None if unsaid else Usage(7, 7)))
    after = decide(session.policy, session.state, call)
    assert SEVERITY[after.effect] >= SEVERITY[before.effect]


@for_all_runs
@given(randoms)
def test_a_refused_call_never_counts_as_returned(random: Random) -> None:
    """Telling the model of a refusal is not a tool's return: `after` and `before` stay as they were."""
    case = random_case(random)
    session = session_of(case, replace(case.policy, limits=()))
    told(case, session)
    call = random_call(random, 100, VALUES)
    if chance(random, 50) and isinstance(call.id, str):
        session.propose(ToolCall("refused", "read", "{"))
        before = decide(session.policy, session.state, call)
        session.record(ToolReturned(at=START, call_id="refused", executed=False, ok=False, content="{}"))
        assert decide(session.policy, session.state, call) == before
