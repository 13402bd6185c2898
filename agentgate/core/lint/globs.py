"""Many patterns of tool names at once."""

from __future__ import annotations

from collections.abc import Iterable

from agentgate.core.patterns import PatternSet, glob_pattern


class Globs:
    """Patterns, of which those that only say how a name begins need no expression."""

    def __init__(self, globs: Iterable[str]) -> None:
        self._begins: dict[str, int] = {}
        others: list[tuple[int, str]] = []
        for index, glob in enumerate(globs):
            if glob.find("*") == len(glob) - 1:
                self._begins[glob[:-1]] = index
            else:
                others.append((index, glob_pattern(glob)))
        self._lengths = sorted(set(map(len, self._begins)))
        self._others = [index for index, _ in others]
        self._set = PatternSet([pattern for _, pattern in others], "full") if others else None

    def matches(self, name: str) -> list[int]:
        """The positions of the patterns that a name matches, in their order."""
        found = [self._begins[name[:length]] for length in self._lengths if length <= len(name) and name[:length] in self._begins]
        if self._set is not None:
            found += [self._others[place] for place in self._set.matches(name)]
        return sorted(found)
