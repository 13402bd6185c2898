"""A map that only grows, each version of which stays as it was: what a state remembers of every call.

All versions share one dictionary, and a version is a length: it sees the entries that were made before it. A trie would do (`rpds` has one,
and the smaller maps of the state are such), but at call 10,000 it costs three times as much for each entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

V = TypeVar("V")


class Ledger(Struct, Generic[V], eq=False):
    """A persistent map from strings. Adding to its latest version costs the same however long it is; adding to an older one, a copy."""

    _entries: dict[str, tuple[int, V, Any]] = field(default_factory=dict)
    """Key → when it was entered, its value, and the entry that the key had before, or None."""
    _made: list[int] = field(default_factory=lambda: [0])
    """How many entries all versions have made."""
    _length: int = 0

    def insert(self, key: str, value: V) -> Ledger[V]:
        """This map with one more entry, or with another value for a key that it has."""
        entries, made, length = self._entries, self._made, self._length
        if made[0] != length:
            return self._copy().insert(key, value)
        entries[key] = (length, value, entries.get(key))
        made[0] = length + 1
        return Ledger(entries, made, length + 1)

    def extend(self, more: Mapping[str, V]) -> Ledger[V]:
        """This map with all of these entries more."""
        entries, made, length = self._entries, self._made, self._length
        if made[0] != length:
            return self._copy().extend(more)
        for place, (key, value) in enumerate(more.items(), length):
            entries[key] = (place, value, entries.get(key))
        made[0] = length = length + len(more)
        return Ledger(entries, made, length)

    def get(self, key: str) -> V | None:
        """The value of a key, or None."""
        entry = self._entries.get(key)
        while entry is not None and entry[0] >= self._length:
            entry = entry[2]
        return None if entry is None else entry[1]

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __bool__(self) -> bool:
        return self._length > 0

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._entries if key in self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and {key: self.get(key) for key in self} == {key: other.get(key) for key in other}

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ledger({ {key: self.get(key) for key in self} })"

    def _copy(self) -> Ledger[V]:
        entries: dict[str, tuple[int, V, Any]] = {}
        for key in self:
            entries[key] = (len(entries), self.get(key), None)  # type: ignore[assignment]
        return Ledger(entries, [len(entries)], len(entries))
