"""The known secrets by themselves: which values are long enough, every spelling of one, and where they occur."""

from __future__ import annotations

from base64 import b64decode

import pytest

from agentgate.core.redaction.secrets import MIN_LENGTH, Secrets, known_secrets, spellings

VALUE = " a/b+é>>>?~"
"""Of this, every way to spell it gives something else."""


def test_a_value_is_looked_for_in_exactly_these_spellings() -> None:
    """As it stands and without spaces around it, in JSON, in URLs, in base64, and in the base64 of longer values that hold it."""
    assert spellings(VALUE) == {
        " a/b+é>>>?~",
        "a/b+é>>>?~",
        " a/b+\\u00e9>>>?~",
        " a\\/b+é>>>?~",
        " a\\/b+\\u00e9>>>?~",
        "%20a%2Fb%2B%C3%A9%3E%3E%3E%3F~",
        "%20a%2fb%2b%c3%a9%3e%3e%3e%3f~",
        "%20a/b%2B%C3%A9%3E%3E%3E%3F~",
        "%20a/b%2b%c3%a9%3e%3e%3e%3f~",
        "+a%2Fb%2B%C3%A9%3E%3E%3E%3F~",
        "+a%2fb%2b%c3%a9%3e%3e%3e%3f~",
        "IGEvYivDqT4+Pj9+",
        "IGEvYivDqT4-Pj9-",
        "BhL2Irw6k+Pj4/f",
        "BhL2Irw6k-Pj4_f",
        "gYS9iK8OpPj4+P3",
        "gYS9iK8OpPj4-P3",
    }


def test_quotes_and_half_characters_are_spelled_as_json_does() -> None:
    """Escaped inside, without the quotes around it; half a character is a question mark."""
    assert {'"quoted"\\', '\\"quoted\\"\\\\'} < spellings('"quoted"\\')
    assert spellings("half\ud800half") == spellings("half?half")


def test_base64_ends_as_it_ends() -> None:
    """With its padding where the value is all there is, without where something follows."""
    assert {"MTIzNDU2Nzg=", "MTIzNDU2Nz"} < spellings("12345678")
    assert b64decode("MTIzNDU2Nzg=") == b"12345678"
    assert {"Pz4/Pj8+Pz4=", "Pz4_Pj8-Pz4="} < spellings("?>?>?>?>")


def test_spellings_that_are_too_short_are_not_looked_for() -> None:
    """They occur in ordinary text."""
    assert {len(one) >= MIN_LENGTH for one in spellings("  1234567 ")} == {True}
    assert "1234567" not in spellings("  1234567 ")
    assert "12345678" in spellings(" 12345678 ")


@pytest.mark.parametrize(("value", "known"), [("1234567", False), ("12345678", True), ("123456789", True)])
def test_how_long_a_secret_has_to_be(value: str, known: bool) -> None:
    """As a variable, as the password of a URL, and where it is looked for."""
    assert known_secrets({"TOKEN": value, "URL": f"db://me:{value}@host"}) == ({"TOKEN": value, "URL": value} if known else {})
    assert bool(Secrets({"TOKEN": value})) is known


def test_every_place_where_a_secret_stands_is_told() -> None:
    """The first, the last, and those side by side, of each secret; the first of two variables with the same value gives it its name."""
    secrets = Secrets({"ONE": "11111111", "SAME": "11111111", "TWO": "22222222"})
    text = "1111111111111111 2222222 11111111 22222222"
    assert sorted(secrets.spans(text)) == [(0, 8, "ONE"), (8, 16, "ONE"), (25, 33, "ONE"), (34, 42, "TWO")]
    assert secrets.within(text)
    assert secrets.within("x22222222")
    assert not secrets.within("1111111 2222222")
