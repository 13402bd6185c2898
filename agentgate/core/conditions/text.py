"""What more than one operator must know about text before it can be judged: what is invisible, and what poses as something else."""

import unicodedata

from agentgate.core.conditions.test import Unjudgeable, kind_of
from agentgate.core.events import Json


def string(value: Json, limit: int) -> str:
    """The value, where it is a string that is neither empty nor longer than `limit` characters.

    Raises:
        Unjudgeable: it is something else.
    """
    if type(value) is not str:
        raise Unjudgeable(f"is {kind_of(value)}, not a string")
    if not value:
        raise Unjudgeable("is empty")
    if len(value) > limit:
        raise Unjudgeable(f"is longer than {limit} characters")
    return value


def unseen(text: str) -> str | None:
    """The first character that a reader cannot see or tell from a space, as `U+200B`; None where there is none.

    Control and format characters, line breaks, lone surrogates, unassigned and private ones, and every space but the plain one.
    """
    if text.isascii() and text.isprintable():
        return None
    for character in text:
        kind = unicodedata.category(character)
        if kind[0] == "C" or (kind[0] == "Z" and character != " "):
            return f"U+{ord(character):04X}"
    return None


def poses_as(text: str, signs: str) -> str | None:
    """The first character outside ASCII that compatibility normalisation turns into one of `signs`; None where there is none.

    A full-width dot is a dot to whoever normalises.
    """
    if text.isascii():
        return None
    for character in text:
        if not character.isascii() and any(sign in unicodedata.normalize("NFKC", character) for sign in signs):
            return f"U+{ord(character):04X}"
    return None
