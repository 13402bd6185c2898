"""What the loop needs from tools."""

from __future__ import annotations

from typing import Protocol

from msgspec import UNSET, Struct, UnsetType

from agentgate.core.events import Decision, Json, Original, ToolCall
from agentgate.core.verdict import PASSES, Verdict
from agentgate.task import ToolEffect

IDEMPOTENCY_VARIABLE = "AGENTGATE_IDEMPOTENCY_KEY"
"""Where a tool finds the key of the call that it executes."""


class Tool(Struct, frozen=True):
    """A tool as the model is told about it, and as it is executed."""

    name: str
    definition: dict[str, Json]
    """In Chat Completions form, `{"type": "function", "function": {...}}`, the parameters closed against unknown arguments."""
    timeout_seconds: float = 30.0
    mock: Json | UnsetType = UNSET
    effect: ToolEffect = ToolEffect.WRITE


class Outcome(Struct, frozen=True):
    """What came of executing a call."""

    ok: bool
    content: str
    """The text for the model: `{"ok": true, "tool": …, "result": …}`, or `{"ok": false, "error": …, "code": "tool_error"}`."""
    seconds: float
    truncated: bool = False
    executed: bool = True
    """False where the call certainly never reached the tool."""
    unknown: bool = False
    """Whether nobody knows if the tool ran."""
    verdict: Verdict = PASSES
    """What the policy made of the result."""
    original: Original | None = None
    """What the tool returned, where the model does not get it, or not all of it."""


class Ran(Struct, frozen=True):
    """What came of one execution, before it becomes text for the model."""

    result: Json = None
    error: str | None = None
    """Why there is no result; completes `tool 'x' failed: …`."""
    reached: bool = True
    """False where the call certainly had no effect."""
    truncated: bool = False


class Source(Protocol):
    """One kind of tools of a run: Python functions, commands, HTTP requests."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """In the order of the task file."""
        ...

    def run(self, tool: Tool, arguments: dict[str, Json], key: str | None) -> Ran:
        """Executes one of them, under its time limit. One at a time, in any thread; whatever it does is a value, not an exception."""
        ...

    def abandon(self) -> None:
        """Kills what runs, and lets nothing later start. Returns at once; safe in other threads and in signal handlers."""
        ...

    def close(self) -> None:
        """Gives everything back. Not while something runs. Safe to call twice."""
        ...


class Toolbox(Protocol):
    """The tools of one run, and the only place that executes them."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """In the order of the task file."""
        ...

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False, idempotency_key: str | None = None) -> Outcome:
        """Executes a call that was decided, with exactly the arguments that were decided on. May run in any thread, one call at a time.

        Whatever the tool does (raise, exit, print, hang, return nonsense) is an outcome, not an exception.

        Args:
            call: as it was proposed.
            decision: what was decided about it.
            approved: whether a person approved it, where the decision is `ask`.
            idempotency_key: the same for every try to have the same effect, so that whoever has it can tell a repeat; handed to the tool.

        Raises:
            UsageError: the decision does not let this call run; that is a bug of the caller.
        """
        ...

    def abandon(self) -> None:
        """Kills the running call, and lets no later one start. Returns at once; safe in other threads and in signal handlers."""
        ...

    def close(self) -> None:
        """Ends the worker process, killing it if it must. Safe to call twice."""
        ...
