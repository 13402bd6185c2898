"""What a benchmark found: tables for people, the same as JSON, aims that were met or missed, and what a chart needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

Cell: TypeAlias = str | float | int | None
"""A figure, a word, or None where there is no figure; a note of the report then says why."""


class Options(Struct, frozen=True):
    """What was asked for on the command line."""

    peers: str = "all"
    """`all` are installed where they are missing, `installed` are those of the cache, `none` leaves them all out."""
    cache: Path | None = None
    """Where environments of peers are kept; a throw-away folder otherwise."""
    quick: bool = False
    """Few repetitions: for trying the suite, not for figures."""


class Table(Struct, frozen=True):
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


class Aim(Struct, frozen=True):
    """A figure that was aimed at."""

    what: str
    reached: float
    most: float | None = None
    """The aim is to be at most this …"""
    least: float | None = None
    """… or at least this."""
    unit: str = "×"
    missed: str = ""
    """What it is that misses the aim, as the profile shows it."""

    @property
    def met(self) -> bool:
        return (self.most is None or self.reached <= self.most) and (self.least is None or self.reached >= self.least)

    @property
    def sentence(self) -> str:
        bound = f"at most {number(self.most)}" if self.most is not None else f"at least {number(self.least)}"
        said = f"{'met' if self.met else 'MISSED'}: {self.what}: {number(self.reached)} {self.unit} (aim: {bound} {self.unit})"
        return said if self.met or not self.missed else f"{said}. {self.missed}"


class Line(Struct, frozen=True):
    """One line of a chart: None leaves a point out."""

    name: str
    values: Sequence[float | None]


class Chart(Struct, frozen=True):
    """Lines over the same points, both scales logarithmic; or bars where there is one point."""

    name: str
    """Of its file, without the ending."""
    title: str
    across: str
    up: str
    points: Sequence[str]
    lines: Sequence[Line]


class Report(Struct, frozen=True):
    """All that one benchmark found."""

    name: str
    command: str
    about: str = ""
    """What is measured, and how."""
    tables: Sequence[Table] = ()
    aims: Sequence[Aim] = ()
    notes: Sequence[str] = ()
    charts: Sequence[Chart] = ()


def number(value: Cell, *, places: int = 3) -> str:
    """A figure with as many digits as mean something."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    return f"{value:.{max(places - len(str(int(abs(value)))), 0)}f}" if abs(value) >= 1 else f"{value:.2g}"


def say(line: str) -> None:
    """Tells whoever waits what goes on; figures come on standard output."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
