"""What tools return, as JSON."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agentgate.core.arguments import parse_json
from agentgate.tools.results import MAX_RESULT_BYTES, MAX_RESULT_DEPTH, Unusable, success_content, to_json


class Colour(enum.StrEnum):
    RED = "red"


class Model(BaseModel):
    when: dt.date
    colour: Colour


@dataclass
class Order:
    price: decimal.Decimal
    tags: set[str] = field(default_factory=set)


class Point(NamedTuple):
    x: int
    y: float


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"


CASES = [
    (None, None),
    (True, True),
    (-0.0, -0.0),
    ("", ""),
    (Loud("quiet"), "quiet"),
    (Colour.RED, "red"),
    ((1, [2, ()]), [1, [2, []]]),
    (Point(1, 2.5), [1, 2.5]),
    ({Colour.RED: 1}, {"red": 1}),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    ({"when": dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)}, {"when": "2024-02-29T12:00:00Z"}),
    ([decimal.Decimal("19.90"), uuid.UUID(int=1), PurePosixPath("a/b")], ["19.90", "00000000-0000-0000-0000-000000000001", "a/b"]),
    ({"m": Model(when=dt.date(2024, 2, 29), colour=Colour.RED)}, {"m": {"when": "2024-02-29", "colour": "red"}}),
    (Order(decimal.Decimal("1.50"), {"a"}), {"price": "1.50", "tags": ["a"]}),
    (2**1023 - 1, 2**1023 - 1),
]


@pytest.mark.parametrize(("value", "wanted"), CASES, ids=repr)
def test_accepted(value: object, wanted: object) -> None:
    """What has an obvious JSON form gets it."""
    text, cut = to_json(value)
    assert json.dumps(json.loads(text)) == json.dumps(wanted)
    assert not cut


@pytest.mark.parametrize(
    "value",
    [b"", bytearray(b"x"), {1}, frozenset(), object(), int, Model, 1j, float("inf"), [float("-inf")], {None: 1}, {(1, 2): 3},
     range(3), iter([1]), 2**1023, "\udc80", {"\ud800": 1}, Order(decimal.Decimal(1), {object()}), lambda: None, ...],  # type: ignore[arg-type]
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_refused(value: object) -> None:
    """What has none is refused, wherever it stands."""
    for wrapped in (value, [value], {"a": value}):
        with pytest.raises(Unusable):
            to_json(wrapped)


@pytest.mark.parametrize("levels", [MAX_RESULT_DEPTH, MAX_RESULT_DEPTH + 1])
def test_depth(levels: int) -> None:
    """A result is nested as deep as fits into one strict JSON text together with what stands around it."""
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    if levels > MAX_RESULT_DEPTH:
        with pytest.raises(Unusable, match="nested deeper than 63 levels"):
            to_json(value)
    else:
        parse_json(success_content("x" * 64, json.loads(to_json(value)[0]), truncated=True))


def test_same_value_twice() -> None:
    """A value may occur twice, as long as it does not contain itself."""
    shared = [1]
    assert to_json([shared, shared]) == ("[[1], [1]]", False)


@settings(max_examples=30)
@given(st.text(st.sampled_from('a\0\n"é€😀'), min_size=1, max_size=8))
def test_long_text(text: str) -> None:
    """A long string is cut to a beginning of it that fits, never within a character."""
    whole = text * (MAX_RESULT_BYTES // 4)
    written, cut = to_json(whole)
    assert len(written.encode()) <= MAX_RESULT_BYTES
    kept = json.loads(written)
    assert whole.startswith(kept)
    assert cut is (len(kept) < len(whole))
    parse_json(success_content("x" * 64, kept, truncated=cut))
