"""The only judgement: `decide(policy, state, action)`, pure and total, over a policy that `compile` has prepared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from agentgate.core.arguments import InvalidJson, digest, read_arguments
from agentgate.core.compiled import CompiledPolicy, compile
from agentgate.core.conditions import World
from agentgate.core.events import Action, Code, Decision, Effect, Json, ModelRequest, ToolCall, Trial
from agentgate.core.flat import Short
from agentgate.core.index import Plan
from agentgate.core.ledger import Ledger
from agentgate.core.limits import LEAST_ANSWER, OF_COUNTS, OF_REQUESTS, CompiledLimit
from agentgate.core.once import ONCE, repeated
from agentgate.core.policy import Policy
from agentgate.core.reasons import not_allowed
from agentgate.core.remembered import Recent, Remembered
from agentgate.core.schemas import InvalidSchema
from agentgate.core.state import State, repeat_key, unspent

MAX_ID = 256
# Looking up a member of an enumeration costs as much as calling a function.
_ALLOW, _BLOCK, _RULE, _LIMIT, _DEFAULT = Effect.ALLOW, Effect.BLOCK, Code.RULE, Code.LIMIT, Code.DEFAULT
_is_name = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch

_WITHIN = Decision(_ALLOW, _DEFAULT, None, "within the limits")
_NOWHERE = World()
"""Where nobody has handed in a world: every question about it stays open, so nothing is ever kept in its facts."""


def decide(
    policy: Policy | CompiledPolicy,
    state: State,
    action: Action,
    world: World | None = None,
    *,
    killed: str | None = None,
    remembered: Remembered | None = None,
) -> Decision:
    """Judges one action.

    Total: whatever goes wrong while judging is a block with code `internal_error`.

    Args:
        policy: the rules and limits. What is judged more than once had better be compiled once.
        state: what the run has come to before this action.
        action: a tool call, or the wish to ask the model.
        world: answers what a judgement may ask about links in paths; without it, such conditions cannot be judged. Also tells what
            limits per hour and per day have used up, and what other runs have executed; without it, this run alone counts.
        killed: why the kill switch stops this action, whatever the policy; None where it does not.
        remembered: what this policy made of earlier calls. For those who execute nothing: the arguments in what is remembered are shared.
    """
    try:
        ready = policy if isinstance(policy, CompiledPolicy) else compile(policy)
        if isinstance(action, ToolCall):
            return decide_call(ready, state, action, world, killed, remembered)
        if isinstance(action, ModelRequest):
            return decide_request(ready, state, action, world, killed)
        return _block(Code.INTERNAL_ERROR, f"a {type(action).__name__} is no action")
    except Exception as error:
        return _internal_error(error)


def unrunnable(state: State, call: ToolCall, *, proposed: bool = False) -> Decision:
    """What keeps a call from being executed at all, whatever the policy; an allow with the parsed arguments where nothing does.

    Args:
        state: what the run has come to before this call.
        call: as the model proposed it.
        proposed: whether the state knows of this very call already.
    """
    try:
        malformed = _malformed(replace(state, proposed=Ledger()) if proposed else state, call)
        if malformed is not None:
            return malformed
        if state.tools is not None and call.name not in state.tools.names:
            return _no_such_tool(call)
        arguments = _arguments(state, call)
    except Exception as error:
        return _internal_error(error)
    return arguments if isinstance(arguments, Decision) else Decision(Effect.ALLOW, Code.DEFAULT, None, "can run", arguments=arguments)


def exceeded(policy: CompiledPolicy, state: State, call: ToolCall, to_come: Iterable[str]) -> Decision | None:
    """The limit on calls that leaves no room for executing a call that was decided earlier; None where there is room.

    Args:
        policy: whose limits hold.
        state: what the run has come to.
        call: let through, or about to be approved.
        to_come: the tools of the calls that were let through already, so that the state counts them, and were not executed yet.
    """
    before = unspent(state, to_come)
    for limit in policy.call_limits:
        if limit.kind in OF_COUNTS and (limit.selector is None or limit.counts(call.name)):
            reason = limit.reached(before)
            if reason is not None:
                return Decision(Effect.BLOCK, Code.LIMIT, limit.id, reason)
    return None


def decide_call(
    policy: CompiledPolicy,
    state: State,
    call: ToolCall,
    world: World | None = None,
    killed: str | None = None,
    remembered: Remembered | None = None,
) -> Decision:
    """What `decide` says about a call, given a policy that is ready."""
    try:
        id, name = call.id, call.name
        if state.unusable is not None or type(id) is not str or not id or len(id) > MAX_ID or id in state.proposed.keys:
            malformed = _bad_id(state, call)
            if malformed is not None:
                return malformed
        plan = policy.index.known.get((name, state.role)) if type(name) is str else None
        if plan is None:
            malformed = _bad_name(call)
            if malformed is not None:
                return malformed
            plan = policy.index.plan(name, state.role)
        if killed is not None:
            return _block(Code.KILLED, killed)
        if not plan.named and policy.default is _BLOCK:
            return _not_allowed_at_all(plan, call)
        short = None
        if state.tools is not None:
            short = state.tools.short.get(name)
            if short is None and name not in state.tools.names:
                return _no_such_tool(call)
        if state.allowed_tools is not None and name not in state.allowed_tools:
            return _block(Code.NOT_OFFERED, f"tool '{name}' was not offered")
        world = _NOWHERE if world is None else world
        memory = policy.recent if remembered is None else remembered
        if memory.resting > 0:
            memory.resting -= 1
        elif plan.of_call_alone and policy.of_calls_alone:
            return _from_memory(policy, plan, short, state, call, world, memory)
        return _judge_arguments(policy, plan, short, state, call, world)
    except Exception as error:
        return _internal_error(error)


def decide_request(
    policy: CompiledPolicy, state: State, request: ModelRequest, world: World | None = None, killed: str | None = None
) -> Decision:
    """What `decide` says about a request to the model, given a policy that is ready."""
    try:
        if killed is None and state.max_steps is None:
            for counted, value in policy.far_requests:
                if counted(state) >= value:
                    break
            else:
                return _WITHIN
        return _judge_request(policy, state, request, _NOWHERE if world is None else world, killed)
    except Exception as error:
        return _internal_error(error)


def _from_memory(
    policy: CompiledPolicy,
    plan: Plan,
    short: Short | None,
    state: State,
    call: ToolCall,
    world: World,
    memory: Recent | Remembered,
) -> Decision:
    """What was decided about the same call, else what is decided now, kept for the next time."""
    known = memory.recall(call, state.role, state.tools)
    if known is not None:
        return _within_limits(policy, state, call, world, known)
    decision = _judge_arguments(policy, plan, short, state, call, world)
    if decision.code is not _LIMIT:
        memory.keep(call, state.role, state.tools, decision)
    return decision


def _within_limits(policy: CompiledPolicy, state: State, call: ToolCall, world: World, known: Decision) -> Decision:
    """What was decided about the same call, unless a limit of this run is reached, which is all that a remembered judgement leaves open."""
    if known.arguments is None:
        return known
    for counted, value in policy.far_limits:
        if counted(state) >= value:
            break
    else:
        return known
    repeat = repeat_key(call.name, call.args_hash or known.args_hash or digest(known.arguments)) if policy.needs_hash else ""
    limited = _limited(policy, state, call, repeat, world)
    if limited is None:
        return known
    arguments, trials = known.arguments, known.trials
    return Decision(_BLOCK, _LIMIT, limited[0], limited[1], None, arguments, world.facts, trials, known.args_hash)


def _judge_arguments(policy: CompiledPolicy, plan: Plan, short: Short | None, state: State, call: ToolCall, world: World) -> Decision:
    text = call.arguments
    arguments = short(text) if short is not None and type(text) is str else None
    if arguments is None:
        read = _arguments(state, call)
        if not isinstance(read, dict):
            return read
        arguments = read
    trials = _trials(plan, arguments, world, state) if plan.trials else ()
    key = args_hash = ""
    if policy.needs_hash:
        args_hash = "" if call.args_hash else digest(arguments)
        key = repeat_key(call.name, call.args_hash or args_hash)
        if policy.once is not None and call.name in policy.once:
            # It uses up nothing, so it comes before the limits; but whoever may not make a call gets no earlier result of it either.
            why = repeated(state, key, world)
            if why is not None and _effect(policy, plan, arguments, world, state) is not Effect.BLOCK:
                return Decision(Effect.BLOCK, Code.DUPLICATE, ONCE, why, None, arguments, world.facts, trials, args_hash)
    for counted, value in policy.far_limits:
        if counted(state) >= value:
            limited = _limited(policy, state, call, key, world)
            if limited is not None:
                return Decision(_BLOCK, _LIMIT, limited[0], limited[1], None, arguments, world.facts, trials, args_hash)
            break
    for rule in plan.candidates(arguments):
        if (plan.indexed and rule.matches_if_found) or rule.matches(arguments, world, state):
            said = rule.rule
            return Decision(said.effect, _RULE, said.id, rule.reason, said.hint, arguments, world.facts, trials, args_hash)
    if policy.default is _BLOCK:
        reason = not_allowed(plan, call.name, arguments, world, state)
    else:
        reason = f"no rule matches, and the default {'allows' if policy.default is _ALLOW else 'asks for approval'}"
    return Decision(policy.default, _DEFAULT, None, reason, None, arguments, world.facts, trials, args_hash)


def _effect(policy: CompiledPolicy, plan: Plan, arguments: Mapping[str, Json], world: World, state: State) -> Effect:
    """What the rules alone make of a call."""
    matching = (rule.rule.effect for rule in plan.candidates(arguments) if rule.matches(arguments, world, state))
    return next(matching, policy.default)


def _malformed(state: State, call: ToolCall) -> Decision | None:
    return _bad_id(state, call) or _bad_name(call)


def _bad_id(state: State, call: ToolCall) -> Decision | None:
    id = call.id
    if state.unusable is not None:
        return _block(Code.MALFORMED_CALL, state.unusable)
    if type(id) is not str or not id:
        return _block(Code.MALFORMED_CALL, "the call has no usable id")
    if len(id) > MAX_ID:
        return _block(Code.MALFORMED_CALL, f"the call's id is longer than {MAX_ID} characters")
    if state.proposed.get(id) is not None:
        return _block(Code.MALFORMED_CALL, "the call's id was used before in this run")
    return None


def _bad_name(call: ToolCall) -> Decision | None:
    if type(call.name) is not str or _is_name(call.name) is None:
        return _block(Code.MALFORMED_CALL, "the call names no tool: a name is 1 to 64 letters, digits, `_`, `.` or `-`")
    return None


def _not_allowed_at_all(plan: Plan, call: ToolCall) -> Decision:
    if plan.blanket is not None:
        rule = plan.blanket.rule
        return Decision(Effect.BLOCK, Code.RULE, rule.id, rule.message or _tool_not_allowed(call.name), rule.hint)
    return _block(Code.DEFAULT, _tool_not_allowed(call.name))


def _tool_not_allowed(name: str) -> str:
    return f"tool '{name}' is not allowed"


def _no_such_tool(call: ToolCall) -> Decision:
    return _block(Code.UNKNOWN_TOOL, f"tool '{call.name}' not found")


def _arguments(state: State, call: ToolCall) -> dict[str, Json] | Decision:
    try:
        arguments, plain = read_arguments(call.arguments)
    except InvalidJson as error:
        return _block(Code.MALFORMED_ARGUMENTS, f"invalid JSON arguments: {error}")
    if state.tools is not None:
        try:
            schema = state.tools.schema(call.name)
        except InvalidSchema as error:
            return _block(Code.INTERNAL_ERROR, f"the schema of tool '{call.name}' cannot be used: {error}")
        if not schema.is_valid(arguments, plain=plain):
            return _block(Code.INVALID_ARGUMENTS, f"invalid arguments: {schema.first_error(arguments)}")
    return arguments


def _limited(policy: CompiledPolicy, state: State, call: ToolCall, key: str, world: World) -> tuple[str, str] | None:
    for limit in policy.call_limits:
        if limit.selector is None or limit.counts(call.name):
            reason = limit.reached(state, key)
            if reason is not None:
                return limit.id, reason
    for window in policy.windows:
        if window.selector is None or window.counts(call.name):
            reason = window.full(state, world)
            if reason is not None:
                return window.id, reason
    return None


def _trials(plan: Plan, arguments: Mapping[str, Json], world: World, state: State) -> tuple[Trial, ...]:
    return tuple(Trial(rule.rule.id, rule.rule.effect) for rule in plan.trials if rule.matches(arguments, world, state))


def _judge_request(policy: CompiledPolicy, state: State, request: ModelRequest, world: World, killed: str | None) -> Decision:
    if killed is not None:
        return _block(Code.KILLED, killed)
    if state.max_steps is not None and state.steps >= state.max_steps:
        return Decision(Effect.BLOCK, Code.LIMIT, "max_steps", f"limit of {state.max_steps} steps reached")
    rooms: list[int] = []
    for limit, reason, used in _of_request(policy, state, world):
        if reason is not None:
            return Decision(Effect.BLOCK, Code.LIMIT, limit.id, reason, facts=world.facts)
        room = limit.room(used, request)
        if room is not None and room < LEAST_ANSWER:
            return Decision(Effect.BLOCK, Code.LIMIT, limit.id, limit.too_much(used, request), facts=world.facts)
        if room is not None:
            rooms.append(room)
    return replace(_WITHIN, facts=world.facts, room=min(rooms, default=None))


def _of_request(policy: CompiledPolicy, state: State, world: World) -> Iterator[tuple[CompiledLimit, str | None, float]]:
    """Each limit that bounds requests, why it is reached, and what is used of it."""
    for limit in policy.request_limits:
        yield limit, limit.reached(state), limit.of_run(state)
    for window in policy.windows:
        if window.kind in OF_REQUESTS:
            used = window.used(state, world)
            yield window, window.full(state, world), 0.0 if used is None else used.amount


def _internal_error(error: Exception) -> Decision:
    return _block(Code.INTERNAL_ERROR, f"internal error while judging: {type(error).__name__}")


def _block(code: Code, reason: str) -> Decision:
    return Decision(Effect.BLOCK, code, None, reason)
