"""What an answer of a model costs, in US dollars. A price that nobody knows is unknown, not zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import TypeAlias

from msgspec.structs import replace

from agentgate.core.events import Json, Usage
from agentgate.core.policy import Policy
from agentgate.errors import UsageError
from agentgate.models.port import Model, Reply
from agentgate.task import ModelSettings, Price

Pricing: TypeAlias = Callable[[Usage], float | None]
"""Tokens of one answer → what they cost in US dollars; None where that cannot be said."""

_MILLION = 1_000_000
_DIGITS = 12
"""Digits of a dollar that are kept: one token costs more than the last of them."""


def cost(usage: Usage, price: Price) -> float:
    """What an answer costs, in US dollars. Cached tokens are among the input tokens, and cost as much as others unless the price says less.

    Args:
        usage: the tokens of one answer.
        price: in US dollars per million tokens.
    """
    cached = min(usage.cached_tokens, usage.input_tokens)
    cached_price = price.input if price.cached_input is None else price.cached_input
    spent = (usage.input_tokens - cached) * price.input + cached * cached_price + usage.output_tokens * price.output
    return round(spent / _MILLION, _DIGITS)


def pricing(settings: ModelSettings, environ: Mapping[str, str]) -> Pricing | None:
    """How to tell what answers of a model cost: by the task's own price, else by the list of genai-prices.

    Args:
        settings: the model. One behind an address of its own is looked up under that address.
        environ: where `OPENAI_BASE_URL` may be.

    Returns:
        None where nobody knows the price. `recorded` has none either: a recording brings its own costs.
    """
    if settings.provider == "recorded":
        return None
    price = settings.price
    if price is not None:
        return lambda usage: cost(usage, price)
    return _listed(settings.name, settings.base_url or environ.get("OPENAI_BASE_URL") or None)


def require_price(policy: Policy, settings: ModelSettings, environ: Mapping[str, str]) -> None:
    """Makes sure that a limit of cost can be kept, before anything starts.

    Raises:
        UsageError: the policy limits the cost, and nobody knows what the model costs.
    """
    limit = next((limit for limit in policy.limits if limit.kind == "cost_usd"), None)
    if limit is None or settings.provider == "recorded" or pricing(settings, environ) is not None:
        return
    raise UsageError(
        f"the policy limits the cost (`{limit.id}`), and nobody knows what the model `{settings}` costs",
        help="say it in the task, in USD per million tokens: `model: {…, price: {input: 0.40, cached_input: 0.10, output: 1.60}}`",
    )


def _listed(name: str, address: str | None) -> Pricing | None:
    """The price in the list that genai-prices carries; the network is not asked."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    def priced(usage: Usage) -> float | None:
        tokens = Tokens(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
        )
        try:
            if address is None:
                found = calc_price(tokens, name, provider_id="openai").total_price
            else:
                found = calc_price(tokens, name, provider_api_url=address).total_price
        except (LookupError, ValueError, ArithmeticError):
            return None
        amount = float(found)
        return round(amount, _DIGITS) if isfinite(amount) and amount >= 0 else None

    # What costs nothing by this list is mostly priced by something else than tokens.
    return priced if priced(Usage(_MILLION, _MILLION)) else None


class PricedModel:
    """A model whose answers tell what they cost."""

    def __init__(self, model: Model, price: Pricing) -> None:
        self._model = model
        self._price = price

    def ask(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: Sequence[Mapping[str, Json]],
        tool_choice: Json,
        *,
        most: int | None = None,
    ) -> Reply:
        """See `Model.ask`."""
        reply = self._model.ask(messages, tools, tool_choice, most=most)
        if reply.usage is None or reply.cost_usd is not None:
            return reply
        return replace(reply, cost_usd=self._price(reply.usage))

    def close(self) -> None:
        """See `Model.close`."""
        self._model.close()
