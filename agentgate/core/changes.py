"""What would change a decision: one thing is made otherwise, and `decide` is asked again. Nothing here decides, and nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace
from rpds import List

from agentgate.core.arguments import InvalidJson, canonical, parse_arguments
from agentgate.core.compiled import CompiledPolicy, compile
from agentgate.core.conditions import Unjudgeable, World
from agentgate.core.conditions.seen_in import PROMPT
from agentgate.core.conditions.test import exactly
from agentgate.core.engine import decide
from agentgate.core.events import Code, Decision, Effect, Json, ToolCall
from agentgate.core.explain import reached
from agentgate.core.lint import shapes
from agentgate.core.lint.trial import value_text
from agentgate.core.lint.values import satisfying
from agentgate.core.policy import expand_sources, holders
from agentgate.core.rules import ABSENT, CompiledCondition, CompiledRule, Selector
from agentgate.core.schemas import InvalidSchema
from agentgate.core.state import State

_MOST_CHANGES = 8
"""How many ways to another outcome are worth reading."""
_ROLE = "role"
_MOST_TRIES = 1_000
"""How many are tried."""
_MOST_RULES = 50
"""Of how many rules."""
_MOST_VALUES = 12
"""How many values are tried for one condition."""
_OTHERS: tuple[Json, ...] = ("something else", 0)
"""Values that are probably none of those that a rule names."""
_MILDEST_FIRST = {Effect.ALLOW: 0, Effect.ASK: 1, Effect.BLOCK: 2}


class Change(Struct, frozen=True):
    """One thing that, had it been otherwise, would have led to another effect."""

    change: str
    """In words, or as an option of `explain`: `--role operator`, `action="read"`, `without limits.repeats`. Holds untrusted text."""
    effect: Effect
    code: Code
    rule: str | None


class _Try(Struct, frozen=True):
    """One thing made otherwise."""

    what: str
    """What it is about: of several values of one argument that lead to the same decision, the shortest is enough."""
    change: str
    policy: CompiledPolicy
    state: State
    call: ToolCall


def changes(policy: CompiledPolicy, state: State, call: ToolCall, world: World, decision: Decision) -> list[Change]:
    """What would lead to another effect, the mildest first: another role, another history, another value of one argument, no limit."""
    found: dict[tuple[str, Effect, str | None], Change] = {}
    if decision.code is Code.INTERNAL_ERROR:
        return []
    for one in islice(_tries(policy, state, call, world, decision), _MOST_TRIES):
        other = decide(one.policy, one.state, one.call, world)
        if other.effect is not decision.effect and other.code in (Code.RULE, Code.DEFAULT, Code.LIMIT):
            key = (one.what, other.effect, other.rule)
            if key not in found or (one.what != _ROLE and len(one.change) < len(found[key].change)):
                found[key] = Change(one.change, other.effect, other.code, other.rule)
    return sorted(found.values(), key=lambda change: _MILDEST_FIRST[change.effect])[:_MOST_CHANGES]


def _tries(policy: CompiledPolicy, state: State, call: ToolCall, world: World, decision: Decision) -> Iterator[_Try]:
    if not isinstance(call.name, str):
        return
    try:
        arguments = parse_arguments(call.arguments)
    except InvalidJson:
        arguments = None
    rules = _nearest(policy, state, call.name, arguments or {}, world)
    # Those that the most others include come first: nobody needs more rights than it takes.
    roles = sorted(policy.policy.roles, key=lambda role: (-len(holders(policy.policy, (role,))), role))
    for role in (None, *roles):
        if role != state.role:
            change = "no role" if role is None else f"--role {role}"
            yield _Try(_ROLE, change, policy, replace(state, role=role), call)
    if decision.code is Code.LIMIT:
        names = [limit.id for limit, _ in reached(policy, state, call, world)]
        kept = tuple(limit for limit in policy.policy.limits if limit.id not in names)
        yield _Try("limits", f"without {' and '.join(names)}", compile(replace(policy.policy, limits=kept)), state, call)
    if decision.code is Code.DUPLICATE:
        yield _Try("once", "without once", compile(replace(policy.policy, once=())), state, call)
    for change, other in _histories(rules, state):
        yield _Try(change, change, policy, other, call)
    if arguments is None:
        return
    for change, other in _sightings(policy, rules, arguments, state):
        yield _Try(change, change, policy, other, call)
    yield from _values(policy, rules, arguments, state, call, world)


def _nearest(policy: CompiledPolicy, state: State, tool: str, arguments: Mapping[str, Json], world: World) -> list[CompiledRule]:
    """The rules about a tool that come nearest to matching; the others are not worth trying."""
    rules = [rule for rule in policy.rules if rule.covers(tool) and not rule.rule.observe]
    if len(rules) <= _MOST_RULES:
        return rules
    return sorted(rules, key=lambda rule: sum(not condition.outcome(arguments, world, state) for condition in rule.when))[:_MOST_RULES]


def _histories(rules: Iterable[CompiledRule], state: State) -> Iterator[tuple[str, State]]:
    """The same with one tool more, or one less, that has returned."""
    selectors = {id(found): found for rule in rules for found in (rule.after, rule.before) if found is not None}
    for selector in selectors.values():
        for tool in _members(selector, state):
            if tool not in state.returned:
                yield f"--after {tool}", replace(state, returned=state.returned.insert(tool))
        for tool in sorted(state.returned):
            if tool in selector:
                yield f"had {tool} not returned", replace(state, returned=state.returned.discard(tool))


def _members(selector: Selector, state: State) -> list[str]:
    """Tool names that are in a selector: the exact ones, and for patterns the tools that there are, or a name made up."""
    real = [name for name in state.tools.names if name in selector] if state.tools is not None else []
    return real or sorted(selector.exact | {glob.replace("*", "x") for glob in selector.globs})


def _sightings(
    policy: CompiledPolicy, rules: Iterable[CompiledRule], arguments: Mapping[str, Json], state: State
) -> Iterator[tuple[str, State]]:
    """The same, had the prompt or an earlier result named a value."""
    for condition in _conditions(rules):
        named = [operand for key, operand in condition.condition.operators if key == "seen_in"]
        value = _value(condition, arguments)
        if not named or not isinstance(value, str) or condition.parts is None:
            continue
        for source in expand_sources(policy.policy, named[0]):
            tool, _, field = source.replace("*", "x").partition("#")
            if source == PROMPT:
                yield f"had the prompt named {value_text(value)}", replace(state, prompt=(*state.prompt, value))
            else:
                said = json.dumps({field: value}) if field else value
                results = state.results.insert(tool, (state.results.get(tool) or List()).push_front(said))
                place = f" as {field}" if field else ""
                yield (
                    f"had {tool} returned {value_text(value)}{place}",
                    replace(state, results=results, returned=state.returned.insert(tool)),
                )


def _values(
    policy: CompiledPolicy,
    rules: Iterable[CompiledRule],
    arguments: Mapping[str, Json],
    state: State,
    call: ToolCall,
    world: World,
) -> Iterator[_Try]:
    """The same with another value of one argument, or without it."""
    schema = _schema(state, call.name)
    for condition in _conditions(rules):
        if condition.parts is None:
            others: list[tuple[tuple[str, ...], Json]] = [((name,), value) for name in arguments for value in (*_OTHERS, ABSENT)]
        else:
            here = schema if schema is shapes.UNKNOWN else shapes.argument(schema, condition.parts)
            others = [(condition.parts, value) for value in (*_candidates(condition, here, world, state), ABSENT)]
        for parts, value in others:
            changed = _with(arguments, parts, value)
            if changed is None or exactly(changed) == exactly(arguments):
                continue
            name = ".".join(parts)
            change = f"without {name}" if value is ABSENT else f"{name}={value_text(value)}"
            yield _Try(name, change, policy, state, replace(call, arguments=canonical(changed).decode()))


def _candidates(condition: CompiledCondition, schema: Json, world: World, state: State) -> Iterator[Json]:
    """Values with which the condition holds, then some with which it may not: what the schema lists, and just beyond the bounds."""
    yield from (value for value in satisfying(condition, schema, world, state)[:_MOST_VALUES] if value is not ABSENT)
    for key, operand in condition.condition.operators:
        if key in ("min", "max"):
            yield operand - 1 if key == "min" else operand + 1
    if isinstance(schema, Mapping):
        yield from islice(shapes.examples(schema, schema), _MOST_VALUES)
    yield from _OTHERS


def _conditions(rules: Iterable[CompiledRule]) -> Iterator[CompiledCondition]:
    for rule in rules:
        yield from rule.when
        yield from rule.unless


def _value(condition: CompiledCondition, arguments: Mapping[str, Json]) -> Json:
    try:
        return condition.value(arguments)
    except Unjudgeable:
        return ABSENT


def _schema(state: State, tool: str) -> Json:
    if state.tools is None or tool not in state.tools:
        return shapes.UNKNOWN
    try:
        return state.tools.schema(tool).document
    except InvalidSchema:
        return shapes.UNKNOWN


def _with(arguments: Mapping[str, Json], parts: tuple[str, ...], value: Json) -> dict[str, Json] | None:
    """The arguments with one of them changed, or left out; None where there is no such place."""
    changed = dict(arguments)
    if len(parts) == 1:
        changed.pop(parts[0], None)
        if value is not ABSENT:
            changed[parts[0]] = value
        return changed
    inner = arguments.get(parts[0], {})
    if not isinstance(inner, Mapping):
        return None
    below = _with(inner, parts[1:], value)
    return None if below is None else {**changed, parts[0]: below}
