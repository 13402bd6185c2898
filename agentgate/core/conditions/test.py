"""What an operator is, and what it makes of its value: a test that holds, does not hold, or cannot judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from agentgate.core.events import Json

if TYPE_CHECKING:
    from agentgate.core.patterns import Pattern
    from agentgate.core.state import State


class Unjudgeable(Exception):
    """The value cannot be judged: it has the wrong type, or does not parse. Never loosens anything."""


class InvalidOperand(ValueError):
    """The value that a policy gives to an operator makes no sense; the message says why, in lower case."""


NOWHERE = ""
"""The fact about a path of which nobody could say where it leads: a replay, too, must not know better."""


class World:
    """The little that a judgement may know beyond policy, state and call. What it tells is kept in `facts`.

    A replay hands in the recorded facts, and they are believed before anything is looked up.
    """

    __slots__ = ("_resolve", "facts", "known", "workdir")

    def __init__(
        self,
        *,
        workdir: str = "/",
        resolve: Callable[[str], str] | None = None,
        known: Mapping[str, str] | None = None,
    ) -> None:
        self.workdir = workdir
        """Where relative paths start, absolute."""
        self._resolve = resolve
        self.known = known or {}
        """Facts recorded earlier."""
        self.facts: dict[str, str] = {}
        """What was asked for in this judgement: an absolute path → the same with links resolved, or NOWHERE; and what was told."""

    def told(self, name: str) -> str | None:
        """What is known under a name that is no path, None where nobody says; see `agentgate.core.windows` and `agentgate.core.once`."""
        found = self.known.get(name)
        if found is not None:
            self.facts[name] = found
        return found

    def real_path(self, path: str) -> str:
        """The absolute path with `..` and symbolic links resolved.

        Raises:
            Unjudgeable: nobody can say.
        """
        found = self.facts.get(path, self.known.get(path))
        if found is None:
            if self._resolve is None:
                raise Unjudgeable("nobody to resolve links")
            try:
                found = self._resolve(path)
            except (OSError, ValueError) as error:
                self.facts[path] = NOWHERE
                raise Unjudgeable(f"cannot resolve: {error}") from None
        self.facts[path] = found
        if found == NOWHERE:
            raise Unjudgeable("nobody could say where it leads")
        return found


Holds: TypeAlias = Callable[[Json, "World", "State"], bool]
"""Judges one value. Raises Unjudgeable where it cannot."""


class Test(Struct, frozen=True):
    """An operator with its operand, ready to judge."""

    holds: Holds
    wanted: str
    """What it asks for, after "is not" or "must be": `"read"`, `one of "free", "pro"`, `a whole match of …`."""
    values: frozenset[Json] | None = None
    """Where it holds for exactly these values (as `exactly` makes them), so that rules can be found by value."""
    pattern: Pattern | None = None
    """Where it holds for exactly the strings that this pattern matches, so that many can be matched together."""
    holds_absent: bool = False
    """Whether an absent argument satisfies it."""
    asks_world: bool = False
    """Whether it needs to be handed a World that can tell."""
    asks_state: bool = False
    """Whether it looks at what was said and returned in the run."""
    never: bool = False
    """Whether nothing satisfies it, as with an empty list; what it cannot judge, it still cannot judge."""


class Operator(Struct, frozen=True):
    """One operator of the policy language."""

    key: str
    """Its name in a policy file."""
    summary: str
    """When it holds: the row of the documentation, after "holds when the argument"."""
    operand: dict[str, Json]
    """The JSON Schema (draft-07) of its value in a policy file, with a description."""
    compile: Callable[[Json], Test]
    """Makes the test. Raises InvalidOperand for what the schema cannot refuse."""
    example: Json
    """An operand that makes sense, for the documentation and the tests."""
    details: str = ""
    """What it takes, what it refuses and why: the paragraph under the table, in Markdown."""
    names_tools: bool = False
    """Whether its operand names tools, so that an `@group` in it stands for what the group holds."""


def exactly(value: Json) -> Json:
    """A hashable stand-in that is equal for equal JSON values only: `true` is not `1`, `1` is not `"1"`, but `1` is `1.0`."""
    kind = type(value)
    if kind is str:
        return value
    if kind is int or kind is float:
        return ("number", value)
    if value is None or kind is bool:
        return ("word", value)
    if isinstance(value, Mapping):
        return ("object", frozenset((key, exactly(item)) for key, item in value.items()))
    return ("list", tuple(exactly(item) for item in value))


def shown(value: Json, limit: int = 60) -> str:
    """A value as short text for people: strings in double quotes, cut in the middle where they are long."""
    if type(value) is str and value.isascii() and value.isprintable() and not {'"', "\\"} & set(value):
        text = f'"{value}"'  # what JSON makes of it, without asking
    else:
        import json

        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[: limit - 12]}…{text[-11:]}"


def kind_of(value: Json) -> str:
    """The JSON type of a value, with an article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an object" if isinstance(value, Mapping) else "a list"
