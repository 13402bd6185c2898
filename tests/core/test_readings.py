"""Other ways to read a text, and the way back from each to the text as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.redaction.readings import Reading, looks, readings

TAGGED, UPPER = re.compile(r"<\w*>"), re.compile(r"[A-Z]+")


class Placed(NamedTuple):
    """A character of a reading, and from where to where in the text it comes."""

    character: str
    start: int
    end: int


def doubled(tag: str) -> str:
    """What stands within a tag, twice: nothing, as much, or more."""
    return tag[1:-1] * 2


def read_slowly(characters: list[Placed], pattern: re.Pattern[str], becomes: Callable[[str], str]) -> list[Placed]:
    """Character by character what `Reading` does."""
    read: list[Placed] = []
    copied = 0
    for match in pattern.finditer("".join(one.character for one in characters)):
        read += characters[copied : match.start()]
        source = characters[match.start() : match.end()]
        read += [Placed(one, source[0].start, source[-1].end) for one in becomes(match.group())]
        copied = match.end()
    return read + characters[copied:]


@given(st.text("<>abAB", max_size=30), st.booleans())
def test_each_span_leads_back_to_where_it_comes_from(text: str, known: bool) -> None:
    """Of a reading, and of a reading of a reading; whether or not it is known beforehand what comes of it."""
    as_it_stands = [Placed(one, place, place + 1) for place, one in enumerate(text)]
    opened = read_slowly(as_it_stands, TAGGED, doubled)
    lowered = read_slowly(opened, UPPER, str.lower)
    first = Reading(text, TAGGED, doubled, "".join(one.character for one in opened) if known else None)
    for reading, expected in ((first, opened), (Reading(first, UPPER, str.lower), lowered)):
        assert reading.text == "".join(one.character for one in expected)
        for start in range(len(expected)):
            for end in range(start + 1, len(expected) + 1):
                assert reading.origin(start, end) == (expected[start].start, expected[end - 1].end)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("plain", []),
        (r"C:\dir 100%", []),
        (r"\b\f\n\r\t\"\/\\", ['\b\f\n\r\t"/\\', '\f\n\r\t"/\\']),
        (r"\u4e2d\u00e9\u0041", ["中éA"]),
        (r"\ud83d\ude00\uDBFF\uDFFD", ["😀\U0010fffd"]),
        (r"\ud800 \udbff\ud800 \udfff \ud7ff", ["\ufffd \ufffd\ufffd \ufffd \ud7ff"]),
        ("%41%C3%A9", ["Aé"]),
        (r"\u0025\u0034\u0031", ["%41", "A"]),
        ("ﬁ\u200bＡ\u00ad", ["fiA"]),
        (r"\uff21", ["Ａ", "A"]),
    ],
)
def test_ways_to_read_a_text(text: str, read: list[str]) -> None:
    """With the escapes of JSON undone, with those of URLs undone too, and each as it looks; only what differs."""
    assert [reading.text for reading in readings(text)] == read


def test_what_a_text_looks_like() -> None:
    """Ligatures and wide letters are the plain ones, invisible characters nothing, and line breaks stay."""
    assert looks("ﬁ Ａ\x00b\tc\n\u200b…") == "fi Ab\tc\n..."
