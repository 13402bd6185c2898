"""Asks about a call where the policy wants somebody to approve it, and records the answer before anything comes of it."""

from __future__ import annotations

from agentgate.approvers.port import Answer, Approver, Question
from agentgate.core.arguments import digest
from agentgate.core.events import ApprovalAnswered, Decision, Scope, ToolCall
from agentgate.interrupts import Interrupted, Interrupts
from agentgate.session import Session


class Asking:
    """Gets answers: from an approval that stands for the rest of the run, or from whoever approves."""

    def __init__(self, session: Session, approver: Approver, interrupts: Interrupts) -> None:
        self._session = session
        self._approver = approver
        self._interrupts = interrupts

    def ask(self, call: ToolCall, decision: Decision) -> Answer | None:
        """The answer, which is on record; None where somebody will give one later.

        Raises:
            RecordError: it could not be recorded, so it does not count.
        """
        standing = self._session.standing(call, decision)
        if standing is None:
            answer = self._somebody(Question(call, decision))
        else:
            answer = Answer(approved=True, by=f"the approval of {standing} for this run")
        if answer.later:
            return None
        return self._recorded(call, decision, answer, answer.scope)

    def ask_again(self, call: ToolCall, decision: Decision) -> Answer:
        """Whether a call shall be executed of which nobody knows if it ran. Anything but a clear yes is a no."""
        answer = self._somebody(Question(call, decision, may_have_run=True))
        return self._recorded(call, decision, answer, Scope.RETRY)

    def again(self, call: ToolCall, decision: Decision) -> None:
        """Records that such a call is executed once more because the operator wants it for all of them."""
        self._recorded(call, decision, Answer(approved=True, by="--retry-unknown"), Scope.RETRY)

    def _recorded(self, call: ToolCall, decision: Decision, answer: Answer, scope: Scope) -> Answer:
        approved = answer.approved and not answer.stop and not answer.later
        state = self._session.state
        self._session.record(
            ApprovalAnswered(
                at=self._session.now(),
                run_id=state.run_id,
                call_id=call.id,
                tool=call.name,
                args_hash=digest(decision.arguments),
                policy=state.policy,
                answer="approve" if approved else "reject",
                scope=scope if approved else Scope.CALL if scope is Scope.RUN else scope,
                by=answer.by,
                note=answer.note,
            )
        )
        return answer

    def _somebody(self, question: Question) -> Answer:
        try:
            return self._interrupts.wait_for(
                lambda: self._approver.ask(question), grace=0.0, give_up=self._approver.close, unless=self._session.halt
            )
        except Interrupted:
            note = "interrupted"
        except Exception as error:  # whoever cannot be asked has not said yes
            note = f"asking failed: {type(error).__name__}"
        return Answer(approved=False, by="nobody", note=note, unavailable=True)
