"""The few symbols beside words, and what stands for them where an encoding lacks them."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = ("allow", "block", "ask", "would", "arrow", "dot", "line", "bar", "wait", "other")
_UNICODE = dict(zip(_NAMES, ("✓", "✗", "?", "○", "→", " · ", "─", "│ ", "…", "·"), strict=True))
_ASCII = dict(zip(_NAMES, ("+", "x", "?", "!", "->", " - ", "-", "| ", "...", "."), strict=True))


def marks(*, ascii: bool) -> Mapping[str, str]:
    """The symbols for a stream: by effect, and by what they are for."""
    return _ASCII if ascii else _UNICODE
