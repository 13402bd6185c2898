"""Strict JSON, naively: the standard library's parser with every leniency it has taken away one by one."""

from __future__ import annotations

import json
import math
from typing import Any

DEEPEST = 64
LARGEST = 1024 * 1024


class NotStrict(Exception):
    """The text is not one strict JSON object."""


def parse(text: object) -> dict[str, Any]:
    """The object that a call's arguments stand for; empty text means no arguments.

    Raises:
        NotStrict: it is anything else.
    """
    if not isinstance(text, str):
        raise NotStrict("not text")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise NotStrict("a lone surrogate") from None
    if size > LARGEST:
        raise NotStrict("too large")
    if text == "":
        return {}
    if depth(text) > DEEPEST:
        raise NotStrict("too deep")
    try:
        value = json.loads(
            text, object_pairs_hook=without_duplicates, parse_constant=no_constant, parse_float=finite, parse_int=finite_integer
        )
    except ValueError as error:
        raise NotStrict(str(error)) from None
    if not isinstance(value, dict):
        raise NotStrict("not an object")
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise NotStrict("a lone surrogate") from None
    return value


def depth(text: str) -> int:
    """How deep brackets nest, those inside of strings left out."""
    deepest = level = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level -= 1
    return deepest


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs, if no key comes twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} comes twice")
        found[key] = value
    return found


def no_constant(word: str) -> Any:
    """NaN, Infinity and -Infinity are Python's, not JSON's."""
    raise ValueError(f"{word} is not JSON")


def finite(text: str) -> float:
    """The number, if a float can carry it."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number overflows")
    return number


def finite_integer(text: str) -> int:
    """The whole number, if its magnitude is one that a float can carry too."""
    finite(text)
    return int(text)
