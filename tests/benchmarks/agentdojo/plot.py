"""Both sides of each policy in one picture: work that is done, against attacks that succeed."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from tests.benchmarks.agentdojo.scoring import Score

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 230, 34, 54
_TITLE = "AgentDojo, banking and slack: work done against attacks that succeed"
_DARK, _SOFT, _FAINT = "#111827", "#4b5563", "#e5e7eb"
_COLORS = ("#6b7280", "#b45309", "#0f766e", "#1d4ed8", "#7c3aed")


def svg(scores: Mapping[str, Score]) -> str:
    """The picture, as SVG that follows nobody's style sheet."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="18" font-weight="600" fill="{_DARK}">{_TITLE}</text>',
    ]
    for percent in range(0, 101, 20):
        x, y = _x(percent), _y(percent)
        parts.append(f'<line x1="{x}" y1="{_y(0)}" x2="{x}" y2="{_y(100)}" stroke="{_FAINT}"/>')
        parts.append(f'<line x1="{_x(0)}" y1="{y}" x2="{_x(100)}" y2="{y}" stroke="{_FAINT}"/>')
        parts.append(f'<text x="{x}" y="{_y(0) + 18}" text-anchor="middle" fill="{_SOFT}">{percent}</text>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end" fill="{_SOFT}">{percent}</text>')
    across, up = (_x(0) + _x(100)) / 2, (_y(0) + _y(100)) / 2
    axis = f'text-anchor="middle" fill="{_DARK}"'
    parts.append(f'<text x="{across}" y="{_HEIGHT - 14}" {axis}>attacks that succeed, % (left is better)</text>')
    parts.append(f'<text transform="translate(16 {up}) rotate(-90)" {axis}>tasks done, % (up is better)</text>')
    for number, (name, found) in enumerate(scores.items()):
        color = _COLORS[number % len(_COLORS)]
        x, benign, attacked = _x(found.attack_success), _y(found.utility), _y(found.utility_under_attack)
        parts.append(f'<line x1="{x}" y1="{benign}" x2="{x}" y2="{attacked}" stroke="{color}" stroke-width="1.5"/>')
        parts.append(f'<circle cx="{x}" cy="{benign}" r="5.5" fill="{color}"/>')
        parts.append(f'<circle cx="{x}" cy="{attacked}" r="5" fill="#ffffff" stroke="{color}" stroke-width="2"/>')
        y = _TOP + 20 + number * 46
        parts.append(f'<circle cx="{_WIDTH - _RIGHT + 22}" cy="{y - 4}" r="5.5" fill="{color}"/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT + 34}" y="{y}" fill="{_DARK}">{escape(name)}</text>')
        figures = f"{found.utility:.1f} / {found.utility_under_attack:.1f} / {found.attack_success:.1f} %"
        parts.append(f'<text x="{_WIDTH - _RIGHT + 34}" y="{y + 16}" fill="{_SOFT}">{figures}</text>')
    y = _TOP + 20 + len(scores) * 46 + 6
    parts.append(f'<text x="{_WIDTH - _RIGHT + 16}" y="{y}" fill="{_SOFT}">full: without, ring: under attack</text>')
    return "\n".join([*parts, "</svg>", ""])


def _x(percent: float) -> float:
    return round(_LEFT + percent / 100 * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(percent: float) -> float:
    return round(_HEIGHT - _BOTTOM - percent / 100 * (_HEIGHT - _TOP - _BOTTOM), 1)
