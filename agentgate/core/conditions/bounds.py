"""What `min`, `max`, `min_length` and `max_length` share: a measure of the argument, compared with a bound."""

from collections.abc import Callable
from functools import partial

from agentgate.core.conditions.test import Operator, Test, Unjudgeable, World, kind_of
from agentgate.core.events import Json
from agentgate.core.state import State

Measure = Callable[[Json], float]


def number(value: Json) -> float:
    """The number itself.

    Raises:
        Unjudgeable: it is none; a boolean is none either.
    """
    if type(value) is not int and type(value) is not float:
        raise Unjudgeable(f"is {kind_of(value)}, not a number")
    return value


def length(value: Json) -> float:
    """How many characters a string has, or items a list.

    Raises:
        Unjudgeable: it is neither.
    """
    if not isinstance(value, str | list | tuple):
        raise Unjudgeable(f"is {kind_of(value)}, not a string or a list")
    return len(value)


def bound(key: str, summary: str, operand: dict[str, Json], measure: Measure, *, lower: bool, words: str, example: float) -> Operator:
    """An operator that compares `measure` of the argument with a bound, which itself is within."""
    return Operator(key=key, summary=summary, operand=operand, compile=partial(_compile, measure, lower, words), example=example)


def _compile(measure: Measure, lower: bool, words: str, limit: Json) -> Test:
    def at_least(value: Json, world: World, state: State) -> bool:
        return bool(measure(value) >= limit)

    def at_most(value: Json, world: World, state: State) -> bool:
        return bool(measure(value) <= limit)

    return Test(holds=at_least if lower else at_most, wanted=words.format(limit))
