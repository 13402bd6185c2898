"""What a provider says an answer took, checked: tokens that are not known are never taken for none."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from agentgate.core.events import Json, Usage
from agentgate.errors import ModelError

MAX_TOKENS = 2**53 - 1
"""Larger counts are held at this one: beyond every limit, and still a number that each JSON reader takes exactly."""

_HELP = "the provider reports something that cannot be, so limits of tokens and cost could not be kept; report it to the provider"


def parse_usage(value: Json) -> Usage | None:
    """The `usage` of an answer, in the words of either API; None where it does not say how much was used.

    A total above the sum counts as output: some providers leave their reasoning tokens out of the parts.

    Raises:
        ModelError: a field is negative, not a whole number, or contradicts another. The message names it.
    """
    if value is None:
        return None
    if type(value) is not dict:
        raise ModelError("`usage` is not an object", help=_HELP)
    if "cost" in value:
        _check_cost(value["cost"])
    taken = _either(value, "prompt_tokens", "input_tokens")
    given = _either(value, "completion_tokens", "output_tokens")
    total = _count(value, "total_tokens")
    cached = _cached(value)
    if taken is None or given is None:
        return None
    if total is not None and total < taken + given:
        raise ModelError(f"`usage.total_tokens` is {total}, less than its parts together ({taken} and {given})", help=_HELP)
    if cached > taken:
        raise ModelError(f"`usage` counts {cached} cached tokens among {taken} in all", help=_HELP)
    output = given if total is None else total - taken
    if taken + output <= MAX_TOKENS:
        return Usage(taken, output, cached)
    return Usage(min(taken, MAX_TOKENS), min(output, MAX_TOKENS), min(cached, MAX_TOKENS))


def _either(usage: Mapping[str, Json], chat: str, responses: str) -> int | None:
    """A count under the name that one of the two APIs has for it."""
    first = _count(usage, chat)
    if responses not in usage:
        return first
    second = _count(usage, responses)
    if first is not None and second is not None and first != second:
        raise ModelError(f"`usage.{chat}` is {first}, but `usage.{responses}` is {second}", help=_HELP)
    return second if first is None else first


def _cached(usage: Mapping[str, Json]) -> int:
    found = 0
    for name in ("prompt_tokens_details", "input_tokens_details"):
        details = usage.get(name)
        if details is None:
            continue
        if type(details) is not dict:
            raise ModelError(f"`usage.{name}` is not an object", help=_HELP)
        found = max(found, _count(details, "cached_tokens", inside=f"{name}.") or 0)
    return found


def _count(values: Mapping[str, Json], name: str, *, inside: str = "") -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if type(value) is not int:
        raise ModelError(f"`usage.{inside}{name}` is not a whole number", help=_HELP)
    if value < 0:
        raise ModelError(f"`usage.{inside}{name}` is negative", help=_HELP)
    return value


def _check_cost(cost: Json) -> None:
    """Some providers add a `cost`. It is not relied on, but one that cannot be puts the rest in doubt."""
    if cost is None:
        return
    if type(cost) not in (int, float) or not isfinite(cost) or cost < 0:
        raise ModelError("`usage.cost` is not an amount of money", help=_HELP)
