"""Which rules can matter for a call, found without trying them all.

Rules are found by tool name (exact names in a dictionary, patterns resolved once per name), and within a tool by the value of an argument
or by one pass of a pattern set over it. The index only ever leaves out rules that cannot match; of the rest, each is tried that has more
to it than what it was found by.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from operator import attrgetter
from typing import TypeAlias

from agentgate.core.conditions import Unjudgeable
from agentgate.core.conditions.search import readings
from agentgate.core.conditions.test import exactly
from agentgate.core.events import Effect, Json
from agentgate.core.patterns import Kind, PatternSet
from agentgate.core.rules import ABSENT, CompiledRule, lookup

_WORTH_INDEXING = 3
"""Fewer rules than this are tried one by one: that is faster than looking them up."""

_BY_RANK = attrgetter("rank")

_ODD = "[^ -~]"
"""What is not printed, or not ASCII: `unmasked` leaves a text as it is that has nothing of it."""

_Find: TypeAlias = Callable[[Mapping[str, Json]], Collection[CompiledRule]]
"""Finds, by what one argument of a call is, rules that may match it."""


class _ByValue:
    """Rules that need one argument to be one of certain values."""

    __slots__ = ("_parts", "_wary", "found", "name")

    def __init__(self, argument: str, rules: list[tuple[CompiledRule, frozenset[Json]]]) -> None:
        self._parts = tuple(argument.split("."))
        self.name = argument if len(self._parts) == 1 else None
        """The argument, where it is one at the top."""
        self.found: dict[Json, list[CompiledRule]] = {}
        for rule, values in rules:
            for value in values:
                self.found.setdefault(value, []).append(rule)
        self._wary = _wary(rule for rule, _ in rules)

    def candidates(self, arguments: Mapping[str, Json]) -> Collection[CompiledRule]:
        try:
            value = lookup(arguments, self._parts)
        except Unjudgeable:
            return self._wary
        return () if value is ABSENT else self.found.get(exactly(value), ())


class _ByPattern:
    """Rules that need one argument, or for `*` any string, to match one of certain patterns."""

    __slots__ = ("_full", "_odd", "_parts", "_rules", "_wary", "name", "patterns")

    def __init__(self, argument: str, kind: Kind, rules: list[tuple[CompiledRule, str]]) -> None:
        self._parts = None if argument == "*" else tuple(argument.split("."))
        self.name = argument if self._parts is not None and len(self._parts) == 1 else None
        """The argument, where it is one at the top."""
        self._full = kind == "full"
        by_pattern: dict[str, list[CompiledRule]] = {}
        for rule, pattern in rules:
            by_pattern.setdefault(pattern, []).append(rule)
        self._odd = None if self._full else len(by_pattern)
        """The place of a pattern that finds characters which may be a disguise: without them, there is but one way to read a text."""
        self.patterns = PatternSet(tuple(by_pattern) if self._full else (*by_pattern, _ODD), kind)
        self._rules = [*by_pattern.values(), []]
        self._wary = _wary(rule for rule, _ in rules)

    def candidates(self, arguments: Mapping[str, Json]) -> Collection[CompiledRule]:
        try:
            value = arguments if self._parts is None else lookup(arguments, self._parts)
            if value is ABSENT:
                return ()
            if not self._full or self._parts is None:
                return self._of({index for text in readings(value) for index in self.patterns.matches(text)})
            return self._of(self.patterns.matches(value)) if type(value) is str else self._wary
        except Unjudgeable:
            return self._wary

    def meant(self, answer: list[int], text: str) -> Collection[CompiledRule]:
        """The rules that the patterns meant by their answer about a text."""
        found: Collection[int] = self.patterns.meant(answer, text)
        if self._odd in found:
            found = {index for one in readings(text) for index in self.patterns.matches(one)}
        return self._of(found)

    def _of(self, found: Iterable[int]) -> Collection[CompiledRule]:
        return [rule for index in found for rule in self._rules[index]]


def _wary(rules: Iterable[CompiledRule]) -> tuple[CompiledRule, ...]:
    """The rules that match where something cannot be judged."""
    return tuple(rule for rule in rules if rule.rule.effect is not Effect.ALLOW)


class Plan:
    """Everything that may decide about one tool in one role."""

    __slots__ = (
        "_always",
        "_by_pattern",
        "_by_value",
        "_finders",
        "blanket",
        "indexed",
        "named",
        "nearest",
        "of_call_alone",
        "permissive",
        "rules",
        "trials",
    )

    _MOST_PERMISSIVE = 32

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        """Takes the rules that cover the tool and bind the role, in the order in which they are tried."""
        covering = tuple(rules)
        self.trials = tuple(rule for rule in covering if rule.rule.observe)
        self.rules = _until_unconditional(rule for rule in covering if not rule.rule.observe)
        self.blanket = next((rule for rule in self.rules if rule.rule.effect is Effect.BLOCK and rule.rule.unconditional), None)
        """The rule that blocks this tool whatever its arguments."""
        self.named = any(not rule.rule.observe and rule.rule.effect is not Effect.BLOCK for rule in covering)
        """Whether some rule allows or asks for the tool."""
        self.of_call_alone = not any(rule.asks_world or rule.asks_state for rule in covering)
        """Whether what the rules make of a call depends on the call alone."""
        permissive = (rule for rule in self.rules if rule.rule.effect is not Effect.BLOCK)
        self.permissive = tuple(islice(permissive, self._MOST_PERMISSIVE))
        """The first rules that allow or ask: where none of them matches, they stand for all when it is said why."""
        self.nearest = tuple(sorted(self.permissive, key=lambda rule: (-len(rule.when), rule.rule.id)))
        """Those, with the most conditions first: of those that lack one, the first comes nearest."""
        self._always: list[CompiledRule] = []
        self.indexed = len(self.rules) >= _WORTH_INDEXING
        """Whether candidates are found by what they test, rather than all rules being candidates."""
        self._by_value: list[tuple[str, Mapping[Json, Collection[CompiledRule]], _Find]] = []
        """Arguments by which rules are found: what there is for each value; and who finds it where the value is no text."""
        self._by_pattern: list[tuple[str, Callable[[bytes], list[int]], list[int], _ByPattern]] = []
        """The same for patterns: what matches them, and what that says where none is found."""
        self._finders: list[_Find] | None = None
        """The others; None before anybody looked for rules."""

    def candidates(self, arguments: Mapping[str, Json]) -> Iterable[CompiledRule]:
        """The rules that may match, the one that would win first."""
        finders = self._finders
        if finders is None:
            if not self.indexed:
                return self.rules
            finders = self._finders = self._index()
        found: Collection[CompiledRule] = self._always
        for name, values, find in self._by_value:
            value = arguments.get(name)
            more = values.get(value) if type(value) is str else find(arguments)
            if more:
                found = [*found, *more] if found else more
        for name, match, nothing, finder in self._by_pattern:
            value = arguments.get(name)
            if type(value) is str:
                answer = match(value.encode())
                if answer == nothing:
                    continue
                more = finder.meant(answer, value)
            else:
                more = finder.candidates(arguments)
            if more:
                found = [*found, *more] if found else more
        for find in finders:
            more = find(arguments)
            if more:
                found = [*found, *more] if found else more
        return sorted(found, key=_BY_RANK) if len(found) > 1 else found

    def _index(self) -> list[_Find]:
        values: dict[str, list[tuple[CompiledRule, frozenset[Json]]]] = {}
        patterns: dict[tuple[str, Kind], list[tuple[CompiledRule, str]]] = {}
        for rule in self.rules:
            certain = [condition for condition in rule.when if not condition.condition.optional]
            required = [(condition.condition.argument, test) for condition in certain for test in condition.tests]
            by_value = next(((name, test.values) for name, test in required if test.values is not None and name != "*"), None)
            by_pattern = next(((name, test.pattern) for name, test in required if test.pattern is not None), None)
            if by_value is not None:
                values.setdefault(by_value[0], []).append((rule, by_value[1]))
            elif by_pattern is not None:
                patterns.setdefault((by_pattern[0], by_pattern[1].kind), []).append((rule, by_pattern[1].text))
            else:
                self._always.append(rule)
        told = [_ByValue(argument, rules) for argument, rules in values.items()]
        matched = [_ByPattern(argument, kind, rules) for (argument, kind), rules in patterns.items()]
        self._by_value = [(one.name, one.found, one.candidates) for one in told if one.name is not None]
        self._by_pattern = [(one.name, one.patterns.match, one.patterns.nothing, one) for one in matched if one.name is not None]
        deeper: list[_ByValue | _ByPattern] = [*told, *matched]
        return [one.candidates for one in deeper if one.name is None]


def _until_unconditional(rules: Iterable[CompiledRule]) -> tuple[CompiledRule, ...]:
    """The rules up to the first that always matches: those after it can never win."""
    kept = []
    for rule in rules:
        kept.append(rule)
        if rule.rule.unconditional:
            break
    return tuple(kept)


class Index:
    """All rules of a policy, found by tool and role."""

    __slots__ = ("_by_matched", "_exact", "_globbed", "_globs", "known")

    _MOST_PLANS = 4096
    """How many tool names are remembered. A model can make up any number of them; what is remembered is bounded."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self._exact: dict[str, list[CompiledRule]] = {}
        by_glob: dict[str, list[CompiledRule]] = {}
        for rule in rules:
            for name in rule.selector.exact:
                self._exact.setdefault(name, []).append(rule)
            for glob in rule.selector.globs:
                by_glob.setdefault(glob, []).append(rule)
        self._globbed = list(by_glob.values())
        self._globs: PatternSet | tuple[str, ...] = tuple(by_glob)
        self.known: dict[tuple[str, str | None], Plan] = {}
        """Tool and role → what `plan` said. Nothing but names that a call may have, so that such a name is not checked again."""
        self._by_matched: dict[tuple[tuple[int, ...], str | None], Plan] = {}

    def plan(self, tool: str, role: str | None) -> Plan:
        """What may decide about a tool in a role. It is `known` from then on."""
        found = self.known.get((tool, role))
        if found is None:
            if len(self.known) >= self._MOST_PLANS:
                self.known.clear()
            found = self.known[(tool, role)] = self.made(tool, role)
        return found

    def made(self, tool: str, role: str | None) -> Plan:
        """The same, for a name that no call may have: it is not known afterwards."""
        found = {rule.rank: rule for rule in self._exact.get(tool, ())}
        if self._globs:
            if isinstance(self._globs, tuple):
                from agentgate.core.patterns import glob_pattern

                self._globs = PatternSet([glob_pattern(glob) for glob in self._globs], "full")
            for index in self._globs.matches(tool):
                found.update((rule.rank, rule) for rule in self._globbed[index])
        matched = tuple(sorted(rank for rank, rule in found.items() if tool not in rule.excepted and rule.binds(role)))
        plan = self._by_matched.get((matched, role))
        if plan is None:
            if len(self._by_matched) >= self._MOST_PLANS:
                self._by_matched.clear()
            plan = self._by_matched[(matched, role)] = Plan(found[rank] for rank in matched)
        return plan
