"""What runs share: how much of the limits over time is used up, and which calls were executed. Where it is kept is a matter of a port.

Everything is done in turns: whoever has the turn is alone among all runs, and what it does takes effect as a whole or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from agentgate.core.arguments import canonical
from agentgate.core.events import CallDecided, Code, Decision, Effect, Event, Mode, ToolCall, ToolReturned
from agentgate.core.once import ONCE, Earlier
from agentgate.core.rules import Selector
from agentgate.core.state import State
from agentgate.core.windows import Used, Window


class Accounts(Protocol):
    """Where it is kept. Every method raises StateError where it cannot be read or written."""

    @property
    def scope(self) -> str | None:
        """What runs have in common that execute a call once together; None where each does so for itself."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Waits for the turn; what is done in it is durable at its end, or, where it ends with an exception, was never done."""
        ...

    def used(self, limit: str, since: datetime, value: float, length: timedelta, besides: tuple[str, str] | None = None) -> Used:
        """What was used of a limit after a moment.

        Args:
            limit: its id.
            since: when the window began. Entries from the future count, too: a clock that was set back frees nothing.
            value: what there is in all, to tell when something is free again.
            length: how long an entry counts.
            besides: a run and what is counted under this name in it, which does not count.
        """
        ...

    def enter(self, limit: str, run_id: str, call_id: str, amount: float, at: datetime) -> None:
        """Counts an amount for a call of a run, in place of what was counted for it before."""
        ...

    def strike(self, run_id: str, call_id: str) -> None:
        """Counts nothing any more for a call."""
        ...

    def earlier(self, tool: str, args_hash: str) -> Earlier | None:
        """The call of this scope that is being executed, or was."""
        ...

    def claim(self, tool: str, args_hash: str, run_id: str, call_id: str, at: datetime) -> Earlier | None:
        """Takes a call for this run, to be executed now; the call that has it already, where one does."""
        ...

    def complete(self, run_id: str, call_id: str, content: str, *, ok: bool) -> None:
        """Keeps what a claimed call came to."""
        ...

    def withdraw(self, run_id: str, call_id: str) -> None:
        """Gives up a claim: the call certainly did not run."""
        ...


class Share:
    """One run's dealings with them."""

    def __init__(self, accounts: Accounts, windows: tuple[Window, ...], once: Selector | None, mode: Mode) -> None:
        """Touches nothing yet.

        Args:
            accounts: where it is kept.
            windows: the policy's limits over time.
            once: the tools whose calls are executed once.
            mode: a dry run counts its calls for itself alone.
        """
        self._accounts = accounts
        self._of_calls = tuple(window for window in windows if window.kind != "cost_usd")
        self._of_cost = tuple(window for window in windows if window.kind == "cost_usd")
        self._windows = windows
        self._once = once if accounts.scope is not None else None
        self._rehearsing = mode is Mode.DRY_RUN
        self._rehearsed: Counter[str] = Counter()
        self._entered: set[str] = set()
        """Ids of the calls that something is counted for."""
        self._waiting: set[str] = set()
        """Ids of such calls that were decided before this session, so that what is counted for them may be out of date."""
        self._claimed: set[str] = set()
        self._namesakes: Counter[str] = Counter()
        """Call id → refusals to come that are of malformed calls, which only have the id of a call that is counted."""

    def remember(self, event: Event) -> None:
        """Takes in what happened in this run before."""
        if isinstance(event, CallDecided) and type(event.call_id) is str and type(event.tool) is str:
            if event.effect is not Effect.BLOCK and not event.withheld and any(window.counts(event.tool) for window in self._of_calls):
                self._waiting.add(event.call_id)
            self.decided(event)
        elif isinstance(event, ToolReturned) and not self._of_namesake(event) and not event.unknown:
            self._waiting.discard(event.call_id)

    def decided(self, event: CallDecided) -> None:
        """Takes in what was decided about a call of whatever tool."""
        if (
            event.code is Code.MALFORMED_CALL
            and type(event.call_id) is str
            and event.call_id in self._claimed | self._entered | self._waiting
        ):
            self._namesakes[event.call_id] += 1

    def _of_namesake(self, event: ToolReturned) -> bool:
        if event.executed or type(event.call_id) is not str or not self._namesakes[event.call_id]:
            return False
        self._namesakes[event.call_id] -= 1
        return True

    def concerns(self, call: ToolCall) -> bool:
        """Whether anything shared has to do with calls of this tool."""
        if type(call.name) is not str or type(call.id) is not str:
            return False
        return any(window.counts(call.name) for window in self._windows) or self._covers(call)

    @property
    def counts_cost(self) -> bool:
        """Whether there are limits of cost over time."""
        return bool(self._of_cost)

    @contextmanager
    def judging(self, state: State, call: ToolCall, args_hash: str, at: datetime) -> Iterator[dict[str, str]]:
        """A turn in which a call is judged; gives what there is to know."""
        with self._accounts.turn():
            windows = [window for window in self._windows if window.counts(call.name)]
            # A run that was killed before it recorded the decision has counted this very call already.
            known = {window.id: self._used(window, at, (state.run_id, _of_call(call.id))).fact for window in windows}
            earlier = self._accounts.earlier(call.name, args_hash) if args_hash and self._covers(call) else None
            if earlier is not None and earlier.run_id != state.run_id:
                known[ONCE] = earlier.fact
            yield known

    def let_through(self, state: State, call: ToolCall, decision: Decision, at: datetime) -> None:
        """Counts a call that may be executed, in the turn in which it was judged."""
        if decision.effect is Effect.BLOCK:
            return
        for window in self._of_calls:
            if window.counts(call.name):
                if self._rehearsing:
                    self._rehearsed[window.id] += 1
                else:
                    self._accounts.enter(window.id, state.run_id, _of_call(call.id), 1, at)
                    self._entered.add(call.id)

    def withheld(self, state: State, calls: Sequence[ToolCall]) -> None:
        """Nothing will come of these calls, also of those that were let through."""
        for call in calls:
            if type(call.id) is str and call.id in self._entered:
                self._entered.discard(call.id)
                with self._accounts.turn():
                    self._accounts.strike(state.run_id, _of_call(call.id))

    def executing(self, state: State, call: ToolCall, args_hash: str, decision: Decision, at: datetime) -> Earlier | Window | None:
        """Makes sure, immediately before a call is executed, that it may be.

        Returns:
            The same call that has been executed, or is being executed, somewhere else; or the limit that has no room any more, where
            approving took its time; None where it may be executed: that is now on record.
        """
        with self._accounts.turn():
            if decision.effect is Effect.ASK or call.id in self._waiting:
                for window in self._of_calls:
                    if window.counts(call.name):
                        mine = (state.run_id, _of_call(call.id))
                        used = self._accounts.used(window.id, at - window.length, window.value, window.length, mine)
                        if used.amount >= window.value:
                            return window
                        self._accounts.enter(window.id, *mine, 1, at)
                        self._entered.add(call.id)
            if not self._covers(call):
                return None
            earlier = self._accounts.claim(call.name, args_hash, state.run_id, call.id, at)
            if earlier is None:
                self._claimed.add(call.id)
            return earlier

    def earlier(self, call: ToolCall, args_hash: str) -> Earlier | None:
        """The same call in this scope, as it stands now."""
        with self._accounts.turn():
            return self._accounts.earlier(call.name, args_hash) if self._covers(call) else None

    def returned(self, state: State, event: ToolReturned) -> None:
        """Keeps what came of a call. One that never ran uses up nothing, and may be made again."""
        if self._of_namesake(event):
            return
        claimed, entered = event.call_id in self._claimed, event.call_id in self._entered | self._waiting
        if not (claimed or entered):
            return
        for known in (self._claimed, self._entered, self._waiting):
            known.discard(event.call_id)
        with self._accounts.turn():
            if entered and not event.executed and not event.ok:
                self._accounts.strike(state.run_id, _of_call(event.call_id))
            if claimed and not event.executed:
                self._accounts.withdraw(state.run_id, event.call_id)
            elif claimed and not event.unknown:
                self._accounts.complete(state.run_id, event.call_id, event.content, ok=event.ok)

    # The model

    @contextmanager
    def asking(self, at: datetime) -> Iterator[dict[str, str]]:
        """A turn in which a model request is judged; gives what there is to know."""
        with self._accounts.turn():
            yield {window.id: self._used(window, at).fact for window in self._of_cost}

    def asked(self, state: State, reserve: float, at: datetime) -> None:
        """Counts what a request may cost, in the turn in which it was judged."""
        if reserve:
            self._enter_cost(state, reserve, at)

    def replied(self, state: State, cost: float | None, at: datetime) -> None:
        """Counts what a request did cost, in place of what it might have. What nobody knows stays as it was estimated."""
        if cost is not None and self._of_cost:
            with self._accounts.turn():
                self._enter_cost(state, cost, at)

    def _enter_cost(self, state: State, cost: float, at: datetime) -> None:
        for window in self._of_cost:
            self._accounts.enter(window.id, state.run_id, f"request {state.steps + 1}", cost, at)

    def _used(self, window: Window, at: datetime, besides: tuple[str, str] | None = None) -> Used:
        used = self._accounts.used(window.id, at - window.length, window.value, window.length, besides)
        rehearsed = self._rehearsed[window.id]
        return Used(used.amount + rehearsed, used.until) if rehearsed else used

    def _covers(self, call: ToolCall) -> bool:
        return self._once is not None and call.name in self._once


def _of_call(id: str) -> str:
    """What a call is counted under: whatever a model calls it, that is never what a request is counted under."""
    return f"call {id}"


def idempotency_key(scope: str | None, run_id: str, tool: str, args_hash: str, call_id: str | None) -> str:
    """What tells an effect from others, in 64 hexadecimal digits: the same for every try to have it.

    Args:
        scope: what runs have in common that have it once together; None for this run alone.
        run_id: the run.
        tool: the tool.
        args_hash: of its arguments.
        call_id: the call, where another one with the same arguments means another effect.
    """
    whose = ["scope", scope] if scope is not None and call_id is None else ["run", run_id]
    return sha256(canonical([*whose, tool, args_hash, call_id])).hexdigest()
