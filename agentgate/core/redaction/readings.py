"""Other ways in which a text can be read (escapes undone, lookalikes normalised), each with the way back to the text as it stands."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import unquote

from agentgate.core.patterns import is_invisible

_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[\"\\/bfnrt]")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_UNUSUAL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]|[^\x00-\x7f]")
_HEX = 16
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class _Piece(NamedTuple):
    """Something that is read as something else: where that begins and ends, and where in the source it comes from."""

    start: int
    end: int
    source_start: int
    source_end: int


_START = attrgetter("start")


class Reading:
    """A text in which every match of a pattern is read as something else, and all else as it stands."""

    __slots__ = ("_becomes", "_inner", "_pattern", "_pieces", "text")

    def __init__(self, inner: Reading | str, pattern: re.Pattern[str], becomes: Callable[[str], str], text: str | None = None) -> None:
        """Reads a text, or what is a reading itself; `text` is what comes of it, where somebody knows."""
        self._inner = inner
        self._pattern = pattern
        self._becomes = becomes
        self._pieces: list[_Piece] | None = None
        if text is None:
            text, self._pieces = self._read()
        self.text = text

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text as it stands a span of the reading comes from; what was read as something else is never taken apart."""
        if self._pieces is None:
            _, self._pieces = self._read()
        first, last = _begin(self._pieces, start), _end(self._pieces, end)
        return (first, last) if isinstance(self._inner, str) else self._inner.origin(first, last)

    def _read(self) -> tuple[str, list[_Piece]]:
        source = _text(self._inner)
        parts: list[str] = []
        pieces: list[_Piece] = []
        copied = length = 0
        for match in self._pattern.finditer(source):
            start, end = match.span()
            other = self._becomes(match.group())
            parts += (source[copied:start], other)
            length += start - copied
            pieces.append(_Piece(length, length + len(other), start, end))
            length += len(other)
            copied = end
        parts.append(source[copied:])
        return "".join(parts), pieces


def _begin(pieces: list[_Piece], place: int) -> int:
    index = bisect_right(pieces, place, key=_START) - 1
    if index < 0:
        return place
    piece = pieces[index]
    return piece.source_start if place < piece.end else piece.source_end + place - piece.end


def _end(pieces: list[_Piece], place: int) -> int:
    index = bisect_right(pieces, place - 1, key=_START) - 1
    return place if index < 0 else pieces[index].source_end + max(place - pieces[index].end, 0)


class _Looks(dict[int, str]):
    """Character → what it looks like: normalised by itself (NFKC), nothing where it is invisible."""

    def __missing__(self, code: int) -> str:
        plain = self[code] = "".join(one for one in unicodedata.normalize("NFKC", chr(code)) if not is_invisible(one))
        return plain


_LOOKS = _Looks()


def looks(text: str) -> str:
    """The text as it looks, character by character."""
    return text if text.isascii() and text.isprintable() else text.translate(_LOOKS)


def readings(text: str) -> Iterator[Reading]:
    """The ways to read a text that give another one: with JSON's escapes undone, with those of URLs undone too, and each as it looks."""
    variants: list[Reading | str] = [text]
    for sign, pattern, becomes in (("\\", _ESCAPE, _unescaped), ("%", _PERCENT, unquote)):
        latest = _text(variants[-1])
        if sign in latest:
            opened = Reading(variants[-1], pattern, becomes)
            if opened.text != latest:
                yield opened
                variants.append(opened)
    for inner in variants:
        plain = looks(_text(inner))
        if plain != _text(inner):
            yield Reading(inner, _UNUSUAL, looks, plain)


def _text(inner: Reading | str) -> str:
    return inner if isinstance(inner, str) else inner.text


def _unescaped(escape: str) -> str:
    if escape[1] != "u":
        return _SHORT.get(escape[1], escape[1])
    if len(escape) > len("\\u0000"):
        high, low = int(escape[2:6], _HEX), int(escape[8:], _HEX)
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    char = chr(int(escape[2:], _HEX))
    return "\ufffd" if "\ud800" <= char <= "\udfff" else char
