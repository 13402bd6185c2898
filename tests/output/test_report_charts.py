"""The drawings of the report: they stay within their frame whatever the numbers are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from agentgate.output.report.charts import HEIGHT, WIDTH, bars, line_of
from agentgate.report import Cost

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def spent(*costs: float | None, tokens: int = 0, apart: timedelta = timedelta(seconds=1)) -> list[Cost]:
    return [Cost(AT + number * apart, cost, tokens) for number, cost in enumerate(costs)]


@pytest.mark.parametrize("costs", [[], [None], [0.0, 0.0], [None, 0.0]])
def test_nothing_known_is_not_drawn(costs: list[float | None]) -> None:
    """Where neither cost nor tokens are known, there is no line."""
    assert line_of(spent(*costs)) is None


@pytest.mark.parametrize("costs", [[1e-12], [0.01] * 3, [0.3, None, 0.4], [1e15, 1e15], [0.5] * 5000, [0.0] * 50 + [7.0]], ids=len)
@pytest.mark.parametrize("apart", [timedelta(0), timedelta(seconds=1), timedelta(days=30)], ids=str)
def test_the_line_stays_in_its_frame(costs: list[float | None], apart: timedelta) -> None:
    """Every point lies in the frame, the last one at the right edge; the grid is of a few round numbers."""
    line = line_of(spent(*costs, apart=min(apart, timedelta(days=30 * 50 / max(len(costs), 1)))))
    assert line is not None
    assert line.of == "Cost"
    across = [float(number) for number in re.findall(r"H([\d.]+)", line.path)]
    down = [float(number) for number in re.findall(r"V([\d.]+)", line.path)]
    assert across == sorted(across)
    assert across[-1] == WIDTH
    assert all(0 <= y <= HEIGHT for y in down)
    assert len(across) <= 402
    assert 2 <= len(line.levels) <= 6
    assert line.levels[0][0] == 100
    assert abs(line.levels[-1][0]) < 1e-6


def test_tokens_in_place_of_an_unknown_cost() -> None:
    """Where no answer says what it cost, its tokens are drawn."""
    line = line_of(spent(None, None, tokens=750))
    assert line is not None
    assert (line.of, line.total, line.answers) == ("Tokens", "1,500", 2)


def test_times_are_as_exact_as_the_span_needs() -> None:
    """Seconds within minutes, minutes within days, else days."""
    for apart, first in {1: "12:00:00", 3600: "2026-03-01 12:00", 86400 * 9: "2026-03-01"}.items():
        line = line_of(spent(1.0, 1.0, apart=timedelta(seconds=apart)))
        assert line is not None
        assert line.times[0] == first


def test_bars() -> None:
    """Pieces lie side by side as parts of the most; none that is not nothing disappears."""
    assert [(bar.effect, bar.x, bar.width) for bar in bars({"allow": 1, "ask": 0, "block": 3}, 8)] == [
        ("allow", 0, 12.5),
        ("block", 12.5, 37.5),
    ]
    assert bars({"allow": 0}, 0) == []
    assert bars({"block": 1}, 10_000)[0].width == 0.5
