"""What an answer costs: by the task's price or the known list, and never nothing because nobody knows."""

from __future__ import annotations

from contextlib import closing

import pytest

from agentgate.core.events import Usage
from agentgate.core.policy import Limit, Policy
from agentgate.errors import UsageError
from agentgate.models import open_model
from agentgate.models.port import Reply
from agentgate.models.prices import cost, pricing, require_price
from agentgate.task import ModelSettings, Price
from tests.models.asking import ask, connect
from tests.scripted_server import Script, ScriptedServer, chat, responses, text_item

PRICE = Price(input=2.0, output=8.0, cached_input=0.5)
LIMITED = Policy("story", limits=(Limit("cost_usd", 5.0, id="session-cost-cap"),))


@pytest.mark.parametrize(
    ("usage", "price", "dollars"),
    [
        (Usage(0, 0), PRICE, 0.0),
        (Usage(1_000_000, 0), PRICE, 2.0),
        (Usage(0, 1_000_000), PRICE, 8.0),
        (Usage(1_000_000, 0, 1_000_000), PRICE, 0.5),
        (Usage(1_000, 100, 400), PRICE, 0.0022),
        (Usage(1_000, 100, 400), Price(input=2.0, output=8.0), 0.0028),
        (Usage(1_000, 100, 400), Price(input=0, output=0), 0.0),
        (Usage(10, 0, 999), PRICE, 0.000005),
        (Usage(1, 0), Price(input=0.01, output=0), 0.00000001),
    ],
)
def test_cost_of_tokens(usage: Usage, price: Price, dollars: float) -> None:
    """Prices are per million tokens; cached tokens have their own, where there is one, and never outnumber the input."""
    assert cost(usage, price) == dollars


def test_a_price_of_the_task_comes_first() -> None:
    """Also for a model that the list knows."""
    priced = pricing(ModelSettings("openai", "gpt-4.1-mini", price=PRICE), {})
    assert priced is not None
    assert priced(Usage(1_000_000, 0)) == 2.0


def test_known_models_have_a_listed_price() -> None:
    """With a discount for what was cached, also under the dated name of a model, for both protocols."""
    for settings in (ModelSettings("openai", "gpt-4.1-mini"), ModelSettings("openai-responses", "gpt-4.1-mini-2025-04-14")):
        priced = pricing(settings, {})
        assert priced is not None
        whole, cached, answer = priced(Usage(10**6, 0)), priced(Usage(10**6, 0, 10**6)), priced(Usage(0, 10**6))
        assert whole is not None
        assert cached is not None
        assert answer is not None
        assert 0 < cached < whole < answer


@pytest.mark.parametrize(
    ("settings", "environ"),
    [
        (ModelSettings("openai", "no-such-model"), {}),
        (ModelSettings("openai", ""), {}),
        (ModelSettings("openai", "gpt-4.1-mini", base_url="http://localhost:11434/v1"), {}),
        (ModelSettings("openai", "gpt-4.1-mini"), {"OPENAI_BASE_URL": "http://localhost:11434/v1"}),
        (ModelSettings("openai", "whisper-1"), {}),
        (ModelSettings("recorded"), {}),
    ],
    ids=["unknown", "unnamed", "another-server", "another-server-by-variable", "not-by-tokens", "recorded"],
)
def test_what_is_not_known_has_no_price(settings: ModelSettings, environ: dict[str, str]) -> None:
    """Another server may ask another price for a model of the same name."""
    assert pricing(settings, environ) is None


def test_a_known_server_may_be_named() -> None:
    """OpenAI's own address changes nothing."""
    assert pricing(ModelSettings("openai", "gpt-4.1-mini", base_url="https://api.openai.com/v1"), {}) is not None


@pytest.mark.parametrize(("provider", "answer"), [("openai", chat("Hello")), ("openai-responses", responses(text_item("Hello")))])
def test_an_answer_tells_its_cost(provider: str, answer: Script) -> None:
    """Whichever protocol it came by."""
    with ScriptedServer(answer) as server, closing(connect(server, provider, price=PRICE)) as model:
        reply = ask(model)
    assert reply.usage is not None
    assert reply.cost_usd == cost(reply.usage, PRICE) > 0


def test_an_answer_without_usage_has_no_cost() -> None:
    """Nor has any answer of a model without a price."""
    with ScriptedServer(chat("Hello", usage=None), chat("Hello")) as server:
        with closing(connect(server, price=PRICE)) as model:
            assert ask(model).cost_usd is None
        with closing(connect(server)) as model:
            assert ask(model).cost_usd is None


def test_a_recording_brings_its_own_costs() -> None:
    """Whatever the task says about the price."""
    settings = ModelSettings("recorded", price=PRICE)
    recording = [Reply(message={"role": "assistant"}, usage=Usage(10, 10), cost_usd=cents) for cents in (0.01, None)]
    with closing(open_model(settings, environ={}, recording=recording)) as model:
        assert [ask(model).cost_usd, ask(model).cost_usd] == [0.01, None]


def test_a_cost_limit_needs_a_price() -> None:
    """Said before anything starts, with the way on; without such a limit nobody asks."""
    unknown = ModelSettings("openai", "no-such-model")
    with pytest.raises(UsageError, match=r"limits the cost \(`session-cost-cap`\), and nobody knows .* `openai:no-such-model`") as caught:
        require_price(LIMITED, unknown, {})
    assert "price: {input:" in (caught.value.help or "")
    require_price(Policy("story"), unknown, {})
    require_price(LIMITED, ModelSettings("openai", "no-such-model", price=PRICE), {})
    require_price(LIMITED, ModelSettings("openai", "gpt-4.1-mini"), {})
    require_price(LIMITED, ModelSettings("recorded"), {})
