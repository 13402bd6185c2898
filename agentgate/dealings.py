"""What one session has to do with others: limits per hour and per day, and what is executed once, also where accounts are shared.

Accounts that fail refuse everything that needs them, in observe mode too, and stay failed: the run had better end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from msgspec.structs import replace

from agentgate.accounts import Accounts, Share, idempotency_key
from agentgate.core.arguments import InvalidJson, digest, parse_arguments
from agentgate.core.events import CallDecided, Code, Decision, Effect, Event, Mode, ModelReplied, ModelRequest, ToolCall, ToolReturned
from agentgate.core.once import ONCE, Earlier
from agentgate.core.rules import Selector
from agentgate.core.state import State, repeat_key
from agentgate.core.windows import Window
from agentgate.errors import StateError

Judge: TypeAlias = Callable[[Mapping[str, str]], Decision]
"""Judges by what the accounts say."""


class Dealings:
    """A session's side of the accounts; without any, it knows of its own run alone."""

    def __init__(self, accounts: Accounts | None, windows: tuple[Window, ...], once: Selector | None, mode: Mode) -> None:
        """Touches nothing yet; the arguments are those of `Share`, with None where there are no accounts."""
        self._once = once
        self._observing = mode is Mode.OBSERVE
        self._scope = None if accounts is None else accounts.scope
        self._share = None if accounts is None else Share(accounts, windows, once, mode)
        self.failure: StateError | None = None
        """How the accounts failed, if they did."""

    def concern(self, call: ToolCall) -> bool:
        """Whether the accounts have a say in judging a call."""
        return self._share is not None and self._share.concerns(call)

    @property
    def count_cost(self) -> bool:
        """Whether the accounts have a say in judging a request to the model."""
        return self._share is not None and self._share.counts_cost

    def judged(self, state: State, call: ToolCall, moment: datetime, judge: Judge) -> Decision:
        """A call, judged in one turn with looking up what runs share, and counted where it is let through."""
        try:
            share = self._working()
            with share.judging(state, call, _hash_of(call), moment) as known:
                decision = judge(known)
                share.let_through(state, call, decision, moment)
            return replace(decision, facts={**decision.facts, **known})
        except StateError as error:
            return self._failed(error)

    def requested(self, state: State, request: ModelRequest, moment: datetime, judge: Judge) -> Decision:
        """A request to the model, judged in one turn with looking up what runs share, its reserve counted where it may be sent."""
        try:
            share = self._working()
            with share.asking(moment) as known:
                decision = judge(known)
                if decision.effect is Effect.ALLOW or (self._observing and decision.code is Code.LIMIT):
                    share.asked(state, request.reserve_usd(decision.room), moment)
            return decision
        except StateError as error:
            return self._failed(error)

    def executable(self, state: State, call: ToolCall, decision: Decision, now: Callable[[], datetime]) -> Decision | None:
        """What keeps a call, which was let through, from being executed after all; None where nothing does, and it is claimed."""
        if self._once is None and self._share is None:
            return None
        args_hash = digest(decision.arguments)
        earlier = state.made.get(repeat_key(call.name, args_hash)) if self._is_once(call) else None
        if earlier is not None and earlier.call_id != call.id and not self._observing:
            return _duplicate(earlier)
        if not self.concern(call):
            return None
        try:
            held = self._working().executing(state, call, args_hash, decision, now())
        except StateError as error:
            return self._failed(error)
        if held is None or self._observing:
            return None
        if isinstance(held, Earlier):
            return _duplicate(held)
        return Decision(Effect.BLOCK, Code.LIMIT, held.id, f"limit `{held.id}` was reached while this call waited")

    def earlier(self, state: State, call: ToolCall, decision: Decision) -> Earlier | None:
        """The call that this one repeats, with what is known now of what came of it."""
        args_hash = digest(decision.arguments)
        known = state.made.get(repeat_key(call.name, args_hash))
        if known is not None or self._share is None:
            return known
        try:
            return self._share.earlier(call, args_hash)
        except StateError as error:
            self._failed(error)
            return None

    def idempotency_key(self, state: State, call: ToolCall, decision: Decision) -> str:
        """What tells the effect of a call from others. For what is executed once, a repeat has the same one."""
        return idempotency_key(self._scope, state.run_id, call.name, digest(decision.arguments), None if self._is_once(call) else call.id)

    def remember(self, events: Iterable[Event]) -> None:
        """Takes in what was recorded before."""
        if self._share is not None:
            for event in events:
                self._share.remember(event)

    def decided(self, event: CallDecided) -> None:
        """Takes in what was decided about a call, whatever its tool."""
        if self._share is not None:
            self._share.decided(event)

    def replied(self, state: State, event: ModelReplied) -> None:
        """Counts what an answer cost."""
        self._try(lambda share: share.replied(state, event.cost_usd, event.at))

    def returned(self, state: State, event: ToolReturned) -> None:
        """Keeps what a tool returned, for those who repeat the call."""
        self._try(lambda share: share.returned(state, event))

    def withheld(self, state: State, calls: Sequence[ToolCall]) -> None:
        """Counts calls no more that nobody ever saw."""
        self._try(lambda share: share.withheld(state, calls))

    def _is_once(self, call: ToolCall) -> bool:
        return self._once is not None and call.name in self._once

    def _working(self) -> Share:
        assert self._share is not None
        if self.failure is not None:
            raise self.failure
        return self._share

    def _try(self, account: Callable[[Share], object]) -> None:
        """Keeps books about what has happened already; where that fails, more is counted than was used."""
        if self._share is None:
            return
        try:
            account(self._share)
        except StateError as error:
            self._failed(error)

    def _failed(self, error: StateError) -> Decision:
        self.failure = error
        return Decision(Effect.BLOCK, Code.INTERNAL_ERROR, None, error.message, error.help)


def _duplicate(earlier: Earlier) -> Decision:
    return Decision(Effect.BLOCK, Code.DUPLICATE, ONCE, earlier.sentence)


def _hash_of(call: ToolCall) -> str:
    """The hash of a call's arguments, before it is judged; empty where they do not parse, so that it will not be let through."""
    try:
        return digest(parse_arguments(call.arguments))
    except InvalidJson:
        return ""
