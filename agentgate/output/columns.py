"""Breaking text into lines by cells, without losing a character, and laying pieces side by side."""

from __future__ import annotations

from rich.cells import cell_len

HANG = 2
"""Cells by which the further lines of one text are set in."""


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells that, joined, are the text again.

    Breaks after a space where there is one in the second half of the line, else inside the word. One space may hang over the width.
    """
    if cell_len(text) <= width:
        return [text]
    lines: list[str] = []
    start = 0
    while start < len(text):
        end = _fitting(text, start, width)
        if end < len(text):
            end = _break(text, start, end)
        lines.append(text[start:end])
        start = end
    return lines


def hang(text: str, width: int) -> list[str]:
    """The text on lines of at most `width` cells, all but the first one set in: what stands at the edge is where something begins."""
    first, *rest = wrap(text, width)
    return [first, *(" " * HANG + line for line in wrap("".join(rest), width - HANG))] if rest else [first]


def _fitting(text: str, start: int, width: int) -> int:
    """How far a line from `start` may reach; always one character at least."""
    end, room = start, width
    while end < len(text):
        room -= cell_len(text[end])
        if room < 0:
            break
        end += 1
    return max(end, start + 1)


def _break(text: str, start: int, end: int) -> int:
    if text[end] == " ":
        return end + 1
    after_space = text.rfind(" ", start, end) + 1
    return after_space if after_space - start > (end - start) // 2 else end


def wrap_list(parts: list[str], separator: str, width: int) -> list[str]:
    """Parts joined by a separator, broken between parts where a line would be longer than `width`, within one only where it alone is."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{separator}{part}" if lines else part
        if cell_len(joined) <= width:
            lines[-1:] = [joined]
        else:
            lines.extend(wrap(part, width))
    return lines


def fit(text: str, width: int, *, ascii: bool = False) -> str:
    """A text on at most `width` cells, with an ellipsis at its end where it is longer."""
    if cell_len(text) <= width:
        return text
    dots = "..." if ascii else "…"
    return text[: _fitting(text, 0, max(width - len(dots), 1))] + dots


def pad(text: str, width: int) -> str:
    """A text filled with spaces up to `width` cells."""
    return text + " " * (width - cell_len(text))
