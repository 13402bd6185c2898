"""What a policy says about an answer: the conversation and the calls are fed to a session, as a replay of the same would do it.

Synchronous and without I/O of its own. One call that is not let through withholds the whole answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace
from rpds import HashTrieMap

from agentgate import __version__
from agentgate.accounts import Accounts
from agentgate.core.events import (
    CallDecided,
    Code,
    Decision,
    Effect,
    Event,
    Json,
    Mode,
    ModelReplied,
    ModelRequest,
    Offer,
    PolicyDigest,
    RunStarted,
    ToolCall,
    ToolReturned,
    Usage,
)
from agentgate.core.offers import names_offered
from agentgate.core.redaction.redactor import Redactor
from agentgate.core.state import State, user_texts
from agentgate.core.stops import Stops, Switch
from agentgate.core.windows import Used
from agentgate.files.gateway_records import Denial
from agentgate.files.transcript import Item, Proposed, Unanswered
from agentgate.gateway.asking import Approvals, Asking
from agentgate.gateway.envelope import BadRequest
from agentgate.gateway.errors import Failure, violation
from agentgate.gateway.past import Past
from agentgate.gateway.results import SEEN, Heard, Result, admit, heard, passed, ruled
from agentgate.gateway.shapes import Answer, Asked, no_longer_offered
from agentgate.models.prices import Pricing
from agentgate.session import CompiledPolicy, Session

_COUNTED_BEFORE = Usage(0, 0)
"""What an answer of the past used: it was counted when it was given."""

_UNESTIMATED = ModelRequest()
_NEW = State()
"""Before a run has started."""
_NOBODY = (None, None)
_NONE_RETURNED: HashTrieMap[str, Heard] = HashTrieMap()
_ALLOW, _OBSERVE = Effect.ALLOW, Mode.OBSERVE
_LONGEST_KIND = 64
"""Characters of what a client calls a tool of its provider."""

Stopper: TypeAlias = Callable[[str], Switch]
"""Makes the kill switch of one run, given its id."""


class Bench(Struct, frozen=True, kw_only=True, dict=True):
    """What a gateway judges by. A reload makes a new one."""

    policy: CompiledPolicy
    digest: PolicyDigest
    mode: Mode
    role: str | None
    clock: Callable[[], datetime]
    workdir: str
    resolve: Callable[[str], str] | None = None
    switch: Stopper | None = None
    price: Callable[[str], Pricing | None] | None = None
    """How to tell what a model's answers cost; None where the policy does not want to know."""
    redactor: Redactor | None = None
    """Keeps secrets out of records: those of the policy, and the values of environment variables."""

    def session(self, state: State, recorder: Callable[[Event], None], run: str | None, accounts: Accounts | None = None) -> Session:
        """A session by this policy that goes on from a state; without a run, one that no kill switch reaches."""
        switch = self.switch(run) if self.switch is not None and run is not None else None
        return self._first.alike(state, recorder, switch=switch, accounts=accounts)

    @cached_property
    def _first(self) -> Session:
        """What every session is like."""
        return Session(
            self.policy,
            role=self.role,
            mode=self.mode,
            clock=self.clock,
            workdir=self.workdir,
            resolve=self.resolve,
            secrets=self.redactor,
        )

    @cached_property
    def limits_requests(self) -> bool:
        """Whether a request may have to be refused before it is sent on, by what it has used."""
        return bool(self.policy.request_limits) or self.counts_cost

    @cached_property
    def limits_steps(self) -> bool:
        """Whether requests of a session that are on their way count."""
        return self.mode is not Mode.OBSERVE and any(limit.kind == "steps" for limit in self.policy.request_limits)

    @cached_property
    def counts_cost(self) -> bool:
        """Whether there are limits of cost over time, for which every answer counts."""
        return any(window.kind == "cost_usd" for window in self.policy.windows)

    @cached_property
    def needs_usage(self) -> bool:
        """Whether answers must say what they took."""
        return self.counts_cost or any(limit.kind in ("tokens", "cost_usd") for limit in self.policy.call_limits)

    @cached_property
    def past_facts(self) -> Mapping[str, str] | None:
        """What the calls of a conversation's past are judged by: they were counted when they were made, if they were made here."""
        return {window.id: Used(0).fact for window in self.policy.windows} or None

    def stopped(self, run: str) -> Denial | None:
        """What the kill switch says about a run right now."""
        if self.switch is None:
            return None
        halt = Stops(self.switch(run) if run else self._of_nobody).halt(None)
        return None if halt is None else Denial(code=Code.KILLED.value, reason=halt.reason)

    @cached_property
    def _of_nobody(self) -> Switch:
        """The kill switch for runs without a name."""
        assert self.switch is not None
        return self.switch("")


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of an answer."""

    released: bool
    decided: tuple[CallDecided, ...]
    failure: Failure | None
    """What the client gets where it is not released."""
    past: Past
    events: tuple[Event, ...]
    """All that was recorded since the verdict before, from the beginning of the run where it is the first."""


class Sitting:
    """One request before the policy, with every answer that it gets: several, where the model is asked again."""

    def __init__(
        self,
        bench: Bench,
        asked: Asked,
        past: Past | None,
        run: str,
        accounts: Accounts | None = None,
        results: Sequence[Result] = (),
        *,
        at: datetime | None = None,
    ) -> None:
        """Feeds the conversation.

        Args:
            bench: what to judge by.
            asked: the request.
            past: what its session has come to; None for a fresh one, which then knows what the request tells.
            run: what a fresh run is called.
            accounts: what is used of limits over time; without them, such limits know of this conversation alone.
            results: what the model was given of the results in the request, where it was sent already.
            at: when a fresh run starts; now, by default.

        Raises:
            BadRequest: the conversation holds a result of a call that nobody knows.
        """
        self._bench = bench
        self._asked = asked
        self._events: list[Event] = []
        self._note = self._events.append  # not a method, so that nothing here holds itself: all is freed as soon as the request is answered
        self.run = run if past is None else past.run
        self._observing = bench.mode is _OBSERVE
        self._returned = _NONE_RETURNED if past is None else past.returned
        self._given = results
        self.results: list[Result] = []
        """What the model gets of the results in the request, in their order."""
        self.room: int | None = None
        """How many tokens of an answer the limits have room for, once the request is permitted; None for any number."""
        self._new: list[dict[str, Json]] = []
        """Messages of the user that the session has not seen."""
        state = _NEW if past is None else replace(past.state, role=bench.role)
        self._session = bench.session(state, self._note, self.run, accounts)
        if past is None:
            self._session.record(self._started(at or bench.clock()))
            if len(asked.items) > 1:
                self._feed(asked.items[1:])
        else:
            self._feed_new()

    def _before(self) -> Session:
        """A session that goes on from where this one is, for the past: no kill switch reaches it."""
        return self._bench.session(self._session.state, self._note, None)

    def permit(self, request: ModelRequest = _UNESTIMATED, on_their_way: int = 0) -> Denial | None:
        """Whether the model may be asked: why not, where not. In observe mode most of that is not enforced.

        Args:
            request: what it may take.
            on_their_way: how many other requests of the session were sent and not answered yet: each is a step.
        """
        denied = self._hosted() or (None if self._bench.price is None else self._unpriced(self._bench.price))
        if denied is not None and not self._observing:
            return denied
        decision = self._session.request(request, on_their_way=on_their_way)
        self.room = None if self._observing else decision.room
        if decision.effect is _ALLOW:
            return None if denied is None else replace(denied, enforced=False)
        return Denial(code=decision.code.value, rule=decision.rule, reason=decision.reason, enforced=self._binds(decision))

    def _hosted(self) -> Denial | None:
        """The refusal of tools whose calls nobody could judge."""
        if not self._asked.hosted:
            return None
        kind = self._asked.hosted[0][:_LONGEST_KIND]
        reason = f"calls of a tool of the kind '{kind}' cannot be judged: most such tools run at the provider"
        return Denial(code=Code.UNKNOWN_TOOL.value, tool=kind, reason=reason)

    def _unpriced(self, price: Callable[[str], Pricing | None]) -> Denial | None:
        """The refusal of a model whose price nobody knows, where the policy limits the cost."""
        model = self._asked.model
        if price(model) is not None:
            return None
        limit = next(limit for limit in self._bench.policy.policy.limits if limit.kind == "cost_usd")
        reason = f"nobody knows what the model '{model}' costs, so the limit of the cost cannot be kept"
        return Denial(code=Code.LIMIT.value, rule=limit.id, reason=reason)

    def judge(self, answer: Answer, approvals: Approvals) -> Verdict:
        """Judges an answer and records it."""
        over = self._session.request()
        stopped = over.reason if over.effect is not _ALLOW and self._binds(over) else None
        at = self._session.now()  # not before the request was decided: nothing is decided by a later moment than is recorded
        self._session.record(self._replied(answer, stopped, at))
        mark = len(self._events)
        asking = Asking(approvals)
        unusable = stopped or answer.unusable
        lost = unusable is not None and not self._observing
        _, released = self._session.propose_together(answer.calls, approve=asking, at=at)
        decided = tuple([event for event in self._events[mark:] if isinstance(event, CallDecided)])
        released = released and not lost
        failure = None
        if released:
            approvals.use(asking.approved)
        elif stopped:
            failure = violation(effect=over.effect, code=over.code, rule=over.rule, tool=None, reason=over.reason)
        else:
            failure = asking.failure(unusable, decided)
        events = tuple(self._events)
        self._events.clear()
        return Verdict(
            released=released,
            decided=decided,
            failure=failure,
            past=Past(self.run, self._session.state, self._returned),
            events=events,
        )

    def _binds(self, decision: Decision) -> bool:
        return not self._observing or decision.code is Code.KILLED

    def _started(self, at: datetime) -> RunStarted:
        asked, bench = self._asked, self._bench
        first = asked.items[0]
        assert isinstance(first, RunStarted)
        fresh = len(asked.items) == 1
        unknown = () if fresh else no_longer_offered(asked)
        same = fresh or not (unknown or asked.tool_choice != "auto")
        self._offer = None if same else Offer(asked.tools, asked.tool_choice)
        return RunStarted(
            at=at,
            run_id=self.run,
            agentgate=__version__,
            policy=bench.digest,
            mode=bench.mode,
            role=bench.role,
            model=asked.model,
            messages=first.messages,
            tools=(*asked.tools, *unknown) if unknown else asked.tools,
            tool_choice=asked.tool_choice if fresh else "auto",
            workdir=bench.workdir,
        )

    def _feed(self, items: Sequence[Item]) -> None:
        """The past of a fresh run: judged as a replay would, so that its limits count alike."""
        session = self._before()
        for item in items:
            match item:
                case ModelReplied():
                    self._record_past(session, item)
                case Proposed():
                    session.propose(item.call, facts=self._bench.past_facts)
                case Unanswered():
                    self._new += item.messages
                case ToolReturned():
                    self._record_result(session, item)
                case _:
                    pass
        self._session.state = session.state

    def _feed_new(self) -> None:
        """What a session has not seen yet: results of its calls, new words of the user, and calls of somebody else's past."""
        session = self._before()
        self._offer = self._changed_offer(session.state)
        known_texts = set(session.state.prompt)
        pending: ModelReplied | None = None
        for item in self._asked.items:
            match item:
                case RunStarted() | ModelReplied():
                    self._new += [message for message in item.messages if not known_texts.issuperset(user_texts((message,)))]
                    pending = item if isinstance(item, ModelReplied) else None
                case Proposed(call=call):
                    if type(call.id) is not str or session.state.proposed.get(call.id) is not None:
                        continue
                    if pending is not None:
                        self._record_past(session, replace(pending, messages=()))
                        pending = None
                    session.propose(call, facts=self._bench.past_facts)
                case Unanswered():
                    self._new += [message for message in item.messages if not known_texts.issuperset(user_texts((message,)))]
                case ToolReturned():
                    self._record_result(session, item, once=True)
                case _:
                    pass
        self._session.state = session.state

    def _record_past(self, session: Session, item: ModelReplied) -> None:
        session.record(replace(item, at=session.now(), step=session.state.steps + 1, usage=_COUNTED_BEFORE, cost_usd=0.0))

    def _record_result(self, session: Session, item: ToolReturned, *, once: bool = False) -> None:
        call_id, bench = item.call_id, self._bench
        tool = (session.state.proposed.get(call_id) or _NOBODY)[0] if type(call_id) is str else None
        if type(call_id) is not str or session.state.proposed.get(call_id) is None:
            if bench.mode is Mode.OBSERVE:
                self.results.append(Result(passed(item.content, bench.redactor)))
                return
            raise BadRequest("a message answers a tool call that no message before it proposes", "messages")
        if not tool and bench.policy.results.rules and bench.mode is not Mode.OBSERVE:
            raise BadRequest("a message answers a tool call without a name, which the rules about results cannot judge", "messages")
        before = self._returned.get(call_id)
        place = len(self.results)
        if place < len(self._given):
            result = self._given[place]
        elif tool and bench.policy.results.plan(tool, session.state.role):
            result = ruled(admit(session, ToolCall(call_id, tool, None), item.content, bench.redactor, bench.digest.sha256, before))
        else:
            result = Result(passed(item.content, bench.redactor))
        self.results.append(result)
        if not once or before is None:
            session.record(replace(item, at=session.now(), content=result.content, **result.told))
            recorded = self._events[-1]
            assert isinstance(recorded, ToolReturned)
            ruled_by = bench.digest.sha256 if bench.policy.results.rules else None
            self._returned = self._returned.insert(call_id, SEEN if ruled_by is None else heard(recorded, ruled_by))

    def _changed_offer(self, state: State) -> Offer | None:
        """What is offered now, where it is not what was offered before."""
        asked = self._asked
        same = state.tools is not None and state.tools.definitions == asked.tools
        return None if same and state.allowed_tools == names_offered(asked.tool_choice) else Offer(asked.tools, asked.tool_choice)

    def _replied(self, answer: Answer, stopped: str | None, at: datetime) -> ModelReplied:
        message: dict[str, Json] = {"role": "assistant", "content": None}
        if answer.calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in answer.calls
            ]
        price = None if self._bench.price is None or answer.usage is None else self._bench.price(self._asked.model)
        event = ModelReplied(
            at=at,
            step=self._session.state.steps + 1,
            message=message,
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            cost_usd=None if price is None or answer.usage is None else price(answer.usage),
            unusable=stopped or answer.unusable,
            messages=tuple(self._new),
            offered=self._offer,
        )
        self._new, self._offer = [], None
        return event
