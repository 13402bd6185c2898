"""Texts that a pattern matches, made from the pattern itself and confirmed by RE2, so that a lint can show what it talks about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from itertools import islice, product
from typing import TypeAlias

from msgspec import Struct

from agentgate.core.late import late
from agentgate.core.lint.pattern_tree import Atom, Choice, Node, NotUnderstood, Repeat, tree
from agentgate.core.patterns import InvalidPattern, compile_pattern

_MOST = 12
"""How many texts are made of one pattern."""
_LONGEST = 400
"""A text that grows longer than this many characters is given up: nobody would read it."""
_ALPHABET = "x1 aA_-/.@:,;='\"\n\t%*()[]{}<>|&$#!?+\\~^`éßβЖ中\u200b\x00\x7f" + "bcdefghijklmnopqrstuvwyzBCDEFGHIJKLMNOPQRSTUVWXYZ023456789"
"""Where the characters for a class come from; the first that is in the class is taken."""


class Piece(Struct, frozen=True):
    """One character of a text, and what in the pattern it answers to."""

    text: str
    atom: str
    """The part of the pattern, as written: `.`, `\\s`, `[a-z]`, `D`."""
    flags: str = ""
    """The flags that hold there: `i`, `s`, …"""


Sample: TypeAlias = tuple[Piece, ...]


_PLAIN = late(r"(?:\(\?([imsU]+)\))?([A-Za-z0-9_,:;@=/ -]+)")
"""A pattern in which every character stands for itself: taken apart without a tree."""


def plain_flags(pattern: str) -> str:
    """The flags before a pattern in which every character stands for itself; empty for any other, too."""
    plain = _PLAIN.fullmatch(pattern)
    return (plain[1] or "") if plain is not None else ""


@cache
def _piece(character: str, flags: str) -> Piece:
    return Piece(character, character, flags)


@lru_cache(maxsize=4096)
def samples(pattern: str) -> tuple[Sample, ...]:
    """A few texts that the pattern probably matches, piece by piece; none where it is written too cleverly. RE2 has the last word."""
    plain = _PLAIN.fullmatch(pattern)
    if plain is not None and len(plain[2]) <= _LONGEST:
        flags = "".join(sorted(set(plain[1] or "")))
        return (tuple(_piece(character, flags) for character in plain[2]),)
    try:
        return tuple(_made(tree(pattern)))
    except (NotUnderstood, RecursionError, InvalidPattern):
        return ()


def text_of(sample: Sample) -> str:
    """The text of a sample."""
    return "".join(piece.text for piece in sample)


@lru_cache(maxsize=4096)
def matching(pattern: str, *, whole: bool) -> tuple[Sample, ...]:
    """The samples that the pattern does match, as a whole or somewhere."""
    compiled = compile_pattern(pattern)
    match = compiled.fullmatch if whole else compiled.search
    return tuple(sample for sample in samples(pattern) if match(text_of(sample)) is not None)


@lru_cache(maxsize=1024)
def _member(atom: str, flags: str) -> str | None:
    """A character that an atom stands for."""
    compiled = compile_pattern(f"(?{flags}){atom}" if flags else atom)
    return next((character for character in _ALPHABET if compiled.fullmatch(character)), None)


def _made(node: Node) -> list[Sample]:
    """Texts for a part of a pattern: what is repeated as often as it must be, and once where it need not be there."""
    match node:
        case Atom():
            return [_of_atom(node)]
        case Choice():
            return _spread([sample for option in node.options for sample in _made(option)[:_MOST]])
        case Repeat():
            times = max(node.least, 1) if node.most is None or node.most >= 1 else 0
            if times > _LONGEST:
                raise NotUnderstood
            return [sample * times for sample in _made(node.node)]
    made: list[Sample] = [()]
    for item in node.items:
        part = _made(item)
        made = list(islice((left + right for left, right in product(made, part)), _MOST))
        if any(len(sample) > _LONGEST for sample in made):
            raise NotUnderstood
    return made


def _of_atom(atom: Atom) -> Sample:
    # A dot that is not repeated is mostly meant as one.
    if len(atom.text) == 1 and (atom.text != "." or not atom.repeated):
        return (Piece(atom.text, atom.text, atom.flags),)
    character = _member(atom.text, atom.flags)
    if character is None:
        raise NotUnderstood
    return (Piece(character, atom.text, atom.flags),)


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
