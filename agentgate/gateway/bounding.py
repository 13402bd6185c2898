"""What a request may cost at most, and how its answer is kept within what limits of cost have left: as a run does it."""

from __future__ import annotations

import msgspec

from agentgate.core.events import ModelRequest, Usage
from agentgate.gateway.judging import Bench
from agentgate.gateway.shapes import Asked
from agentgate.models.estimate import MOST_BOUNDED

_MANY = 1_000_000


def estimate(bench: Bench, asked: Asked) -> ModelRequest:
    """What a request may cost, never too little: no token is shorter than a byte.

    Of an answer that nobody bounds so much is set aside as hardly one is longer than.
    """
    price = bench.price(asked.model) if bench.price is not None and bench.counts_cost else None
    if price is None:
        return ModelRequest()
    taken = len(asked.raw)
    before, after = price(Usage(taken, 0)), price(Usage(taken, _MANY))
    longest = _longest(asked)
    return ModelRequest(
        input_usd=before,
        output_usd=None if before is None or after is None else max(0.0, after - before) / _MANY,
        output_tokens=(MOST_BOUNDED if longest is None else longest) * _choices(asked),
    )


def bounded(asked: Asked, room: int | None) -> list[Asked]:
    """The request with a bound on its answer, in the forms that servers may know, one to be tried after the other.

    A server that refuses each form has a bound of its own below it, or knows none: the last is the request as it stands.

    Args:
        asked: the request.
        room: how many tokens its answers may have together; None for any number.
    """
    if room is None:
        return [asked]
    choices = _choices(asked)
    most, longest = max(1, room // choices), _longest(asked)
    if longest is not None and longest <= most:
        return [asked]
    if longest is not None:
        return [_bounded(asked, *(name for name in asked.bound_by if asked.body.get(name) is not None), most=most)]
    if room > MOST_BOUNDED * choices:
        return [asked]
    return [*(_bounded(asked, name, most=most) for name in asked.bound_by), asked]


def _bounded(asked: Asked, *names: str, most: int) -> Asked:
    body = {key: value for key, value in asked.body.items() if key not in asked.bound_by} | dict.fromkeys(names, most)
    return msgspec.structs.replace(asked, body=body, raw=msgspec.json.encode(body))


def _longest(asked: Asked) -> int | None:
    """The longest answer that the client wants, where it says so: of two bounds the higher one, and none by what is no number of tokens."""
    given = [asked.body[name] for name in asked.bound_by if asked.body.get(name) is not None]
    sound = all(type(one) is int and one >= 0 for one in given)  # to some servers, -1 means without end
    return max(given, default=None) if sound else None


def _choices(asked: Asked) -> int:
    choices = asked.body.get("n")
    return choices if type(choices) is int and choices > 0 else 1
