"""Who answers when a policy asks."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from agentgate.core.events import Decision, ToolCall


class Answer(Struct, frozen=True):
    """What somebody said, or that nobody did."""

    approved: bool
    by: str
    """Who: `terminal`, `--approve always`, …"""
    note: str | None = None
    """A reason for the model, where one was given."""
    unavailable: bool = False
    """Nobody could be asked, or nobody answered in time. Then it is a no."""
    stop: bool = False
    """And the run shall end."""


class Approver(Protocol):
    """Asks for one call. Anything but a clear yes is a no."""

    def ask(self, call: ToolCall, decision: Decision) -> Answer:
        """Waits for an answer. Never raises for what a person, or nobody, does."""
        ...

    def close(self) -> None:
        """Gives back the terminal; cuts a waiting question short."""
        ...
