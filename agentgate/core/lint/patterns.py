"""Texts that a pattern matches, made from the pattern itself and confirmed by RE2, so that a lint can show what it talks about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import islice, product
from typing import TypeAlias

from msgspec import Struct

from agentgate.core.patterns import InvalidPattern, compile_pattern

_MOST = 12
"""How many texts are made of one pattern."""
_LONGEST = 400
"""A text that grows longer than this many characters is given up: nobody would read it."""
_ALPHABET = "x1 aA_-/.@:,;='\"\n\t%*()[]{}<>|&$#!?+\\~^`éßβЖ中\u200b\x00\x7f" + "bcdefghijklmnopqrstuvwyzBCDEFGHIJKLMNOPQRSTUVWXYZ023456789"
"""Where the characters for a class come from; the first that is in the class is taken."""
_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}")
_FLAGS = re.compile(r"\?(?:P?<\w+>|([imsU]*)(?:-([imsU]*))?([:)]))")
_ESCAPE = re.compile(r"\\(?:[pP]\{\^?\w+\}|[pP]\w|x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[0-7]{2,3}|.)", re.DOTALL)
_NAMED_CLASS = re.compile(r"\[:\^?\w+:\]")
_REPEATS = ("*", "+", "?", "{")
_ZERO_WIDTH = frozenset((r"\b", r"\B", r"\A", r"\z", "^", "$"))


class Piece(Struct, frozen=True):
    """One character of a text, and what in the pattern it answers to."""

    text: str
    atom: str
    """The part of the pattern, as written: `.`, `\\s`, `[a-z]`, `D`."""
    flags: str = ""
    """The flags that hold there: `i`, `s`, …"""


Sample: TypeAlias = tuple[Piece, ...]


class _NotUnderstood(ValueError):
    """The pattern is written in a way that this module does not follow."""


def samples(pattern: str) -> list[Sample]:
    """A few texts that the pattern probably matches, piece by piece; none where it is written too cleverly. RE2 has the last word."""
    try:
        reader = _Reader(pattern)
        found = reader.alternatives("")
        if reader.at < len(pattern):
            raise _NotUnderstood
    except (_NotUnderstood, RecursionError, InvalidPattern):
        return []
    return found


def text_of(sample: Sample) -> str:
    """The text of a sample."""
    return "".join(piece.text for piece in sample)


def matching(pattern: str, *, whole: bool) -> list[Sample]:
    """The samples that the pattern does match, as a whole or somewhere."""
    compiled = compile_pattern(pattern)
    match = compiled.fullmatch if whole else compiled.search
    return [sample for sample in samples(pattern) if match(text_of(sample)) is not None]


@lru_cache(maxsize=1024)
def _member(atom: str, flags: str) -> str | None:
    """A character that an atom stands for."""
    compiled = compile_pattern(f"(?{flags}){atom}" if flags else atom)
    return next((character for character in _ALPHABET if compiled.fullmatch(character)), None)


class _Reader:
    """Reads a pattern from left to right and makes texts of it on the way."""

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

    def alternatives(self, flags: str) -> list[Sample]:
        found: list[Sample] = []
        while True:
            branch, flags = self._sequence(flags)
            found += branch[:_MOST]
            if self._next() != "|":
                return _spread(found)
            self.at += 1

    def _sequence(self, flags: str) -> tuple[list[Sample], str]:
        made: list[Sample] = [()]
        while self._next() not in ("", "|", ")"):
            changed = self._bare_flags(flags)
            if changed is not None:
                flags = changed
                continue
            part = self._repeated(self._atom(flags))
            made = list(islice((left + right for left, right in product(made, part)), _MOST))
            if any(len(sample) > _LONGEST for sample in made):
                raise _NotUnderstood
        return made, flags

    def _bare_flags(self, flags: str) -> str | None:
        """Flags that hold from here on: `(?i)`."""
        if self._next() != "(":
            return None
        found = _FLAGS.match(self._pattern, self.at + 1)
        if found is None or found[3] != ")":
            return None
        self.at = found.end()
        return _with(flags, found)

    def _atom(self, flags: str) -> list[Sample]:
        character = self._next()
        if character == "(":
            return self._group(flags)
        if character == "[":
            return self._one(self._class(), flags)
        if character == "\\":
            if self._pattern.startswith("\\Q", self.at):
                return [self._quoted(flags)]
            found = self._take(_ESCAPE)
            if found is None:
                raise _NotUnderstood
            return [()] if found[0] in _ZERO_WIDTH else self._one(found[0], flags)
        self.at += 1
        if character in _ZERO_WIDTH:
            return [()]
        if character == ".":
            # A dot that is not repeated is mostly meant as one.
            return self._one(".", flags) if self._next() in _REPEATS else [(Piece(".", ".", flags),)]
        if character in "*+?":
            raise _NotUnderstood
        return [(Piece(character, character, flags),)]

    def _one(self, atom: str, flags: str) -> list[Sample]:
        character = _member(atom, flags)
        if character is None:
            raise _NotUnderstood
        return [(Piece(character, atom, flags),)]

    def _group(self, flags: str) -> list[Sample]:
        self.at += 1
        if self._next() == "?":
            found = self._take(_FLAGS)
            if found is None:
                raise _NotUnderstood
            if found[1] is not None:
                flags = _with(flags, found)
        inner = self.alternatives(flags)
        if self._next() != ")":
            raise _NotUnderstood
        self.at += 1
        return inner

    def _quoted(self, flags: str) -> Sample:
        end = self._pattern.find("\\E", self.at)
        text = self._pattern[self.at + 2 : end if end >= 0 else None]
        self.at = end + 2 if end >= 0 else len(self._pattern)
        return tuple(Piece(character, character, flags) for character in text)

    def _class(self) -> str:
        start = self.at
        self.at += 2 if self._pattern.startswith("[^", self.at) else 1
        first = True
        while first or self._next() != "]":
            if self._next() == "":
                raise _NotUnderstood
            if self._take(_NAMED_CLASS) is None and (self._next() != "\\" or self._take(_ESCAPE) is None):
                self.at += 1
            first = False
        self.at += 1
        return self._pattern[start : self.at]

    def _repeated(self, part: list[Sample]) -> list[Sample]:
        """The part as often as the pattern wants it at least, and once where it wants nothing."""
        least, most = self._count()
        if least is None:
            return part
        if self._next() == "?":
            self.at += 1
        times = max(least, 1) if most is None or most >= 1 else 0
        if times > _LONGEST:
            raise _NotUnderstood
        return [sample * times for sample in part]

    def _count(self) -> tuple[int | None, int | None]:
        character = self._next()
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if character in simple and character:
            self.at += 1
            return simple[character]
        found = self._take(_COUNT)
        if found is None:
            return None, None
        least = int(found[1])
        return least, least if found[2] is None else int(found[3]) if found[3] else None


def _with(flags: str, found: re.Match[str]) -> str:
    kept = (set(flags) | set(found[1] or "")) - set(found[2] or "")
    return "".join(sorted(kept))


def _spread(found: list[Sample]) -> list[Sample]:
    """At most `_MOST`, from the whole list rather than its beginning."""
    step = -(-len(found) // _MOST)
    return found[::step] if step > 1 else found


Mutation: TypeAlias = Callable[[Sample], Iterable[str]]
"""Makes other texts of one that a pattern matches."""


def other_case(sample: Sample) -> Iterable[str]:
    """The text in lower, upper and mixed case."""
    text = text_of(sample)
    return [other for other in (text.lower(), text.upper(), text.swapcase()) if other != text]


def broken_line(sample: Sample) -> Iterable[str]:
    """The text with a line break where the pattern has `.`."""
    if any(piece.atom == "." and "s" not in piece.flags for piece in sample):
        yield "".join("\n" if piece.atom == "." else piece.text for piece in sample)


def other_space(sample: Sample) -> Iterable[str]:
    """The text with a line break, or two spaces, where the pattern has a plain space between words."""
    text = text_of(sample)
    if not any(piece.atom == " " for piece in sample) or text != text.strip():
        return
    for other in ("\n", "  "):
        yield "".join(other if piece.atom == " " else piece.text for piece in sample)


_SPACES = (r"\s", " ", "[[:space:]]", r"[\s]", r"\t")


def sql_comment(sample: Sample) -> Iterable[str]:
    """The text with a comment in place of the space, which means the same in SQL."""
    if any(piece.text == " " or piece.atom in _SPACES for piece in sample):
        made = "".join("/**/" if piece.text == " " or piece.atom in _SPACES else piece.text for piece in sample)
        if made.endswith("/**/"):
            yield f"{made}table customers"
        yield made


def shell_quotes(sample: Sample) -> Iterable[str]:
    """The text with an empty pair of quotes, a backslash or `$IFS` inside, which mean the same in a shell."""
    text = text_of(sample)
    word = re.search(r"[A-Za-z]{2,}", text)
    if word is not None:
        cut = word.start() + 1
        yield f"{text[:cut]}''{text[cut:]}"
        yield f"{text[:cut]}\\{text[cut:]}"
    if " " in text.strip():
        yield text.replace(" ", "${IFS}")
        yield text.replace(" ", "  ")
