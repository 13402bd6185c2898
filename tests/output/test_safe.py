"""What `safe` and `literal` promise about any text."""

from __future__ import annotations

import json
import re
import sys
from unicodedata import category, is_normalized, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from agentgate.output.safe import literal, safe

NASTY = "\\nrtxuU\x00\x1b\x07\r\n\t\x7f\x85\x9b\u00a0\u0301\u034f\u200b\u202e\u2028\u2066\ufe0f\ufeff\u212a\u1100\u1161\ud800\ue000"
texts = st.text(st.characters(exclude_categories=[]) | st.sampled_from(NASTY + "aeK\u00e9\U000e0041 '\"[]:"))

_TOKEN = re.compile(r"\\(\\|n|r|t|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))|(.)", re.DOTALL)
_LETTERS = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}


def read_back(shown: str) -> str:
    """The text that a result of `safe` stands for: the inverse function, written without a look at it."""

    def one(found: re.Match[str]) -> str:
        digits = found[2] or found[3] or found[4]
        return chr(int(digits, 16)) if digits else found[5] or _LETTERS[found[1]]

    return _TOKEN.sub(one, shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("\x1b[2J", r"\x1b[2J"),
        (r"\x1b[2J", r"\\x1b[2J"),
        ("\\\x1b", r"\\\x1b"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x7f\x85\x9b", r"\x7f\x85\x9b"),
        ("\u202eevil\u2069", r"\u202eevil\u2069"),
        ("a\u200bb\ufeffc\u00add", r"a\u200bb\ufeffc\xadd"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\ud800", r"\ud800"),
        ("\U000e0041\ue000", r"\U000e0041\ue000"),
        ("caf\u00e9", "caf\u00e9"),
        ("cafe\u0301", r"cafe\u0301"),
        ("q\u0303", "q\u0303"),
        ("\u0301x", r"\u0301x"),
        ("z" + "\u0334" * 5, "z" + "\u0334" * 3 + r"\u0334\u0334"),
        ("\u212a", r"\u212a"),
        ("\u26a0\ufe0f", "\u26a0" + r"\ufe0f"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("\u4e2d\u6587\uff01", "\u4e2d\u6587\uff01"),
        ("\U0001f600", "\U0001f600"),
        (r"C:\Temp\dir", r"C:\Temp\dir"),
        (r"C:\new" + "\\", r"C:\\new" + "\\\\"),
        (r"\d+\b", r"\d+\b"),
        ("[bold red]:smile:[/]", "[bold red]:smile:[/]"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    """Each kind of character is shown as itself or as one known escape."""
    assert safe(text) == shown


@given(texts)
def test_every_result_is_one_visible_line(text: str) -> None:
    """A result holds only characters that print, in NFC; with `ascii` only those of ASCII."""
    assert safe(text).isprintable()
    assert is_normalized("NFC", safe(text))
    assert safe(text, ascii=True).isascii()
    assert safe(text, ascii=True).isprintable()
    assert safe(text, newlines=True).replace("\n", "").isprintable()


@given(texts, st.booleans(), st.booleans())
def test_a_result_says_what_the_text_was(text: str, newlines: bool, ascii: bool) -> None:
    """The text can be read back from what is shown, so no two texts look the same."""
    assert read_back(safe(text, newlines=newlines, ascii=ascii)) == text


@given(texts, texts)
def test_different_texts_differ_canonically(first: str, second: str) -> None:
    """Not even Unicode normalisation makes two different texts the same."""
    assert (normalize("NFD", safe(first)) == normalize("NFD", safe(second))) == (first == second)


@given(texts, texts)
def test_results_can_be_joined(first: str, second: str) -> None:
    """Two results side by side, with or without a space, read back as both texts."""
    assert read_back(safe(first) + " " + safe(second)) == f"{first} {second}"


@given(st.text(st.characters(codec="ascii", exclude_characters="\\", exclude_categories=["Cc"])))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    """Printable ASCII without backslashes is not touched, however often."""
    assert safe(text) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(json_values, st.booleans())
def test_a_literal_is_json_that_is_visible(value: object, ascii: bool) -> None:
    """A literal reads back as its value and holds only characters that print."""
    shown = literal(value, ascii=ascii)
    assert shown.isprintable()
    assert json.loads(shown) == value
    assert not ascii or shown.isascii()


def test_every_character_alone() -> None:
    """All code points: what is shown unescaped takes one or two cells by rich's count, and escapes are ASCII."""
    for code in range(sys.maxunicode + 1):
        shown = safe(chr(code))
        if len(shown) > 1:
            assert shown.isascii()
            continue
        assert cell_len(shown) in (1, 2), hex(code)
        assert category(shown)[0] not in "CM", hex(code)
