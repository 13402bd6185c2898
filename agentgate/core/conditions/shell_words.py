"""The words of one simple shell command, so far as every reader splits them alike; anything more than that is refused.

Two readers must agree: a scanner that knows only plain characters and plain quotes, and the grammar of tree-sitter-bash.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from agentgate.core.conditions.test import Unjudgeable
from agentgate.core.conditions.text import unseen
from agentgate.core.late import late

if TYPE_CHECKING:
    from tree_sitter import Parser

MAX_LENGTH = 16_000
"""Characters; longer commands are not parsed."""
_PIECE = late(
    r"""(?P<space>[ \t]+)|'(?P<single>[^']*)'|"(?P<double>(?:[^"\\$`!]|\\["\\])*)\""""
    r"""|(?P<plain>[A-Za-z0-9_./:=,+@%-]|(?<=[A-Za-z0-9~^])[~^])"""
)
_ESCAPED = late(r"\\([\"\\])")
_NOT_FIRST = late(r"[%+=]|.*=", re.DOTALL)
_RESERVED = frozenset(("coproc", "do", "done", "elif", "else", "esac", "fi", "in", "then"))
"""Keywords that the grammar takes for programs where they make no sense; the others it knows."""
_PLAIN = frozenset(("command_name", "word", "number", "concatenation", "raw_string", "string", "string_content", '"'))
"""What a simple command of plain words consists of."""


def words_of(command: str) -> tuple[str, ...]:
    """The words of a command after quotes are taken away.

    Raises:
        Unjudgeable: it is not one simple command of plain words.
    """
    words = _scanned(command)
    if not words or not words[0]:
        raise Unjudgeable("names no program")
    if _NOT_FIRST.match(words[0]) or words[0] in _RESERVED:
        raise Unjudgeable("is not a simple command")
    if _parsed(command) != len(words):
        raise Unjudgeable("is not one simple command")
    return words


def _scanned(command: str) -> tuple[str, ...]:
    """The words as the scanner sees them."""
    hidden = unseen(command.replace("\t", " "))
    if hidden is not None:
        raise Unjudgeable(f"contains {hidden}")
    words: list[str] = []
    word: list[str] | None = None
    place = 0
    while place < len(command):
        piece = _PIECE.match(command, place)
        if piece is None:
            raise Unjudgeable(f"has `{command[place]}` where a plain word is expected")
        place = piece.end()
        if piece["space"] is not None:
            if word is not None:
                words.append("".join(word))
            word = None
            continue
        word = [] if word is None else word
        if piece["plain"] is not None:
            if not word and piece["plain"] == "=":
                raise Unjudgeable("has a word that begins with `=`")
            word.append(piece["plain"])
        elif piece["single"] is not None:
            word.append(piece["single"])
        else:
            word.append(_ESCAPED.sub(r"\1", piece["double"]))
    if word is not None:
        words.append("".join(word))
    return tuple(words)


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def _parsed(command: str) -> int:
    """How many words the grammar sees in one simple command; 0 where it sees something else."""
    root = _parser().parse(command.encode()).root_node
    if root.has_error or [child.type for child in root.children] != ["command"]:
        return 0
    words = root.children[0].children
    pending = list(words)
    while pending:
        node = pending.pop()
        if node.type not in _PLAIN:
            return 0
        pending.extend(node.children)
    return len(words)
