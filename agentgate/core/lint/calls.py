"""Concrete calls that show what a policy does: made here, and judged by `decide`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any, TypeAlias

from msgspec.structs import replace
from rpds import HashTrieSet

from agentgate.core.compiled import CompiledPolicy, compile
from agentgate.core.conditions import World
from agentgate.core.conditions.test import exactly
from agentgate.core.engine import decide
from agentgate.core.events import Effect, Json, ToolCall
from agentgate.core.lint import shapes
from agentgate.core.lint.globs import Globs
from agentgate.core.lint.trial import Arguments, Trial
from agentgate.core.lint.values import satisfying
from agentgate.core.policy import Policy
from agentgate.core.rules import ABSENT, CompiledCondition, CompiledRule
from agentgate.core.schemas import InvalidSchema, ToolSet
from agentgate.core.state import State

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What a tool can be called, as a whole."""
_MOST_TRIES = 96
"""How many sets of arguments are tried for one rule."""
_MOST_COMPARED = 64
"""How many rules about the same tool are compared with one another."""
_STRICTNESS = {Effect.ALLOW: 0, Effect.ASK: 1, Effect.BLOCK: 2}


_Pair: TypeAlias = tuple[CompiledRule, dict[str, Json]]


class Calls:
    """Makes calls for the rules of one policy and has them judged."""

    def __init__(self, policy: Policy, tools: ToolSet | None, *, world: World | None = None) -> None:
        self.policy = policy
        self.tools = tools
        self.compiled: CompiledPolicy = compile(policy)
        self._by_rules_alone = CompiledPolicy(replace(policy, limits=()), self.compiled.rules)
        by_id = {rule.rule.id: rule for rule in self.compiled.rules}
        self.rules: tuple[CompiledRule, ...] = tuple(by_id[rule.id] for rule in policy.rules)
        """In the order of the file."""
        self.enforced = tuple(rule for rule in self.rules if not rule.rule.observe)
        """Those that are not on trial."""
        self._everybody: list[str | None] = [None, *policy.roles]
        self._named: dict[str, list[CompiledRule]] = {}
        globbed: dict[str, list[CompiledRule]] = {}
        for rule in self.enforced:
            for name in rule.selector.exact:
                self._named.setdefault(name, []).append(rule)
            for glob in rule.selector.globs:
                globbed.setdefault(glob, []).append(rule)
        self._globbed = list(globbed.values())
        self._globs = Globs(globbed)
        self._about: dict[str, tuple[CompiledRule, ...]] = {}
        self._stricter: dict[tuple[str, Effect], tuple[CompiledRule, ...]] = {}
        self._milder: dict[tuple[str, str | None], tuple[list[_Pair], Iterator[_Pair]]] = {}
        self._found: dict[tuple[int, str, str | None, int], list[dict[str, Json]]] = {}
        """Rank of a rule, tool, role and how many → arguments with which it matches."""
        self.kept: dict[Any, Any] = {}
        """What audits found out about the rules, for the others."""
        self.world = world or World(resolve=lambda path: path)

    def about(self, tool: str) -> tuple[CompiledRule, ...]:
        """Rules in force that cover the tool, those with the fewest conditions first; at most so many that comparing stays quick."""
        found = self._about.get(tool)
        if found is None:
            covering = [rule for rule in self._named.get(tool, ()) if rule.covers(tool)]
            globbed = {rule.rank: rule for index in self._globs.matches(tool) for rule in self._globbed[index]}
            covering += [rule for rule in globbed.values() if tool not in rule.selector.exact and rule.covers(tool)]
            covering.sort(key=lambda rule: (len(rule.when) + len(rule.unless), rule.rule.effect is Effect.BLOCK))
            found = self._about[tool] = tuple(covering[:_MOST_COMPARED])
        return found

    def stricter(self, tool: str, effect: Effect) -> tuple[CompiledRule, ...]:
        """Those of them whose effect wins over this one."""
        found = self._stricter.get((tool, effect))
        if found is None:
            wins = tuple(rule for rule in self.about(tool) if _STRICTNESS[rule.rule.effect] > _STRICTNESS[effect])
            found = self._stricter[tool, effect] = wins
        return found

    def tool_names(self, rule: CompiledRule) -> list[str]:
        """Names of tools that the rule covers; for a pattern the task's own tools, or a name made up after it."""
        found = dict.fromkeys(sorted(rule.selector.exact))
        if self.tools is not None:
            found.update((name, None) for name in self.tools.names if name in rule.selector)
        else:
            found.update((name, None) for name in map(_made_up, rule.selector.globs))
        return [name for name in found if name not in rule.excepted and NAME.fullmatch(name)]

    def possible_names(self, rule: CompiledRule) -> list[str]:
        """The same, and where the task has no such tool, names that it might have."""
        return self.tool_names(rule) or [*sorted(rule.selector.exact), *filter(NAME.fullmatch, map(_made_up, rule.selector.globs))]

    def roles(self, rule: CompiledRule) -> list[str | None]:
        """The roles that the rule is for; None stands for everybody without one."""
        if rule.roles is None and not rule.without_roles:
            return self._everybody.copy()
        return [role for role in self._everybody if rule.binds(role)]

    def schema(self, tool: str) -> Json:
        """The JSON Schema of a tool's arguments; UNKNOWN without tools."""
        return shapes.UNKNOWN if self.tools is None or tool not in self.tools else self.tools.names[tool]

    def argument(self, tool: str, name: str) -> Json:
        """The schema of one argument by its dotted name: also UNKNOWN, or MISSING."""
        schema = self.schema(tool)
        return schema if schema is shapes.UNKNOWN else shapes.argument(schema, tuple(name.split(".")))

    def valid(self, tool: str, arguments: Arguments) -> bool:
        """Whether the tool takes these arguments, as far as its schema is known."""
        if self.tools is None or tool not in self.tools:
            return True
        try:
            return self.tools.schema(tool).is_valid(arguments)
        except InvalidSchema:
            return False

    def least(self, tool: str) -> dict[str, Json]:
        """The fewest arguments that the tool takes."""
        schema = self.schema(tool)
        return {} if schema is shapes.UNKNOWN else shapes.smallest(schema, schema)

    def state(self, role: str | None, after: Sequence[str] = ()) -> State:
        """A run in which nothing has happened, but that these tools have returned."""
        return State(role=role, tools=self.tools, returned=HashTrieSet(after))

    def judge(self, tool: str, arguments: Arguments, *, role: str | None = None, after: Sequence[str] = (), limits: bool = True) -> Trial:
        """What `decide` says about a call; without the limits where the question is which rule comes first."""
        call = ToolCall("call_1", tool, json.dumps(arguments, ensure_ascii=False))
        policy = self.compiled if limits else self._by_rules_alone
        return Trial(tool, arguments, role, tuple(after), decide(policy, self.state(role, after), call, self.world))

    def history(self, rule: CompiledRule) -> list[str]:
        """The tools that must have returned for the rule to be in time; empty where none."""
        if rule.after is None:
            return []
        names = [*sorted(rule.after.exact), *map(_made_up, rule.after.globs)]
        return [next((name for name in names if rule.before is None or name not in rule.before), "")][: len(names)]

    def matching(self, rule: CompiledRule, tool: str, role: str | None, most: int = 8) -> list[dict[str, Json]]:
        """Arguments with which the rule matches a call of the tool, and which the tool takes."""
        key = (rule.rank, tool, role, most)
        found = self._found.get(key)
        if found is None:  # each audit asks again, and each rule about the same tool about the others
            found = self._found[key] = list(islice(self._matching(rule, tool, role), most))
        return found

    def _matching(self, rule: CompiledRule, tool: str, role: str | None) -> Iterator[dict[str, Json]]:
        state = self.state(role, self.history(rule))
        if not rule.binds(role) or not rule.in_time(state):
            return
        seen: set[Json] = set()
        for arguments in islice(self.satisfying_all(rule, tool, role), _MOST_TRIES):
            if exactly(arguments) not in seen and rule.matches(arguments, self.world, state) and self.valid(tool, arguments):
                seen.add(exactly(arguments))
                yield arguments

    def satisfying_all(self, rule: CompiledRule, tool: str, role: str | None = None) -> Iterator[dict[str, Json]]:
        """Arguments that probably satisfy every condition under `when`, whoever calls and whenever."""
        state = self.state(role, self.history(rule))
        options = [self._options(condition, tool, state) for condition in rule.when]
        for choice in _nearest_first(options):
            arguments = self.least(tool)
            for condition, value in zip(rule.when, choice, strict=True):
                arguments = self.with_value(tool, arguments, condition, value)
            yield arguments

    def let_through(self) -> Iterator[Trial]:
        """Calls that an allow or ask rule matches, as they are decided with the limits; after them such that the default lets through."""
        for rule in self.rules:
            if rule.rule.effect is Effect.BLOCK or rule.rule.observe:
                continue
            for tool in self.tool_names(rule):
                for role in self.roles(rule)[:1]:
                    for arguments in self.matching(rule, tool, role, most=1):
                        yield self.judge(tool, arguments, role=role, after=self.history(rule))
        if self.policy.default is not Effect.BLOCK:
            excepted = (name for rule in self.rules for name in sorted(rule.excepted.exact))
            for tool in (*(self.tools.names if self.tools is not None else excepted), "any_tool"):
                yield self.judge(tool, self.least(tool))

    def _options(self, condition: CompiledCondition, tool: str, state: State) -> list[Json]:
        schema = self.argument(tool, condition.condition.argument) if condition.parts is not None else shapes.UNKNOWN
        return satisfying(condition, schema, self.world, state)

    def with_value(self, tool: str, arguments: Arguments, condition: CompiledCondition, value: Json) -> dict[str, Json]:
        """The arguments with the one that a condition is about set to a value, or left out for ABSENT."""
        return put(arguments, condition.parts or (self._some_text(tool),), value)

    def _some_text(self, tool: str) -> str:
        """An argument that takes a string, for conditions on any argument."""
        schema = self.schema(tool)
        if schema is not shapes.UNKNOWN:
            for name in shapes.names(schema):
                if "." not in name and "string" in shapes.kinds(shapes.argument(schema, (name,)), schema):
                    return name
        return "text"

    def settings(self, rule: CompiledRule, tool: str) -> Iterator[tuple[str | None, list[str], dict[str, Json]]]:
        """Circumstances in which the tool may be called: role, tools returned before, and arguments.

        First those in which a milder rule matches, because there a call that gets past `rule` goes through.
        """
        for role in self.roles(rule)[:4]:
            history = self.history(rule)
            yield from ((role, history, arguments) for other, arguments in self._passing(tool, role) if other is not rule)
            yield from ((role, history, arguments) for arguments in self.matching(rule, tool, role, most=2))
            yield role, history, self.least(tool)

    def _passing(self, tool: str, role: str | None) -> Iterator[tuple[CompiledRule, dict[str, Json]]]:
        """Arguments with which a rule that does not block matches a call of the tool, and the rule. Made once, as far as wanted."""
        found = self._milder.get((tool, role))
        if found is None:
            milder = (rule for rule in self.about(tool) if rule.rule.effect is not Effect.BLOCK)
            pairs = ((rule, arguments) for rule in milder for arguments in self.matching(rule, tool, role, most=3))
            found = self._milder[tool, role] = ([], pairs)
        made, more = found
        index = 0
        while True:
            if index == len(made):
                pair = next(more, None)
                if pair is None:
                    return
                made.append(pair)
            yield made[index]
            index += 1


def put(arguments: Arguments, parts: Sequence[str], value: Json) -> dict[str, Json]:
    """The arguments with the value at a dotted path; ABSENT takes it away."""
    made = dict(arguments)
    if len(parts) == 1:
        made.pop(parts[0], None)
        if value is not ABSENT:
            made[parts[0]] = value
        return made
    inner = made.get(parts[0])
    if value is ABSENT and not isinstance(inner, Mapping):
        return made
    made[parts[0]] = put(inner if isinstance(inner, Mapping) else {}, parts[1:], value)
    return made


def _nearest_first(options: list[list[Json]]) -> Iterable[tuple[Json, ...]]:
    """Every combination, but with each condition's later values tried on their own first."""
    if not all(options):
        return
    first = tuple(values[0] for values in options)
    yield first
    for index, values in enumerate(options):
        for value in values[1:]:
            yield (*first[:index], value, *first[index + 1 :])
    if len(options) > 1:
        yield from product(*options)


def _made_up(glob: str) -> str:
    """A tool name that a pattern covers."""
    return "any_tool" if glob == "*" else glob.replace("*", "x")
