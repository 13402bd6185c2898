"""A map that only grows, each version of which stays as it was: what a state remembers of every call.

All versions share one dictionary, and a version is a length: it sees the entries that were made before it. A trie would do (`rpds` has one,
and the smaller maps of the state are such), but at call 10,000 it costs three times as much for each entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

V = TypeVar("V")


class Ledger(Generic[V]):
    """A persistent map from strings. Adding to its latest version costs the same however long it is; adding to an older one, a copy."""

    __slots__ = ("_entries", "_length", "_made")

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, V, Any]] = {}
        """Key → when it was entered, its value, and the entry that the key had before, or None."""
        self._made = [0]
        """How many entries all versions have made."""
        self._length = 0

    def insert(self, key: str, value: V) -> Ledger[V]:
        """This map with one more entry, or with another value for a key that it has."""
        length = self._length
        if self._made[0] != length:
            return self._copy().insert(key, value)
        grown: Ledger[V] = Ledger.__new__(Ledger)
        grown._entries = self._entries
        grown._made = self._made
        grown._length = self._made[0] = length + 1
        self._entries[key] = (length, value, self._entries.get(key))
        return grown

    def get(self, key: str) -> V | None:
        """The value of a key, or None."""
        entry = self._entries.get(key)
        while entry is not None and entry[0] >= self._length:
            entry = entry[2]
        return None if entry is None else entry[1]

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._entries if key in self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and {key: self.get(key) for key in self} == {key: other.get(key) for key in other}

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ledger({ {key: self.get(key) for key in self} })"

    def _copy(self) -> Ledger[V]:
        copy: Ledger[V] = Ledger()
        copy._entries = {key: (position, value, None) for position, (key, value) in enumerate((key, self.get(key)) for key in self)}  # type: ignore[misc]
        copy._length = copy._made[0] = len(copy._entries)
        return copy
