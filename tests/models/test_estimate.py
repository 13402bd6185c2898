"""What a request may take is estimated before it is sent, and never too low; answers are bounded where little is left."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.events import ModelRequest, Usage
from agentgate.core.policy import Limit, Policy
from agentgate.models.estimate import Estimate, estimating
from agentgate.models.failures import Refused
from agentgate.models.port import UNBOUNDED, lesser
from agentgate.task import ModelSettings, Price
from tests.models.asking import PROMPT, TOOLS, connect
from tests.scripted_server import ScriptedServer, chat, error, responses, text_item

PRICE = Price(input=1.0, output=4.0, cached_input=0.1)
KEYS = {"openai": "max_completion_tokens", "openai-responses": "max_output_tokens"}
SETTINGS = ModelSettings("openai", "gpt-test", price=PRICE)


def policy(*kinds: str) -> Policy:
    """One with limits of these kinds."""
    return Policy("p", limits=tuple(Limit(kind, 1.0, id=f"limits.{kind}") for kind in kinds))


def estimate(**settings: Any) -> Estimate:
    """For a model with a price."""
    found = estimating(policy("cost_usd"), ModelSettings("openai", "gpt-test", price=PRICE, **settings), {})
    assert found is not None
    return found


def size(*values: Any) -> int:
    """Bytes of some values as they are sent."""
    return len(json.dumps([*values], ensure_ascii=False).encode())


def test_a_first_request_has_no_more_tokens_than_bytes() -> None:
    """Conversation and tools; letters beyond ASCII are several bytes, and may be as many tokens."""
    messages = [*PROMPT, {"role": "user", "content": "Grüße 🙂"}]
    wish = estimate()(messages, TOOLS)
    assert wish.input_tokens == size(*messages, *TOOLS)
    assert wish.input_usd == pytest.approx(wish.input_tokens * 1e-6)
    assert (wish.output_tokens, wish.output_usd) == (None, 4e-6)
    assert wish.reserve_usd() == wish.input_usd


def test_later_requests_build_on_what_the_server_counted() -> None:
    """Only what was added is estimated."""
    guess = estimate(max_output_tokens=50)
    messages: list[dict[str, Any]] = list(PROMPT)
    guess(messages, TOOLS)
    guess.answered(Usage(40, 10))
    added = [{"role": "assistant", "content": "yes"}, {"role": "tool", "content": "fine"}]
    messages += added
    wish = guess(messages, TOOLS)
    assert wish.input_tokens == 40 + size(*added)
    assert wish.reserve_usd() == pytest.approx((wish.input_tokens or 0) * 1e-6 + 50 * 4e-6)
    guess.answered(None)
    assert guess(messages, TOOLS).input_tokens == size(*messages, *TOOLS)


@given(
    texts=st.lists(st.text(max_size=60), max_size=6),
    shares=st.lists(st.floats(0, 1), min_size=6, max_size=6),
)
def test_it_is_never_too_low(texts: list[str], shares: list[float]) -> None:
    """For every server that counts at most a token a byte, from the first request to the last."""
    guess = Estimate(None)
    messages: list[dict[str, Any]] = []
    tokens = 0
    for text, share in zip(texts, shares, strict=False):
        message = {"role": "user", "content": text}
        messages.append(message)
        tokens += int(share * len(text.encode("utf-8", "surrogatepass")))
        assert (guess(messages, []).input_tokens or 0) >= tokens
        guess.answered(Usage(tokens, 1))


def test_prices_that_depend_on_the_length_are_asked_with_it() -> None:
    """A long input may make the output dearer, too."""

    def tiered(usage: Usage) -> float:
        high = usage.input_tokens > 100
        return usage.input_tokens * (2e-6 if high else 1e-6) + usage.output_tokens * (6e-6 if high else 4e-6)

    short, long = ({"role": "user", "content": "x" * length} for length in (1, 200))
    assert Estimate(tiered)([short], []).output_usd == pytest.approx(4e-6)
    assert Estimate(tiered)([long], []).output_usd == pytest.approx(6e-6)


@pytest.mark.parametrize(
    ("kinds", "provider", "estimates", "prices"),
    [
        (("cost_usd",), "openai", True, True),
        (("tokens",), "openai", True, False),
        (("tokens", "cost_usd"), "openai-responses", True, True),
        (("steps", "seconds"), "openai", False, False),
        (("cost_usd",), "recorded", False, False),
    ],
)
def test_only_what_is_limited_is_estimated(kinds: tuple[str, ...], provider: str, estimates: bool, prices: bool) -> None:
    """And nothing of a recording, which took what it took."""
    found = estimating(policy(*kinds), ModelSettings(provider, "gpt-test", price=PRICE), {})
    assert (found is not None) is estimates
    if found is not None:
        wish = found(PROMPT, [])
        assert (wish.input_usd is not None) is prices
        assert wish.input_tokens is not None


def test_a_window_of_cost_is_a_limit_of_cost() -> None:
    """What all runs may spend is reserved, too."""
    window = Policy("p", limits=(Limit("cost_usd", 1.0, id="limits.per_day.cost_usd", window="per_day"),))
    assert estimating(window, SETTINGS, {}) is not None


def test_what_nobody_estimates_reserves_nothing() -> None:
    """The wish as it is where there is no estimate."""
    assert ModelRequest().reserve_usd() == 0.0


# The bound on the answer


def answer(provider: str) -> Any:
    """An answer that says nothing special."""
    return chat("Hello") if provider == "openai" else responses(text_item("Hello"))


@pytest.mark.parametrize("provider", KEYS)
@pytest.mark.parametrize(("own", "most", "sent"), [(None, None, None), (64, None, 64), (None, 20, 20), (64, 20, 20), (20, 64, 20)])
def test_the_lesser_bound_is_sent(provider: str, own: int | None, most: int | None, sent: int | None) -> None:
    """The task's, or what the limits have room for."""
    with ScriptedServer(answer(provider)) as server, closing(connect(server, provider, max_output_tokens=own)) as model:
        model.ask(PROMPT, TOOLS, "auto", most=most)
    assert server.requests[0].body.get(KEYS[provider]) == sent
    assert lesser(own, most) == sent


@pytest.mark.parametrize("provider", KEYS)
def test_a_server_that_refuses_our_bound_is_asked_without_it(provider: str) -> None:
    """It is said, and not tried again; a bound of the task's own stays."""
    names = [KEYS[provider], "max_tokens"] if provider == "openai" else [KEYS[provider]]
    refusals = [error(400, f"{name} is too large: 5000", param=name) for name in names]
    with ScriptedServer(*refusals, answer(provider), answer(provider)) as server, closing(connect(server, provider)) as model:
        first = model.ask(PROMPT, TOOLS, "auto", most=5000)
        second = model.ask(PROMPT, TOOLS, "auto", most=5000)
    assert first.notes[-1] == UNBOUNDED
    assert second.notes == ()
    assert [any("max" in key for key in request.body) for request in server.requests[-2:]] == [False, False]


@pytest.mark.parametrize("provider", KEYS)
def test_a_server_that_refuses_the_tasks_bound_has_refused(provider: str) -> None:
    """Nothing that the task asks for is given up by itself."""
    names = [KEYS[provider], "max_tokens"] if provider == "openai" else [KEYS[provider]]
    refusals = [error(400, f"{name} is too large: 5000", param=name) for name in names]
    with ScriptedServer(*refusals) as server, closing(connect(server, provider, max_output_tokens=5000)) as model, pytest.raises(Refused):
        model.ask(PROMPT, TOOLS, "auto", most=9000)
