"""The kill switch as facts: what somebody stopped, and what that means for one call. Looking whether it is on is done elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from agentgate.core.events import Json
from agentgate.core.patterns import compile_pattern, glob_pattern


class Stop(Struct, frozen=True, forbid_unknown_fields=True):
    """One throw of the kill switch: of which runs, which tools, and why."""

    id: str
    at: datetime
    reason: str
    by: str = ""
    """Who threw it, as the system names them."""
    run: str | None = None
    """The id of the one run that it is about; None for every run."""
    tools: tuple[str, ...] = ()
    """Tool names, or patterns with `*`; empty for every tool."""
    writes: bool = False
    """Whether tools that only read may go on."""

    @property
    def ends_runs(self) -> bool:
        """Whether a run ends, rather than going on without some tools."""
        return not self.tools and not self.writes

    def covers(self, tool: str, *, reads: bool) -> bool:
        """Whether calls of this tool are refused.

        Args:
            tool: its name.
            reads: whether it is known to only read.
        """
        if self.writes and reads:
            return False
        return not self.tools or any(_matches(pattern, tool) for pattern in self.tools)


def _matches(pattern: str, tool: str) -> bool:
    return compile_pattern(glob_pattern(pattern)).fullmatch(tool) is not None


class Halt(Struct, frozen=True):
    """What the kill switch says about one call, or about going on."""

    reason: str
    """A sentence for people and for the model."""
    ends_run: bool
    """Whether nothing more shall happen in this run; else only this call is refused."""


class Switch(Protocol):
    """The kill switch as one run sees it. Looked at anew before every model request and every execution."""

    def __call__(self, tool: Json, /) -> Halt | None:
        """What stops a call of this tool right now; with None, what stops the run. None where nothing does."""
        ...


class Stops:
    """The kill switch over the whole of one run."""

    __slots__ = ("_ended_by", "_switch")

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._ended_by: Halt | None = None

    def halt(self, tool: Json) -> Halt | None:
        """What the switch says right now. A run that it has ended stays ended; a switch that fails stops everything."""
        if self._ended_by is not None:
            return self._ended_by
        try:
            halt = self._switch(tool)
        except Exception as error:
            halt = Halt(f"the kill switch cannot be read: {type(error).__name__}", ends_run=True)
        if halt is not None and halt.ends_run:
            self._ended_by = halt
        return halt
