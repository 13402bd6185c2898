"""Sees to it that every call of an answer gets its one decision and its one answer, in order: of a new run, or of one that goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from agentgate.answers import lost, may_have_run, not_approved, not_reached, outdated, refused, rehearsed
from agentgate.asking import Asking
from agentgate.core.events import ApprovalAnswered, Code, Decision, Effect, Mode, ToolCall, ToolReturned
from agentgate.errors import RecordError
from agentgate.executing import Executor
from agentgate.session import Session
from agentgate.tools.port import Outcome, Tool
from agentgate.unfinished import Proposal

_STOPPED = "the person who was asked stopped the run"


class Answering:
    """Answers the calls of one run."""

    def __init__(
        self,
        session: Session,
        tools: Mapping[str, Tool],
        executor: Executor,
        asking: Asking,
        interrupted: Callable[[], bool],
    ) -> None:
        """Brings together what an answer takes.

        Args:
            session: judges and records.
            tools: by name.
            executor: the only way to them.
            asking: who approves.
            interrupted: whether somebody wants to stop.
        """
        self._session = session
        self._tools = tools
        self._executor = executor
        self._asking = asking
        self._interrupted = interrupted
        self._calls: Sequence[Proposal] = ()
        self.waiting: list[ToolCall] = []
        """Calls of the latest answer that have none yet: somebody is to approve them, or one before them."""
        self.asking = 0
        """How many of them somebody is to approve."""
        self.stop: str | None = None
        """Why nothing more shall be done, where a person said so."""

    def answers(self, calls: Sequence[Proposal]) -> list[tuple[ToolCall, str]]:
        """What the model is told about its calls, as far as they have an answer; the others are in `waiting`.

        Raises:
            RecordError: an event could not be written. Nothing was executed after it.
        """
        self._calls = calls
        self.waiting, self.asking = [], 0
        for proposal in calls:  # first of all, so that a refusal is told from what else goes by the same id
            if proposal.blocked and proposal.returned is None:
                self._returned(proposal, self._executor.refused(proposal.call, proposal.decision))
        answered = [(proposal.call, self._answer(proposal)) for proposal in calls]
        return [(call, content) for call, content in answered if content is not None]

    def _answer(self, proposal: Proposal) -> str | None:
        if proposal.returned is not None and not proposal.may_have_run:
            return proposal.returned.content
        runnable = self._session.runnable(proposal.call, proposed=proposal.decided is not None)
        decision = proposal.decision if proposal.decided is not None else self._session.propose(proposal.call)
        try:
            outcome = self._outcome(proposal, decision, runnable)
        except RecordError:
            raise
        except Exception as error:  # a bug, and of executing alone: the call still gets its answer
            self._returned(proposal, may_have_run(f"internal error: {type(error).__name__}", Code.INTERNAL_ERROR))
            raise
        if outcome is None:
            self.waiting.append(proposal.call)
            self.asking += decision.effect is Effect.ASK and proposal.approval is None
            return None
        if proposal.returned is not None and not outcome.executed:
            return proposal.returned.content
        return self._returned(proposal, outcome)

    def _returned(self, proposal: Proposal, outcome: Outcome) -> str:
        event = ToolReturned(
            at=self._session.now(),
            call_id=proposal.call.id,
            executed=outcome.executed,
            ok=outcome.ok,
            content=outcome.content,
            seconds=outcome.seconds,
            truncated=outcome.truncated,
            unknown=outcome.unknown,
            rule=outcome.verdict.rule,
            code=outcome.verdict.code,
            enforced=outcome.verdict.enforced,
            trials=outcome.verdict.trials,
            original=outcome.original,
        )
        self._session.record(event)
        proposal.returned = event
        return outcome.content

    def _outcome(self, proposal: Proposal, decision: Decision, runnable: Decision) -> Outcome | None:
        """What comes of a decision: a refusal, or an execution. None where the call waits.

        Nothing is executed after a call that waits, because it may build on what that one does.
        """
        if proposal.may_have_run:
            return self._unknown(proposal, decision, runnable)
        if self.stop is not None or self._session.failure is not None:
            return not_reached()
        if self._interrupted() and not self.waiting:
            return not_reached() if proposal.decided is None else None
        if self._session.mode is Mode.OBSERVE and not proposal.lost:
            return self._observed(proposal.call, decision, runnable)
        if decision.effect is Effect.BLOCK:
            return self._executor.refused(proposal.call, decision)
        if self._session.mode is Mode.DRY_RUN:
            return self._rehearsed(proposal.call, decision)
        unfit = self._unfit(proposal)
        if unfit is not None:
            return unfit
        if self.waiting:
            return None
        if decision.effect is Effect.ASK:
            return self._asked(proposal, decision)
        return self._executor.execute(proposal.call, decision)

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
        tool = self._tools[call.name]
        said = rehearsed(tool)
        return said if tool.mock is UNSET else self._executor.admit(call, said)

    def _asked(self, proposal: Proposal, decision: Decision) -> Outcome | None:
        if proposal.approval is not None:
            return self._approved_before(proposal.call, decision, proposal.approval)
        answer = self._asking.ask(proposal.call, decision)
        if answer is None:
            return None
        if answer.yes:
            return self._executor.execute(proposal.call, decision, approved=True)
        if answer.stop:
            self.stop = _STOPPED
        return _rejected(decision, answer.note, unavailable=answer.unavailable)

    def _approved_before(self, call: ToolCall, decision: Decision, approval: ApprovalAnswered) -> Outcome:
        if approval.answer != "approve":
            return _rejected(decision, approval.note, unavailable=False)
        return self._executor.execute(call, decision, approved=True)

    def _unfit(self, proposal: Proposal) -> Outcome | None:
        """What keeps a call that waited from being executed now, although it was let through or may be approved."""
        if proposal.outdated:
            return outdated()
        if proposal.lost:
            return lost()
        if proposal.decided is None:
            return None
        to_come = [other.call.name for other in self._calls if other.let_through and other.returned is None]
        limit = self._session.exceeded(proposal.call, to_come)
        return None if limit is None else refused(limit)

    def _unknown(self, proposal: Proposal, decision: Decision, runnable: Decision) -> Outcome:
        """A call that may have run is executed once more only where somebody says so."""
        unknown = replace(may_have_run("interrupted", "tool_error"), executed=proposal.returned is None)  # on record once is enough
        stopped = self.stop is not None or self._interrupted()
        unfit = runnable.effect is not Effect.ALLOW or decision.code is Code.MALFORMED_CALL or proposal.outdated or proposal.lost
        if stopped or unfit:
            return unknown
        decision = replace(decision, arguments=runnable.arguments)
        answer = self._asking.once_more(proposal.call, decision)
        if answer is not None and answer.stop:
            self.stop = _STOPPED
        if answer is None or not answer.yes:
            return unknown
        outcome = self._executor.execute(proposal.call, decision, approved=proposal.approved)
        return outcome if outcome.executed else unknown


def _rejected(decision: Decision, note: str | None, *, unavailable: bool) -> Outcome:
    code = Code.APPROVAL_UNAVAILABLE if unavailable else Code.APPROVAL_REJECTED
    said = "nobody could approve it" if unavailable else "a person rejected it"
    return not_approved(decision, code, f": {said} ({note})" if note else f": {said}")
