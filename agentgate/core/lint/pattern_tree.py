"""A pattern taken apart: what lint makes texts of, and what it compares with other patterns. RE2 has the last word about both."""

from __future__ import annotations

import re
from typing import TypeAlias

from msgspec import Struct

from agentgate.core.late import late
from agentgate.core.patterns import InvalidPattern

_COUNT = late(r"\{(\d+)(,(\d*))?\}")
_FLAGS = late(r"\?(?:P?<\w+>|([imsU]*)(?:-([imsU]*))?([:)]))")
_ESCAPE = late(r"\\(?:[pP]\{\^?\w+\}|[pP]\w|x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[0-7]{2,3}|.)", re.DOTALL)
_NAMED_CLASS = late(r"\[:\^?\w+:\]")
_REPEATS = ("*", "+", "?", "{")
_ZERO_WIDTH = frozenset((r"\b", r"\B", r"\A", r"\z", "^", "$"))
_SIGNS = frozenset(r"\.*+?()[]{}^$|")
"""What stands for something else than itself, unless a backslash stands before it."""
_MOST_OFTEN = 1000
"""RE2 repeats nothing more often."""


class NotUnderstood(ValueError):
    """The pattern is written in a way that is not followed here."""


class Atom(Struct, frozen=True):
    """What stands for one character."""

    text: str
    """As written: `.`, `\\s`, `[a-z]`, `D`."""
    flags: str = ""
    """The flags that hold there: `i`, `s`, …"""
    repeated: bool = False
    """Whether it stands before a sign of repetition."""

    @property
    def literal(self) -> str | None:
        """The only character that it stands for; None where it stands for more."""
        if "i" in self.flags:
            return None
        if len(self.text) == 1 and self.text != ".":
            return self.text
        return self.text[1] if len(self.text) == 2 and self.text[0] == "\\" and not self.text[1].isalnum() else None


class Sequence(Struct, frozen=True):
    """One after the other; nothing at all where it is empty."""

    items: tuple[Node, ...] = ()


class Choice(Struct, frozen=True):
    """One or the other."""

    options: tuple[Node, ...]


class Repeat(Struct, frozen=True):
    """The same several times."""

    node: Node
    least: int
    most: int | None
    """None for any number."""


Node: TypeAlias = Atom | Sequence | Choice | Repeat


def tree(pattern: str) -> Node:
    r"""Takes a pattern apart.

    What has no width (`^`, `$`, `\b`) is left out, so that the tree stands for at least what the pattern matches as a whole.

    Raises:
        NotUnderstood: it is written too cleverly.
    """
    reader = _Reader(pattern)
    try:
        found = reader.alternatives("")
    except (RecursionError, InvalidPattern) as error:
        raise NotUnderstood from error
    if reader.at < len(pattern):
        raise NotUnderstood
    return found


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.at = 0

    def _next(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def _take(self, shape: re.Pattern[str]) -> re.Match[str] | None:
        found = shape.match(self._pattern, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def alternatives(self, flags: str) -> Node:
        found: list[Node] = []
        while True:
            branch, flags = self._sequence(flags)
            found.append(branch)
            if self._next() != "|":
                return found[0] if len(found) == 1 else Choice(tuple(found))
            self.at += 1

    def _sequence(self, flags: str) -> tuple[Node, str]:
        items: list[Node] = []
        while self._next() not in ("", "|", ")"):
            changed = self._bare_flags(flags)
            if changed is not None:
                flags = changed
                continue
            items.append(self._repeated(self._atom(flags)))
        return Sequence(tuple(items)), flags

    def _bare_flags(self, flags: str) -> str | None:
        """Flags that hold from here on: `(?i)`."""
        if self._next() != "(":
            return None
        found = _FLAGS.match(self._pattern, self.at + 1)
        if found is None or found[3] != ")":
            return None
        self.at = found.end()
        return _with(flags, found)

    def _atom(self, flags: str) -> Node:
        character = self._next()
        if character == "(":
            return self._group(flags)
        if character == "[":
            return self._one(self._class(), flags)
        if character == "\\":
            if self._pattern.startswith("\\Q", self.at):
                return self._quoted(flags)
            found = self._take(_ESCAPE)
            if found is None:
                raise NotUnderstood
            return Sequence() if found[0] in _ZERO_WIDTH else self._one(found[0], flags)
        if character in "*+?" or _COUNT.match(self._pattern, self.at):
            raise NotUnderstood
        self.at += 1
        return Sequence() if character in _ZERO_WIDTH else self._one(character, flags)

    def _one(self, atom: str, flags: str) -> Atom:
        return Atom(atom, flags, self._next() in _REPEATS)

    def _group(self, flags: str) -> Node:
        self.at += 1
        if self._next() == "?":
            found = self._take(_FLAGS)
            if found is None:
                raise NotUnderstood
            if found[1] is not None:
                flags = _with(flags, found)
        inner = self.alternatives(flags)
        if self._next() != ")":
            raise NotUnderstood
        self.at += 1
        return inner

    def _quoted(self, flags: str) -> Node:
        end = self._pattern.find("\\E", self.at)
        text = self._pattern[self.at + 2 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self._pattern)
        if text and self._next() in _REPEATS:
            raise NotUnderstood
        return Sequence(tuple(Atom("\\" + character if character in _SIGNS else character, flags) for character in text))

    def _class(self) -> str:
        start = self.at
        self.at += 2 if self._pattern.startswith("[^", self.at) else 1
        first = True
        while first or self._next() != "]":
            if self._next() == "":
                raise NotUnderstood
            if self._take(_NAMED_CLASS) is None and (self._next() != "\\" or self._take(_ESCAPE) is None):
                self.at += 1
            first = False
        self.at += 1
        return self._pattern[start : self.at]

    def _repeated(self, node: Node) -> Node:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        character = self._next()
        if character in simple and character:
            self.at += 1
            least, most = simple[character]
        else:
            found = self._take(_COUNT)
            if found is None:
                return node
            least = int(found[1])
            most = least if found[2] is None else int(found[3]) if found[3] else None
        if self._next() == "?":
            self.at += 1
        if max(least, most or 0) > _MOST_OFTEN:
            raise NotUnderstood
        return Repeat(node, least, most)


def _with(flags: str, found: re.Match[str]) -> str:
    kept = (set(flags) | set(found[1] or "")) - set(found[2] or "")
    return "".join(sorted(kept))
