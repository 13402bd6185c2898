"""Regular expressions that cannot explode: RE2, many at once, with a guard for the case that RE2 gives up.

`re2.Set` answers for a thousand patterns in a microsecond, but it says "nothing matched" when its automaton does not fit its memory. Every
set here therefore holds one pattern that always matches; if even that is missing from the answer, each pattern is asked on its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Literal, TypeAlias

import re2

Kind: TypeAlias = Literal["search", "full"]

_MEMORY = 256 << 20
"""The most bytes that one automaton may take. RE2's own default of 8 MiB refuses a few thousand patterns."""


_FEW = 6
"""So often a pattern is asked by itself, before a set of its own is made for it, which takes as long."""


class InvalidPattern(ValueError):
    """RE2 cannot compile it; the message says why."""


@cache
def _options(memory: int = _MEMORY) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    return options


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> re2._Regexp:
    """The pattern by itself.

    Raises:
        InvalidPattern: it is not one that RE2 knows; look-around and back-references are not.
    """
    try:
        return re2._Regexp(pattern, _options())  # noqa: SLF001 - `re2.compile` copies the options one by one, which takes as long
    except re2.error as error:
        text = error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else str(error)
        raise InvalidPattern(text) from None
    except UnicodeEncodeError:
        raise InvalidPattern("lone surrogate") from None


def glob_pattern(glob: str) -> str:
    """The RE2 pattern of a glob in which `*` stands for any run of characters, line breaks included, and all else for itself."""
    return "(?s)" + ".*".join(re2.escape(part) for part in glob.split("*"))


class PatternSet:
    """Patterns of one kind, matched together.

    `search` patterns may match anywhere in a text, `full` ones must match it as a whole.
    """

    __slots__ = ("_kind", "_patterns", "_set", "match", "nothing")

    def __init__(self, patterns: Sequence[str], kind: Kind, *, memory: int = _MEMORY) -> None:
        """Compiles the set.

        Args:
            patterns: patterns that compile by themselves.
            kind: what all of them are to match.
            memory: the most bytes that their common automaton may take; where it needs more, they are asked one by one.
        """
        self._patterns = tuple(patterns)
        self._kind = kind
        self._set = self._compiled(_options(memory))
        # What is behind RE2's wrapper, which takes half as long as the matching: it would only encode, and say None for an empty list.
        self.match: Callable[[bytes], list[int]] = _say_nothing if self._set is None else getattr(self._set, "_set", self._set).Match
        self.nothing = [len(self._patterns)]
        """What `match` says of a text in which none of them is."""

    def _compiled(self, options: re2.Options) -> re2.Set | None:
        made = re2.Set.SearchSet(options) if self._kind == "search" else re2.Set.FullMatchSet(options)
        try:
            for pattern in self._patterns:
                made.Add(pattern)
            made.Add("(?s:.*)" if self._kind == "full" else r"\A")  # the less it matches, the less there is to note down
            made.Compile()
        except re2.error:
            return None
        return made

    def matches(self, text: str) -> list[int]:
        """The positions of the patterns that match, in no order."""
        return self.meant(self.match(text.encode()), text)

    def meant(self, answer: list[int], text: str) -> list[int]:
        """What `match` meant by its answer about a text; where that is not whole, each pattern is asked on its own."""
        always = self.nothing[0]
        return [index for index in answer if index != always] if always in answer else self._one_by_one(text)

    def _one_by_one(self, text: str) -> list[int]:
        compiled = [compile_pattern(pattern) for pattern in self._patterns]
        if self._kind == "search":
            return [index for index, pattern in enumerate(compiled) if pattern.search(text) is not None]
        return [index for index, pattern in enumerate(compiled) if pattern.fullmatch(text) is not None]


def _say_nothing(data: bytes) -> list[int]:
    """In place of a set that could not be made: not even what always matches is in the answer."""
    return []


class Pattern:
    """One pattern, asked many times. Cheaper than `re2.search`, which also finds out where it matched."""

    __slots__ = ("_asked", "_set", "kind", "text")

    def __init__(self, pattern: str, kind: Kind) -> None:
        compile_pattern(pattern)
        self.text = pattern
        self.kind: Kind = kind
        self._asked = 0
        self._set: PatternSet | None = None

    def __call__(self, text: str) -> bool:
        if self._set is None:
            self._asked += 1
            if self._asked < _FEW:
                pattern = compile_pattern(self.text)
                return (pattern.search(text) if self.kind == "search" else pattern.fullmatch(text)) is not None
            self._set = PatternSet((self.text,), self.kind)
        answer = self._set.match(text.encode())
        return answer != self._set.nothing and bool(self._set.meant(answer, text))


_INVISIBLE_RANGES = (
    (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Characters that show nothing though their category is not Cf or Cc: Unicode's Default_Ignorable_Code_Point, and the Braille blank."""
_SPACES = "\t\n\v\f\r"


class _Visible(dict[int, "int | None"]):
    """Character → itself, or None where it is invisible. As a table it makes `str.translate` do the work."""

    def __missing__(self, code: int) -> int | None:
        found = self[code] = None if is_invisible(chr(code)) else code
        return found


_VISIBLE = _Visible()


def is_invisible(character: str) -> bool:
    """Whether nothing is seen of a character that is no space either."""
    if character in _SPACES:
        return False
    code = ord(character)
    return unicodedata.category(character) in ("Cf", "Cc") or any(low <= code <= high for low, high in _INVISIBLE_RANGES)


def unmasked(text: str) -> str:
    """The text after NFKC normalisation without invisible characters: what a reader, or a lenient tool, may take it for."""
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFKC", text.translate(_VISIBLE)).translate(_VISIBLE)
