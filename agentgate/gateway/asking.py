"""What people say about calls of an answer, looked for while they are judged, and what a client hears of an answer that is not released."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from agentgate.core.events import ApprovalAnswered, CallDecided, Code, Effect, ToolCall
from agentgate.gateway.errors import Failure, violation


class Approvals(Protocol):
    """Who keeps the questions to people, and their answers."""

    def answered(self, call: CallDecided, besides: Collection[str]) -> tuple[str, ApprovalAnswered] | None:
        """The answer to exactly this call with the id of its question, if there is one that was not used yet, besides these."""
        ...

    def use(self, ids: Collection[str]) -> None:
        """The answers to these questions are used once: now."""
        ...

    def ask(self, call: CallDecided) -> str:
        """Puts a question to whoever may answer; gives its id."""
        ...


class Asking:
    """Looks for answers of people while calls are judged, and remembers what it found."""

    __slots__ = ("_approvals", "_passed", "_rejected", "approved")

    def __init__(self, approvals: Approvals) -> None:
        self.approved: list[str] = []
        """The questions whose answers let calls through."""
        self._passed: list[CallDecided] = []
        self._approvals = approvals
        self._rejected: list[CallDecided] = []

    def __call__(self, call: ToolCall, decided: CallDecided) -> ApprovalAnswered | None:
        found = self._approvals.answered(decided, self.approved)
        if found is None:
            return None
        id, answered = found
        if answered.answer == "approve":
            self.approved.append(id)
            self._passed.append(decided)
        else:
            self._rejected.append(decided)
        return answered

    def failure(self, unusable: str | None, decided: Sequence[CallDecided]) -> Failure:
        """What the client is told where an answer is not released.

        Args:
            unusable: why none of its calls may be executed, whatever the policy.
            decided: what was decided about them.
        """
        blocked = next((call for call in decided if call.effect is Effect.BLOCK and call.enforced), None)
        if blocked is not None:
            return _refusal(blocked, None)
        if unusable is not None:
            return violation(effect=Effect.BLOCK, code=Code.MALFORMED_CALL, rule=None, tool=None, reason=unusable)
        return self._by_people(decided)

    def _by_people(self, decided: Sequence[CallDecided]) -> Failure:
        """What is said where only people keep an answer back. All open questions are put at once, so that nobody comes back for each."""
        if self._rejected:
            call = self._rejected[0]
            reason = f"{call.reason}: a person rejected it"
            return violation(effect=Effect.BLOCK, code=Code.APPROVAL_REJECTED, rule=call.rule, tool=call.tool, reason=reason)
        passed = [call.call_id for call in self._passed]
        open = [call for call in decided if call.effect is Effect.ASK and call.call_id not in passed]
        ids = [self._approvals.ask(call) for call in open]
        return _refusal(open[0], ids[0])


def _refusal(call: CallDecided, approval: str | None) -> Failure:
    return violation(effect=call.effect, code=call.code, rule=call.rule, tool=call.tool, reason=call.reason, approval=approval)
