"""Changes to bytes: what fuzzing does to its seeds. Each is data, so that Hypothesis can make them small and a long run can repeat them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u0000", b"\\ud800", b"null", b"true", b"NaN", b"1e999", b"-0", b"9" * 40, b"\x00",
    b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\n", b"\r", b"\n\n", b"data: ", b"event: ",
    b"- ", b"  ", b"\t", b"&a ", b"*a", b"!!x ", b"<<: ",
    b"|\n", b">", b"#", b"'", b"---\n", b"%YAML 1.1\n", b"[DONE]", b"(?i)(a+)+$", b"\\", b"..", b"{}", b"[]", b'""',
)  # fmt: skip
KINDS = ("insert", "delete", "flip", "double", "cut", "splice", "nest")
_LONGEST = 200_000


class Change(NamedTuple):
    """One change."""

    kind: str
    place: float
    """Where, from 0 (the beginning) to 1 (the end)."""
    amount: int
    """How much: bytes, or which token."""


def mutated(seed: bytes, changes: Sequence[Change], other: bytes = b"") -> bytes:
    """The seed after all changes, in order."""
    data = seed
    for change in changes:
        data = _changed(data, change, other)[:_LONGEST]
    return data


def _changed(data: bytes, change: Change, other: bytes) -> bytes:
    at, amount = int(change.place * len(data)), change.amount
    token = TOKENS[amount % len(TOKENS)]
    match change.kind:
        case "insert":
            return data[:at] + token + data[at:]
        case "delete":
            return data[:at] + data[at + amount % 64 + 1 :]
        case "flip":
            return data[:at] + bytes((byte ^ (amount % 255 + 1)) for byte in data[at : at + 1]) + data[at + 1 :]
        case "double":
            piece = data[at : at + amount % 200 + 1]
            return data[:at] + piece * (amount % 7 + 2) + data[at:]
        case "cut":
            return data[:at]
        case "splice":
            return data[:at] + other[amount % (len(other) + 1) :]
    return data[:at] + (token or b"[") * (amount % 300) + data[at:]


def random_changes(random: Random, most: int = 6) -> list[Change]:
    """Some changes."""
    return [Change(random.choice(KINDS), random.random(), random.randrange(100_000)) for _ in range(random.randint(1, most))]
