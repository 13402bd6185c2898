"""Writes values in the strict YAML that `yaml.py` reads, with as few quotes as it allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from agentgate.core.events import Json
from agentgate.files.scalars import Ambiguous, resolve

WIDTH = 120
"""What is longer goes over several lines, where it can."""
_PLAIN = re.compile(r"[\w./](?:[\w .,;:/+()'=@!?%&*<>|~^$-]*[\w.,;/+()'=@!?%&*<>|~^$-])?")
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def text_scalar(text: str, *, inside: bool = False) -> str:
    """A text on one line; without quotes where nobody could take it for anything else.

    Args:
        text: what is to be read again.
        inside: whether it stands in `[…]` or `{…}`, where commas and colons mean something.
    """
    if _PLAIN.fullmatch(text) and text.isprintable() and ": " not in text and not (inside and ("," in text or ":" in text)):
        try:
            if resolve(text) == text:
                return text
        except Ambiguous:
            pass
    if not text.isprintable():
        return '"' + "".join(map(_escaped, text)) + '"'
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def flow(value: Json) -> str:
    """Any value on one line."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return number(value)
        case str():
            return text_scalar(value, inside=True)
        case Mapping():
            return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(flow, value)) + "]"


def number(value: float) -> str:
    """A number with a fraction, without an exponent, which readers of YAML disagree about."""
    text = f"{Decimal(repr(value)):f}"
    return text if "." in text else f"{text}.0"


def entry(key: str, value: Json, indent: str = "", *, comment: str = "") -> Iterator[str]:
    """The lines of one key and its value: on one line where they fit, else an item a line.

    Args:
        key: the key.
        value: what stands under it.
        indent: spaces in front.
        comment: what is said behind it, where there is one line.
    """
    start = f"{indent}{text_scalar(key, inside=True)}:"
    if isinstance(value, str):
        yield from _text_entry(start, value, indent, comment)
        return
    line = f"{start} {flow(value)}"
    if len(line) <= WIDTH or not value or not isinstance(value, Mapping | list | tuple):
        yield f"{line}   # {comment}" if comment else line
        return
    yield f"{start}   # {comment}" if comment else start
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from entry(name, item, f"{indent}  ")
    else:
        for item in value:
            yield f"{indent}  - {flow(item)}"


def _text_entry(start: str, text: str, indent: str, comment: str) -> Iterator[str]:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > 1 and all(line.isprintable() and line == line.strip() for line in lines) and lines[0] and lines[-1]:
        yield f"{start} {'|' if text.endswith(chr(10)) else '|-'}"
        yield from (f"{indent}  {line}" if line else "" for line in lines)
        return
    line = f"{start} {text_scalar(text)}"
    yield f"{line}   # {comment}" if comment else line
