"""The one way to a decision: `propose` decides and records, `record` tells what came of it. All that judges feeds a session."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec.structs import replace

from agentgate.core.arguments import digest, digest_arguments
from agentgate.core.conditions import World
from agentgate.core.engine import CompiledPolicy, compile, decide, exceeded, offered, unrunnable
from agentgate.core.events import ApprovalAnswered, CallDecided, Code, Decision, Effect, Event, Json, Mode, ModelRequest, ToolCall
from agentgate.core.policy import Policy
from agentgate.core.schemas import ToolSet
from agentgate.core.state import State, at_time, evolve, repeat_key
from agentgate.core.stops import Halt, Switch
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.core.changes import Change
    from agentgate.core.explain import Considered


Approve: TypeAlias = Callable[[ToolCall, CallDecided], ApprovalAnswered | None]
"""Who knows whether a person has answered already: given a call that needs it, and the decision that says so."""


_UNESTIMATED = ModelRequest()


class Recorder(Protocol):
    """Takes every event before its consequences; raises RecordError where it cannot keep one."""

    def __call__(self, event: Event, /) -> None: ...


def steady_clock() -> Callable[[], datetime]:
    """A clock in UTC that starts right and never goes back, whatever happens to the machine's own."""
    monotonic, moment = time.monotonic, datetime.fromtimestamp
    offset = time.time() - monotonic()
    return lambda: moment(monotonic() + offset, UTC)


class Session:
    """A run as the policy sees it. Synchronous, without I/O of its own, and not to be shared between threads."""

    def __init__(
        self,
        policy: Policy | CompiledPolicy,
        *,
        role: str | None = None,
        mode: str = Mode.ENFORCE,
        tools: ToolSet | Sequence[Mapping[str, Json]] | None = None,
        allowed_tools: Sequence[str] | None = None,
        prompt: str | None = None,
        recorder: Recorder | None = None,
        clock: Callable[[], datetime] | None = None,
        workdir: str = "/",
        resolve: Callable[[str], str] | None = None,
        switch: Switch | None = None,
    ) -> None:
        """Starts a session.

        Args:
            policy: what to judge by, from `load_policy`.
            role: the role of the operator; never take it from a model or a request. An unknown one has no rights
                beyond rules without roles.
            mode: `enforce`, `observe` or `dry-run`; decisions are the same in all of them, only `enforced` differs.
            tools: the tools that exist, in Chat Completions form; None leaves out the checks that need them.
            allowed_tools: the names that may be called at all; None for no restriction.
            prompt: what the user asked for, for `seen_in: prompt`.
            recorder: is given every event before it counts.
            clock: the time, in UTC.
            workdir: where relative paths start, absolute, unless `run_started` says otherwise.
            resolve: resolves `..` and links of an absolute path, like `os.path.realpath`; without it such conditions cannot be judged.
            switch: the kill switch; without one, nothing is stopped from outside.

        Raises:
            UsageError: `mode` is none of the three, or `allowed_tools` is a text.
        """
        self.policy = policy if isinstance(policy, CompiledPolicy) else compile(policy)
        try:
            self.mode = Mode(mode)
        except ValueError:
            raise UsageError(f"unknown mode `{mode}`", help="one of enforce, observe, dry-run") from None
        if isinstance(allowed_tools, str):
            raise UsageError("`allowed_tools` is a text", help="give a list of names")
        self._record = recorder
        self._clock = clock or steady_clock()
        self._workdir = workdir
        self._resolve = resolve
        self._switch = switch
        self._ended_by: Halt | None = None
        self._hashing = recorder is not None or self.policy.needs_hash
        self.state = State(
            role=role,
            tools=tools if tools is None or isinstance(tools, ToolSet) else ToolSet(tools),
            allowed_tools=None if allowed_tools is None else frozenset(allowed_tools),
            prompt=() if prompt is None else (prompt,),
            started=self._clock(),
        )

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
        decision, event = self._judged(call, at or self._clock(), facts)
        self._keep(event)
        return decision

    def propose_together(self, calls: Sequence[ToolCall], *, approve: Approve | None = None) -> tuple[list[Decision], bool]:
        """Judges the calls of one answer, of which all are let through or none, one after the other, and records the decisions.

        Where one is not let through, all are recorded as withheld: nobody ever saw them, so they used up nothing.

        Args:
            calls: as the model proposed them, in order.
            approve: is asked about calls that a person must decide; gives the answer where there is one already.

        Returns:
            The decisions, and whether all calls are let through. In observe mode they are, but for the kill switch.

        Raises:
            RecordError: a decision could not be recorded. None of the calls may be executed.
            UsageError: one is no ToolCall.
        """
        before = self.state
        decisions: list[Decision] = []
        events: list[CallDecided | ApprovalAnswered] = []
        passed = True
        try:
            for call in calls:
                decision, decided = self._judged(call, self._clock(), None)
                answered = approve(call, decided) if approve is not None and decision.effect is Effect.ASK else None
                approved = answered is not None and answered.answer == "approve"
                passed = passed and (decision.effect is Effect.ALLOW or approved or not decision.enforced)
                decisions.append(decision)
                for event in (decided, answered):
                    if event is not None:
                        events.append(event)
                        self.state = evolve(self.state, event)
        finally:
            after, self.state = self.state, before
        if not passed:
            for event in events:
                if isinstance(event, CallDecided):
                    self._keep(replace(event, withheld=True))
            return decisions, False
        for event in events:
            if self._record is not None:
                self._record(event)
        self.state = after
        return decisions, True

    def request(self, request: ModelRequest = _UNESTIMATED, *, facts: Mapping[str, str] | None = None) -> Decision:
        """Judges the wish to ask the model once more, by the limits.

        Args:
            request: what it may take, where somebody estimates that.
            facts: what was used of limits per hour and per day; believed before anything is looked up.
        """
        self.state = at_time(self.state, self._clock())
        halt = self.halt()
        return decide(self.policy, self.state, request, self._world(facts), killed=None if halt is None else halt.reason)

    def halt(self, call: ToolCall | None = None) -> Halt | None:
        """What the kill switch says right now about executing a call, or with None about going on at all.

        To be asked once more immediately before each execution. A run that it has ended stays ended, also when it is switched off again.
        A switch that fails stops everything.
        """
        if self._ended_by is not None or self._switch is None:
            return self._ended_by
        try:
            halt = self._switch(None if call is None else call.name)
        except Exception as error:
            halt = Halt(f"the kill switch cannot be read: {type(error).__name__}", ends_run=True)
        if halt is not None and halt.ends_run:
            self._ended_by = halt
        return halt

    def runnable(self, call: ToolCall, *, proposed: bool = False) -> Decision:
        """Whether a call could be executed at all, whatever the policy: what observe mode goes by. Ask before proposing it, or say so."""
        return unrunnable(self.state, call, proposed=proposed)

    def exceeded(self, call: ToolCall, to_come: Iterable[str]) -> Decision | None:
        """The limit that leaves no room for a call that was decided earlier. To be asked before it is executed at last.

        Args:
            call: let through, or about to be approved.
            to_come: the tools of the calls that were let through and not executed yet, this one perhaps among them.
        """
        return exceeded(self.policy, self.state, call, to_come)

    def remember(self, events: Iterable[Event]) -> None:
        """Takes in what was recorded before, so that the run goes on from there. Nothing is recorded again."""
        for event in events:
            self.state = evolve(self.state, event)

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
        self._keep(event)

    def now(self) -> datetime:
        """The time by this session's clock."""
        return self._clock()

    def _judged(self, call: ToolCall, moment: datetime, facts: Mapping[str, str] | None) -> tuple[Decision, CallDecided]:
        """The decision, and the event that tells of it; nothing is recorded yet."""
        if not isinstance(call, ToolCall):
            raise UsageError(f"a {type(call).__name__} is no call", help="propose a ToolCall")
        if self.policy.needs_time:
            self.state = at_time(self.state, moment)
        decision = self._decide(self.state, call, facts, self.halt(call))
        event = CallDecided(
            at=moment,
            step=self.state.steps,
            call_id=call.id,
            tool=call.name,
            arguments=call.arguments,
            args_hash=arguments_hash(call, decision) if self._hashing else "",
            effect=decision.effect,
            code=decision.code,
            rule=decision.rule,
            reason=decision.reason,
            hint=decision.hint,
            enforced=decision.enforced,
            facts=decision.facts,
            trials=decision.trials,
        )
        return decision, event

    def _decide(self, state: State, call: ToolCall, facts: Mapping[str, str] | None, halt: Halt | None = None) -> Decision:
        world = self._world(facts) if self.policy.asks_world else None
        decision = decide(self.policy, state, call, world, killed=None if halt is None else halt.reason)
        binds = self.mode is not Mode.OBSERVE or decision.code is Code.KILLED
        return decision if binds else replace(decision, enforced=False)

    def _world(self, facts: Mapping[str, str] | None) -> World:
        return World(workdir=self.state.workdir or self._workdir, resolve=self._resolve, known=facts)

    def _keep(self, event: Event) -> None:
        if self._record is not None:
            self._record(event)
        self.state = evolve(self.state, event)


def arguments_hash(call: ToolCall, decision: Decision) -> str:
    """The SHA-256 of a call's arguments: those that were parsed for the decision, or, where it fell before that, of its text."""
    return digest_arguments(call.arguments) if decision.arguments is None else digest(decision.arguments)


def offered_tools(policy: Policy | CompiledPolicy, role: str | None, names: Sequence[str]) -> list[str]:
    """What `allowed_tools: policy` stands for: those of `names` that a rule lets this role call, and that no rule always blocks."""
    return offered(policy if isinstance(policy, CompiledPolicy) else compile(policy), role, names)


def prepare(policy: Policy) -> CompiledPolicy:
    """Makes a policy ready for many sessions."""
    return compile(policy)
