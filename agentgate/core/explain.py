"""Why a decision fell as it did, made only when somebody asks: every rule that names the tool, and what would change the outcome.

Nothing here decides. What would change a decision is found by changing one thing and asking `decide` again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.arguments import InvalidJson, canonical, parse_arguments
from agentgate.core.conditions import Unjudgeable, World
from agentgate.core.conditions.test import kind_of, shown
from agentgate.core.engine import CompiledPolicy, decide
from agentgate.core.events import Code, Decision, Effect, Json, ToolCall
from agentgate.core.findings import Place
from agentgate.core.rules import ABSENT, CompiledCondition, CompiledRule, Selector
from agentgate.core.state import State

_MOST_CHANGES = 8
"""How many ways to another outcome are worth reading."""


class Considered(Struct, frozen=True):
    """One rule or limit that had a say."""

    rule: str
    effect: Effect
    matched: bool
    why: str
    """For people: what held, or the first thing that did not."""
    observe: bool = False
    place: Place | None = None


class Change(Struct, frozen=True):
    """One thing that, had it been otherwise, would have led elsewhere."""

    change: str
    effect: Effect
    code: Code
    rule: str | None


def considered(policy: CompiledPolicy, state: State, call: ToolCall, world: World) -> list[Considered]:
    """Every rule that names the call's tool, in the order in which rules are tried, after the limits that are reached."""
    if not isinstance(call.name, str):
        return []
    limits = [
        Considered(limit.id, Effect.BLOCK, True, reason, place=limit.limit.place)
        for limit in policy.call_limits
        if limit.counts(call.name) and (reason := limit.reached(state)) is not None
    ]
    return limits + [_considered(rule, state, call, world) for rule in policy.rules if call.name in rule.selector]


def _considered(rule: CompiledRule, state: State, call: ToolCall, world: World) -> Considered:
    matched, why = _why(rule, state, call, world)
    return Considered(rule.rule.id, rule.rule.effect, matched, why, rule.rule.observe, rule.rule.place)


def _why(rule: CompiledRule, state: State, call: ToolCall, world: World) -> tuple[bool, str]:
    if call.name in rule.excepted:
        return False, f"its `except` takes out {call.name}"
    if not rule.binds(state.role):
        return False, _roles(rule, state.role)
    if not rule.in_time(state):
        return False, _waiting(rule, state)
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
    name = "some string" if condition.parts is None else condition.condition.argument
    try:
        value = condition.value(arguments)
    except Unjudgeable as error:
        return f"{name} cannot be judged: {error}"
    wanted = " and ".join(test.wanted for test in condition.tests)
    if value is ABSENT:
        return f"{name} is absent" + ("" if condition.outcome(arguments, world, state) else f", not {wanted}")
    outcome = condition.outcome(arguments, world, state)
    found = f"{name} is {shown(value)}"
    if outcome is None:
        return f"{found}, {kind_of(value)} that cannot be judged by {wanted}"
    if outcome:
        return found if wanted == shown(value) else f"{found}, {wanted}"
    return f"{found}, not {wanted}"


def changes(policy: CompiledPolicy, state: State, call: ToolCall, world: World, decision: Decision) -> list[Change]:
    """What would lead to another effect or rule: another role, another value of one argument, an earlier call."""
    found: dict[tuple[str, Effect, str | None], Change] = {}
    for change, other_state, other_call in _variations(policy, state, call):
        other = decide(policy, other_state, other_call, world)
        if (other.effect, other.rule) == (decision.effect, decision.rule) or other.code is Code.INVALID_ARGUMENTS:
            continue
        found.setdefault((change, other.effect, other.rule), Change(change, other.effect, other.code, other.rule))
    order = {Effect.ALLOW: 0, Effect.ASK: 1, Effect.BLOCK: 2}
    milder = [change for change in found.values() if change.effect is not decision.effect]
    return sorted(milder, key=lambda change: order[change.effect])[:_MOST_CHANGES]


def _variations(policy: CompiledPolicy, state: State, call: ToolCall) -> Iterator[tuple[str, State, ToolCall]]:
    for role in sorted(policy.policy.roles):
        if role != state.role:
            yield f"--role {role}", replace(state, role=role), call
    rules = [rule for rule in policy.rules if isinstance(call.name, str) and rule.covers(call.name)]
    for selector in {id(found): found for rule in rules for found in (rule.after, rule.before) if found is not None}.values():
        for tool in _members(selector):
            if tool not in state.returned:
                yield f"--after {tool}", replace(state, returned=state.returned.insert(tool)), call
    try:
        arguments = parse_arguments(call.arguments)
    except InvalidJson:
        return
    for rule in rules:
        for condition in (*rule.when, *rule.unless):
            for value in _values(condition):
                changed = _with(arguments, condition.parts or (), value)
                if changed is not None:
                    text = f"{condition.condition.argument}={shown(value)}"
                    yield text, state, replace(call, arguments=canonical(changed).decode())


def _members(selector: Selector) -> list[str]:
    """Tool names that are in a selector: the exact ones, and one for each pattern."""
    return sorted(selector.exact | {glob.replace("*", "x") for glob in selector.globs})


def _values(condition: CompiledCondition) -> list[Json]:
    """Values worth trying in place of the argument: what the condition itself asks for."""
    tried: list[Json] = []
    for key, operand in condition.condition.operators:
        if key == "equals":
            tried.append(operand)
        elif key in ("in", "not_in"):
            tried.extend(operand[:4])
        elif key in ("min", "max"):
            tried.extend((operand, operand + 1, operand - 1))
    return tried


def _with(arguments: Mapping[str, Json], parts: tuple[str, ...], value: Json) -> dict[str, Json] | None:
    """The arguments with one of them changed; None where there is no such place."""
    if not parts:
        return None
    changed = dict(arguments)
    if len(parts) == 1:
        changed[parts[0]] = value
        return changed
    inner = arguments.get(parts[0], {})
    if not isinstance(inner, Mapping):
        return None
    below = _with(inner, parts[1:], value)
    return None if below is None else {**changed, parts[0]: below}
