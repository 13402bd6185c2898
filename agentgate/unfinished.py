"""A recorded run, answer by answer and call by call: where it stands, and what it takes to go on with it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from agentgate.conversation import tool_call
from agentgate.core.arguments import InvalidJson, digest_arguments, parse_arguments
from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Decision,
    Digest,
    Effect,
    Json,
    Mode,
    ModelReplied,
    PolicyDigest,
    RunEnded,
    RunResumed,
    RunStarted,
    Scope,
    Sources,
    ToolCall,
    ToolReturned,
)
from agentgate.files.transcript import Item, Proposed


class Proposal(Struct):
    """A call, and what came of it so far."""

    call: ToolCall
    decided: CallDecided | None = None
    approval: ApprovalAnswered | None = None
    returned: ToolReturned | None = None
    outdated: bool = False
    """Whether it was decided under another policy, or for other tools, than are in force now."""
    redacted: bool = False
    """Whether the record does not hold what the model proposed, because parts were taken out when it was written."""
    may_have_run: bool = False
    """Whether it was let through, and nobody knows what came of it."""

    @property
    def blocked(self) -> bool:
        return self.decided is not None and self.decided.enforced and self.decided.effect is Effect.BLOCK

    @property
    def approved(self) -> bool:
        return self.approval is not None and self.approval.answer == "approve"

    @property
    def let_through(self) -> bool:
        """Whether it might be executed, or was."""
        if self.decided is None:
            return False
        return not self.decided.enforced or self.decided.effect is Effect.ALLOW or self.approved

    @property
    def waits(self) -> bool:
        """Whether it was decided, and has no answer yet."""
        return self.decided is not None and self.returned is None and not self.blocked

    @property
    def asks(self) -> bool:
        """Whether somebody has yet to approve it."""
        return self.waits and self.decided is not None and self.decided.effect is Effect.ASK and self.approval is None

    @property
    def lost(self) -> bool:
        """Whether its arguments are not known any more."""
        if self.decided is None:
            return self.redacted
        return self.decided.redacted or digest_arguments(self.decided.arguments) != self.decided.args_hash

    @property
    def decision(self) -> Decision:
        """What was decided, as it was then."""
        decided = self.decided
        assert decided is not None
        try:
            arguments: dict[str, Json] | None = parse_arguments(decided.arguments)
        except InvalidJson:
            arguments = None
        return Decision(
            effect=decided.effect,
            code=decided.code,
            rule=decided.rule,
            reason=decided.reason,
            hint=decided.hint,
            arguments=None if decided.code is Code.MALFORMED_CALL else arguments,
            facts=decided.facts,
            trials=decided.trials,
            enforced=decided.enforced,
        )


class Turn(Struct):
    """One answer of the model, with its calls in order."""

    reply: ModelReplied
    calls: list[Proposal]


class Past:
    """What was recorded of a run. Takes in a transcript that was audited before."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Follows the events.

        Args:
            items: all of them, `run_started` first.
        """
        self.turns: list[Turn] = []
        self.status: str | None = None
        """How it ended the last time; None where it has no end, because it was killed."""
        self.started = RunStarted(run_id="")
        self.task: Digest | None = None
        """In force, like the ones below: of `run_started`, or of the last `run_resumed`."""
        self.policy: PolicyDigest | None = None
        self.tools: tuple[dict[str, Json], ...] | None = None
        self.sources: Sources | None = None
        for item in items:
            self._take(item)
        for proposal in self._unknown():
            proposal.may_have_run = True

    @property
    def last(self) -> Turn | None:
        """The latest answer of the model."""
        return self.turns[-1] if self.turns else None

    @property
    def asking(self) -> list[Proposal]:
        """The calls that somebody has yet to approve."""
        return [proposal for proposal in self._calls() if proposal.asks]

    def renew(self) -> None:
        """Marks the calls that wait as decided under conditions that are not in force any more."""
        for proposal in self._calls():
            proposal.outdated = proposal.waits or proposal.may_have_run

    def _calls(self) -> list[Proposal]:
        return self.turns[-1].calls if self.turns else []

    def _take(self, item: Item) -> None:
        match item:
            case RunStarted():
                self.started = item
                self.task, self.policy, self.tools, self.sources = item.task, item.policy, item.tools, item.sources
            case RunResumed():
                self.status = None
                self._resumed(item)
            case ModelReplied():
                proposed = item.message.get("tool_calls") or ()
                self.turns.append(Turn(item, [Proposal(tool_call(call), redacted=item.redacted) for call in proposed]))
            case Proposed():
                proposal = next((proposal for proposal in self._calls() if proposal.decided is None), None)
                if proposal is not None and item.recorded is not None:
                    proposal.decided = item.recorded
            case ApprovalAnswered():
                self._approved(item)
            case ToolReturned():
                self._returned(item)
            case RunEnded():
                self.status = item.status

    def _resumed(self, event: RunResumed) -> None:
        if event.overrides:
            self.renew()
        self.task = event.task or self.task
        self.policy = event.policy or self.policy
        self.tools = event.tools if event.tools is not None else self.tools
        self.sources = event.sources or self.sources

    def _approved(self, event: ApprovalAnswered) -> None:
        if event.scope is Scope.RETRY:
            return
        asking = (proposal for proposal in self._calls() if proposal.asks and proposal.call.id == event.call_id)
        proposal = next(asking, None)
        if proposal is not None:
            proposal.approval = event

    def _returned(self, event: ToolReturned) -> None:
        """Belongs to the call that waits; where an id was used twice, a refusal is that of the call that was blocked."""
        named = [proposal for proposal in self._calls() if proposal.decided is not None and proposal.call.id == event.call_id]
        blocked = [proposal for proposal in named if proposal.blocked and proposal.returned is None and not event.executed]
        waiting = [proposal for proposal in named if proposal.waits]
        unknown = [proposal for proposal in named if proposal.returned is not None and proposal.returned.unknown]
        for proposal in (blocked or waiting or unknown)[:1]:
            proposal.returned = event

    def _unknown(self) -> list[Proposal]:
        """The calls that may have run: those that were given up, as their answers say; in a run without an end the first that waits, too.

        Calls go one after the other, so those after it certainly did not run.
        """
        unknown = [proposal for proposal in self._calls() if proposal.returned is not None and proposal.returned.unknown]
        waiting = next((proposal for proposal in self._calls() if proposal.waits), None)
        killed = self.status is None and self.started.mode is not Mode.DRY_RUN
        if killed and waiting is not None and waiting.let_through:
            unknown.append(waiting)
        return unknown
