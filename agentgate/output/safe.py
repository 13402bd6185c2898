"""The one function that makes untrusted text safe to show, and its twin for JSON values.

What may stand as it is: printable ASCII, and every other character that is visible by itself and leaves the cursor where one expects
it. All else becomes an escape of printable ASCII. The functions return plain strings: whoever prints them must not let rich
interpret them (`Text`, never markup; `emoji=False`, `highlight=False`).
"""

from __future__ import annotations

import json
from unicodedata import category, is_normalized

from agentgate.core.events import Json

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BEGINS_ESCAPE = frozenset("\\nrtxuU")
_MOST_MARKS = 3
"""Combining marks on one letter; living scripts get by with three, more only serve to paint over other lines."""
_BLANK = frozenset("\u2800\u3164\uffa0\u115f\u1160\u17b4\u17b5\u034f\ufffc\U0001d159")
"""Characters that Python calls printable although nothing is seen of them."""
_JOINING = (("\u1100", "\u11ff"), ("\ua960", "\ua97f"), ("\ud7b0", "\ud7ff"))
"""Hangul letters that melt into one syllable with their neighbours."""
_SELECTORS = (("\u180b", "\u180f"), ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"), ("\U0001f3fb", "\U0001f3ff"))
"""Variation selectors, invisible and able to carry any text, and skin tones: how wide they are depends on the terminal."""


def safe(text: str, *, newlines: bool = False, ascii: bool = False) -> str:
    r"""Text that shows exactly what `text` holds, whoever wrote it.

    Guarantees, for every string:
    * each character of the result is a visible one, a space, or (with `newlines`) a line feed;
    * different texts give different results, and results that stay different under Unicode's canonical equivalence
      (the result is in NFC), so what is composed in another way is seen;
    * joining results with printable text in between does not change what they say.

    What it does not do: letters of different scripts that look alike stay as they are (but not with `ascii`), and letters that
    run from right to left are put in order by the terminal.

    Control, format (bidi, zero-width, tags), separator, private, unassigned and surrogate characters, variation selectors,
    enclosing, piled-up or misplaced combining marks, skin tones and all spaces but the plain one become `\n`, `\r`, `\t`, `\xHH`,
    `\uHHHH` or `\UHHHHHHHH`; a backslash is doubled where it would otherwise read as the beginning of such an escape, or stands
    at the end.

    Args:
        text: anything.
        newlines: keep line feeds as such; otherwise they become `\n`, and the result is one line.
        ascii: for places that cannot carry more: every character beyond ASCII becomes an escape.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    shown: list[str] = []
    cluster = ""
    open_backslash = False
    for char in text:
        kept = (char == "\n" and newlines) or visible(char, cluster, ascii=ascii)
        piece = char if kept else escaped(char)
        if open_backslash and piece[0] in _BEGINS_ESCAPE:
            shown.append("\\")
        open_backslash = char == "\\"
        cluster = _cluster(cluster, char) if kept else ""
        shown.append(piece)
    if open_backslash:
        shown.append("\\")
    return "".join(shown)


def literal(value: Json, *, ascii: bool = False, indent: int | None = None) -> str:
    r"""A JSON value as a JSON text without a character that `safe` would not show.

    Reading the result as JSON gives the value again, so different values never look the same. Strings hold the escapes of JSON (`\u202e`).

    Args:
        value: what JSON can carry.
        ascii: whether nothing beyond ASCII may be shown.
        indent: spaces of each level, on lines of their own; None for one line.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=ascii, separators=separators, indent=indent, default=repr)
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    cluster = ""
    for char in text:
        if char == "\n" or visible(char, cluster, ascii=ascii):  # only indenting makes line feeds: in strings they are escaped
            shown.append(char)
            cluster = _cluster(cluster, char)
        else:
            shown.append(_json_escaped(char))
            cluster = ""
    return "".join(shown)


def visible(char: str, cluster: str = "", *, ascii: bool = False) -> bool:
    """Whether a character may be shown as it is.

    Args:
        char: one character.
        cluster: the letter and its marks that stand directly before it, for combining marks.
        ascii: whether nothing beyond ASCII may be shown.
    """
    if char.isascii():
        return char.isprintable()
    if ascii or not char.isprintable() or char in _BLANK or _within(char, _JOINING) or _within(char, _SELECTORS):
        return False
    kind = category(char)
    if kind == "Me":
        return False
    if kind[0] == "M":
        return 0 < len(cluster) <= _MOST_MARKS and is_normalized("NFC", cluster + char)
    return is_normalized("NFC", char)


def escaped(char: str) -> str:
    r"""The escape of one character: `\n`, `\r`, `\t`, `\xHH`, `\uHHHH` or `\UHHHHHHHH`."""
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _json_escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f"


def _cluster(cluster: str, char: str) -> str:
    """What a mark after `char` would sit on: a letter with the marks it has; nothing where a mark has no business."""
    kind = category(char)[0]
    if kind == "M":
        return cluster + char
    return char if kind == "L" else ""


def _within(char: str, ranges: tuple[tuple[str, str], ...]) -> bool:
    return any(first <= char <= last for first, last in ranges)
