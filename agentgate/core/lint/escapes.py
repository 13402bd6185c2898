"""Calls that get past a rule, or in through one, though they hardly differ from those that it is written about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from msgspec import Struct

from agentgate.core.events import Code, Effect, Json
from agentgate.core.lint.audit import Subject
from agentgate.core.lint.calls import Calls
from agentgate.core.lint.patterns import Mutation, Piece, Sample, matching, plain_flags, text_of
from agentgate.core.lint.trial import Arguments, Trial
from agentgate.core.rules import ABSENT, CompiledCondition, CompiledRule, lookup

_Pair: TypeAlias = tuple[Json, Json]
_MOST_SETTINGS = 6
_MOST_TOOLS = 4
PATTERNS = ("search", "matches")
TEXTS = (*PATTERNS, "glob")


class Pattern(Struct, frozen=True):
    """A pattern as one rule uses it."""

    rule: CompiledRule
    condition: CompiledCondition
    operator: str
    """`search`, `matches` or `glob`."""
    text: str

    @property
    def samples(self) -> tuple[Sample, ...]:
        """Texts that it matches."""
        if self.operator == "glob":
            return (tuple(Piece(char, char) for char in self.text.replace("*", "x")),)
        return matching(self.text, whole=self.operator == "matches")

    @property
    def in_any_case(self) -> bool:
        """Whether the rule certainly stops its text in any case: it looks at nothing else, and that is plain, after `(?i)`."""
        return "i" in plain_flags(self.text) and _is_alone(self.rule, self.condition)

    @property
    def named(self) -> str:
        """The rule and the argument, for a message."""
        name = self.condition.condition.argument
        return f"rule `{self.rule.rule.id}`" + (" looks at any argument" if name == "*" else f", argument `{name}`")


def restricting(subject: Subject) -> list[Pattern]:
    """The patterns that stop something: what they overlook goes on."""
    return _kept(subject, "restricting", PATTERNS, lambda rule: () if rule.rule.effect is Effect.ALLOW else rule.when)


def loosening(subject: Subject, operators: Sequence[str] = PATTERNS) -> list[Pattern]:
    """The patterns that let something through: in an allow rule, or in the exception from a block rule."""
    return _kept(subject, "loosening", operators, lambda rule: rule.when if rule.rule.effect is Effect.ALLOW else rule.unless)


def _kept(
    subject: Subject, what: str, operators: Sequence[str], conditions: Callable[[CompiledRule], Iterable[CompiledCondition]]
) -> list[Pattern]:
    """The patterns among those conditions of all rules in force; looked for once, though many audits ask."""
    kept: dict[tuple[str, tuple[str, ...]], list[Pattern]] = subject.calls.kept
    key = (what, tuple(operators))
    if key not in kept:
        kept[key] = [pattern for rule in subject.enforced for pattern in _patterns(rule, conditions(rule), operators)]
    return kept[key]


def _patterns(rule: CompiledRule, conditions: Iterable[CompiledCondition], operators: Sequence[str]) -> Iterator[Pattern]:
    for condition in conditions:
        for operator, operand in condition.condition.operators:
            if operator in operators and isinstance(operand, str):
                yield Pattern(rule, condition, operator, operand)


def gets_past(calls: Calls, pattern: Pattern, mutation: Mutation) -> Trial | None:
    """A call with a changed text that the rule overlooks, though it stops the unchanged one; one that passes, if there is one."""
    pairs = [(text_of(sample), other) for sample in pattern.samples for other in mutation(sample)]
    return past(calls, pattern.rule, pattern.condition, pairs)


def past(calls: Calls, rule: CompiledRule, condition: CompiledCondition, pairs: Iterable[tuple[Json, Json]]) -> Trial | None:
    """The same for any values: each pair is one that the rule stops, and another."""
    best: Trial | None = None
    pairs = list(pairs)
    hopeful = _hopeful(calls, rule, condition, pairs)
    for tool in calls.tool_names(rule)[:_MOST_TOOLS] if pairs else ():
        for role, history, arguments in islice(calls.settings(rule, tool), _MOST_SETTINGS):
            tried = pairs if _has_text(arguments, condition) else hopeful
            if not tried:
                continue
            state = calls.state(role, history)

            def stopped(made: Arguments, tool: str = tool, state: object = state) -> bool:
                return rule.matches(made, calls.world, state) and calls.valid(tool, made)  # type: ignore[arg-type]

            for made in _overlooked(calls, tool, arguments, condition, tried, stopped):
                trial = calls.judge(tool, made, role=role, after=history)
                if trial.passes:
                    return trial
                if best is None and _goes_on(trial, rule):
                    best = trial
    return best


def _hopeful(calls: Calls, rule: CompiledRule, condition: CompiledCondition, pairs: list[_Pair]) -> list[_Pair]:
    """The pairs of which the rule may overlook the other value.

    Where it looks at nothing but this one argument, that is known before there is a call: nearly always it overlooks none.
    """
    if not _is_alone(rule, condition):
        return pairs
    name, state = condition.condition.argument, calls.state(None)
    return [pair for pair in pairs if not rule.matches({} if pair[1] is ABSENT else {name: pair[1]}, calls.world, state)]


def _is_alone(rule: CompiledRule, condition: CompiledCondition) -> bool:
    """Whether the rule has one test, of an argument at the top, and looks at nothing else."""
    alone = len(rule.when) == 1 and rule.when[0] is condition and not rule.unless and not rule.asks_state and not rule.asks_world
    return alone and condition.parts is not None and len(condition.parts) == 1 and len(condition.tests) == 1


def _has_text(arguments: Arguments, condition: CompiledCondition) -> bool:
    """Whether there is a text before which, or behind which, the other one may be put."""
    return condition.parts is None or isinstance(arguments.get(condition.parts[0]), str)


def _overlooked(
    calls: Calls,
    tool: str,
    arguments: Arguments,
    condition: CompiledCondition,
    pairs: Iterable[tuple[Json, Json]],
    stopped: Callable[[Arguments], bool],
) -> Iterator[Arguments]:
    for caught, other in pairs:
        for before in _beginnings(arguments, condition, other):
            made = calls.with_value(tool, arguments, condition, _joined(before, other))
            if (
                calls.valid(tool, made)
                and not stopped(made)
                and stopped(calls.with_value(tool, arguments, condition, _joined(before, caught)))
            ):
                yield made


def _beginnings(arguments: Arguments, condition: CompiledCondition, other: Json) -> list[str]:
    """What may stand before the text: nothing, or what a milder rule wants there."""
    if condition.parts is None or other is ABSENT or not isinstance(other, str):
        return [""]
    found = lookup(arguments, condition.parts[:1])
    return ["", f"{found} "] if isinstance(found, str) and found != other else [""]


def _joined(before: str, value: Json) -> Json:
    return before + value if before and isinstance(value, str) else value


def _goes_on(trial: Trial, rule: CompiledRule) -> bool:
    """Whether nothing but the rule in question was there to stop the call."""
    decision = trial.decision
    if decision.effect is Effect.ASK:
        return rule.rule.effect is Effect.BLOCK
    return decision.code is Code.DEFAULT and rule.rule.effect is Effect.BLOCK


def says(trial: Trial) -> str:
    """The sentence that shows a call which got past a rule."""
    if trial.decision.effect is Effect.BLOCK:
        return trial.told("gets past it, and only the default blocks it")
    return trial.says


def lets_in(calls: Calls, pattern: Pattern, texts: Callable[[Sample], Iterable[Json]]) -> Trial | None:
    """A call with a text made from a sample, which the pattern lets through."""
    rule, condition = pattern.rule, pattern.condition
    for tool in calls.tool_names(rule)[:_MOST_TOOLS]:
        for role, history, arguments in islice(calls.settings(rule, tool), _MOST_SETTINGS):
            for sample in pattern.samples[:4]:
                for text in texts(sample):
                    made = calls.with_value(tool, arguments, condition, text)
                    trial = calls.judge(tool, made, role=role, after=history)
                    if trial.passes and _by(pattern, trial, calls, role, history):
                        return trial
    return None


def _by(pattern: Pattern, trial: Trial, calls: Calls, role: str | None, history: list[str]) -> bool:
    """Whether it was this pattern that let the call through."""
    rule = pattern.rule
    if rule.rule.effect is Effect.ALLOW:
        return trial.decision.rule == rule.rule.id
    without = calls.with_value(trial.tool, trial.arguments, pattern.condition, ABSENT)
    state = calls.state(role, history)
    return rule.matches(without, calls.world, state) and not rule.matches(trial.arguments, calls.world, state)
