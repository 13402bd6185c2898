"""The one way to a decision: `propose` decides and records, `record` tells what came of it. All that judges feeds a session."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agentgate.accounts import Accounts
from agentgate.clock import steady_clock
from agentgate.core.admission import Admitted, admitted
from agentgate.core.again import judge_each
from agentgate.core.arguments import arguments_hash, digest
from agentgate.core.compiled import CompiledPolicy as CompiledPolicy  # whoever feeds sessions names it, and what makes one ready
from agentgate.core.compiled import compile
from agentgate.core.compiled import offered_tools as offered_tools
from agentgate.core.conditions import World
from agentgate.core.engine import decide_call, decide_request, exceeded, unrunnable
from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Decision,
    Effect,
    Event,
    Json,
    Mode,
    ModelReplied,
    ModelRequest,
    RunStarted,
    ToolCall,
    ToolReturned,
)
from agentgate.core.needs import noted
from agentgate.core.once import Earlier
from agentgate.core.own import let_through
from agentgate.core.policy import Policy
from agentgate.core.redaction.records import for_approver, redacting
from agentgate.core.redaction.redactor import RESULTS, TEXT, Redactor
from agentgate.core.remembered import Remembered
from agentgate.core.results import judge_result
from agentgate.core.schemas import ToolSet
from agentgate.core.state import State, after_decision, at_time, evolve, repeat_key
from agentgate.core.stops import Halt, Stops, Switch
from agentgate.core.telling import Approve, Recorder, told
from agentgate.dealings import Dealings
from agentgate.errors import StateError, UsageError
from agentgate.setting import Terms, first_state, mode_of, redactor_of

if TYPE_CHECKING:
    from agentgate.core.changes import Change
    from agentgate.core.explain import Considered

_UNESTIMATED = ModelRequest()
_ALLOW, _ENFORCE, _OBSERVE = Effect.ALLOW, Mode.ENFORCE, Mode.OBSERVE
prepare = compile  # so that whoever feeds many sessions makes their policy ready once


class Session:
    """A run as the policy sees it. Synchronous, without I/O of its own, and not to be shared between threads."""

    def __init__(
        self,
        policy: Policy | CompiledPolicy,
        *,
        role: str | None = None,
        mode: str = Mode.ENFORCE,
        tools: ToolSet | Sequence[Mapping[str, Json]] | None = None,
        allowed_tools: Collection[str] | None = None,
        prompt: str | None = None,
        recorder: Recorder | None = None,
        clock: Callable[[], datetime] | None = None,
        workdir: str = "/",
        resolve: Callable[[str], str] | None = None,
        switch: Switch | None = None,
        accounts: Accounts | None = None,
        secrets: Mapping[str, str] | Redactor | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        """Starts a session.

        Args:
            policy: what to judge by, from `load_policy`.
            role: the role of the operator; never take it from a model or a request. An unknown one has no rights
                beyond rules without roles.
            mode: `enforce`, `observe` or `dry-run`; decisions are the same in all of them, only `enforced` differs.
            tools: the tools that exist, in Chat Completions form; None leaves out the checks that need them.
            allowed_tools: the names that may be called at all, a list, tuple or set; empty for none, None for no restriction.
            prompt: what the user asked for, for `seen_in: prompt`.
            recorder: is given every event before it counts.
            clock: the time, in UTC.
            workdir: where relative paths start, absolute, unless `run_started` says otherwise.
            resolve: resolves `..` and links of an absolute path, like `os.path.realpath`; without it such conditions cannot be judged.
            switch: the kill switch; without one, nothing is stopped from outside.
            accounts: what runs share; without it, limits per hour and per day and `once` know of this run alone.
            secrets: environment variables whose values no record may hold, name → value, from `known_secrets`; or the redactor made of them
                and the policy, where many sessions share it.
            remembered: for a session that judges what happened long ago: what this policy made of earlier calls. Then nobody may execute
                what is decided, or ask for totals: the state holds only what this policy looks at.

        Raises:
            UsageError: `mode` is none of the three, or `allowed_tools` is no list of names.
        """
        ready = policy if isinstance(policy, CompiledPolicy) else compile(policy)
        now, how = clock or steady_clock(), mode_of(mode)
        unshared = Dealings(None, ready.windows, ready.once, how)
        terms = Terms(ready, how, now, workdir, resolve, remembered, redactor_of(ready.policy, secrets), unshared)
        self._begin(terms, first_state(role, tools, allowed_tools, prompt, now()), recorder, switch, accounts)

    def alike(self, state: State, recorder: Recorder | None, *, switch: Switch | None = None, accounts: Accounts | None = None) -> Session:
        """Another session that judges by the same, and goes on from a state: for those who begin many, each for a part of the cost."""
        made = Session.__new__(Session)
        made._begin(self._terms, state, recorder, switch, accounts)  # noqa: SLF001 - of its own class
        return made

    def _begin(self, terms: Terms, state: State, recorder: Recorder | None, switch: Switch | None, accounts: Accounts | None) -> None:
        self._terms = terms
        self.policy, self.mode, self._clock, self._workdir, self._resolve, self._remembered, self._redactor, unshared = terms
        policy, mode = self.policy, self.mode
        self._observing = mode is _OBSERVE
        self._stops = None if switch is None else Stops(switch)
        self._shared = accounts is not None
        self._dealings = unshared if accounts is None else Dealings(accounts, policy.windows, policy.once, mode)
        # Who is told of decisions, and whether anybody asks when they fell.
        self._telling = recorder is not None or self._shared
        self._timed = self._telling or policy.needs_time
        remembers, live = self._remembered is not None, self._telling or switch is not None or mode is not _ENFORCE
        if remembers and live:
            raise UsageError("a session that remembers judgements neither records nor executes anything")
        self._record = recorder if recorder is None or self._redactor is None else redacting(recorder, self._redactor)
        self._hashing = recorder is not None or policy.needs_hash
        self._alone = not (live or remembers or self._timed or self._hashing or policy.asks_world)
        """Whether a decision depends on nothing but policy, state and call, and nobody is told of it."""
        self._state, self._seen = state, True

    @property
    def state(self) -> State:
        """What the run has come to. Whoever holds it holds it as it was, whatever follows."""
        self._seen = True
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state, self._seen = state, True

    def propose(self, call: ToolCall, *, at: datetime | None = None, facts: Mapping[str, str] | None = None) -> Decision:
        """Judges a call and records the decision.

        Args:
            call: as the model proposed it.
            at: when it was proposed, for replays; now, by default.
            facts: what was recorded about the world when it was first judged; believed before anything is looked up.

        Raises:
            RecordError: the decision could not be recorded. The call must not be executed.
            UsageError: it is no ToolCall.
        """
        if self._alone and at is None and type(call) is ToolCall:
            decision = decide_call(self.policy, self._state, call)
            if decision.effect is not _ALLOW or self._seen or not let_through(self._state, call.id, call.name):
                self._state = after_decision(self._state, None, call.id, call.name, "", decision.effect)
                self._seen = self._seen and decision.effect is not _ALLOW
            return decision
        if self._remembered is not None and not self.policy.needs.counts and isinstance(call, ToolCall):
            world = self._world(facts) if self.policy.asks_world else None
            decision = decide_call(self.policy, self.state, call, world, remembered=self._remembered)
            self.state = noted(self.state, call)
            return decision
        moment = self._clock() if at is None and self._timed else at
        decision, args_hash = self._judged(self.state, call, moment, facts)
        if self._telling:
            event = told(call, decision, moment or self._clock(), self.state.steps, args_hash)
            self._keep(event)
            self._dealings.decided(event)
        else:
            self.state = after_decision(self.state, moment, call.id, call.name, args_hash, decision.effect)
        return decision

    def decide_run(self, started: RunStarted, calls: Sequence[ToolCall]) -> list[Decision]:
        """What `propose` would decide about the calls of a run that holds nothing else. This session stays as it is.

        Raises:
            UsageError: it does not remember judgements, or its policy looks at more than the calls.
        """
        if self._remembered is None or not self.policy.judges_calls_alone:
            raise UsageError("only a session that remembers judgements, of a policy that does not count, decides about runs")
        return judge_each(self.policy, evolve(self.state, started), calls, self._remembered)

    def propose_together(
        self,
        calls: Sequence[ToolCall],
        *,
        approve: Approve | None = None,
        at: datetime | None = None,
        facts: Sequence[Mapping[str, str] | None] | None = None,
        withheld: bool = False,
    ) -> tuple[list[Decision], bool]:
        """Judges the calls of one answer, of which all are let through or none, one after the other, and records the decisions.

        Where one is not let through, all are recorded as withheld: nobody ever saw them, so they used up nothing.

        Args:
            calls: as the model proposed them, in order.
            approve: is asked about calls that a person must decide; gives the answer where there is one already.
            at: when they were proposed, for replays; now, by default.
            facts: what was recorded about the world for each of them, for replays.
            withheld: whether they are withheld whatever is decided, because that is what happened.

        Returns:
            The decisions, and whether all calls are let through. In observe mode they are, but for the kill switch.

        Raises:
            RecordError: a decision could not be recorded. None of the calls may be executed.
            UsageError: one is no ToolCall.
        """
        state = before = self.state
        decisions: list[Decision] = []
        events: list[CallDecided | ApprovalAnswered] = []
        passed = not withheld
        for call, known in zip(calls, facts or (None,) * len(calls), strict=True):
            moment = at or self._clock()
            decision, args_hash = self._judged(state, call, moment, known)
            decided = told(call, decision, moment, state.steps, args_hash)
            decisions.append(decision)
            events.append(decided)
            state = after_decision(state, moment, call.id, call.name, args_hash, decision.effect)
            if decision.effect is _ALLOW:
                continue
            answered = approve(call, decided) if approve is not None and decision.effect is Effect.ASK else None
            if answered is not None:
                events.append(answered)
                state = evolve(state, answered)
            passed = passed and (not decision.enforced or (answered is not None and answered.answer == "approve"))
        if not passed:
            self._dealings.withheld(before, calls)
            for event in events:
                if isinstance(event, CallDecided):
                    self._keep(replace(event, withheld=True))
            return decisions, False
        if self._record is not None:
            for event in events:
                self._record(event)
        self.state = state
        return decisions, True

    def admit(self, call: ToolCall, content: str, *, ok: bool = True) -> Admitted:
        """Judges what a tool returned, before anybody hears of it. What comes of it goes to the model, and into `tool_returned`.

        Args:
            call: what was executed.
            content: the text for the model: a JSON object with `result`, or with `error`.
            ok: whether the tool succeeded.
        """
        verdict = judge_result(self.policy.results, self.state, call.name, content, self._world(None))
        if self.mode is Mode.OBSERVE:
            verdict = replace(verdict, enforced=False)
        return admitted(verdict, content, self._redactor, ok=ok)

    def for_approver(self, call: ToolCall, decision: Decision) -> tuple[ToolCall, Decision]:
        """A call and its decision as those may see them who approve: the whole call, but for secrets."""
        return (call, decision) if self._redactor is None else for_approver(self._redactor, call, decision)

    def redacted(self, text: str, kind: str = TEXT) -> str:
        """A text about this run as it may be kept and shown."""
        return text if self._redactor is None else self._redactor.record(text, kind)

    def request(self, request: ModelRequest = _UNESTIMATED, *, facts: Mapping[str, str] | None = None, on_their_way: int = 0) -> Decision:
        """Judges the wish to ask the model once more, by the limits.

        Args:
            request: what it may take, where somebody estimates that.
            facts: what was used of limits per hour and per day; believed before anything is looked up.
            on_their_way: how many other requests of this run were sent and not answered yet: each is a step.
        """
        state = self.state
        if self.policy.needs_time:
            state = self.state = at_time(state, self._clock())
        halt = None if self._stops is None else self._stops.halt(None)
        killed = None if halt is None else halt.reason
        if on_their_way:
            state = replace(state, steps=state.steps + on_their_way)
        if facts is None and self._shared and self._dealings.count_cost:
            judge = lambda known: decide_request(self.policy, state, request, self._world(known), killed)  # noqa: E731
            return self._dealings.requested(state, request, self._clock(), judge)
        return decide_request(self.policy, state, request, self._world(facts) if self.policy.windows else None, killed)

    def halt(self, call: ToolCall | None = None) -> Halt | None:
        """What the kill switch says right now about executing a call, or with None about going on at all.

        To be asked once more immediately before each execution. See `Stops`.
        """
        return None if self._stops is None else self._stops.halt(None if call is None else call.name)

    def executable(self, call: ToolCall, decision: Decision) -> Decision | None:
        """What keeps a call, which was let through, from being executed after all; None where nothing does.

        To be asked immediately before each execution, and only there: what is executed once is this call's from now on.
        """
        return self._dealings.executable(self.state, call, decision, self._clock)

    def earlier(self, call: ToolCall, decision: Decision) -> Earlier | None:
        """The call that this one repeats, with what is known now of what came of it."""
        return self._dealings.earlier(self.state, call, decision)

    def idempotency_key(self, call: ToolCall, decision: Decision) -> str:
        """What tells the effect of a call from others. For what is executed once, a repeat has the same one."""
        return self._dealings.idempotency_key(self.state, call, decision)

    def runnable(self, call: ToolCall, *, proposed: bool = False) -> Decision:
        """Whether a call could be executed at all, whatever the policy: what observe mode goes by. Ask before proposing it, or say so."""
        return unrunnable(self.state, call, proposed=proposed)

    def exceeded(self, call: ToolCall, to_come: Iterable[str]) -> Decision | None:
        """The limit that leaves no room for a call that was decided earlier; see `exceeded`. Asked before it is executed at last."""
        return exceeded(self.policy, self.state, call, to_come)

    def remember(self, events: Iterable[Event]) -> None:
        """Takes in what was recorded before, so that the run goes on from there. Nothing is recorded again."""
        for event in events:
            self.state = evolve(self.state, event)
            self._dealings.remember((event,))

    def standing(self, call: ToolCall, decision: Decision) -> str | None:
        """The id of the call whose approval stands for this one too: the same tool, with exactly the same arguments, in this run."""
        return self.state.standing.get(repeat_key(call.name, digest(decision.arguments)))

    def explain(
        self, call: ToolCall, *, at: datetime | None = None, facts: Mapping[str, str] | None = None
    ) -> tuple[Decision, list[Considered], list[Change]]:
        """What `propose` would decide about a call here, by which rules, and what would change it. Nothing is recorded."""
        from agentgate.core.changes import changes
        from agentgate.core.explain import considered

        state = at_time(self.state, at or self._clock())
        decision = self._decide(state, call, facts)
        world = self._world(facts)
        return decision, considered(self.policy, state, call, world), changes(self.policy, state, call, world, decision)

    def record(self, event: Event) -> None:
        """Tells what happened.

        Raises:
            RecordError: it could not be recorded.
            UsageError: it is a decision; those come from `propose` alone.
        """
        if isinstance(event, CallDecided):
            raise UsageError("decisions are recorded by `propose` alone")
        if self._remembered is not None and not self.policy.needs.matters(self.state, event):
            return
        if self._shared and isinstance(event, ModelReplied):
            self._dealings.replied(self.state, event)
        if self._record is not None:
            self._record(event)
        self._state = evolve(self.state, event)
        if self._shared and isinstance(event, ToolReturned):
            self._dealings.returned(self.state, replace(event, content=self.redacted(event.content, RESULTS)))

    @property
    def failure(self) -> StateError | None:
        """How the accounts failed, if they did: from then on nothing that needs them is let through, and the run had better end."""
        return self._dealings.failure

    def now(self) -> datetime:
        """The time by this session's clock."""
        return self._clock()

    def _judged(self, state: State, call: ToolCall, moment: datetime | None, facts: Mapping[str, str] | None) -> tuple[Decision, str]:
        """The decision, and the hash of the arguments where anybody asks for it; nothing is recorded yet."""
        if not isinstance(call, ToolCall):
            raise UsageError(f"a {type(call).__name__} is no call", help="propose a ToolCall")
        if moment is not None and self.policy.needs_time:
            state = at_time(state, moment)
        halt = None if self._stops is None else self._stops.halt(call.name)
        if facts is None and self._shared and self._dealings.concern(call):
            decision = self._dealings.judged(state, call, moment or self._clock(), lambda known: self._decide(state, call, known, halt))
        else:
            decision = self._decide(state, call, facts, halt)
        return decision, (call.args_hash or decision.args_hash or arguments_hash(call, decision)) if self._hashing else ""

    def _decide(self, state: State, call: ToolCall, facts: Mapping[str, str] | None, halt: Halt | None = None) -> Decision:
        world = self._world(facts) if self.policy.asks_world else None
        decision = decide_call(self.policy, state, call, world, None if halt is None else halt.reason, self._remembered)
        if self._observing and decision.code is not Code.KILLED:
            return replace(decision, enforced=False)
        return decision

    def _world(self, facts: Mapping[str, str] | None) -> World:
        return World(workdir=self._state.workdir or self._workdir, resolve=self._resolve, known=facts)

    def _keep(self, event: Event) -> None:
        if self._record is not None:
            self._record(event)
        self.state = evolve(self.state, event)
