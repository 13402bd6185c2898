"""Many calls of one tool as one: what their arguments have in common, and how far they reach."""

from __future__ import annotations

from collections.abc import Mapping

from agentgate.core.arguments import InvalidJson, canonical, parse_arguments
from agentgate.core.events import Json

MOST_VALUES = 3
"""More different values than these are counted, not listed."""
_MOST_COUNTED = 1_000
_MOST_ARGUMENTS = 24


class Spread:
    """The values of one argument."""

    __slots__ = ("_seen", "calls", "high", "low", "numbers", "values")

    def __init__(self) -> None:
        self.calls = 0
        """How many calls have it."""
        self.values: list[Json] = []
        """The first different ones."""
        self.numbers = True
        """Whether every value is a number; then `low` and `high` say how far they reach."""
        self.low: float = 0
        self.high: float = 0
        self._seen: set[bytes] = set()

    @property
    def different(self) -> int:
        """How many different values there are, up to a thousand."""
        return len(self._seen)

    def add(self, value: Json) -> None:
        """Takes one more value."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number:
            self.low = min(self.low, value) if self.calls else value
            self.high = max(self.high, value) if self.calls else value
        self.numbers = self.numbers and number
        self.calls += 1
        if len(self._seen) < _MOST_COUNTED:
            known = len(self._seen)
            self._seen.add(canonical(value))
            if len(self._seen) > known and len(self.values) < MOST_VALUES:
                self.values.append(value)


class Calls:
    """Calls of one tool, as far as they are alike."""

    __slots__ = ("arguments", "count", "whole")

    def __init__(self) -> None:
        self.count = 0
        self.whole = True
        """Whether every one of them could be looked at; not where arguments do not parse, or there are very many."""
        self.arguments: dict[str, Spread] = {}

    def add(self, arguments: Json) -> None:
        """Takes one more call, by the raw text of its arguments."""
        self.count += 1
        parsed = _parsed(arguments)
        if parsed is None or len(parsed) > _MOST_ARGUMENTS or len(self.arguments) > _MOST_ARGUMENTS:
            self.whole = False
            return
        for name, value in parsed.items():
            self.arguments.setdefault(name, Spread()).add(value)


def _parsed(arguments: Json) -> Mapping[str, Json] | None:
    try:
        return parse_arguments(arguments)
    except InvalidJson:
        return None
