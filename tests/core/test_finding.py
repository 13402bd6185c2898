"""What the finder of redactions finds by itself: every place at once, without a second look."""

from __future__ import annotations

import pytest

from agentgate.core.policy import Redaction
from agentgate.core.redaction.finding import Finder
from agentgate.core.redaction.redactor import Redactor
from agentgate.core.redaction.secrets import Secrets

NOTHING = Secrets({})


def found(finder: Finder, text: str) -> list[tuple[int, int, str]]:
    """What is found, in order, each once."""
    return sorted({(span.start, span.end, span.label) for span in finder.spans(text)})


def test_places_are_counted_in_characters() -> None:
    """Whatever stands before, within and between them; a pattern that matches nothing somewhere goes on behind it."""
    finder = Finder([Redaction(id="x", pattern="é+|x*")], NOTHING)
    assert found(finder, "éé中xx😀 é") == [(0, 2, "[redacted:x]"), (3, 5, "[redacted:x]"), (7, 8, "[redacted:x]")]
    assert found(finder, "") == []


def test_places_lead_back_through_escapes() -> None:
    """What is found in another reading is told where it stands in the text."""
    finder = Finder([Redaction(id="x", pattern="key")], NOTHING)
    assert found(finder, r"\u00e9 \u006bey \n key") == [(7, 15, "[redacted:x]"), (19, 22, "[redacted:x]")]


def test_a_finder_without_anything_to_find_is_none() -> None:
    """Unless there are secrets, or a pattern."""
    assert not Finder([], NOTHING)
    assert Finder([], Secrets({"KEY": "12345678"}))
    assert Finder([Redaction(id="x", pattern="key")], NOTHING)
    assert Finder([Redaction(detect=("jwt",))], NOTHING).of_field("password") is None


@pytest.mark.parametrize("key", ["password", "\ud800password", "é_api_key"])
def test_the_name_of_a_field_may_hold_anything(key: str) -> None:
    """Half a character too."""
    assert Finder([Redaction(detect=("named_secrets",))], NOTHING).of_field(key) == "[redacted:named_secrets]"


@pytest.mark.parametrize(
    ("detector", "text", "is_one"),
    [
        ("credit_cards", "4000000000006", True),
        ("credit_cards", "4000000000000000006", True),
        ("credit_cards", "400000000002", False),
        ("credit_cards", "40000000000000000002", False),
        ("credit_cards", "3782 822463 10005", True),
        ("credit_cards", "4444444444444444", False),
        ("iban", "DE79 1234 5678 90", False),
        ("iban", "DE51 1234 5678 901", True),
        ("iban", "de51 1234 5678 901", True),
        ("iban", "DE87 1234 5678 9012 3456 7890 1234 5678 90", True),
        ("iban", "DE34 1234 5678 9012 3456 7890 1234 5678 901", False),
        ("us_ssn", "665-12-3456", True),
        ("us_ssn", "666-12-3456", False),
        ("us_ssn", "000-12-3456", False),
        ("us_ssn", "899-12-3456", True),
        ("us_ssn", "900-12-3456", False),
        ("us_ssn", "123-00-3456", False),
        ("us_ssn", "123-12-0000", False),
        ("us_ssn", "123 12 3456", True),
    ],
)
def test_numbers_have_to_be_possible(detector: str, text: str, is_one: bool) -> None:
    """By their length, their check digits, and the numbers that are never given out."""
    assert (Redactor([Redaction(detect=(detector,))]).record(f"it is {text}.") == f"it is [redacted:{detector}].") is is_one
