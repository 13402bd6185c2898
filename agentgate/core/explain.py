"""Why a decision fell as it did, made only when somebody asks: every rule that names the tool, and what it found. Nothing here decides."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from agentgate.core.arguments import InvalidJson, digest, parse_arguments
from agentgate.core.compiled import CompiledPolicy
from agentgate.core.conditions import Unjudgeable, World
from agentgate.core.conditions.test import kind_of, shown
from agentgate.core.events import Effect, Json, ToolCall
from agentgate.core.findings import Place
from agentgate.core.limits import CompiledLimit
from agentgate.core.lint.trial import value_text
from agentgate.core.once import ONCE, repeated
from agentgate.core.rules import ABSENT, CompiledCondition, CompiledRule
from agentgate.core.state import State, repeat_key


class Considered(Struct, frozen=True):
    """One rule or limit that had a say."""

    rule: str
    effect: Effect
    matched: bool
    why: str
    """For people: what held, or the first thing that did not."""
    observe: bool = False
    place: Place | None = None


def considered(policy: CompiledPolicy, state: State, call: ToolCall, world: World) -> list[Considered]:
    """Every rule that names the call's tool, in the order in which rules are tried, after the limits that are reached."""
    if not isinstance(call.name, str):
        return []
    limits = [
        Considered(limit.id, Effect.BLOCK, True, reason, place=limit.limit.place) for limit, reason in reached(policy, state, call, world)
    ]
    return (
        limits
        + _once(policy, state, call, world)
        + [_considered(rule, state, call, world) for rule in policy.rules if call.name in rule.selector]
    )


def reached(policy: CompiledPolicy, state: State, call: ToolCall, world: World) -> list[tuple[CompiledLimit, str]]:
    """The limits that leave no room for this call, each with its reason."""
    key = _key(call)
    found: list[tuple[CompiledLimit, str | None]] = [
        (limit, limit.reached(state, key)) for limit in policy.call_limits if limit.counts(call.name)
    ]
    found += [(window, window.full(state, world)) for window in policy.windows if window.counts(call.name)]
    return [(limit, reason) for limit, reason in found if reason is not None]


def _once(policy: CompiledPolicy, state: State, call: ToolCall, world: World) -> list[Considered]:
    """What `once` says about the call, where it covers the tool."""
    if policy.once is None or call.name not in policy.once:
        return []
    why = repeated(state, _key(call), world)
    return [Considered(ONCE, Effect.BLOCK, why is not None, why or "no such call was executed before")]


def _key(call: ToolCall) -> str:
    try:
        return repeat_key(call.name, call.args_hash or digest(parse_arguments(call.arguments)))
    except InvalidJson:
        return ""


def _considered(rule: CompiledRule, state: State, call: ToolCall, world: World) -> Considered:
    try:
        matched, why = _why(rule, state, call, world)
    except Exception as error:  # as in `decide`: a bug while judging is a finding, not a crash
        matched, why = False, f"internal error while judging: {type(error).__name__}"
    return Considered(rule.rule.id, rule.rule.effect, matched, why, rule.rule.observe, rule.rule.place)


def _why(rule: CompiledRule, state: State, call: ToolCall, world: World) -> tuple[bool, str]:
    if call.name in rule.excepted:
        return False, f"its `except` takes out {call.name}"
    if not rule.binds(state.role):
        return False, _roles(rule, state.role)
    if not rule.in_time(state):
        return False, _waiting(rule, state)
    if rule.rule.unconditional:
        return True, "whatever the arguments"
    try:
        arguments = parse_arguments(call.arguments)
    except InvalidJson as error:
        return False, f"the arguments are not judged: {error}"
    matched = rule.matches(arguments, world, state)
    return matched, _conditions(rule, matched, arguments, world, state)


def _roles(rule: CompiledRule, role: str | None) -> str:
    have = f"role is {role}" if role is not None else "there is no role"
    if role in rule.without_roles:
        return f"{have}, which it leaves out"
    return f"{have}, needs {' or '.join(rule.rule.roles or ()) or 'one that exists'}"


def _waiting(rule: CompiledRule, state: State) -> str:
    if rule.after is not None and not any(tool in rule.after for tool in state.returned):
        return f"waits until one of these has returned: {', '.join(rule.after.written)}"
    assert rule.before is not None
    return f"held only until one of these had returned: {', '.join(rule.before.written)}"


def _conditions(rule: CompiledRule, matched: bool, arguments: Mapping[str, Json], world: World, state: State) -> str:
    when = [(condition, condition.outcome(arguments, world, state)) for condition in rule.when]
    unless = [(condition, condition.outcome(arguments, world, state)) for condition in rule.unless]
    failed = [condition for condition, outcome in when if outcome is False]
    unclear = [condition for condition, outcome in when if outcome is None]
    if matched:
        parts = [describe(condition, arguments, world, state) for condition, _ in when]
        parts += [
            f"unless does not apply: {describe(condition, arguments, world, state)}" for condition, held in unless if held is not True
        ]
        return ", ".join(parts) or "whatever the arguments"
    if failed or unclear:
        return describe((failed or unclear)[0], arguments, world, state)
    return "unless: " + ", ".join(describe(condition, arguments, world, state) for condition, _ in unless)


def describe(condition: CompiledCondition, arguments: Mapping[str, Json], world: World, state: State) -> str:
    """What a condition finds in these arguments: `action is "update_tier", not "read"`."""
    name = condition.condition.argument
    try:
        value = condition.value(arguments)
    except Unjudgeable as error:
        return f"{name} cannot be judged: {error}"
    wanted = " and ".join(test.wanted for test in condition.tests)
    outcome = condition.outcome(arguments, world, state)
    if value is ABSENT:
        absent = "there is no string" if condition.parts is None else f"{name} is absent"
        return absent if outcome else f"{absent}, not {wanted}"
    if condition.parts is None:
        name, value = "some string", _telling(condition, value, outcome, world, state)
        if value is ABSENT:
            return f"{'every' if outcome else 'no'} string is {wanted}"
    found = f"{name} is {value_text(value)}"
    if outcome is None:
        return f"{found}, {kind_of(value)} that cannot be judged by {wanted}"
    if outcome:
        return found if wanted == shown(value) else f"{found}, {wanted}"
    return f"{found}, not {wanted}"


def _telling(condition: CompiledCondition, texts: list[str], outcome: bool | None, world: World, state: State) -> Json:
    """The string for which a condition on all of them came out as it did; ABSENT where all of them came out like that."""
    if outcome is condition.every:
        return ABSENT
    return next((text for text in texts if condition.judged(text, world, state) is outcome), ABSENT)
