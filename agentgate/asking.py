"""Asks about a call where the policy wants somebody to approve it, and records the answer before anything comes of it."""

from __future__ import annotations

from agentgate.approvers.fixed import NEVER
from agentgate.approvers.port import Answer, Approver, Question
from agentgate.core.arguments import digest
from agentgate.core.events import ApprovalAnswered, Decision, Scope, ToolCall
from agentgate.interrupts import Interrupted, Interrupts
from agentgate.session import Session


class Asking:
    """Gets answers: from an approval that stands for the rest of the run, or from whoever approves."""

    def __init__(self, session: Session, approver: Approver, interrupts: Interrupts, doubts: Approver | None = None) -> None:
        """Asks nobody yet.

        Args:
            session: records.
            approver: is asked about calls that need approval.
            interrupts: Ctrl-C.
            doubts: is asked whether a call that may have run shall be executed once more; by default none is.
        """
        self._session = session
        self._approver = approver
        self._interrupts = interrupts
        self._doubts = doubts

    def ask(self, call: ToolCall, decision: Decision) -> Answer | None:
        """The answer, which is on record; None where somebody will give one later.

        A yes for the rest of the run stands, unless whoever started this part of it wants nothing approved.

        Raises:
            RecordError: it could not be recorded, so it does not count.
        """
        standing = None if self._approver == NEVER else self._session.standing(call, decision)
        if standing is None:
            answer = self._somebody(self._approver, self._question(call, decision))
        else:
            answer = Answer(approved=True, by=f"the standing approval of {standing}")
        if answer.later:
            return None
        return self._recorded(call, decision, answer, answer.scope)

    def once_more(self, call: ToolCall, decision: Decision) -> Answer | None:
        """Whether a call that may have run shall be executed once more; None where nobody is asked, which is a no.

        Raises:
            RecordError: the answer could not be recorded, so it does not count.
        """
        if self._doubts is None:
            return None
        answer = self._somebody(self._doubts, self._question(call, decision, may_have_run=True))
        return self._recorded(call, decision, answer, Scope.RETRY)

    def _question(self, call: ToolCall, decision: Decision, *, may_have_run: bool = False) -> Question:
        shown, judged = self._session.for_approver(call, decision)
        return Question(shown, judged, digest(decision.arguments), may_have_run)

    def _recorded(self, call: ToolCall, decision: Decision, answer: Answer, scope: Scope) -> Answer:
        state = self._session.state
        self._session.record(
            ApprovalAnswered(
                at=self._session.now(),
                run_id=state.run_id,
                call_id=call.id,
                tool=call.name,
                args_hash=digest(decision.arguments),
                policy=state.policy,
                answer="approve" if answer.yes else "reject",
                scope=scope if answer.yes else Scope.CALL if scope is Scope.RUN else scope,
                by=answer.by,
                note=answer.note,
            )
        )
        return answer

    def _somebody(self, approver: Approver, question: Question) -> Answer:
        try:
            return self._interrupts.wait_for(lambda: approver.ask(question), grace=0.0, give_up=approver.close, unless=self._session.halt)
        except Interrupted:
            halt = None if self._interrupts.count else self._session.halt()
            note = "interrupted" if halt is None else halt.reason
        except Exception as error:  # whoever cannot be asked has not said yes
            note = f"asking failed: {type(error).__name__}"
        return Answer(approved=False, by="nobody", note=note, unavailable=True)
