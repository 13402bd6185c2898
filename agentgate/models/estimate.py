"""What the next model request may take, before it is sent: never too little."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from agentgate.core.events import Json, ModelRequest, Usage
from agentgate.core.policy import Policy
from agentgate.models.prices import Pricing, pricing
from agentgate.task import ModelSettings

_MANY = 1_000_000
MOST_BOUNDED = 16_384
"""Tokens. An answer that there is more room for is not bounded: hardly one is longer, and servers refuse more than a model can do."""


class Estimate:
    """Estimates the requests of one run.

    No token is shorter than a byte of the text that it stands for, so a request has at most as many tokens as bytes. What was part of the
    request before, the server has counted.
    """

    def __init__(self, price: Pricing | None, max_output_tokens: int | None = None) -> None:
        """Begins.

        Args:
            price: what tokens cost; None where nobody knows, and no limit of cost asks.
            max_output_tokens: the longest answer that the task wants.
        """
        self._price = price
        self._longest = max_output_tokens
        self._messages = 0
        self._counted: tuple[int, int] | None = None
        """How many messages the latest request had, and how many tokens they were with everything around them."""

    def __call__(self, messages: Sequence[Mapping[str, Json]], tools: Sequence[Mapping[str, Json]]) -> ModelRequest:
        """The next request.

        Args:
            messages: the conversation, which only ever grows.
            tools: what is offered, the same in every request.
        """
        self._messages = len(messages)
        if self._counted is None:
            tokens = _bytes([*messages, *tools])
        else:
            known, counted = self._counted
            tokens = counted + _bytes(messages[known:])
        return ModelRequest(tokens, self._longest, self._cost(tokens, 0), self._of_output(tokens))

    def answered(self, usage: Usage | None) -> None:
        """Takes in what the latest request took."""
        self._counted = None if usage is None else (self._messages, usage.input_tokens)

    def _cost(self, taken: int, given: int) -> float | None:
        return None if self._price is None else self._price(Usage(taken, given))

    def _of_output(self, taken: int) -> float | None:
        """The price of one token of output; it may depend on how long the input is."""
        before, after = self._cost(taken, 0), self._cost(taken, _MANY)
        return None if before is None or after is None else max(0.0, after - before) / _MANY


def _bytes(values: Sequence[Mapping[str, Json]]) -> int:
    return len(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def estimating(policy: Policy, settings: ModelSettings, environ: Mapping[str, str]) -> Estimate | None:
    """How to estimate requests, where the policy limits tokens or cost; None where it does not, or a recording is played."""
    kinds = {limit.kind for limit in policy.limits}
    if settings.provider == "recorded" or not kinds & {"tokens", "cost_usd"}:
        return None
    return Estimate(pricing(settings, environ) if "cost_usd" in kinds else None, settings.max_output_tokens)
