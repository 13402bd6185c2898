"""What a run has come to so far: the only memory that a judgement may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import TypeAlias, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rpds import HashTrieMap, HashTrieSet, List

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Effect,
    Event,
    Json,
    ModelReplied,
    RunEnded,
    RunResumed,
    RunStarted,
    Scope,
    ToolReturned,
    Totals,
)
from agentgate.core.ledger import Ledger
from agentgate.core.offers import names_offered
from agentgate.core.once import Made, begun, ended
from agentgate.core.schemas import ToolSet, tool_set

CUT_OFF = {
    "length": "the answer was cut off at its greatest length",
    "content_filter": "the answer was cut off by a content filter",
}
"""Finish reasons after which an answer is not whole, so that nothing in it may be executed."""


_ALLOW, _ASK, _BLOCK = Effect.ALLOW, Effect.ASK, Effect.BLOCK
"""To look up a member of an enumeration takes as long as to call a function."""

Counts: TypeAlias = "dict[str, int] | HashTrieMap[str, int]"

_FEW = 32
"""Of so many tools at most, a copied dictionary is several times as fast as a trie; of more, each copy would cost more."""

_COST_DIGITS = 12
"""Ten answers of ten cents are a dollar, which floats added up are not. A token costs more than a millionth of a millionth of a dollar."""


Named: TypeAlias = str | tuple[str, str, str | None, str]
"""What goes by one call id: the tool of the latest call that had it; the `repeat_key` of its only call, empty where there were several or
nobody hashes arguments; the tool that an answer to its question would be about, and the `repeat_key` of that. The tool alone where there is
no more to tell."""


class State(Struct, frozen=True, gc=False):
    """A persistent value: `evolve` makes a new one and shares what did not change, so call 10,000 costs as much as call 10."""

    run_id: str = ""
    policy: str | None = None
    """The SHA-256 of the policy, as it was recorded."""
    role: str | None = None
    tools: ToolSet | None = None
    """None where nobody says which tools there are; the checks that need them are then left out."""
    allowed_tools: frozenset[str] | None = None
    """The names that `tool_choice` restricts the model to; None for no restriction, empty for none at all."""
    max_steps: int | None = None
    workdir: str | None = None
    """Where relative paths start; None where nobody says."""
    imported: bool = False
    """Whether somebody else recorded the run; what such a record never tells (usage) is then not held against it."""
    steps: int = 0
    """Model requests that were answered."""
    allowed: int = 0
    asked: int = 0
    blocked: int = 0
    executed: int = 0
    let_through: int = 0
    """Calls that were allowed, or asked about and approved: what `limits.tool_calls` counts."""
    refusals: int = 0
    """Refused calls since the last one that was let through."""
    input_tokens: int = 0
    output_tokens: int = 0
    usage_missing: bool = False
    """Whether some answer came without its token counts. Unknown is not zero."""
    cost_usd: float | None = None
    """What the answers cost so far, as far as it is known; None where no answer said."""
    cost_missing: bool = False
    """Whether some answer came without its cost. Unknown is not zero."""
    proposed: Ledger[Named] = msgspec.field(default_factory=Ledger)
    """Call id → what goes by it."""
    standing: HashTrieMap[str, str] = HashTrieMap()
    """`repeat_key` of what was approved for the whole run → id of the call that it was approved for."""
    calls_by_tool: Counts = msgspec.field(default_factory=dict)
    """Tool → calls let through. Never changed in place."""
    repeats: HashTrieMap[str, int] = HashTrieMap()
    """`repeat_key` → how often proposed."""
    made: Made = HashTrieMap()
    """`repeat_key` → the call that was made, or may have been; only where the hashes of arguments are known."""
    returned: HashTrieSet[str] = HashTrieSet()
    """Tools that have returned."""
    prompt: tuple[str, ...] = ()
    """What the user said."""
    results: HashTrieMap[str, List[str]] = HashTrieMap()
    """Tool → what it returned, the newest first."""
    unusable: str | None = None
    """Why nothing in the latest answer may be executed."""
    started: datetime | None = None
    now: datetime | None = None
    """The latest moment known; never goes back."""
    ended: datetime | None = None
    """When it ended; None while it goes on."""
    idle: timedelta = timedelta()
    """For how long nothing ran, between an end (or the last event before a crash) and going on."""

    @property
    def calls(self) -> int:
        """How many were decided."""
        return self.allowed + self.asked + self.blocked

    @property
    def seconds(self) -> float:
        """How long the run has run, in seconds. The time while it waited to be resumed does not count."""
        if self.started is None or self.now is None:
            return 0.0
        return ((self.ended or self.now) - self.started - self.idle).total_seconds()

    @property
    def totals(self) -> Totals:
        """What `run_ended` says about the run."""
        return Totals(
            steps=self.steps,
            calls=self.calls,
            allowed=self.allowed,
            asked=self.asked,
            blocked=self.blocked,
            executed=self.executed,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=None if self.cost_missing else self.cost_usd,
            seconds=round(self.seconds, 6),
        )


def at_time(state: State, moment: datetime) -> State:
    """The state as of a moment; an earlier one than it knows changes nothing."""
    started, now = _times(state, moment)
    return state if now is state.now else replace(state, started=started, now=now)


def _times(state: State, moment: datetime) -> tuple[datetime | None, datetime]:
    """When the run started, and the latest moment known, once this one is."""
    if state.now is not None and moment <= state.now:
        return state.started, state.now
    return moment if state.started is None else state.started, moment


def unspent(state: State, tools: Iterable[str]) -> State:
    """The state as if one call of each of these tools had not been let through yet."""
    for tool in tools:
        state = replace(state, let_through=state.let_through - 1, calls_by_tool=_counted(state.calls_by_tool, tool, -1))
    return state


def repeat_key(tool: Json, args_hash: str) -> str:
    """What two calls share that are the same tool with the same arguments."""
    return f"{args_hash} {tool}"


def evolve(state: State, event: Event) -> State:
    """The state after one more event. Pure: the same events give the same state, live or replayed."""
    if isinstance(event, CallDecided):
        return _decided(state, event)
    if isinstance(event, ModelReplied):
        return _replied(state, event)
    if isinstance(event, RunStarted):
        return _started(event)
    if isinstance(event, RunResumed):
        return _resumed(state, event)
    state = at_time(state, event.at)
    match event:
        case ToolReturned():
            return _returned(state, event)
        case ApprovalAnswered():
            return _answered(state, event)
        case RunEnded():
            return replace(state, ended=state.now)
        case _:
            assert_never(event)


def _started(event: RunStarted) -> State:
    return State(
        run_id=event.run_id,
        policy=None if event.policy is None else event.policy.sha256,
        role=event.role,
        tools=None if event.tools is None else tool_set(event.tools),
        allowed_tools=names_offered(event.tool_choice),
        max_steps=event.max_steps,
        workdir=event.workdir,
        imported=event.imported,
        prompt=user_texts(event.messages),
        started=event.at,
        now=event.at,
    )


def _resumed(state: State, event: RunResumed) -> State:
    """What was spent stays spent. What was approved for the whole run was approved under the policy that asked."""
    since = state.ended or state.now or event.at
    policy = state.policy if event.policy is None else event.policy.sha256
    resumed = replace(
        state,
        policy=policy,
        tools=state.tools if event.tools is None else tool_set(event.tools),
        max_steps=state.max_steps if event.max_steps is None else event.max_steps,
        standing=state.standing if policy == state.policy else HashTrieMap(),
        ended=None,
        idle=state.idle + max(event.at - since, timedelta()),
    )
    return at_time(resumed, event.at)


def _replied(state: State, event: ModelReplied) -> State:
    started, now = _times(state, event.at)
    usage, cost = event.usage, event.cost_usd
    missing = usage is None and not state.imported
    if usage is not None and (usage.input_tokens < 0 or usage.output_tokens < 0):
        usage, missing = None, True
    if cost is not None and not (isfinite(cost) and cost >= 0):
        cost = None
    if event.offered is not None:
        offered = event.offered
        state = replace(state, tools=tool_set(offered.tools), allowed_tools=names_offered(offered.tool_choice))
    return replace(
        state,
        started=started,
        now=now,
        steps=state.steps + 1,
        input_tokens=state.input_tokens + (usage.input_tokens if usage else 0),
        output_tokens=state.output_tokens + (usage.output_tokens if usage else 0),
        usage_missing=state.usage_missing or missing,
        cost_usd=state.cost_usd if cost is None else round((state.cost_usd or 0.0) + cost, _COST_DIGITS),
        cost_missing=state.cost_missing or (cost is None and not state.imported),
        unusable=event.unusable or (None if event.finish_reason is None else CUT_OFF.get(event.finish_reason)),
        prompt=state.prompt + user_texts(event.messages) if event.messages else state.prompt,
    )


def _decided(state: State, event: CallDecided) -> State:
    return after_decision(state, event.at, event.call_id, event.tool, event.args_hash, event.effect, withheld=event.withheld)


def after_decision(
    state: State, at: datetime | None, call_id: Json, tool: Json, args_hash: str, effect: Effect, withheld: bool = False
) -> State:
    """What `evolve` makes of a `CallDecided` with these fields. Whoever records nothing need not make one, nor know the time."""
    # On the way of every decision, so the state is made anew only once: the time goes in with the rest.
    started, now = (state.started, state.now) if at is None else _times(state, at)
    allow = effect is _ALLOW
    proposed, repeats, key = state.proposed, state.repeats, ""
    if args_hash:
        key = repeat_key(tool, args_hash)
        repeats = repeats.insert(key, (repeats.get(key) or 0) + 1)
    if type(call_id) is str and not withheld:
        name = tool if type(tool) is str else ""
        named: Named = (name, key, name, key) if effect is _ASK else (name, key, None, "") if key else name
        grown = proposed.insert_new(call_id, named)
        proposed = _named_again(proposed, call_id, name, key, effect) if grown is None else grown
    if not allow or withheld:
        blocked = effect is _BLOCK
        return replace(
            state,
            started=started,
            now=now,
            allowed=state.allowed + allow,
            asked=state.asked + (effect is _ASK),
            blocked=state.blocked + blocked,
            refusals=state.refusals + blocked,
            proposed=proposed,
            repeats=repeats,
        )
    return replace(
        state,
        started=started,
        now=now,
        allowed=state.allowed + 1,
        let_through=state.let_through + 1,
        refusals=0,
        proposed=proposed,
        repeats=repeats,
        calls_by_tool=_counted(state.calls_by_tool, tool, 1),
        made=begun(state.made, key, call_id) if key else state.made,
    )


def _named_again(proposed: Ledger[Named], call_id: str, name: str, key: str, effect: Effect) -> Ledger[Named]:
    """What goes by an id that has gone by another call before."""
    before = proposed.get(call_id)
    if effect is _ASK:
        return proposed.insert(call_id, (name, "" if before else key, name, key))
    *_, asked, asked_key = _all_of(before)
    return proposed.insert(call_id, (name, "", asked, asked_key))


def _all_of(named: Named | None) -> tuple[str, str, str | None, str]:
    return named if isinstance(named, tuple) else (named or "", "", None, "")


def _counted(counts: Counts, tool: str, more: int) -> Counts:
    if isinstance(counts, dict):
        if len(counts) <= _FEW:
            changed = counts.copy()
            changed[tool] = changed.get(tool, 0) + more
            return changed
        counts = HashTrieMap(counts)
    return counts.insert(tool, (counts.get(tool) or 0) + more)


def _answered(state: State, event: ApprovalAnswered) -> State:
    """An answer counts once, and only for the question that it names."""
    if type(event.call_id) is not str or event.scope is Scope.RETRY:
        return state
    tool, key, asked, asked_key = _all_of(state.proposed.get(event.call_id))
    if asked is None or not _fits(state, asked, asked_key, event):
        return state
    answered = state.proposed.insert(event.call_id, (tool, key, None, ""))
    if event.answer != "approve":
        return replace(state, refusals=state.refusals + 1, proposed=answered)
    standing = state.standing
    if event.scope is Scope.RUN and asked_key:
        standing = standing.insert(asked_key, event.call_id)
    return replace(
        state,
        let_through=state.let_through + 1,
        refusals=0,
        proposed=answered,
        calls_by_tool=_counted(state.calls_by_tool, asked, 1),
        made=begun(state.made, asked_key, event.call_id),
        standing=standing,
    )


def _fits(state: State, asked: str, key: str, event: ApprovalAnswered) -> bool:
    """Whether an answer names nothing else than the question did; what one of them leaves open binds nothing."""
    named = repeat_key(asked, event.args_hash) if event.args_hash else ""
    pairs = ((event.tool, asked), (named, key), (event.run_id, state.run_id), (event.policy, state.policy))
    return all(not said or not wanted or said == wanted for said, wanted in pairs)


def _returned(state: State, event: ToolReturned) -> State:
    if type(event.call_id) is not str:
        return state
    tool, key, *_ = _all_of(state.proposed.get(event.call_id))
    made = ended(state.made, key, event)
    if not (event.executed or event.ok):
        return state if made is state.made else replace(state, made=made)
    if not tool:
        return replace(state, executed=state.executed + event.executed)
    # A tool whose result was kept back has returned, and said nothing that anybody heard.
    if event.enforced and event.code in (Code.RESULT_BLOCKED, Code.INTERNAL_ERROR):
        return replace(state, executed=state.executed + event.executed, made=made, returned=state.returned.insert(tool))
    return replace(
        state,
        executed=state.executed + event.executed,
        made=made,
        returned=state.returned.insert(tool),
        results=state.results.insert(tool, (state.results.get(tool) or List()).push_front(event.content)),
    )


def user_texts(messages: Iterable[Mapping[str, Json]]) -> tuple[str, ...]:
    """What the user said in these Chat Completions messages, part by part."""
    said: list[str] = []
    for message in messages:
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            said.append(content)
        elif isinstance(content, list | tuple):
            said += [part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    return tuple(said)
