"""A limit of cost: what has been spent, in US dollars; what nobody knows is not zero."""

from __future__ import annotations

import pytest

from agentgate.core.events import Code, Effect, ModelReplied, RunStarted
from agentgate.core.limits import dollars
from agentgate.session import Session

from .building import limit, policy, propose, rule

READ = rule("allow", "read")


def running(value: float, *costs: float | None, imported: bool = False, **more: str) -> Session:
    """A session under a limit, after answers that cost so much."""
    session = Session(policy(READ, limit("cost_usd", value, **more)))
    session.record(RunStarted(run_id="story", imported=imported))
    for step, cost in enumerate(costs, 1):
        session.record(ModelReplied(step=step, message={"role": "assistant"}, cost_usd=cost))
    return session


@pytest.mark.parametrize(
    ("value", "costs", "effect"),
    [
        (5.0, (), Effect.ALLOW),
        (5.0, (4.99,), Effect.ALLOW),
        (5.0, (4.99, 0.01), Effect.BLOCK),
        (5.0, (5.0,), Effect.BLOCK),
        (5.0, (2.0, 4.0), Effect.BLOCK),
        (1.0, (0.7, 0.1, 0.1, 0.1), Effect.BLOCK),
        (1.0, (0.1,) * 10, Effect.BLOCK),
        (0.3, (0.1, 0.1, 0.1), Effect.BLOCK),
        (0.0, (), Effect.BLOCK),
        (1e-9, (0.0,), Effect.ALLOW),
        (1e-9, (1e-9,), Effect.BLOCK),
    ],
)
def test_what_is_spent_is_counted_to_the_cent(value: float, costs: tuple[float, ...], effect: Effect) -> None:
    """Calls and model requests are blocked as soon as the limit is spent; cents added up are not lost in the arithmetic of floats."""
    session = running(value, *costs)
    assert session.request().effect is effect
    said = propose(session, "read")
    assert said.effect is effect
    if effect is Effect.BLOCK:
        assert (said.code, said.rule) == (Code.LIMIT, "limits.cost_usd")


@pytest.mark.parametrize("costs", [(None,), (0.01, None), (None, 0.01), (-1.0,), (float("nan"),), (float("inf"),)])
def test_what_nobody_knows_is_not_zero(costs: tuple[float | None, ...]) -> None:
    """An answer without its cost, or with one that cannot be, blocks from then on, and the run has no total."""
    session = running(5.0, *costs)
    for said in (session.request(), propose(session, "read")):
        assert (said.effect, said.code, said.rule) == (Effect.BLOCK, Code.LIMIT, "limits.cost_usd")
        assert said.reason == "an answer of the model came without its cost, so the limit of $5.00 cannot be kept"
    assert session.state.totals.cost_usd is None


def test_a_foreign_record_is_not_held_to_its_silence() -> None:
    """What an imported transcript never tells is not held against it; what it tells counts."""
    assert propose(running(5.0, None, imported=True), "read").effect is Effect.ALLOW
    assert propose(running(5.0, None, 6.0, imported=True), "read").effect is Effect.BLOCK


def test_the_reason_names_both_amounts() -> None:
    """Or is the limit's own message."""
    assert propose(running(5.0, 5.1234567), "read").reason == "limit of $5.00 reached: $5.123457 spent"
    assert propose(running(5.0, 6.0, message="Session cost limit exceeded"), "read").reason == "Session cost limit exceeded"
    assert propose(running(5.0, None, message="Session cost limit exceeded"), "read").reason == "Session cost limit exceeded"


def test_without_the_limit_costs_are_only_added_up() -> None:
    """Unknown ones change no decision."""
    session = Session(policy(READ))
    for cost in (0.1, 0.2, None):
        assert session.state.totals.cost_usd in (None, 0.1, 0.3)
        session.record(ModelReplied(step=1, message={}, cost_usd=cost))
    assert propose(session, "read").effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("amount", "text"),
    [(5.0, "$5.00"), (5, "$5.00"), (0.05, "$0.05"), (0.0025, "$0.0025"), (1234.5, "$1,234.50"), (1e-7, "$0.0000001"), (0, "$0.00")],
)
def test_amounts_are_written_as_they_were_meant(amount: float, text: str) -> None:
    """Two digits at least, and no more than there are."""
    assert dollars(amount) == text
