"""One rule, compiled: does it match this call?

Outcomes have three values: it holds, it does not, or it cannot be judged (None). What cannot be judged never loosens, so it counts as
"holds" where that blocks or asks, and as "does not hold" where that would allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from agentgate.core.conditions import OPERATORS, Test, Unjudgeable, World, compiled_test
from agentgate.core.conditions.search import strings_in
from agentgate.core.conditions.test import Holds
from agentgate.core.events import Effect, Json
from agentgate.core.patterns import PatternSet, glob_pattern
from agentgate.core.policy import Condition, Policy, Rule, expand, expand_sources, holders
from agentgate.core.state import State

ABSENT: Json = object()
"""In place of an argument that is not there."""
EVERYTHING = "*"
_SENTENCES = {
    Effect.ALLOW: "allowed by rule '{}'",
    Effect.ASK: "rule '{}' asks for approval",
    Effect.BLOCK: "blocked by rule '{}'",
}
"""What is said where a rule has no `message`, with its id."""


class Selector:
    """A set of tool names: exact ones, and patterns with `*`."""

    __slots__ = ("_patterns", "exact", "globs", "written")

    def __init__(self, names: Iterable[str], written: tuple[str, ...] = ()) -> None:
        names = tuple(names)
        self.written = written or names
        self.exact = frozenset(name for name in names if "*" not in name)
        self.globs = tuple(name for name in names if "*" in name)
        self._patterns: PatternSet | None = None

    def __contains__(self, name: str) -> bool:
        if name in self.exact:
            return True
        if not self.globs:
            return False
        if EVERYTHING in self.globs:
            return True
        if self._patterns is None:
            self._patterns = PatternSet([glob_pattern(glob) for glob in self.globs], "full")
        return bool(self._patterns.matches(name))


_NOTHING = Selector(())


def lookup(arguments: Mapping[str, Json], parts: tuple[str, ...]) -> Json:
    """The argument at a dotted path, or ABSENT.

    Raises:
        Unjudgeable: the path leads through something that is not an object.
    """
    value: Json = arguments
    for part in parts:
        if not isinstance(value, Mapping):
            raise Unjudgeable("leads through something that is not an object")
        value = value.get(part, ABSENT)
        if value is ABSENT:
            return ABSENT
    return value


class CompiledCondition:
    """A condition, ready to judge."""

    __slots__ = ("_holds", "_only", "condition", "every", "found_by_index", "parts", "tests")

    def __init__(self, condition: Condition, *, every: bool, policy: Policy | None = None) -> None:
        """Compiles it.

        Args:
            condition: as the policy has it.
            every: for `*`, whether every string must pass rather than any; true where passing loosens.
            policy: what `@groups` in an operand stand for; without it they stand for nothing.
        """
        self.condition = condition
        self.every = every
        self.parts = None if condition.argument == EVERYTHING else tuple(condition.argument.split("."))
        self.tests: tuple[Test, ...] = tuple(
            compiled_test(key, operand if policy is None else _named(policy, key, operand)) for key, operand in condition.operators
        )

        self._holds: Holds | None = self.tests[0].holds if len(self.tests) == 1 else None
        """The one test, where there is no other, as nearly always."""
        self._only = self._holds if self.parts is not None and len(self.parts) == 1 else None
        """The same, where it is about an argument at the top."""
        found = self.parts is not None and len(self.tests) == 1 and not condition.optional
        self.found_by_index = found and (self.tests[0].values is not None or self.tests[0].pattern is not None)
        """Whether the index, which looks for values and patterns of arguments, looks for all that there is to the condition."""

    def value(self, arguments: Mapping[str, Json]) -> Json:
        """The argument that it is about: ABSENT, or for `*` the list of strings. Raises Unjudgeable like `lookup`."""
        if self.parts is None:
            return strings_in(arguments) or ABSENT
        if len(self.parts) == 1:
            return arguments.get(self.parts[0], ABSENT)
        return lookup(arguments, self.parts)

    def outcome(self, arguments: Mapping[str, Json], world: World, state: State) -> bool | None:
        """Whether it holds; None where that cannot be judged."""
        try:
            if self._only is not None and self.condition.argument in arguments:
                return self._only(arguments[self.condition.argument], world, state)
            value = self.value(arguments)
        except Unjudgeable:
            return None
        if value is ABSENT:
            return self.condition.optional or all(test.holds_absent for test in self.tests)
        if self.parts is not None:
            return self.judged(value, world, state)
        outcomes = [self.judged(text, world, state) for text in value]
        if self.every:
            return False if False in outcomes else None if None in outcomes else True
        return True if True in outcomes else None if None in outcomes else False

    def judged(self, value: Json, world: World, state: State) -> bool | None:
        """Whether it holds for one value; None where that cannot be judged."""
        if self._holds is not None:
            try:
                return self._holds(value, world, state)
            except Unjudgeable:
                return None
        doubt = False
        for test in self.tests:
            try:
                if not test.holds(value, world, state):
                    return False
            except Unjudgeable:
                doubt = True
        return None if doubt else True


def _named(policy: Policy, key: str, operand: Json) -> Json:
    """The operand, with `@groups` replaced by their tools where it names tools."""
    if not OPERATORS[key].names_tools:
        return operand
    return expand_sources(policy, operand)


class CompiledRule:
    """A rule, ready to judge."""

    __slots__ = (
        "_allowing", "_only", "_timed", "after", "asks_state", "asks_world", "before", "excepted", "matches_if_found", "rank", "reason",
        "roles", "rule", "selector", "unless", "when", "without_roles",
    )  # fmt: skip

    def __init__(self, rule: Rule, policy: Policy) -> None:
        self._allowing = allowing = rule.effect is Effect.ALLOW
        self.rule = rule
        self.rank = 0
        """Its place in the one order in which rules are tried: the strictest first, then by id."""
        self.selector = Selector(expand(policy, rule.tools))
        self.excepted = Selector(expand(policy, rule.except_tools)) if rule.except_tools else _NOTHING
        self.roles = None if rule.roles is None else holders(policy, rule.roles)
        self.without_roles = holders(policy, rule.except_roles)
        self.when = tuple(CompiledCondition(condition, every=allowing, policy=policy) for condition in rule.when)
        self.unless = tuple(CompiledCondition(condition, every=not allowing, policy=policy) for condition in rule.unless)
        self.after = None if rule.after is None else Selector(expand(policy, rule.after), rule.after)
        self.before = None if rule.before is None else Selector(expand(policy, rule.before), rule.before)
        self._timed = self.after is not None or self.before is not None
        self._only = self.when[0] if len(self.when) == 1 and not self.unless and not self._timed else None
        """The one condition, where there is no more to the rule than that, as with most."""
        self.matches_if_found = self._only is not None and self._only.found_by_index
        """Whether it matches wherever the index finds it, so that it need not be tried once more."""
        tests = [test for condition in (*self.when, *self.unless) for test in condition.tests]
        self.asks_world = any(test.asks_world for test in tests)
        self.asks_state = self._timed or any(test.asks_state for test in tests)
        """Whether it looks at what was said and returned in the run."""
        self.reason = rule.message or _SENTENCES[rule.effect].format(rule.id)

    def covers(self, tool: str) -> bool:
        """Whether it is about this tool."""
        return tool in self.selector and tool not in self.excepted

    def binds(self, role: str | None) -> bool:
        """Whether it is for this role. Nobody in particular (None) has only what is for everybody."""
        if self.roles is not None and role not in self.roles:
            return False
        return role not in self.without_roles

    def in_time(self, state: State) -> bool:
        """Whether `after` and `before` hold."""
        if self.after is not None and not any(tool in self.after for tool in state.returned):
            return False
        return self.before is None or not any(tool in self.before for tool in state.returned)

    def matches(self, arguments: Mapping[str, Json], world: World, state: State) -> bool:
        """Whether it matches a call of a tool that it covers, in a role that it binds."""
        if self._only is not None:
            outcome = self._only.outcome(arguments, world, state)
            return not self._allowing if outcome is None else outcome
        if self._timed and not self.in_time(state):
            return False
        if not group(self.when, arguments, world, state, doubt=not self._allowing):
            return False
        return not self.unless or not group(self.unless, arguments, world, state, doubt=self._allowing)


def group(conditions: tuple[CompiledCondition, ...], arguments: Mapping[str, Json], world: World, state: State, *, doubt: bool) -> bool:
    """Whether all of them hold; `doubt` is the answer where that cannot be judged."""
    judged = True
    for condition in conditions:
        outcome = condition.outcome(arguments, world, state)
        if outcome is False:
            return False
        if outcome is None:
            judged = False
    return True if judged else doubt


def ranked(rules: Iterable[CompiledRule]) -> Iterator[CompiledRule]:
    """The rules in the order in which they are tried, whatever order they came in."""
    strictness = {Effect.BLOCK: 0, Effect.ASK: 1, Effect.ALLOW: 2}
    for rank, rule in enumerate(sorted(rules, key=lambda rule: (strictness[rule.rule.effect], rule.rule.id))):
        rule.rank = rank
        yield rule
