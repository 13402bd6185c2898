"""Strict JSON: the one way in which the text of a model becomes arguments, and the canonical form that is hashed."""

from __future__ import annotations

import json
from hashlib import sha256
from math import inf

import jiter
import msgspec

from agentgate.core.events import Decision, Json, ToolCall
from agentgate.core.quick_json import UNREAD, read_quickly

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
_SHAPE = bytes.maketrans(b"123456789E", b"000000000e")
"""Makes all digits, and both letters of an exponent, alike: so numbers are found several times as fast as by a pattern."""
_GREATEST = int(1.7976931348623157e308)
"""The greatest number that a double holds."""
_MOST_DIGITS = 308
"""A whole number of so many digits is below the greatest, whatever they are."""
_MANY_DIGITS = b"0" * (_MOST_DIGITS + 1)
_NO_FLOAT = frozenset((str, int, bool, type(None)))


class InvalidJson(ValueError):
    """The text is not one strict JSON value. The message says where and why, in lower case."""


def parse_json(text: str | bytes, *, limit: int = MAX_BYTES) -> Json:
    """The value of a strict JSON text.

    Refuses what `json.loads` lets through: duplicate keys at any depth, NaN and Infinity, numbers that no double holds, lone
    surrogates, more than 64 levels, more than `limit` bytes. Never repairs anything.

    Raises:
        InvalidJson: the text is anything else.
    """
    data = _encoded(text, limit)
    value = read_quickly(data)
    return _read(data)[0] if value is UNREAD else value


def _encoded(text: str | bytes, limit: int) -> bytes:
    try:
        data = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise InvalidJson("lone surrogate") from None
    if len(data) > limit:
        raise InvalidJson(f"{len(data)} bytes, at most {limit} are read")
    return data


def _read(data: bytes) -> tuple[Json, bool]:
    """The value, read the slow way, and whether `is_plain` is known to say so."""
    try:
        value = jiter.from_json(data, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True)
    except ValueError as error:
        raise InvalidJson(_reason(str(error))) from None
    if len(data) <= _MOST_DIGITS and type(value) is dict and _NO_FLOAT.issuperset(map(type, value.values())):
        return value, True
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise InvalidJson(f"nested deeper than {MAX_DEPTH} levels")
    if _may_be_out_of_range(data):
        _check_numbers(value)
    return value, False


def parse_arguments(text: str) -> dict[str, Json]:
    """The arguments of a call. Empty text means no arguments.

    Raises:
        InvalidJson: the text is not one strict JSON object.
    """
    return read_arguments(text)[0]


def read_arguments(text: str) -> tuple[dict[str, Json], bool]:
    """The arguments of a call, and whether `is_plain` is known to say so, which saves whoever goes on with them from asking again.

    Raises:
        InvalidJson: as `parse_arguments` does.
    """
    if not isinstance(text, str):
        raise InvalidJson("not a string")
    if not text:
        return {}, True
    data = _encoded(text, MAX_BYTES)
    value = UNREAD if len(data) <= _MOST_DIGITS else read_quickly(data)
    found = _read(data) if value is UNREAD else (value, False)
    if not found[1] and not isinstance(found[0], dict):
        raise InvalidJson("not an object")
    return found


def is_plain(value: Json) -> bool:
    """Whether it is an object of strings, whole numbers, true, false and null alone, as the arguments of most calls are.

    Cheaper than a walk through the value: there is nothing below it, and no float in it.
    """
    return type(value) is dict and _NO_FLOAT.issuperset(map(type, value.values()))


def _reason(message: str) -> str:
    return message if message.startswith("EOF") else message[:1].lower() + message[1:]


def _depth(value: Json) -> int:
    level, depth = [value], 0
    while level:
        inner = [item for item in level if type(item) is dict or type(item) is list]
        if not inner:
            return depth
        depth += 1
        level = [child for item in inner for child in (item.values() if type(item) is dict else item)]
    return depth


def _may_be_out_of_range(data: bytes) -> bool:
    """Whether there is an exponent, or as many digits as the greatest number has; without either no number needs a look."""
    shape = data.translate(_SHAPE)
    return b"0e" in shape or _MANY_DIGITS in shape


def _check_numbers(value: Json) -> None:
    """Refuses what no double holds: jiter reads 1e999 as infinity, and whole numbers at any length."""
    pending = [value if type(value) is list or type(value) is dict else [value]]
    for item in pending:
        for child in item.values() if type(item) is dict else item:
            kind = type(child)
            if kind is dict or kind is list:
                pending.append(child)
            elif (kind is int and child.bit_length() > 1023 and abs(child) > _GREATEST) or (kind is float and abs(child) == inf):
                raise InvalidJson("number out of range")


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


_encode_quickly = msgspec.json.Encoder(order="sorted").encode


def canonical(value: Json, *, usual: bool = False) -> bytes:
    """A JSON value in the form that is hashed: sorted keys, no spaces, only ASCII, floats as Python writes them.

    Args:
        value: the value.
        usual: whether it is known to be what JSON can carry, with no float in it but such as `is_usual` knows.

    Raises:
        ValueError: the value holds NaN or Infinity.
        TypeError: the value holds something that JSON does not know.
    """
    if usual or is_plain(value):
        try:
            written = _encode_quickly(value)
        except (TypeError, ValueError, RecursionError):
            return _encode(value).encode("ascii")
        if is_written_alike(written):
            return written
    return _encode(value).encode("ascii")


def is_written_alike(written: bytes) -> bool:
    """Whether what msgspec wrote of a value without unusual floats is, byte for byte, what Python writes: it leaves more unescaped."""
    return written.isascii() and b"\x7f" not in written


def is_usual(number: float) -> bool:
    """Whether msgspec and Python write a float in the same way: the very small and the great ones they do not."""
    return 0.0001 <= abs(number) < 1e16 or number == 0


def digest(value: Json) -> str:
    """The SHA-256 of a JSON value in canonical form, in hexadecimal."""
    return sha256(canonical(value)).hexdigest()


def digest_text(text: Json) -> str:
    """The SHA-256 of a raw text, for arguments that do not parse. Lone surrogates, and what is not text at all, have a digest too."""
    return sha256((text if isinstance(text, str) else repr(text)).encode("utf-8", "surrogatepass")).hexdigest()


def digest_arguments(text: Json) -> str:
    """The SHA-256 of a call's arguments, given their raw text: of what they parse to, in canonical form, else of the text."""
    try:
        return digest(parse_arguments(text))
    except InvalidJson:
        return digest_text(text)


def arguments_hash(call: ToolCall, decision: Decision) -> str:
    """The SHA-256 of a call's arguments: those that were parsed for the decision, or, where it fell before that, of its text."""
    if call.args_hash:
        return call.args_hash
    return digest_arguments(call.arguments) if decision.arguments is None else digest(decision.arguments)
