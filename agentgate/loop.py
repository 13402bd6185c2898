"""The agent loop: ask the model, judge every call, execute what was let through, give back the results; until there are no calls left.

Everything that happens is told to the session first, which writes it down; only then it has consequences.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from agentgate.answers import may_have_run, not_approved, not_reached, refused, rehearsed
from agentgate.approvers.port import Approver
from agentgate.asking import Asking
from agentgate.conversation import Conversation, tool_call
from agentgate.core.events import (
    Code,
    Decision,
    Effect,
    Json,
    Mode,
    ModelReplied,
    RunEnded,
    RunStarted,
    ToolCall,
    ToolReturned,
)
from agentgate.core.state import CUT_OFF
from agentgate.errors import ModelError, RecordError
from agentgate.executing import Executor, Watcher
from agentgate.interrupts import Interrupted, Interrupts
from agentgate.models.port import Model, Reply
from agentgate.output.summary import plural
from agentgate.session import Session
from agentgate.tools.port import Outcome, Toolbox

DEFAULT_MAX_STEPS = 20
"""Model requests of a task that names no `max_steps`. A loop without an end is never meant."""


class Loop:
    """One run of one task."""

    def __init__(
        self,
        session: Session,
        model: Model,
        toolbox: Toolbox,
        approver: Approver,
        watcher: Watcher,
        interrupts: Interrupts,
    ) -> None:
        self._session = session
        self._model = model
        self._toolbox = toolbox
        self._executor = Executor(session, toolbox, watcher, interrupts)
        self._tools = {tool.name: tool for tool in toolbox.tools}
        self._asking = Asking(session, approver, interrupts)
        self._watcher = watcher
        self._interrupts = interrupts
        self._pending: list[ToolCall] = []
        """Calls of this answer that wait: for somebody to approve them, or for one before them to be approved."""
        self._stop: str | None = None
        """Why nothing more shall be done, where a person said so."""

    def run(self, started: RunStarted) -> RunEnded:
        """Runs to the end, whatever the end is.

        Raises:
            RecordError: an event could not be written. Nothing was executed after it.
        """
        self._session.record(started)
        try:
            status, reason = self._turns(started)
        except ModelError as error:
            status, reason = "failed", f"{error.message}: {error.help}" if error.help else error.message
        except Interrupted:
            halt = None if self._interrupts.count else self._session.halt()
            status, reason = ("interrupted", "interrupted") if halt is None else ("stopped", halt.reason)
        except RecordError:
            raise
        except Exception as error:  # a bug: told as one, after the record is complete
            self._end("failed", f"internal error: {type(error).__name__}")
            raise
        return self._end(status, reason)

    def _end(self, status: str, reason: str) -> RunEnded:
        ended = RunEnded(at=self._session.now(), status=status, reason=reason, totals=self._session.state.totals)
        self._session.record(ended)
        return ended

    def _turns(self, started: RunStarted) -> tuple[str, str]:
        """One request after the other, each with what comes of its answer; how it ended, and why."""
        conversation = Conversation(started.messages, self._tools)
        while True:
            if self._interrupts.count:
                raise Interrupted
            permit = self._session.request()
            if permit.effect is not Effect.ALLOW and (self._session.mode is not Mode.OBSERVE or _always_binds(permit)):
                return "stopped", f"{permit.reason} ({permit.rule})" if permit.rule else permit.reason
            reply = self._ask(conversation.messages, started.tool_choice)
            calls = reply.message.get("tool_calls") or []
            if not calls:
                return _finished(reply)
            answers = [(call, self._answer(call)) for call in map(tool_call, calls)]
            if self._pending:
                return "waiting", f"{plural(len(self._pending), 'call')} to be approved"
            conversation.add(reply, [(call, content) for call, content in answers if content is not None])
            if self._stop is not None:
                return "stopped", self._stop

    def _ask(self, messages: Sequence[dict[str, Json]], tool_choice: Json) -> Reply:
        tools = [tool.definition for tool in self._toolbox.tools]
        with self._watcher.waiting("waiting for the model"):
            reply = self._interrupts.wait_for(
                lambda: self._model.ask(messages, tools, tool_choice), grace=0.0, give_up=self._model.close, unless=self._session.halt
            )
        for note in reply.notes:
            self._watcher.note(note)
        self._session.record(
            ModelReplied(
                at=self._session.now(),
                step=self._session.state.steps + 1,
                message=reply.message,
                finish_reason=reply.finish_reason,
                usage=reply.usage,
                cost_usd=reply.cost_usd,
                unusable=reply.unusable,
                items=reply.items,
            )
        )
        return reply

    def _answer(self, call: ToolCall) -> str | None:
        """Judges one call and sees to its one answer: the text for the model. None where it waits."""
        runnable = self._session.runnable(call)
        decision = self._session.propose(call)
        try:
            outcome = self._outcome(call, decision, runnable)
        except RecordError:
            raise
        except Exception as error:  # a bug, and of executing alone: the call still gets its answer
            self._returned(call, may_have_run(f"internal error: {type(error).__name__}", Code.INTERNAL_ERROR))
            raise
        if outcome is None:
            return None
        self._returned(call, outcome)
        return outcome.content

    def _outcome(self, call: ToolCall, decision: Decision, runnable: Decision) -> Outcome | None:
        """What comes of a decision: a refusal, or an execution. None where the call waits.

        Nothing is executed after a call that waits, because it may build on what that one does.
        """
        if self._stop is not None or (self._interrupts.count and not self._pending):
            return not_reached()
        if self._session.mode is Mode.OBSERVE:
            return self._observed(call, decision, runnable)
        if decision.effect is Effect.BLOCK:
            return refused(decision)
        if self._session.mode is Mode.DRY_RUN:
            return self._rehearsed(call, decision)
        if self._pending:
            self._pending.append(call)
            return None
        if decision.effect is Effect.ASK:
            return self._asked(call, decision)
        return self._executor.execute(call, decision)

    def _returned(self, call: ToolCall, outcome: Outcome) -> None:
        self._session.record(
            ToolReturned(
                at=self._session.now(),
                call_id=call.id,
                executed=outcome.executed,
                ok=outcome.ok,
                content=outcome.content,
                seconds=outcome.seconds,
                truncated=outcome.truncated,
                unknown=outcome.unknown,
            )
        )

    def _observed(self, call: ToolCall, decision: Decision, runnable: Decision) -> Outcome:
        """Observe mode executes everything that can run at all, and that the kill switch does not stop."""
        if decision.code is Code.KILLED:
            return refused(decision)
        if runnable.effect is not Effect.ALLOW or runnable.arguments is None:
            return refused(runnable)
        return self._executor.execute(call, replace(decision, arguments=runnable.arguments))

    def _rehearsed(self, call: ToolCall, decision: Decision) -> Outcome:
        """Dry run: nothing is executed, and nobody is asked."""
        if decision.effect is Effect.ASK:
            return not_approved(decision, Code.APPROVAL_UNAVAILABLE, "; nobody is asked in a dry run")
        return rehearsed(self._tools[call.name])

    def _asked(self, call: ToolCall, decision: Decision) -> Outcome | None:
        answer = self._asking.ask(call, decision)
        if answer is None:
            self._pending.append(call)
            return None
        if answer.approved and not answer.stop:
            return self._executor.execute(call, decision, approved=True)
        if answer.stop:
            self._stop = "the person who was asked stopped the run"
        code = Code.APPROVAL_UNAVAILABLE if answer.unavailable else Code.APPROVAL_REJECTED
        said = "nobody could approve it" if answer.unavailable else "a person rejected it"
        return not_approved(decision, code, f": {said} ({answer.note})" if answer.note else f": {said}")


def _always_binds(permit: Decision) -> bool:
    """Whether a refused model request is refused in observe mode, too."""
    return permit.code is Code.KILLED or permit.rule == "max_steps"


def _finished(reply: Reply) -> tuple[str, str]:
    """How a run ends whose model proposes nothing more.

    Raises:
        ModelError: the answer is of a shape that is not understood, so nobody knows what it proposes.
    """
    cut_off = CUT_OFF.get(reply.finish_reason or "")
    if reply.unusable and cut_off is None:
        raise ModelError(reply.unusable)
    return "done", cut_off or ""
