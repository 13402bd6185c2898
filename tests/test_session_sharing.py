"""Sessions that share: limits over time and calls that are executed once, across runs, modes and failures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.arguments import digest
from agentgate.core.events import (
    ApprovalAnswered,
    Code,
    Decision,
    Effect,
    Event,
    Mode,
    ModelReplied,
    ModelRequest,
    RunStarted,
    ToolCall,
    ToolReturned,
    Usage,
)
from agentgate.core.policy import Limit, Policy
from agentgate.errors import StateError
from agentgate.files.state_db import StateDatabase
from agentgate.files.state_folder import StateFolder
from agentgate.session import Session
from tests.core.building import START, Clock, policy, propose, rule

OK = json.dumps({"ok": True, "tool": "pay", "result": "paid"})


def hour(value: float, kind: str = "tool_calls", tools: str | None = None) -> Limit:
    """A limit per hour."""
    return Limit(kind, value, tools, id=f"limits.tools.{tools}.per_hour" if tools else f"limits.per_hour.{kind}", window="per_hour")


class Runs:
    """Runs of one policy over one database and one clock."""

    def __init__(self, database: StateDatabase, wanted: Policy) -> None:
        self.clock = Clock()
        self.database = database
        self._policy = wanted
        self._started = 0

    def start(self, mode: Mode = Mode.ENFORCE, run_id: str | None = None) -> Session:
        self._started += 1
        session = Session(self._policy, mode=mode, clock=self.clock, accounts=self.database)
        session.record(RunStarted(at=self.clock(), run_id=run_id or f"r{self._started}", mode=mode))
        return session

    def used(self, limit: str = "limits.per_hour.tool_calls") -> float:
        with self.database.turn():
            return self.database.used(limit, self.clock() - timedelta(hours=1), 1e9, timedelta(hours=1)).amount


@pytest.fixture
def database(tmp_path: Path) -> Iterator[StateDatabase]:
    """Shared by all runs of a story."""
    with StateDatabase(StateFolder(str(tmp_path / "state")), policy="story", scope="order-7") as opened:
        yield opened


def returned(session: Session, call_id: str, *, executed: bool = True, ok: bool = True, unknown: bool = False) -> None:
    """What came of a call."""
    session.record(ToolReturned(at=session.now(), call_id=call_id, executed=executed, ok=ok, content=OK, unknown=unknown))


def execute(session: Session, tool: str = "pay", arguments: Any = None, *, id: str | None = None) -> Decision | None:
    """Proposes a call, and executes it where it may be; the refusal where not."""
    call = ToolCall(id or f"c{session.state.calls}", tool, json.dumps(arguments or {}))
    decision = session.propose(call)
    if decision.effect is not Effect.ALLOW:
        return decision
    held = session.executable(call, decision)
    if held is None:
        returned(session, call.id)
    return held


# Limits over time


def test_runs_use_up_a_window_together(database: StateDatabase) -> None:
    """And see when there is room again; an hour later there is."""
    runs = Runs(database, policy(rule("allow", "*"), hour(3)))
    first, second = runs.start(), runs.start()
    assert [execute(session) for session in (first, second, first)] == [None] * 3
    runs.clock.wait(60)
    refused = execute(second)
    assert refused is not None
    assert (refused.rule, refused.reason) == (
        "limits.per_hour.tool_calls",
        "limit of 3 tool calls per hour reached; again in 59 min",
    )
    runs.clock.wait(3540)
    assert execute(second) is None


def test_a_decision_records_what_was_used(database: StateDatabase) -> None:
    """So that a replay, which knows of no other run, judges the same."""
    wanted = policy(rule("allow", "*"), hour(1), hour(5, "calls", "pay"))
    runs = Runs(database, wanted)
    execute(runs.start())
    decision = propose(runs.start(), "pay")
    until = (START + timedelta(hours=1)).isoformat()
    assert decision.facts == {"limits.per_hour.tool_calls": f"1 until {until}", "limits.tools.pay.per_hour": "1"}
    replayed = Session(wanted, clock=runs.clock).propose(ToolCall("c", "pay", "{}"), facts=decision.facts)
    assert (replayed.effect, replayed.rule, replayed.reason) == (decision.effect, decision.rule, decision.reason)


@pytest.mark.parametrize("answer", ["reject", "approve"])
def test_a_question_holds_its_place_until_it_is_answered(database: StateDatabase, answer: str) -> None:
    """Nobody else gets it meanwhile; a no gives it back."""
    runs = Runs(database, policy(rule("ask", "*"), hour(1)))
    first, second = runs.start(), runs.start()
    asked = propose(first, "pay", id="c")
    assert asked.effect is Effect.ASK
    assert propose(second, "pay").code is Code.LIMIT
    first.record(ApprovalAnswered(at=first.now(), call_id="c", args_hash="", answer=answer, by="somebody"))
    returned(first, "c", executed=answer == "approve", ok=answer == "approve")
    assert (propose(second, "pay").effect is Effect.ASK) is (answer == "reject")


def test_an_approval_that_took_long_needs_room_when_it_is_used(database: StateDatabase) -> None:
    """The place that was held is free again after an hour, and somebody else may have it by then."""
    runs = Runs(database, policy(rule("ask", "pay"), rule("allow", "read"), hour(1)))
    first, call = runs.start(), ToolCall("c", "pay", "{}")
    asked = first.propose(call)
    runs.clock.wait(3600)
    assert execute(runs.start(), "read") is None
    held = first.executable(call, asked)
    assert held is not None
    assert (held.code, held.rule) == (Code.LIMIT, "limits.per_hour.tool_calls")
    runs.clock.wait(3600)
    assert first.executable(call, asked) is None
    assert runs.used() == 1


@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_a_call_that_waited_in_a_run_that_goes_on_keeps_or_gives_back_its_place(database: StateDatabase, answer: str) -> None:
    """What was counted for it belongs to the run, not to the process."""
    runs = Runs(database, policy(rule("ask", "pay"), hour(1)))
    call = ToolCall("c", "pay", "{}")
    events: list[Event] = []
    first = Session(policy(rule("ask", "pay"), hour(1)), clock=runs.clock, accounts=database, recorder=events.append)
    first.record(RunStarted(at=runs.clock(), run_id="r1"))
    asked = first.propose(call)
    again = runs.start()
    again.remember(events)
    again.record(ApprovalAnswered(at=again.now(), call_id="c", args_hash="", answer=answer, by="somebody"))
    if answer == "approve":
        runs.clock.wait(3600)
        assert again.executable(call, asked) is None
        assert runs.used() == 1
    returned(again, "c", executed=answer == "approve", ok=answer == "approve")
    assert runs.used() == (answer == "approve")


def test_what_never_ran_is_given_back(database: StateDatabase) -> None:
    """A tool that could not be started, a run that was ended before the call."""
    runs = Runs(database, policy(rule("allow", "*"), hour(1)))
    session = runs.start()
    propose(session, "pay", id="c")
    assert runs.used() == 1
    returned(session, "c", executed=False, ok=False)
    assert runs.used() == 0


def test_refused_calls_use_nothing_up(database: StateDatabase) -> None:
    """Nor do repeats."""
    runs = Runs(database, policy(rule("allow", "pay"), hour(5), once=("pay",)))
    session = runs.start()
    execute(session, "read")
    assert runs.used() == 0
    execute(session)
    execute(session)
    assert runs.used() == 1


def test_a_dry_run_uses_nothing_up_and_counts_for_itself(database: StateDatabase) -> None:
    """It decides as the real run would, on top of what is used."""
    runs = Runs(database, policy(rule("allow", "*"), hour(3)))
    execute(runs.start())
    rehearsal = runs.start(Mode.DRY_RUN)
    effects = []
    for number in range(3):
        effects.append(propose(rehearsal, "pay", id=f"c{number}").effect.value)
        returned(rehearsal, f"c{number}", executed=False, ok=effects[-1] == "allow")
    assert effects == ["allow", "allow", "block"]
    assert runs.used() == 1


def test_observe_mode_uses_up_what_it_would_let_through(database: StateDatabase) -> None:
    """What it would block it says, executes, and does not count."""
    runs = Runs(database, policy(rule("allow", "*"), hour(2)))
    session = runs.start(Mode.OBSERVE)
    codes = []
    for number in range(3):
        call = ToolCall(f"c{number}", "pay", "{}")
        decision = session.propose(call)
        codes.append((decision.code.value, decision.enforced))
        assert session.executable(call, decision) is None
        returned(session, call.id)
    assert codes == [("rule", False), ("rule", False), ("limit", False)]
    assert runs.used() == 2


def test_calls_judged_together_and_withheld_use_nothing_up(database: StateDatabase) -> None:
    """Nobody ever saw them."""
    runs = Runs(database, policy(rule("allow", "pay"), hour(5)))
    session = runs.start()
    decisions, passed = session.propose_together([ToolCall("a", "pay", "{}"), ToolCall("b", "steal", "{}")])
    assert [decision.effect.value for decision in decisions] == ["allow", "block"]
    assert (passed, runs.used()) == (False, 0)
    session.propose_together([ToolCall("a", "pay", "{}"), ToolCall("b", "pay", "{}")])
    assert runs.used() == 2


def test_a_call_that_ran_and_failed_has_used_up_its_place(database: StateDatabase) -> None:
    """Only one that never ran gives it back."""
    runs = Runs(database, policy(rule("allow", "pay"), hour(1)))
    session = runs.start()
    call = ToolCall("c", "pay", "{}")
    assert session.executable(call, session.propose(call)) is None
    returned(session, "c", ok=False)
    assert runs.used() == 1


def test_a_run_that_is_judged_again_does_not_count_its_own_call_twice(database: StateDatabase) -> None:
    """It was killed after the call was counted, and before the decision was on record."""
    runs = Runs(database, policy(rule("allow", "pay"), hour(1)))
    call = ToolCall("c", "pay", "{}")
    for _ in range(2):
        assert runs.start(run_id="r1").propose(call).effect is Effect.ALLOW
    assert runs.used() == 1
    assert runs.start(run_id="r2").propose(call).effect is Effect.BLOCK


def test_a_refused_namesake_gives_back_nothing(database: StateDatabase) -> None:
    """A second call by the same id is malformed; what is told about it is not about the first."""
    runs = Runs(database, policy(rule("allow", "pay"), hour(5)))
    session = runs.start()
    call = ToolCall("c", "pay", "{}")
    assert [session.propose(call).code for _ in range(2)] == [Code.RULE, Code.MALFORMED_CALL]
    returned(session, "c", executed=False, ok=False)
    assert runs.used() == 1
    returned(session, "c", executed=False, ok=False)
    assert runs.used() == 0


def test_an_allowed_call_that_was_held_needs_room_when_the_run_goes_on(database: StateDatabase) -> None:
    """What it had taken an hour ago was free again in the meantime."""
    wanted, clock, kept = policy(rule("allow", "pay"), hour(1)), Clock(), list[Event]()
    first = Session(wanted, clock=clock, accounts=database, recorder=kept.append)
    first.record(RunStarted(at=clock(), run_id="r1"))
    call = ToolCall("c", "pay", "{}")
    decision = first.propose(call)
    assert decision.effect is Effect.ALLOW
    clock.wait(7200)
    other = Session(wanted, clock=clock, accounts=database)
    other.record(RunStarted(at=clock(), run_id="r2"))
    assert other.propose(call).effect is Effect.ALLOW
    again = Session(wanted, clock=clock, accounts=database)
    again.remember(kept)
    held = again.executable(call, decision)
    assert held is not None
    assert (held.effect, held.code, held.rule) == (Effect.BLOCK, Code.LIMIT, "limits.per_hour.tool_calls")


# Cost over time


def test_cost_is_reserved_before_a_request_and_settled_after_it(database: StateDatabase) -> None:
    """Two runs at once cannot both spend the rest; what was not spent is free again."""
    limit = "limits.per_hour.cost_usd"
    runs = Runs(database, policy(hour(1.0, "cost_usd")))
    wish = ModelRequest(input_tokens=100, output_tokens=200, input_usd=0.2, output_usd=0.002)
    first, second = runs.start(), runs.start()
    assert first.request(wish).effect is Effect.ALLOW
    assert runs.used(limit) == 0.6
    assert second.request(wish).room == 100
    assert runs.used(limit) == 1.0  # as much of its answer as there is room for
    refused = runs.start().request(wish)
    assert (refused.effect, refused.rule) == (Effect.BLOCK, limit)
    for session, cost in ((first, 0.1), (second, 0.05)):
        session.record(ModelReplied(at=session.now(), step=1, message={"role": "assistant"}, usage=Usage(1, 1), cost_usd=cost))
    assert runs.used(limit) == 0.15
    assert runs.start().request(wish).effect is Effect.ALLOW


def test_a_request_that_was_never_answered_counts_as_it_was_estimated(database: StateDatabase) -> None:
    """It may have been charged; so may an answer without its cost."""
    runs = Runs(database, policy(hour(1.0, "cost_usd")))
    session = runs.start()
    session.request(ModelRequest(input_tokens=1, input_usd=0.25, output_usd=0.0))
    session.record(ModelReplied(at=session.now(), step=1, message={"role": "assistant"}, usage=None, cost_usd=None))
    assert runs.used("limits.per_hour.cost_usd") == 0.25


def test_costs_that_nobody_estimated_are_counted_as_they_come(database: StateDatabase) -> None:
    """Of a recording, for instance."""
    runs = Runs(database, policy(hour(1.0, "cost_usd")))
    session = runs.start()
    for step in (1, 2):
        session.request()
        session.record(ModelReplied(at=session.now(), step=step, message={"role": "assistant"}, usage=Usage(1, 1), cost_usd=0.5))
    assert session.request().rule == "limits.per_hour.cost_usd"
    assert runs.start().request().rule == "limits.per_hour.cost_usd"


# Once


ONCE = policy(rule("allow", "*"), once=("pay",))


def test_a_call_is_executed_once_in_all_runs_with_the_key(database: StateDatabase) -> None:
    """Later runs are told by whom, and get the result."""
    runs = Runs(database, ONCE)
    assert execute(runs.start(), "pay", {"to": "X", "n": 1}) is None
    second = runs.start()
    call = ToolCall("c", "pay", '{"n": 1, "to": "X"}')
    decision = second.propose(call)
    assert (decision.code, decision.rule, decision.reason) == (Code.DUPLICATE, "once", "the same call was executed in run r1, as c0")
    assert decision.facts == {"once": "done run r1 call c0"}
    earlier = second.earlier(call, decision)
    assert earlier is not None
    assert (earlier.content, earlier.ok) == (OK, True)
    assert execute(second, "pay", {"to": "X", "n": 2}) is None


def test_of_two_runs_at_once_one_executes(database: StateDatabase) -> None:
    """Both were let through before either began; the second is held back at the last moment."""
    runs = Runs(database, ONCE)
    call = ToolCall("c", "pay", "{}")
    first, second = runs.start(), runs.start()
    let = [(session, session.propose(call)) for session in (first, second)]
    assert [decision.effect for _, decision in let] == [Effect.ALLOW] * 2
    held = [session.executable(call, decision) for session, decision in let]
    assert held[0] is None
    assert held[1] is not None
    assert (held[1].code, held[1].reason) == (Code.DUPLICATE, "the same call is being executed in run r1, or may have run, as c")
    returned(second, "c", executed=False, ok=False)
    returned(first, "c")
    assert runs.start().propose(call).reason == "the same call was executed in run r1, as c"


def test_two_questions_about_the_same_are_executed_once(database: StateDatabase) -> None:
    """In one run, too: both may be asked before the first is approved."""
    runs = Runs(database, policy(rule("ask", "*"), once=("pay",)))
    session = runs.start()
    calls = [ToolCall(f"c{number}", "pay", "{}") for number in range(2)]
    decisions = [session.propose(call) for call in calls]
    assert [decision.effect for decision in decisions] == [Effect.ASK] * 2
    for call in calls:
        session.record(ApprovalAnswered(at=session.now(), call_id=call.id, args_hash="", answer="approve", by="somebody"))
    assert session.executable(calls[0], decisions[0]) is None
    returned(session, "c0")
    held = session.executable(calls[1], decisions[1])
    assert held is not None
    assert held.code is Code.DUPLICATE


@pytest.mark.parametrize(
    ("came", "effect"),
    [
        ({}, "block"),
        ({"ok": False}, "block"),
        ({"ok": False, "unknown": True}, "block"),
        (None, "block"),
        ({"executed": False, "ok": False}, "allow"),
    ],
    ids=["done", "failed", "given-up", "killed", "never-started"],
)
def test_what_came_of_it_decides_whether_it_is_made_again(database: StateDatabase, came: dict[str, bool] | None, effect: str) -> None:
    """Only what certainly did not run."""
    runs = Runs(database, ONCE)
    first, call = runs.start(), ToolCall("c", "pay", "{}")
    assert first.executable(call, first.propose(call)) is None
    if came is not None:
        returned(first, "c", **came)
    assert runs.start().propose(call).effect.value == effect


def test_a_retry_of_the_same_call_is_its_own(database: StateDatabase) -> None:
    """A run that goes on, in which somebody decides to try again what may have run, with the same key for the effect."""
    runs = Runs(database, ONCE)
    first, call = runs.start(), ToolCall("c", "pay", "{}")
    decision = first.propose(call)
    assert first.executable(call, decision) is None
    again = runs.start(run_id="r1")
    assert again.executable(call, decision) is None
    assert again.idempotency_key(call, decision) == first.idempotency_key(call, decision)


def test_what_nobody_knows_the_end_of_is_no_result(database: StateDatabase) -> None:
    """Other runs are told that it may have run, and neither execute it nor take its last words for a result."""
    runs = Runs(database, policy(rule("allow", "pay"), once=("pay",)))
    session = runs.start()
    call = ToolCall("c", "pay", "{}")
    assert session.executable(call, session.propose(call)) is None
    returned(session, "c", ok=False, unknown=True)
    with database.turn():
        kept = database.earlier("pay", digest({}))
    assert kept is not None
    assert (kept.call_id, kept.content) == ("c", None)
    refused = execute(runs.start())
    assert refused is not None
    assert refused.code is Code.DUPLICATE


def test_a_run_knows_of_its_own_calls_by_itself(database: StateDatabase) -> None:
    """So nothing about them is recorded as a fact from elsewhere."""
    session = Runs(database, policy(rule("allow", "pay"), once=("pay",))).start()
    assert execute(session) is None
    refused = execute(session)
    assert refused is not None
    assert (refused.code, refused.facts) == (Code.DUPLICATE, {})


def test_what_other_runs_get_of_a_result_holds_no_secret(database: StateDatabase) -> None:
    """Also where the run's own model gets results as they are: what is kept is redacted like a record."""
    session = Session(policy(rule("allow", "pay"), once=("pay",)), accounts=database, clock=Clock(), secrets={"TOKEN": "s3cret-t0ken"})
    session.record(RunStarted(at=session.now(), run_id="r1"))
    call = ToolCall("c", "pay", "{}")
    assert session.executable(call, session.propose(call)) is None
    said = json.dumps({"ok": True, "result": "s3cret-t0ken"})
    session.record(ToolReturned(at=session.now(), call_id="c", executed=True, ok=True, content=said))
    with database.turn():
        kept = database.earlier("pay", digest({}))
    assert kept is not None
    assert json.loads(kept.content or "") == {"ok": True, "result": "[redacted:$TOKEN]"}


def test_keys_of_effects(database: StateDatabase) -> None:
    """The same for what is executed once, however it is written and whichever run asks; else every call has its own."""
    runs = Runs(database, ONCE)
    first, second = runs.start(), runs.start()

    def key(session: Session, tool: str, arguments: str, id: str) -> str:
        call = ToolCall(id, tool, arguments)
        return session.idempotency_key(call, Session(ONCE).propose(call))

    assert key(first, "pay", '{"a":1,"b":2}', "c1") == key(second, "pay", '{"b": 2, "a": 1}', "c2")
    keys = {
        key(first, "pay", "{}", "c1"),
        key(first, "pay", '{"a":1}', "c1"),
        key(first, "read", "{}", "c1"),
        key(first, "read", "{}", "c2"),
        key(second, "read", "{}", "c1"),
    }
    assert len(keys) == 5
    assert all(len(one) == 64 and set(one) <= set("0123456789abcdef") for one in keys)


def test_without_a_scope_every_run_is_for_itself(tmp_path: Path) -> None:
    """Then the key of an effect is this run's, too."""
    with StateDatabase(StateFolder(str(tmp_path / "state")), policy="story") as database:
        runs = Runs(database, ONCE)
        assert [execute(runs.start()) for _ in range(2)] == [None, None]
        call = ToolCall("c", "pay", "{}")
        keys = {session.idempotency_key(call, session.propose(call)) for session in (runs.start(), runs.start())}
        assert len(keys) == 2


def test_observe_mode_executes_a_repeat_and_claims_what_is_free(database: StateDatabase) -> None:
    """So that a run that enforces knows of it."""
    runs = Runs(database, ONCE)
    call = ToolCall("c", "pay", "{}")
    for _ in range(2):
        session = runs.start(Mode.OBSERVE)
        decision = session.propose(call)
        assert session.executable(call, decision) is None
        returned(session, "c")
    assert runs.start().propose(call).reason == "the same call was executed in run r1, as c"


# When it fails


class Failing:
    """Accounts that fail from the n-th turn on, at its beginning or at its end."""

    scope: str | None = "order-7"

    def __init__(self, inner: StateDatabase, good: int, *, at_end: bool) -> None:
        self._inner = inner
        self._good = good
        self._at_end = at_end

    def mend(self) -> None:
        self._good = 1000

    def turn(self) -> AbstractContextManager[None]:
        return self._turn()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._good -= 1
        if self._good < 0 and not self._at_end:
            raise StateError("the disk is gone", help="find it")
        with self._inner.turn():
            yield
            if self._good < 0:
                raise StateError("the disk is gone", help="find it")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.OBSERVE])
@pytest.mark.parametrize("good", range(8))
def test_nothing_is_executed_that_is_not_counted(database: StateDatabase, good: int, mode: Mode, at_end: bool) -> None:
    """Wherever the accounts fail: the call is refused, in observe mode too, the session says so, and so it stays."""
    wanted = policy(rule("allow", "*"), hour(100), hour(10.0, "cost_usd"), once=("pay",))
    session = Session(wanted, mode=mode, clock=Clock(), accounts=Failing(database, good, at_end=at_end))
    session.record(RunStarted(at=session.now(), run_id="r1", mode=mode))
    executed = 0
    for number in range(3):
        if session.request(ModelRequest(input_tokens=1, input_usd=0.1, output_usd=0.0)).effect is not Effect.ALLOW:
            break
        session.record(ModelReplied(at=session.now(), step=number + 1, message={"role": "assistant"}, usage=Usage(1, 1), cost_usd=0.1))
        if session.failure is not None:
            break
        call = ToolCall(f"c{number}", "pay", json.dumps({"n": number}))
        decision = session.propose(call)
        if session.failure is not None:
            assert (decision.effect, decision.code, decision.enforced) == (Effect.BLOCK, Code.INTERNAL_ERROR, True)
            break
        held = session.executable(call, decision)
        if session.failure is not None:
            assert held is not None
            assert (held.code, held.reason, held.hint) == (Code.INTERNAL_ERROR, "the disk is gone", "find it")
            break
        executed += 1
        returned(session, call.id)
    assert session.failure is not None
    assert session.propose(ToolCall("later", "pay", "{}")).code is Code.INTERNAL_ERROR
    runs = Runs(database, wanted)
    with database.turn():
        claimed = database._db.execute("SELECT COUNT(*) FROM claims").fetchone()[0]
    assert executed <= claimed <= executed + 1
    assert executed <= runs.used() <= executed + 1


def test_what_failed_once_is_not_relied_on_again(database: StateDatabase) -> None:
    """Also when it comes back: nobody knows what was missed."""
    accounts = Failing(database, 0, at_end=False)
    session = Session(policy(rule("allow", "*"), hour(100)), clock=Clock(), accounts=accounts)
    session.record(RunStarted(at=session.now(), run_id="r1"))
    assert propose(session, "pay").code is Code.INTERNAL_ERROR
    accounts.mend()
    assert propose(session, "pay").code is Code.INTERNAL_ERROR
    assert (
        session.executable(ToolCall("c", "pay", "{}"), Session(policy(rule("allow", "*"))).propose(ToolCall("c", "pay", "{}"))) is not None
    )


def test_two_questions_about_the_same_are_executed_once_without_accounts_too() -> None:
    """The run itself knows."""
    session = Session(policy(rule("ask", "*"), once=("pay",)))
    calls = [ToolCall(f"c{number}", "pay", "{}") for number in range(2)]
    decisions = [session.propose(call) for call in calls]
    for call in calls:
        session.record(ApprovalAnswered(call_id=call.id, args_hash="", answer="approve", by="somebody"))
    assert session.executable(calls[0], decisions[0]) is None
    held = session.executable(calls[1], decisions[1])
    assert held is not None
    assert (held.code, held.rule) == (Code.DUPLICATE, "once")


def test_no_name_of_a_call_touches_what_a_request_cost(database: StateDatabase) -> None:
    """Neither while a call is judged that a model names like a request, nor when it is given back."""
    runs = Runs(database, policy(rule("allow", "pay"), hour(5, "cost_usd"), hour(3)))
    session = runs.start()
    session.request(ModelRequest())
    session.record(ModelReplied(at=runs.clock(), step=1, message={"role": "assistant"}, usage=Usage(1, 1), cost_usd=5.0))
    assert runs.used("limits.per_hour.cost_usd") == 5.0
    assert propose(session, "pay", id="request 1").rule == "limits.per_hour.cost_usd"
    session.propose_together([ToolCall("request 1", "pay", "{}"), ToolCall("c2", "other", "{}")])
    returned(session, "request 1", executed=False, ok=False)
    assert runs.used("limits.per_hour.cost_usd") == 5.0
