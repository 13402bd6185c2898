"""An approval counts once, and only for exactly what it names: the run, the call, the tool, the arguments, the policy."""

from __future__ import annotations

from typing import Any

import pytest

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Effect,
    PolicyDigest,
    RunEnded,
    RunResumed,
    RunStarted,
    Scope,
)
from agentgate.core.state import State, evolve, repeat_key

from .building import START

HASH, POLICY = "a" * 64, "b" * 64
STARTED = RunStarted(at=START, run_id="r", policy=PolicyDigest("p", POLICY))
FITTING: dict[str, Any] = {"run_id": "r", "call_id": "c", "tool": "pay", "args_hash": HASH, "policy": POLICY}


def asked(effect: Effect = Effect.ASK) -> State:
    """A run that asks about one call."""
    decided = CallDecided(at=START, step=1, call_id="c", tool="pay", arguments="{}", args_hash=HASH, effect=effect, code=Code.RULE)
    return evolve(evolve(State(), STARTED), decided)


def answered(state: State, answer: str = "approve", **fields: Any) -> State:
    return evolve(state, ApprovalAnswered(at=START, answer=answer, by="ann", **{**FITTING, **fields}))


def test_a_fitting_answer_counts_once() -> None:
    """The second one changes nothing, whatever it says."""
    once = answered(asked())
    assert (once.let_through, once.calls_by_tool.get("pay")) == (1, 1)
    assert answered(once) == once
    assert answered(once, "reject") == once


@pytest.mark.parametrize(
    "fields",
    [{"run_id": "other"}, {"call_id": "d"}, {"tool": "Pay"}, {"args_hash": "0" * 64}, {"policy": "0" * 64}, {"scope": Scope.RETRY}],
    ids=lambda fields: next(iter(fields)),
)
@pytest.mark.parametrize("scope", [Scope.CALL, Scope.RUN])
def test_an_answer_to_something_else_changes_nothing(fields: dict[str, Any], scope: Scope) -> None:
    """Not even that the question is still open."""
    state = asked()
    changed = answered(state, **{"scope": scope, **fields})
    assert changed == state
    assert answered(changed).let_through == 1


@pytest.mark.parametrize("effect", [Effect.ALLOW, Effect.BLOCK])
def test_what_nobody_asked_about_cannot_be_approved(effect: Effect) -> None:
    """A blocked call stays blocked."""
    state = asked(effect)
    assert answered(state, scope=Scope.RUN) == state


def test_what_an_older_version_did_not_name_binds_nothing() -> None:
    """Old transcripts load."""
    assert answered(asked(), run_id=None, tool=None, policy=None).let_through == 1


def test_an_approval_for_the_run_stands() -> None:
    """Under the tool and the arguments; a rejection never does."""
    key = repeat_key("pay", HASH)
    assert answered(asked(), scope=Scope.RUN).standing.get(key) == "c"
    assert answered(asked()).standing.get(key) is None
    assert answered(asked(), "reject", scope=Scope.RUN).standing.get(key) is None


def test_it_does_not_outlive_its_policy() -> None:
    """Going on under the same one keeps it, under another one does not."""
    state = answered(asked(), scope=Scope.RUN)
    same = evolve(state, RunResumed(at=START, policy=PolicyDigest("p", POLICY)))
    other = evolve(state, RunResumed(at=START, policy=PolicyDigest("p", "c" * 64)))
    assert same.standing == state.standing
    assert len(other.standing) == 0
    assert answered(other, policy="c" * 64).let_through == 1


def test_it_never_stands_in_another_run() -> None:
    """A run begins with nothing."""
    assert evolve(answered(asked(), scope=Scope.RUN), STARTED).standing == State().standing


def test_the_time_between_an_end_and_going_on_does_not_count() -> None:
    """Neither while it waits for an answer, nor after that; and a clock that was set back takes nothing away."""
    from datetime import timedelta

    def later(seconds: float) -> Any:
        return START + timedelta(seconds=seconds)

    state = evolve(asked(), RunEnded(at=later(10), status="waiting"))
    state = evolve(state, ApprovalAnswered(at=later(500), answer="approve", by="ann", **FITTING))
    assert state.seconds == 10
    state = evolve(state, RunResumed(at=later(1000)))
    assert state.seconds == 10
    state = evolve(state, RunEnded(at=later(1005), status="interrupted"))
    assert state.seconds == 15
    back = evolve(state, RunResumed(at=later(900)))
    assert back.seconds == 15
    assert evolve(back, RunEnded(at=later(1010), status="done")).seconds == 20
