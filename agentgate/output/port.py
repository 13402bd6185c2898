"""What a way of showing a run must do, and what it is told when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from agentgate.core.events import CallDecided, Event, Json, RunEnded, RunStarted
from agentgate.core.findings import Place


class View(Struct, frozen=True):
    """How much of a run is shown, and what is known about it besides its events. Everything has a value that always works."""

    verbosity: int = 0
    """-1 (`--quiet`): only the final answer. 1 (`-v`): more of results and long values. 2: all of them."""
    places: Mapping[str, Place] = {}
    """Id of a rule or limit → where it stands."""
    deciding: Callable[[CallDecided], tuple[str, ...]] | None = None
    """The arguments (dotted names, or `*`) that a decision fell on: they are shown first and never cut."""
    stored: Callable[[Event], Mapping[str, Json] | bytes | None] | None = None
    """The event as the transcript keeps it, with `seq`, `prev` and `hash`, as an object or as its line; for `jsonl`."""
    width: int | None = None
    """In cells; by default the terminal's, or `COLUMNS`."""


class Screen(Protocol):
    """Shows one run, event by event, as it happens or from a transcript.

    Nothing but events is needed. Every method is safe to call when nobody reads any more: a screen whose stream was closed goes
    silent, because a run and its records matter more than who watches.
    """

    @property
    def silenced(self) -> bool:
        """Whether the stream stopped taking what was written."""
        ...

    def check(self) -> None:
        """Looks, at the end of a run, whether what was shown got to where it should.

        Raises:
            OutsideError: it did not, and not only because nobody reads any more.
        """
        ...

    def started(self, event: RunStarted, *, policy: str | None = None, limits: str | None = None) -> None:
        """Shows the head of a run.

        Args:
            event: how it began.
            policy: what the policy is called on the screen; by default its file, or its name where there are several.
            limits: its limits in a few words: `6 steps, 10 calls`.
        """
        ...

    def remember(self, event: Event) -> None:
        """Takes in what was shown before, when the run began or went on the last time. Shows nothing."""
        ...

    def show(self, event: Event) -> None:
        """Shows an event. `RunStarted` and `RunEnded` may be given here too; they look as in `started` and `finished` without extras."""
        ...

    def waiting(self, text: str) -> AbstractContextManager[None]:
        """Says what is being waited for, on a terminal and for as long as it lasts; elsewhere nothing."""
        ...

    def note(self, text: str) -> None:
        """Says something about the run."""
        ...

    def finished(self, event: RunEnded, *, transcript: Path | None = None) -> None:
        """Shows the final answer and what the run came to.

        Args:
            event: how it ended.
            transcript: where the run was recorded, as the user should see it.
        """
        ...
