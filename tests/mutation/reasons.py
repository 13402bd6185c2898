"""The written reasons for mutants that no test notices, and whether they are complete.

They stand in `survivors/*.md`: a paragraph that says why, and below it a block of `diff` with the changes that it is the reason for, by
function. mutmut's numbers change with every edit; a function's name and the changed lines do not, so these are what a mutant is known by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

WRITTEN = Path(__file__).parent / "survivors"
OUTCOMES = "outcomes.jsonl"
"""What became of every mutant of the last row, in the copy."""


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant."""

    module: str
    function: str
    """With its module and class."""
    change: str
    """The lines that differ, as in a diff."""
    result: str
    """`survived`, `killed`, `timeout` (which is noticed too) or `not tried`."""


@dataclass(frozen=True)
class Survivor:
    """A mutant that may survive."""

    function: str
    change: str
    reason: str


class Malformed(Exception):
    """A list of survivors cannot be read."""


def readable(function: str) -> str:
    """The name of a function as Python spells it, from the one that mutmut gives it: `a.b.xǁNameǁmethod`, `a.b.x_function`."""
    module, _, name = function.rpartition(".")
    return f"{module}." + (name[1:].strip("ǁ").replace("ǁ", ".") if name.startswith("xǁ") else name.removeprefix("x_"))


def written(folder: Path = WRITTEN) -> list[Survivor]:
    """Everything that a reason is written for.

    Raises:
        Malformed: a block has no paragraph before it, or a change no function.
    """
    return [survivor for file in sorted(folder.glob("*.md")) for survivor in read(file.read_text(), file.name)]


def read(text: str, name: str) -> Iterator[Survivor]:
    """The survivors of one file.

    Raises:
        Malformed: see `written`.
    """
    reason = function = change = ""
    inside = False
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if inside and line[:1] in ("-", "+") and line:
            change += f"{line}\n"
            continue
        if change:
            if not function or not reason.strip():
                raise Malformed(f"{name}, before line {number}: a change without a {'reason' if function else 'function'}")
            yield Survivor(function, change.removesuffix("\n"), reason.strip())
            change = ""
        if line.startswith("```"):
            inside = line == "```diff"
            reason = reason if inside else ""
            function = ""
        elif inside:
            function = line or function
        else:
            reason = "" if line.startswith("#") else f"{reason}\n{line}"
    if inside:
        raise Malformed(f"{name}: a block has no end")


def compare(outcomes: Sequence[Outcome], reasons: Iterable[Survivor]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What survived without a reason, and what has a reason in the same modules although it does not survive: function and change."""
    survived = Counter((outcome.function, outcome.change) for outcome in outcomes if outcome.result == "survived")
    modules = tuple({f"{outcome.module}." for outcome in outcomes})
    expected = Counter((one.function, one.change) for one in reasons if one.function.startswith(modules))
    return sorted((survived - expected).elements()), sorted((expected - survived).elements())
