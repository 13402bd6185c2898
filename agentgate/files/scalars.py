"""What a YAML value without quotes means, and which ones are refused because readers disagree about them."""

from __future__ import annotations

import re
import unicodedata

from agentgate.core.events import Json
from agentgate.core.late import late

CONTROL = late("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")
"""Characters that have no place in a file that people must be able to read: they are invisible, break lines where nobody expects it, or
turn text around."""

_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}
_OTHER_WORDS = frozenset(("yes", "no", "on", "off"))
_INTEGER = late(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = late(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_NUMBERLIKE = late(
    r"""[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?   # 010, 1_000, 1e3, +5, 1.
      | [-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?               # .5
      | [-+]?0(?:[xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)    # 0x1f, 0o17, 0b1
      | [-+]?\.(?:inf|Inf|INF|nan|NaN|NAN)""",
    re.VERBOSE,
)
_CLOCK = late(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = late(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}.*)?")
_LARGEST = 2**63 - 1
_MAX_DIGITS = 40
_NUMERIC_START = frozenset("0123456789+-.")


class Ambiguous(ValueError):
    """A value that does not mean the same to all readers. The message says what it could be."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


def resolve(text: str) -> Json:
    """What a plain scalar means: a boolean, null, a number, or its text.

    Raises:
        Ambiguous: readers of YAML disagree, or it is not what it looks like.
    """
    if text[0] in _NUMERIC_START:
        return _number(text)
    if len(text) > 5:
        return text
    if text in _WORDS:
        return _WORDS[text]
    lowered = text.lower()
    if lowered in _WORDS or text == "~":
        word = "null" if text == "~" else lowered
        raise Ambiguous(f"it may be a word or `{word}`", f"write `{word}`, or put the word in quotes: `'{text}'`")
    if lowered in _OTHER_WORDS:
        word = "true" if lowered in ("yes", "on") else "false"
        raise Ambiguous(f"it may be a word or `{word}`", f"write `{word}`, or put the word in quotes: `'{text}'`")
    return text


def _number(text: str) -> Json:
    if _INTEGER.fullmatch(text):
        if len(text) > _MAX_DIGITS or abs(int(text)) > _LARGEST:
            raise Ambiguous("it is too large for a whole number", "put it in quotes if text is meant")
        return int(text)
    if _DECIMAL.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise Ambiguous("it has more digits than a number keeps", "put it in quotes if text is meant")
        return float(text)
    if _NUMBERLIKE.fullmatch(text):
        raise Ambiguous("it may be a number or text", "write a plain number such as `10` or `0.5`, or put the text in quotes")
    if _CLOCK.fullmatch(text):
        raise Ambiguous("it may be a time, a number to the base of 60, or text", f"put it in quotes: `'{text[:40]}'`")
    if _DATE.fullmatch(text):
        raise Ambiguous("it may be a date or text", f"put it in quotes: `'{text[:40]}'`")
    return text


def control_name(character: str) -> str:
    """A character that cannot be shown, in words."""
    code = ord(character)
    names = {0: "a NUL character", 7: "a bell character", 8: "a backspace", 0x1B: "an escape character", 0x85: "a NEL line break"}
    if code in names:
        return names[code]
    if 0xD800 <= code <= 0xDFFF:
        return f"a lone surrogate (U+{code:04X})"
    name = unicodedata.name(character, "control character").lower()
    return f"a {name} (U+{code:04X})"
