"""The agent loop: ask the model, judge every call, execute what was let through, give back the results; until there are no calls left.

Everything that happens is told to the session first, which writes it down; only then it has consequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agentgate.answering import Answering
from agentgate.answers import not_reached
from agentgate.approvers.port import Approver
from agentgate.asking import Asking
from agentgate.conversation import Conversation, tool_call
from agentgate.core.events import Code, Decision, Effect, Json, Mode, ModelReplied, ModelRequest, RunEnded, RunResumed, RunStarted
from agentgate.core.state import CUT_OFF
from agentgate.errors import ModelError, OutsideError, RecordError
from agentgate.executing import Executor, Watcher
from agentgate.interrupts import Interrupted, Interrupts
from agentgate.models.estimate import MOST_BOUNDED, Estimate
from agentgate.models.port import Model, Reply
from agentgate.output.plural import plural
from agentgate.session import Session
from agentgate.tools.port import Toolbox
from agentgate.unfinished import Past, Proposal

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
        doubts: Approver | None = None,
        estimate: Estimate | None = None,
    ) -> None:
        """Brings together what a run takes.

        Args:
            session: judges and records.
            model: proposes.
            toolbox: executes.
            approver: is asked where the policy asks.
            watcher: is told what is being waited for.
            interrupts: Ctrl-C.
            doubts: is asked whether a call that may have run shall be executed once more; by default none is.
            estimate: what requests may take, so that it is reserved before they are sent; nothing is, by default.
        """
        self._session = session
        self._model = model
        self._toolbox = toolbox
        self._definitions = [tool.definition for tool in toolbox.tools]
        self._estimate = estimate
        self._watcher = watcher
        self._interrupts = interrupts
        self._answering = Answering(
            session,
            {tool.name: tool for tool in toolbox.tools},
            Executor(session, toolbox, watcher, interrupts),
            Asking(session, approver, interrupts, doubts),
            lambda: interrupts.count > 0,
        )

    def run(self, started: RunStarted) -> RunEnded:
        """Runs to the end, whatever the end is.

        Raises:
            RecordError: an event could not be written. Nothing was executed after it.
        """
        self._session.record(started)
        return self._to_the_end(lambda: self._turns(self._conversation(started), started.tool_choice))

    def resume(self, resumed: RunResumed, past: Past) -> RunEnded:
        """Goes on with a run, of which the session remembers what was recorded, to whatever end.

        Raises:
            RecordError: an event could not be written. Nothing was executed after it.
        """
        self._session.record(resumed)
        return self._to_the_end(lambda: self._go_on(past))

    def _to_the_end(self, work: Callable[[], tuple[str, str]]) -> RunEnded:
        try:
            status, reason = work()
        except ModelError as error:
            status, reason = _failed(error)
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

    def _go_on(self, past: Past) -> tuple[str, str]:
        """Says again what was said, sees to the calls that have no answer yet, and goes on."""
        conversation = self._conversation(past.started)
        for turn in past.turns[:-1]:
            conversation.add(_said(turn.reply), [(proposal.call, _heard(proposal)) for proposal in turn.calls])
        last = past.last
        ended = None
        if last is not None and last.calls:
            ended = self._take(conversation, _said(last.reply), last.calls)
        elif last is not None and past.status is None:
            ended = _finished(_said(last.reply))
        return ended or self._turns(conversation, past.started.tool_choice)

    def _conversation(self, started: RunStarted) -> Conversation:
        return Conversation(started.messages, [tool.name for tool in self._toolbox.tools])

    def _turns(self, conversation: Conversation, tool_choice: Json) -> tuple[str, str]:
        """One request after the other, each with what comes of its answer; how it ended, and why."""
        while True:
            if self._interrupts.count:
                raise Interrupted
            permit = self._session.request(self._estimated(conversation))
            if self._session.failure is not None:
                return _failed(self._session.failure)
            if permit.effect is not Effect.ALLOW and (self._session.mode is not Mode.OBSERVE or _always_binds(permit)):
                return "stopped", f"{permit.reason} ({permit.rule})" if permit.rule else permit.reason
            reply = self._ask(conversation.messages, tool_choice, self._most(permit))
            calls = reply.message.get("tool_calls") or []
            if not calls:
                return _finished(reply)
            ended = self._take(conversation, reply, [Proposal(tool_call(call)) for call in calls])
            if ended is not None:
                return ended

    def _take(self, conversation: Conversation, reply: Reply, calls: list[Proposal]) -> tuple[str, str] | None:
        """Sees to the calls of an answer; how the run ended, and why, where it did."""
        answers = self._answering.answers(calls)
        if self._answering.waiting:
            return "waiting", _waits_for(self._answering)
        conversation.add(reply, answers)
        if self._session.failure is not None:
            return _failed(self._session.failure)
        return None if self._answering.stop is None else ("stopped", self._answering.stop)

    def _estimated(self, conversation: Conversation) -> ModelRequest:
        return ModelRequest() if self._estimate is None else self._estimate(conversation.messages, self._definitions)

    def _most(self, permit: Decision) -> int | None:
        """How many tokens the next answer may have, where the limits have room for few; observe mode holds nobody to them."""
        few = permit.room is not None and permit.room <= MOST_BOUNDED and self._session.mode is not Mode.OBSERVE
        return permit.room if few else None

    def _ask(self, messages: Sequence[dict[str, Json]], tool_choice: Json, most: int | None) -> Reply:
        with self._watcher.waiting("waiting for the model"):
            reply = self._interrupts.wait_for(
                lambda: self._model.ask(messages, self._definitions, tool_choice, most=most),
                grace=0.0,
                give_up=self._model.close,
                unless=self._session.halt,
            )
        if self._estimate is not None:
            self._estimate.answered(reply.usage)
        for note in reply.notes:
            self._watcher.note(self._session.redacted(note))
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


def _failed(error: OutsideError) -> tuple[str, str]:
    return "failed", f"{error.message}: {error.help}" if error.help else error.message


def _said(reply: ModelReplied) -> Reply:
    return Reply(message=reply.message, finish_reason=reply.finish_reason, unusable=reply.unusable, items=reply.items)


def _heard(proposal: Proposal) -> str:
    return not_reached().content if proposal.returned is None else proposal.returned.content


def _waits_for(answering: Answering) -> str:
    if not answering.asking:
        return "calls that were let through wait to be executed"
    return f"{plural(answering.asking, 'call')} to be approved"


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
