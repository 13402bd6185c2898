"""Redaction of texts and JSON: what is found, in which spellings, and what never happens to the rest."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.core.arguments import parse_json
from agentgate.core.events import Event, Json, ModelReplied
from agentgate.core.policy import Redaction
from agentgate.core.redaction.detectors import DETECTORS
from agentgate.core.redaction.records import Records, redacting
from agentgate.core.redaction.redactor import ARGUMENTS, RESULTS, Redactor
from agentgate.core.redaction.secrets import known_secrets
from agentgate.errors import RecordError

SECRET = 'hunter2/ä"\\+x y'
FOUND = {
    "sk-ant-api03-FAKEFAKEFAKEFAKEFAKE": "[redacted:api_keys]",
    "use ghp_FAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKE now": "use [redacted:api_keys] now",
    "xoxb-000000000000-FAKEFAKEFAKE": "[redacted:api_keys]",
    "AKIAIOSFODNN7EXAMPLE": "[redacted:api_keys]",
    "Authorization: Bearer FAKEFAKEFAKE": "Authorization: Bearer [redacted:api_keys]",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nok": "[redacted:private_keys]\nok",
    "-----BEGIN PRIVATE KEY-----\ncut off": "[redacted:private_keys]",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln": "[redacted:jwt]",
    "postgres://u:FAKEPASS@db/x": "postgres://u:[redacted:passwords_in_urls]@db/x",
    "password=hunter2": "password=[redacted:named_secrets]",
    "4111 1111 1111 1111": "[redacted:credit_cards]",
    "item 12 4111-1111-1111-1111.": "item 12 [redacted:credit_cards].",
    "5234 4111 1111 1111 1111": "5234 [redacted:credit_cards]",
    "378282246310005": "[redacted:credit_cards]",
    "DE89 3704 0044 0532 0130 00": "[redacted:iban]",
    "gb82west12345698765432": "[redacted:iban]",
    "123-45-6789": "[redacted:us_ssn]",
    "write to Jürgen.Müller@exämple.de!": "write to [redacted:email_addresses]!",
}
LEFT = (
    "4111 1111 1111 1112",
    "1234567890123",
    "0000 0000 0000 0000",
    "22222222222222222",
    "6666666666666",
    "DE89 1704 0044 0532 0130 01",
    "000-12-3456",
    "token-based, and a secret garden",
    "sk-short",
    "a@b",
    "https://example.com/a:b@c",
)
EVERYTHING = Redactor([Redaction(detect=tuple(DETECTORS)), Redaction(id="customer", pattern="CUST-[0-9]{6}", replace="[customer]")])


@pytest.mark.parametrize("text", FOUND)
def test_a_detector_finds_its_kind_of_value(text: str) -> None:
    """What is found is replaced, and what stands around it stays."""
    assert EVERYTHING.record(text) == FOUND[text]


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_alike_is_left(text: str) -> None:
    """Check digits, ranges and lengths keep ordinary text as it is."""
    assert EVERYTHING.record(text) == text


def test_each_detector_finds_something_and_is_found_by_name() -> None:
    """No detector is there in vain."""
    for name in DETECTORS:
        alone = Redactor([Redaction(detect=(name,))])
        assert any(f"[redacted:{name}]" in alone.record(text) for text in FOUND), name


@pytest.mark.parametrize(
    "spelled",
    [
        "ｓｋ－ａｎｔ-api03-FAKEFAKEFAKEFAKEFAKE",
        "s\u200bk-ant-api03-FAKE\u2060FAKEFAKEFAKEFAKE",
        '{"k": "\\u0073k-ant-api03-FAKEFAKEFAKEFAKEFAKE"}',
        'not JSON: {"k": "\\u0073\\u006b-ant-api03-FAKEFAKEFAKEFAKEFAKE"',
        json.dumps({"a": json.dumps({"b": json.dumps({"c": "sk-ant-api03-FAKEFAKEFAKEFAKEFAKE"})})}).replace("sk-", "\\\\\\\\u0073k-"),
    ],
)
def test_disguises_are_seen_through(spelled: str) -> None:
    """Lookalikes, invisible characters and JSON's escapes hide nothing, at whatever depth of JSON in JSON."""
    found = EVERYTHING.record(spelled)
    assert "FAKEFAKE" not in found
    assert "[redacted:api_keys]" in found


def test_json_stays_json_and_all_else_in_it_stays_as_it_is() -> None:
    """Only the strings, keys and numbers that hold something are written anew."""
    text = '{ "n": 1.50e1, "card": 4111111111111111, "a@b.de" : 1, "c@d.de": [true , "x CUST-123456"], "s": "\\u00e4" }'
    expected = (
        '{ "n": 1.50e1, "card": "[redacted:credit_cards]", "[redacted:email_addresses]" : 1, "[redacted:email_addresses] 2": '
        '[true , "x [customer]"], "s": "\\u00e4" }'
    )
    assert EVERYTHING.record(text) == expected
    parse_json(expected)


def test_named_fields_are_redacted_whatever_they_hold() -> None:
    """The name of a field says that its value is a secret."""
    text = '{"password": "a, b", "api_key": 12345, "next_token": null, "tokens": 5, "Password": "[redacted:named_secrets]"}'
    assert json.loads(EVERYTHING.record(text)) == {
        "password": "[redacted:named_secrets]",
        "api_key": "[redacted:named_secrets]",
        "next_token": None,
        "tokens": 5,
        "Password": "[redacted:named_secrets]",
    }


def test_values_are_redacted_like_texts() -> None:
    """Numbers and named fields too; what holds nothing keeps its type."""
    value = {"card": 4111111111111111, "n": 1.5, "password": "hunter2", "secret": "[redacted:named_secrets]", "list": [(1, "a@b.de")]}
    assert EVERYTHING.record_value(value) == {
        "card": "[redacted:credit_cards]",
        "n": 1.5,
        "password": "[redacted:named_secrets]",
        "secret": "[redacted:named_secrets]",
        "list": [(1, "[redacted:email_addresses]")],
    }


def test_what_is_no_json_is_not_recorded_unread() -> None:
    """Nobody can tell what is in it, so the run stops instead."""
    recorded: list[Event] = []
    message = {"role": "assistant", "content": b"CUST-123456"}
    with pytest.raises(RecordError, match="cannot be redacted"):
        redacting(recorded.append, EVERYTHING)(ModelReplied(step=1, message=message))
    assert recorded == []


@pytest.mark.parametrize("id", [5, None, ["CUST-123456"], {"x": "CUST-123456"}])
def test_an_id_of_a_call_can_be_anything(id: Json) -> None:
    """It is redacted like any value, and stays what it is where it holds nothing."""
    calls = [{"id": id, "type": "function", "function": {"name": "x", "arguments": "CUST-123456"}}]
    kept = Records(EVERYTHING)(ModelReplied(step=1, message={"role": "assistant", "content": None, "tool_calls": calls}))
    assert isinstance(kept, ModelReplied)
    (call,) = kept.message["tool_calls"]
    assert call["id"] == json.loads(json.dumps(id).replace("CUST-123456", "[customer]"))
    assert call["function"]["arguments"] == "[customer]"


def test_half_a_character_hides_nothing() -> None:
    """A lone surrogate, which no pattern can look at, is a question mark then."""
    assert EVERYTHING.record("\ud800 CUST-123456") == "\ud800 [customer]"


def test_a_pattern_that_also_matches_nothing_replaces_something_only() -> None:
    """Where it matches no character, nothing is put in."""
    redactor = Redactor([Redaction(id="x", pattern="x*")])
    assert redactor.record("abc") == "abc"
    assert redactor.record("axxbä") == "a[redacted:x]bä"


def test_where_an_entry_looks_is_what_it_says() -> None:
    """`in` narrows an entry to arguments or results; all else that is recorded is redacted by every entry."""
    redactor = Redactor([Redaction(id="a", pattern="AAA", where="arguments"), Redaction(id="r", pattern="RRR", where="results")])
    assert redactor.record("AAA RRR", ARGUMENTS) == "[redacted:a] RRR"
    assert redactor.record("AAA RRR", RESULTS) == "AAA [redacted:r]"
    assert redactor.record("AAA RRR") == "[redacted:a] [redacted:r]"


def test_the_model_gets_the_original_only_where_every_entry_says_so() -> None:
    """Of two entries that find the same, the strictest counts, in whatever order they come."""
    lenient, strict = Redaction(id="a", pattern="AAA", original=True), Redaction(id="b", pattern="A+")
    assert Redactor([lenient]).for_model("AAA") == "AAA"
    assert Redactor([lenient, strict]).for_model("AAA") == Redactor([strict, lenient]).for_model("AAA") == "[redacted:b]"
    assert "AAA" not in Redactor([lenient]).record("AAA", RESULTS)


def test_those_who_approve_see_the_call_but_not_what_opens_something() -> None:
    """A person must see whom a mail goes to, and needs no key for that."""
    arguments = {"to": "anna@example.com", "n": "CUST-123456", "k": "sk-ant-api03-FAKEFAKEFAKEFAKEFAKE"}
    assert EVERYTHING.for_approver(arguments) == {**arguments, "k": "[redacted:api_keys]"}


def test_overlapping_finds_become_one() -> None:
    """Where two entries find the same place, it is replaced once, and nothing of either is left."""
    redactor = Redactor([Redaction(id="long", pattern="abcdef"), Redaction(id="tail", pattern="efgh"), Redaction(id="in", pattern="cd")])
    assert redactor.record("x abcdefgh y") == "x [redacted:long] y"


def test_entries_that_match_next_to_what_they_wrote_come_to_an_end() -> None:
    """A pattern that goes on matching beside its own replacements leaves nothing, rather than going on for ever."""
    redactor = Redactor([Redaction(id="eat", pattern="^.?a")])
    found = redactor.record("a" * 1000)
    assert "aa" not in found
    assert redactor.record(found) == found


def test_a_large_text_is_looked_at_as_a_whole() -> None:
    """What stands at the very end of a megabyte is found too."""
    text = json.dumps({"rows": ["lorem ipsum"] * 70_000, "last": "CUST-123456"})
    assert json.loads(EVERYTHING.record(text))["last"] == "[customer]"


def _environment() -> dict[str, str]:
    return {
        "OPENAI_API_KEY": "k" * 20,
        "GITHUB_TOKEN": "short",
        "MY_SECRET": SECRET,
        "DB_PASSWORD": "correct horse",
        "DATABASE_URL": "postgres://me:hidden-word@db/x",
        "SSH_KEY_PATH": "/home/me/.ssh/id",
        "PWD": "/home/me/project",
        "KEYBOARD": "qwerty-layout",
        "ODD": "named by the task",
    }


def test_secrets_are_known_by_name_or_by_being_named() -> None:
    """Names that say so, variables that somebody names, and passwords in URLs; never short values, files and the like."""
    assert known_secrets(_environment(), ["ODD"]) == {
        "OPENAI_API_KEY": "k" * 20,
        "MY_SECRET": SECRET,
        "DB_PASSWORD": "correct horse",
        "DATABASE_URL": "hidden-word",
        "ODD": "named by the task",
    }


def test_a_short_secret_is_not_looked_for() -> None:
    """It would occur in ordinary text; nor are its longer spellings, which would give away that it is there."""
    redactor = Redactor((), {"PIN": "ab/1234"})
    assert not redactor
    assert redactor.record("ab/1234 YWIvMTIzNA==") == "ab/1234 YWIvMTIzNA=="


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: value,
    "json": lambda value: json.dumps(value)[1:-1],
    "json, not ascii": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "json, slashes": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "json, every character": lambda value: "".join(f"\\u{ord(char):04x}" for char in value),
    "url": lambda value: quote(value, safe=""),
    "url, every character": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "form": quote_plus,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
    "basic": lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
}  # fmt: skip
_texts = st.text(st.characters(codec="utf-8"), max_size=20)
_json: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)
_secrets = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs")), min_size=8, max_size=40)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_known_secret_is_found_in_every_encoding(encoding: str) -> None:
    """No spelling that is promised gets through, with nothing configured at all."""
    found = Redactor((), {"MY_SECRET": SECRET}).record(f"<{ENCODINGS[encoding](SECRET)}>")
    assert "[redacted:$MY_SECRET]" in found
    assert ENCODINGS[encoding](SECRET) not in found


@given(value=_json, secret=_secrets, encoding=st.sampled_from(sorted(ENCODINGS)), where=st.integers(0, 20), depth=st.integers(0, 2))
@settings(max_examples=200, deadline=None)
def test_a_planted_secret_never_comes_through(value: Json, secret: str, encoding: str, where: int, depth: int) -> None:
    """Whatever JSON it stands in, as key or value, alone or in the midst of a text, at whatever depth of JSON in JSON."""
    spelled = ENCODINGS[encoding](secret)
    if encoding == "json, every character" and any(ord(char) > 0xFFFF for char in secret):
        spelled = secret
    planted = _planted(value, f"<{spelled}>", where)
    for _ in range(depth):
        planted = {"inner": json.dumps(planted, ensure_ascii=bool(where % 2))}
    text = json.dumps(planted, ensure_ascii=bool(where % 3))
    found = Redactor((), {"X_TOKEN": secret}).record(text)
    assert _strings_below(json.loads(found), secret) is False
    assert spelled not in "".join(_leaves(json.loads(found)))


@given(value=_json, pieces=st.lists(st.sampled_from([*FOUND, *LEFT, "CUST-123456", "[customer]", "\\u0041", "\ufffc"]), max_size=3))
@settings(max_examples=200, deadline=None)
def test_redacting_twice_changes_nothing_and_json_stays_json(value: Json, pieces: list[str]) -> None:
    """For any JSON, with anything planted in it, and for any text."""
    whole = {"value": value, **{piece: piece for piece in pieces}}
    for text in (json.dumps(whole), json.dumps(json.dumps(whole)), json.dumps(whole)[:-1], " ".join(pieces)):
        found = EVERYTHING.record(text)
        assert EVERYTHING.record(found) == found
        if text.startswith(("{", '"')) and _is_json(text):
            parse_json(found, limit=1 << 24)


@given(text=st.text(max_size=60), pattern=st.sampled_from(["[a-c]+", "^.", "a.", "(?i)x|y", "\\d", "[^\\[]", "\\w$", "."]))
@settings(max_examples=200, deadline=None)
def test_any_pattern_comes_to_rest(text: str, pattern: str) -> None:
    """Redaction is idempotent for patterns that look at what stands around, too, and for any text."""
    redactor = Redactor([Redaction(id="p", pattern=pattern)])
    found = redactor.record(text)
    assert redactor.record(found) == found


def _planted(value: Json, secret: str, where: int) -> dict[str, Any]:
    if where % 3 == 0:
        return {"value": value, "x": secret}
    return {"value": value, secret: 1} if where % 3 == 1 else {"value": [value, {"deep": [secret]}]}


def _leaves(value: Json) -> list[str]:
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            return [value]
        return [value, *_leaves(inner)] if isinstance(inner, dict | list) else [value]
    if isinstance(value, dict):
        return [leaf for pair in value.items() for item in pair for leaf in _leaves(item)]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else []


def _strings_below(value: Json, secret: str) -> bool:
    return any(secret in leaf for leaf in _leaves(value))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
