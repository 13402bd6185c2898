"""Strict JSON as most of it is, read in half the time: whatever this declines is left to the slow way, which also says what is wrong.

While it reads, msgspec looks at the numbers, the characters and, by the types that it reads, the levels. It does not say where a key
stands twice; but of two entries only one is read, so what was read has fewer colons when it is written again.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Union

import msgspec
from msgspec import Meta

from agentgate.core.events import Json

UNREAD: Json = object()
"""In place of a value, which may be None."""

Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_LEVELS = 8
"""Enough for nearly all answers. Each further level doubles the types, which take some milliseconds to make."""

write = msgspec.json.Encoder().encode


def read_quickly(data: bytes) -> Json:
    """The value of a JSON text; UNREAD where it is not strict JSON, or not usual enough to be told for sure."""
    try:
        value = _decoder().decode(data)
    except (ValueError, RecursionError):
        return UNREAD
    return value if says_all(write(value), data) else UNREAD


def says_all(written: bytes, data: bytes) -> bool:
    """Whether everything in a JSON text is in what msgspec read of it. False also where that is not certain.

    A colon ends each key; others stand in texts, as they are unless they are spelt by their number.

    Args:
        written: what was read, written again.
        data: the text.
    """
    if data == written:
        return True
    if data.count(b":") != written.count(b":"):
        return False
    # Less-than signs, which some programs spell by their number, begin alike: the two are looked for only where one may be.
    return b"\\u003" not in data or (b"\\u003a" not in data and b"\\u003A" not in data)


def type_of(levels: int) -> Json:
    """What msgspec is to read: any value of so many levels at most, its whole numbers of 64 bits."""
    made: Json = Union[str, Integer, float, bool, None]  # noqa: UP007 -- with `|` the types are compared as a whole at each level
    for _ in range(levels):
        made = Union[dict[str, made], list[made], str, Integer, float, bool, None]  # noqa: UP007
    return made


@cache
def _decoder() -> msgspec.json.Decoder[Json]:
    return msgspec.json.Decoder(type_of(_LEVELS))
