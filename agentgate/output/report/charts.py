"""The drawings of the report, as numbers for SVG: nothing in here is text from a transcript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgate.output.summary import money_text

if TYPE_CHECKING:
    from agentgate.report import Cost

_Text = Callable[[float], str]
WIDTH, HEIGHT = 1000, 200
"""Units of the drawing; it is stretched to whatever room there is."""
_MOST_POINTS = 400
_GRID = 4
"""Lines of the grid above the lowest one, at most."""


class Line(Struct, frozen=True):
    """Something that grows over time, as a line with steps."""

    of: str
    """`Cost` or `Tokens`."""
    path: str
    """The line, in SVG's words."""
    area: str
    """What lies under it."""
    levels: tuple[tuple[float, str], ...]
    """Lines of the grid: their height from the top, in percent, and what they stand for."""
    times: tuple[str, ...]
    """The beginning, the middle and the end, in UTC."""
    total: str
    answers: int


def line_of(costs: Sequence[Cost]) -> Line | None:
    """What the answers cost together as time went by; their tokens where no cost is known; None where nothing is known."""
    ordered = sorted(costs, key=lambda cost: cost.at)
    if any(cost.cost_usd for cost in ordered):
        return _line("Cost", [(cost.at, cost.cost_usd or 0.0) for cost in ordered], money_text)
    if any(cost.tokens for cost in ordered):
        return _line("Tokens", [(cost.at, float(cost.tokens)) for cost in ordered], lambda value: f"{value:,.0f}")
    return None


def _line(of: str, amounts: Sequence[tuple[datetime, float]], text: _Text) -> Line:
    first, last = amounts[0][0], amounts[-1][0]
    span = max((last - first).total_seconds(), 1e-6)
    sums: list[tuple[float, float]] = []
    total = 0.0
    for at, amount in amounts:
        total += amount
        sums.append(((at - first).total_seconds() / span, total))
    step = _round_step(total)
    top = max(ceil(total / step - 1e-9), 1) * step
    points = [(x * WIDTH, HEIGHT * (1 - value / top)) for x, value in _thinned(sums)]
    path = f"M0 {HEIGHT}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in points) + f"H{WIDTH}"
    levels = tuple((100 * (1 - number * step / top), text(number * step)) for number in range(round(top / step) + 1))
    return Line(of, path, f"{path}V{HEIGHT}Z", levels, _times(first, last), text(total), len(amounts))


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    if len(points) <= _MOST_POINTS:
        return points
    return [points[index * (len(points) - 1) // (_MOST_POINTS - 1)] for index in range(_MOST_POINTS)]


def _round_step(total: float) -> float:
    """1, 2 or 5 times a power of ten, so that a few of them reach the total."""
    power: float = 10.0 ** floor(log10(total / _GRID))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * _GRID >= total)


def _times(first: datetime, last: datetime) -> tuple[str, ...]:
    form = "%Y-%m-%d" if last - first > timedelta(days=3) else "%Y-%m-%d %H:%M" if last - first > timedelta(minutes=3) else "%H:%M:%S"
    return tuple(f"{at:{form}}" for at in (first, first + (last - first) / 2, last))


class Bar(Struct, frozen=True):
    """One piece of a bar."""

    effect: str
    x: float
    width: float


def bars(counts: dict[str, int], most: int) -> list[Bar]:
    """Pieces side by side, as parts of 100 where `most` takes all of it. What is not nothing can be seen."""
    made: list[Bar] = []
    x = 0.0
    for effect, count in counts.items():
        if count:
            width = max(100 * count / max(most, 1), 0.5)
            made.append(Bar(effect, round(x, 2), round(width, 2)))
            x += width
    return made
