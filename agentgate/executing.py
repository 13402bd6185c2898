"""The one way from a decision to a tool. Whoever lets a call run (the policy, a person, observe mode) comes through here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from msgspec.structs import replace

from agentgate.answers import killed, may_have_run, not_reached, refused, repeated
from agentgate.core.events import Code, Decision, ToolCall
from agentgate.interrupts import Interrupted, Interrupts
from agentgate.session import Session
from agentgate.tools.port import Outcome, Toolbox

_GRACE_SECONDS = 5.0
"""How long a running tool may go on after the first Ctrl-C, or once the kill switch ends the run."""


class Watcher(Protocol):
    """Who is told what is being waited for, and what else the user should know."""

    def waiting(self, text: str) -> AbstractContextManager[None]: ...

    def note(self, text: str) -> None: ...


class Executor:
    """Executes the calls of one run."""

    def __init__(self, session: Session, toolbox: Toolbox, watcher: Watcher, interrupts: Interrupts) -> None:
        self._session = session
        self._toolbox = toolbox
        self._watcher = watcher
        self._interrupts = interrupts

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False) -> Outcome:
        """Executes a call that was let through, unless somebody wants to stop.

        In this order, and with nothing in between that could take long: Ctrl-C, the kill switch, what runs share, the tool. All are looked
        at here again because a question to a person may have taken its time.
        """
        if self._interrupts.count:
            return not_reached()
        halt = self._session.halt(call)
        if halt is not None:
            return killed(halt)
        held = self._session.executable(call, decision)
        if held is not None:
            return self.refused(call, replace(held, arguments=decision.arguments))
        return self._run(call, decision, approved=approved)

    def refused(self, call: ToolCall, decision: Decision) -> Outcome:
        """What becomes of a call that is not executed: word of why, or, of one that was executed already, what came of it."""
        if decision.code is not Code.DUPLICATE:
            return refused(decision)
        earlier = self._session.earlier(call, decision)
        outcome = repeated(call, decision, earlier)
        # What another run was told may be more than this policy lets a model have.
        return outcome if earlier is None or earlier.run_id is None else self.admit(call, outcome)

    def admit(self, call: ToolCall, outcome: Outcome) -> Outcome:
        """What the policy lets the model have of what a tool said, or of its mock."""
        if not (outcome.executed or outcome.ok):
            return outcome  # the tool was never reached, and said nothing
        admitted = self._session.admit(call, outcome.content, ok=outcome.ok)
        return replace(
            outcome,
            ok=admitted.ok,
            content=admitted.content,
            truncated=outcome.truncated or admitted.truncated,
            verdict=admitted.verdict,
            original=admitted.original,
        )

    def _run(self, call: ToolCall, decision: Decision, *, approved: bool) -> Outcome:
        key = self._session.idempotency_key(call, decision)
        with self._watcher.waiting("running the tool"):
            try:
                outcome = self._interrupts.wait_for(
                    lambda: self._toolbox.execute(call, decision, approved=approved, idempotency_key=key),
                    grace=_GRACE_SECONDS,
                    give_up=self._toolbox.abandon,
                    unless=self._session.halt,
                )
            except Interrupted:
                halt = self._session.halt()
                return may_have_run("interrupted", "tool_error") if halt is None else may_have_run(halt.reason, Code.KILLED)
        return self.admit(call, outcome)
