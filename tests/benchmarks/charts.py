"""Charts as SVG that follows nobody's style sheet: lines where there are several points, bars where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from tests.benchmarks.report import Chart, Line, number

_WIDTH, _HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 250, 40, 56
_BAR, _NAMES = 26, 230
_DARK, _SOFT, _FAINT, _OWN = "#111827", "#4b5563", "#e5e7eb", "#1d4ed8"
_COLORS = ("#b45309", "#0f766e", "#7c3aed", "#be123c", "#4d7c0f", "#0369a1", "#a16207", "#6b7280", "#9d174d")


def svg(chart: Chart) -> str:
    """The picture."""
    return _bars(chart) if len(chart.points) == 1 else _lines(chart)


def _start(width: int, height: int, title: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="20" font-weight="600" font-size="13" fill="{_DARK}">{escape(title)}</text>',
    ]


def _color(index: int) -> str:
    return _OWN if index == 0 else _COLORS[(index - 1) % len(_COLORS)]


def _lines(chart: Chart) -> str:
    values = [value for line in chart.lines for value in line.values if value]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    parts = _start(_WIDTH, _HEIGHT, f"{chart.title}: {chart.up} by {chart.across} (both scales logarithmic)")
    for power in range(low, high + 1):
        y = _y(10.0**power, low, high)
        parts.append(f'<line x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}" stroke="{_FAINT}"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end" fill="{_SOFT}">{number(10**power if power >= 0 else 10.0**power)}</text>'
        )
    for index, point in enumerate(chart.points):
        parts.append(
            f'<text x="{_x(index, chart)}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle" fill="{_SOFT}">{escape(point)}</text>'
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 14}" text-anchor="middle" fill="{_DARK}">{escape(chart.across)}</text>')
    heights = _apart([_y(_last(line), low, high) for line in chart.lines])
    for index, line in enumerate(chart.lines):
        color, width = _color(index), 3 if index == 0 else 1.6
        points = [(_x(at, chart), _y(value, low, high)) for at, value in enumerate(line.values) if value]
        parts.append(f'<polyline points="{" ".join(f"{x},{y}" for x, y in points)}" fill="none" stroke="{color}" stroke-width="{width}"/>')
        parts.extend(f'<circle cx="{x}" cy="{y}" r="{width + 1}" fill="{color}"/>' for x, y in points)
        name = f"{line.name}, {number(_last(line))}"
        weight = ' font-weight="600"' if index == 0 else ""
        parts.append(f'<text x="{_WIDTH - _RIGHT + 14}" y="{heights[index] + 4}" fill="{color}"{weight}>{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _last(line: Line) -> float:
    return next(value for value in reversed(line.values) if value)


def _apart(heights: Sequence[float], least: float = 16) -> list[float]:
    """The same heights, moved so that no two names lie upon each other."""
    placed: dict[int, float] = {}
    before = -least
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        before = placed[index] = max(heights[index], before + least)
    return [placed[index] for index in range(len(heights))]


def _bars(chart: Chart) -> str:
    lines = [line for line in chart.lines if line.values[0]]
    most = max(line.values[0] or 0 for line in lines)
    height = _TOP + _BAR * len(lines) + 16
    parts = _start(_WIDTH, height, f"{chart.title}, {chart.up}")
    for index, line in enumerate(lines):
        value = line.values[0] or 0
        y, width = _TOP + index * _BAR, max(value / most * (_WIDTH - _NAMES - 90), 1)
        own = line.name.startswith("agentgate")
        parts.append(f'<text x="{_NAMES - 10}" y="{y + 15}" text-anchor="end" fill="{_DARK}">{escape(line.name)}</text>')
        parts.append(f'<rect x="{_NAMES}" y="{y + 3}" width="{width:.1f}" height="{_BAR - 9}" fill="{_OWN if own else "#9ca3af"}"/>')
        parts.append(f'<text x="{_NAMES + width + 8:.1f}" y="{y + 15}" fill="{_SOFT}">{number(value)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _x(index: int, chart: Chart) -> float:
    return round(_LEFT + 20 + index / (len(chart.points) - 1) * (_WIDTH - _LEFT - _RIGHT - 40), 1)


def _y(value: float, low: int, high: int) -> float:
    return round(_HEIGHT - _BOTTOM - (log10(value) - low) / max(high - low, 1) * (_HEIGHT - _TOP - _BOTTOM), 1)
