"""Whether the events of a run can have happened: every call is decided, perhaps approved, and answered once."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from agentgate.core.arguments import digest_arguments
from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Effect,
    Event,
    Mode,
    RunEnded,
    RunResumed,
    RunStarted,
    Scope,
    ToolReturned,
)
from agentgate.files.transcript_story import call_name


class _Call(Struct):
    """A decided call that has no answer yet, or one that may be executed once more."""

    decided: CallDecided
    asked: bool = False
    """Whether its question was answered."""
    approved: bool = False
    outdated: bool = False
    """Whether another policy is in force by now."""
    retried: bool = False

    @property
    def let_through(self) -> bool:
        return not self.decided.enforced or self.decided.effect is Effect.ALLOW or self.approved


class Calls:
    """Follows calls from their decision to their one answer."""

    def __init__(self) -> None:
        self._open: dict[str, list[_Call]] = {}
        self._unknown: dict[str, _Call] = {}
        """Calls whose answer says that they may have run."""
        self._mode = Mode.ENFORCE
        self._run_id: str | None = None
        self._policy: str | None = None
        self._status: str | None = None
        self._resumed = False
        self.redacted = 0
        """Calls whose arguments are not the original ones."""

    def take(self, event: Event) -> Iterator[str]:
        """What contradicts the events before, in lower case. May quote the file."""
        match event:
            case RunStarted():
                self._mode, self._run_id = event.mode, event.run_id
                self._policy = None if event.policy is None else event.policy.sha256
            case RunResumed():
                yield from self._resume(event)
            case CallDecided():
                self.redacted += event.redacted
                if event.args_hash and not event.redacted and event.args_hash != digest_arguments(event.arguments):
                    yield f"the arguments of the call {call_name(event.call_id)} are not those that were decided on: `args_hash` is another"
                self._open.setdefault(call_name(event.call_id), []).append(_Call(event))
            case ApprovalAnswered():
                yield from self._approval(event)
            case ToolReturned():
                yield from self._answer(event)
            case RunEnded():
                self._status = event.status
                for key, calls in self._open.items():
                    if any(event.status != "waiting" or call.decided.effect is Effect.BLOCK for call in calls):
                        yield f"the run ended without an answer to the call {key}"
            case _:
                pass

    def _resume(self, event: RunResumed) -> Iterator[str]:
        if self._status == "done":
            yield "the run was done, and goes on all the same"
        self._status, self._resumed = None, True
        policy = None if event.policy is None else event.policy.sha256
        if policy is not None and policy != self._policy:
            self._policy = policy
            for call in self._waiting():
                call.outdated = True

    def _waiting(self) -> Iterator[_Call]:
        yield from (call for calls in self._open.values() for call in calls)
        yield from self._unknown.values()

    def _approval(self, event: ApprovalAnswered) -> Iterator[str]:
        key = call_name(event.call_id)
        call = self._to_retry(key) if event.scope is Scope.RETRY else self._asking(key)
        if call is None or not self._fits(event, call.decided):
            yield f"an approval that nothing asked for, of the call {key}"
        elif event.scope is Scope.RETRY:
            call.retried = event.answer == "approve"
        else:
            call.asked, call.approved = True, event.answer == "approve"

    def _asking(self, key: str) -> _Call | None:
        asking = (call for call in self._open.get(key, ()) if call.decided.effect is Effect.ASK and not call.asked)
        return next(asking, None)

    def _to_retry(self, key: str) -> _Call | None:
        if not self._resumed:
            return None
        return next((call for call in self._open.get(key, ()) if call.let_through), self._unknown.get(key))

    def _fits(self, event: ApprovalAnswered, decided: CallDecided) -> bool:
        """Whether it names nothing else than what was asked; older versions did not name everything."""
        pairs = ((event.tool, decided.tool), (event.run_id, self._run_id), (event.policy, self._policy))
        return event.args_hash == decided.args_hash and all(said is None or said == wanted for said, wanted in pairs)

    def _answer(self, event: ToolReturned) -> Iterator[str]:
        key = call_name(event.call_id)
        call = self._answered(key, executed=event.executed)
        if call is None:
            yield f"an answer to the call {key}, which no decision waits for"
            return
        if event.unknown:
            self._unknown[key] = _Call(call.decided, asked=call.asked, approved=call.approved)
        if not event.executed:
            return
        if self._mode is Mode.DRY_RUN:
            yield f"the call {key} was executed in a dry run"
        elif not call.let_through:
            yield f"the call {key} was executed, and its decision is {call.decided.effect.value}"
        elif call.outdated and not event.unknown:
            yield f"the call {key} was executed, and it was decided under another policy"

    def _answered(self, key: str, *, executed: bool) -> _Call | None:
        """The call that an answer belongs to: where an id was used twice, a refusal is that of the call that was blocked."""
        waiting = self._open.get(key)
        if not waiting:
            unknown = self._unknown.get(key)
            return self._unknown.pop(key) if unknown is not None and unknown.retried else None
        blocked = (call for call in waiting if call.decided.enforced and call.decided.effect is Effect.BLOCK)
        ran = (call for call in waiting if call.let_through)
        call = next(ran if executed else blocked, waiting[0])
        waiting.remove(call)
        if not waiting:
            del self._open[key]
        return call
