"""A map that only grows, each version of which stays as it was: what a state remembers of every call.

All versions share one dictionary and one list of values, and a version is a length: it sees the values that were entered before it. A
trie would do (`rpds` has one, and the smaller maps of the state are such), but at call 10,000 it costs three times as much for each entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct, field

V = TypeVar("V")
_Places: TypeAlias = "int | tuple[int, _Places]"
"""Where the values of a key are, the newest first."""


class Ledger(Struct, Generic[V], eq=False, gc=False):
    """A persistent map from strings. Adding to its latest version costs the same however long it is; adding to an older one, a copy."""

    keys: dict[str, _Places] = field(default_factory=dict)
    """All keys of this version and of those that grew from it or beside it: what is not among them is new. Not to be changed."""
    _values: list[V] = field(default_factory=list)
    _length: int = 0
    """How many values this version has seen entered."""

    def insert(self, key: str, value: V) -> Ledger[V]:
        """This map with one more entry, or with another value for a key that it has."""
        keys, values, length = self.keys, self._values, self._length
        if len(values) != length:
            return self._copy().insert(key, value)
        before = keys.get(key)
        keys[key] = length if before is None else (length, before)
        values.append(value)
        return Ledger(keys, values, length + 1)

    def insert_new(self, key: str, value: V) -> Ledger[V] | None:
        """This map with one more entry; None where it has that key already."""
        keys, values, length = self.keys, self._values, self._length
        if len(values) != length:
            return None if key in self else self.insert(key, value)
        if keys.setdefault(key, length) != length:
            return None
        values.append(value)
        return Ledger(keys, values, length + 1)

    def enter(self, key: str, value: V) -> bool:
        """Puts one more entry into this very version, which nobody else may hold; False where it has that key, or is not the latest."""
        keys, values, length = self.keys, self._values, self._length
        if len(values) != length or keys.setdefault(key, length) != length:
            return False
        values.append(value)
        self._length = length + 1
        return True

    def get(self, key: str) -> V | None:
        """The value of a key, or None."""
        place = self.keys.get(key)
        if place is None:
            return None
        while type(place) is tuple:
            if place[0] < self._length:
                return self._values[place[0]]
            place = place[1]
        return None if place >= self._length else self._values[place]  # type: ignore[operator, index]

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __bool__(self) -> bool:
        return self._length > 0

    def __iter__(self) -> Iterator[str]:
        return (key for key in self.keys if key in self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and {key: self.get(key) for key in self} == {key: other.get(key) for key in other}

    def __ne__(self, other: object) -> bool:
        return not self == other  # a Struct's own would go by identity

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ledger({ {key: self.get(key) for key in self} })"

    def _copy(self) -> Ledger[V]:
        known: dict[str, V] = {key: self.get(key) for key in self}  # type: ignore[misc]
        return Ledger({key: place for place, key in enumerate(known)}, list(known.values()), len(known))
