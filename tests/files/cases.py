"""Reads files of bad examples: `### title`, `#= LINE:COLUMN+LENGTH code: message (help: …)` for each finding, then the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from agentgate.core.findings import Finding

DATA = Path(__file__).parents[1] / "data"


class Case(Struct, frozen=True):
    """A text, and what is to be said about it."""

    title: str
    expected: tuple[str, ...]
    text: str

    @property
    def id(self) -> str:
        return self.title.replace(" ", "-")


def read_cases(path: Path) -> Iterator[Case]:
    """The cases of one file."""
    for chunk in path.read_text(encoding="utf-8").split("### ")[1:]:
        title, _, rest = chunk.partition("\n")
        lines = rest.split("\n")
        count = next(index for index, line in enumerate(lines) if not line.startswith("#= "))
        yield Case(title, tuple(line.removeprefix("#= ") for line in lines[:count]), "\n".join(lines[count:]))


def described(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Findings as the case files write them."""
    return tuple(
        f"{finding.place.line}:{finding.place.column}+{finding.place.length} {finding.code}: {finding.message}"
        + (f" (help: {finding.help})" if finding.help else "")
        + "".join(f" [{place.line}:{place.column} {words}]" for place, words in finding.related)
        for finding in findings
    )
