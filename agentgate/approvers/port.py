"""Who answers when a policy asks."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from agentgate.core.events import Decision, Scope, ToolCall

ASK_SECONDS = 300.0
"""How long an answer is waited for."""


class Question(Struct, frozen=True):
    """What somebody is asked."""

    call: ToolCall
    decision: Decision
    """With the arguments as whoever approves may see them."""
    args_hash: str
    """Of the arguments as they are."""
    may_have_run: bool = False
    """Whether the call was let through before, and nobody knows if it ran: then the question is whether to run it once more."""


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
    scope: Scope = Scope.CALL
    """Whether a yes is for the rest of the run."""
    later: bool = False
    """There is no answer yet: the run shall wait for it."""

    @property
    def yes(self) -> bool:
        """Whether it is a clear yes. One that says something else too is a no."""
        return self.approved is True and not (self.unavailable or self.stop or self.later)


class Approver(Protocol):
    """Asks for one call. Anything but a clear yes is a no."""

    def ask(self, question: Question) -> Answer:
        """Waits for an answer. Never raises for what a person, or nobody, does."""
        ...

    def close(self) -> None:
        """Gives back the terminal; cuts a waiting question short."""
        ...
