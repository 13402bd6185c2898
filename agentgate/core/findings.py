"""What `check` says about a file: where, how bad, and what to do about it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """How much a finding weighs. Errors keep a file from being used; warnings and notes do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Place(Struct, frozen=True):
    """A spot in a file. Lines and columns count from 1, in characters."""

    file: str
    line: int = 1
    column: int = 1
    length: int = 1
    """How many characters of the line belong to it; the frame underlines that many."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Finding(Struct, frozen=True):
    """One thing to know about a file."""

    code: str
    """Kebab-case and stable, for instance `unknown-key`. Every code is documented by `agentgate check --codes`."""
    severity: Severity
    place: Place
    message: str
    """One sentence in lower case, without a full stop, the user's own text in backticks."""
    help: str | None = None
    """The way on."""
    related: tuple[tuple[Place, str], ...] = ()
    """Other places that matter, each with a few words."""
