"""Lines of a file with places marked under them. The lines are untrusted: nothing in them reaches the screen as anything but itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias
from unicodedata import combining, east_asian_width

from msgspec import Struct

from agentgate.core.findings import Finding, Place
from agentgate.output.safe import escaped, safe, visible

Sources: TypeAlias = Mapping[str, Sequence[str]]
"""File → its lines."""

_WIDEST = 120
"""Characters of a line that are shown; of a longer one, those around the mark."""
_BEFORE = 40


class _Mark(Struct, frozen=True):
    """A place to mark, and what stands beside it."""

    place: Place
    sign: str
    label: str


def frame(finding: Finding, sources: Sources) -> Iterator[str]:
    """The place of a finding as `--> file:line:column`, the lines that it is about, and its help."""
    related = [_Mark(place, "-", label) for place, label in finding.related]
    here = [mark for mark in related if mark.place.file == finding.place.file and mark.place != finding.place]
    elsewhere = [mark for mark in related if mark.place.file != finding.place.file]
    marks = [_Mark(finding.place, "^", ""), *here]
    gutter = max(len(str(mark.place.line)) for mark in [*marks, *elsewhere])
    indent = " " * gutter
    yield f"{indent}--> {safe(str(finding.place))}"
    shown = list(_lines(marks, sources, gutter))
    if shown:
        yield f"{indent} |"
        yield from shown
    for mark in elsewhere:
        yield f"{indent}::: {safe(str(mark.place))}"
        if mark.place.file in sources:
            yield f"{indent} |"
        yield from _lines([mark], sources, gutter) if mark.place.file in sources else (f"{indent} = {safe(mark.label)}",)
    if finding.help:
        yield f"{indent} = help: {safe(finding.help)}"


def _lines(marks: Sequence[_Mark], sources: Sources, gutter: int) -> Iterator[str]:
    """Each line that has a mark, once, with its marks below it."""
    ordered = sorted(marks, key=lambda mark: (mark.place.line, mark.place.column))
    before: int | None = None
    for number, group in groupby(ordered, key=lambda mark: mark.place.line):
        lines = sources.get(marks[0].place.file, ())
        if not 0 < number <= len(lines):
            continue
        if before is not None and number > before + 1:
            yield f"{'.' * min(gutter, 3):{gutter}} |"
        before = number
        for index, mark in enumerate(group):
            text, under = _marked(lines[number - 1], mark)
            if index == 0:
                yield f"{number:>{gutter}} | {text}".rstrip()
            yield f"{' ' * gutter} | {under}".rstrip()


def _marked(line: str, mark: _Mark) -> tuple[str, str]:
    """A line as it can be shown, and the marks that stand below it."""
    start = min(max(mark.place.column - 1, 0), len(line))
    end = min(start + max(mark.place.length, 1), max(len(line), start + 1))
    left = max(0, start - _BEFORE) if len(line) > _WIDEST else 0
    right = left + _WIDEST
    pieces = [_shown(line[left:start]), _shown(line[start : min(end, right)]), _shown(line[min(end, right) : right])]
    opening, closing = "…" if left else "", "…" if right < len(line) else ""
    under = " " * (len(opening) + _width(pieces[0])) + mark.sign * max(_width(pieces[1]), 1)
    return opening + "".join(pieces) + closing, f"{under} {safe(mark.label)}" if mark.label else under


def _shown(text: str) -> str:
    """The text with every character that is not plainly visible as its escape."""
    shown, before = [], ""
    for char in text:
        kept = visible(char, before)
        shown.append(char if kept else escaped(char))
        before = char if kept and not combining(char) else ""
    return "".join(shown)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)
