"""What the next request may take is set aside before it is sent; how long its answer may be follows from the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.events import Effect, ModelReplied, ModelRequest, Usage
from agentgate.core.limits import LEAST_ANSWER
from agentgate.session import Session
from tests.core.building import Clock, limit, policy


def session(*limits: object, spent: tuple[int, float] = (0, 0.0)) -> Session:
    """A run that has spent so many tokens, and dollars."""
    made = Session(policy(*limits), clock=Clock())  # type: ignore[arg-type]
    if spent != (0, 0.0):
        made.record(ModelReplied(at=made.now(), step=1, message={"role": "assistant"}, usage=Usage(spent[0], 0), cost_usd=spent[1]))
    return made


@pytest.mark.parametrize(
    ("sent", "room"),
    [(0, 900), (500, 400), (900 - LEAST_ANSWER, LEAST_ANSWER), (900 - LEAST_ANSWER + 1, None), (900, None), (10_000, None)],
)
def test_tokens_are_reserved(sent: int, room: int | None) -> None:
    """Of 1,000 tokens 100 are used: what is sent must leave enough for an answer."""
    decision = session(limit("tokens", 1000), spent=(100, 0.0)).request(ModelRequest(input_tokens=sent))
    assert decision.room == room
    if room is None:
        assert (decision.effect, decision.rule) == (Effect.BLOCK, "limits.tokens")
        assert decision.reason == f"the next request may take {sent} tokens, and of the limit of 1000 100 are used"


@pytest.mark.parametrize(
    ("sent", "each", "room"),
    [(0.1, 0.001, 400), (0.0, 0.0001, 5000), (0.5, 0.001, None), (0.49, 0.001, None), (0.1, 0.0, "any"), (0.5, 0.0, None)],
)
def test_cost_is_reserved(sent: float, each: float, room: int | str | None) -> None:
    """Of one dollar half is spent; answers that cost nothing may be of any length."""
    wish = ModelRequest(input_tokens=1, input_usd=sent, output_usd=each)
    decision = session(limit("cost_usd", 1.0), spent=(1, 0.5)).request(wish)
    assert (decision.effect is Effect.ALLOW) is (room is not None)
    assert decision.room == (None if room == "any" else room)


@pytest.mark.parametrize(
    ("spent", "sent", "words"),
    [
        (0.25, 0.75, "the next request may cost $0.75, and of the limit of $1.00 $0.25 are spent"),
        (0.9999999, 0.0, "the next request may cost $0.00, and of the limit of $1.00 $1.00 are spent"),
        (0.12345649, 0.98765449, "the next request may cost $0.987654, and of the limit of $1.00 $0.123456 are spent"),
    ],
)
def test_what_a_request_may_cost_is_said_to_a_millionth(spent: float, sent: float, words: str) -> None:
    """With what there is of it."""
    wish = ModelRequest(input_tokens=1, input_usd=sent, output_usd=0.001)
    assert session(limit("cost_usd", 1.0), spent=(1, spent)).request(wish).reason == words


def test_the_tightest_limit_bounds_the_answer() -> None:
    """Tokens or dollars."""
    wish = ModelRequest(input_tokens=100, input_usd=0.1, output_usd=0.001)
    assert session(limit("cost_usd", 1.0), limit("tokens", 500)).request(wish).room == 400
    assert session(limit("cost_usd", 0.3), limit("tokens", 5000)).request(wish).room == 200


def test_a_limit_may_say_it_in_its_own_words() -> None:
    """As everywhere."""
    decision = session(limit("tokens", 10, message="short, please")).request(ModelRequest(input_tokens=5))
    assert decision.reason == "short, please"


def test_where_nobody_estimates_nothing_is_reserved() -> None:
    """A recorded request took what it took; it is never estimated again."""
    decision = session(limit("tokens", 10), limit("cost_usd", 0.001)).request()
    assert (decision.effect, decision.room) == (Effect.ALLOW, None)


def test_what_no_limit_bounds_has_no_bound() -> None:
    """Steps and time say nothing about the length of answers."""
    assert session(limit("steps", 5)).request(ModelRequest(input_tokens=10**9, input_usd=1e9)).room is None


@given(
    value=st.integers(0, 5000),
    sizes=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 2000)), max_size=12),
)
def test_a_limit_of_tokens_is_never_passed_where_answers_keep_to_their_bound(value: int, sizes: list[tuple[int, int]]) -> None:
    """Whatever is sent and answered: spent stays within the limit."""
    run = session(limit("tokens", value))
    for sent, wanted in sizes:
        decision = run.request(ModelRequest(input_tokens=sent))
        if decision.effect is not Effect.ALLOW:
            continue
        assert decision.room is not None
        given_back = min(wanted, decision.room)
        run.record(ModelReplied(at=run.now(), step=1, message={"role": "assistant"}, usage=Usage(sent, given_back), cost_usd=None))
        assert run.state.input_tokens + run.state.output_tokens <= value


@given(value=st.floats(0, 2), sizes=st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)), max_size=12))
def test_a_limit_of_cost_is_passed_by_no_more_than_rounding(value: float, sizes: list[tuple[int, int]]) -> None:
    """Floats are rounded to a millionth of a millionth of a dollar when they are added up."""
    run = session(limit("cost_usd", value))
    for sent, wanted in sizes:
        wish = ModelRequest(input_tokens=sent, input_usd=sent * 1e-6, output_usd=4e-6)
        decision = run.request(wish)
        if decision.effect is not Effect.ALLOW:
            continue
        assert decision.room is not None
        cost = sent * 1e-6 + min(wanted, decision.room) * 4e-6
        run.record(ModelReplied(at=run.now(), step=1, message={"role": "assistant"}, usage=Usage(sent, 1), cost_usd=cost))
        assert (run.state.cost_usd or 0.0) <= value + 1e-8
