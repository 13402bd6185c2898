"""What is redacted where: which entries count for which text, and what in a record is never looked into."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from agentgate.core.events import Json
from agentgate.core.policy import Redaction
from agentgate.core.redaction.redactor import ARGUMENTS, OURS, RESULTS, TEXT, Redactor

OF_ARGUMENTS = Redaction(id="a", pattern="aaa", where="arguments", replace="<A>")
OF_RESULTS = Redaction(id="r", pattern="rrr", where="results", replace="<R>")
OF_BOTH = Redaction(id="b", pattern="bbb|true|false|null|role|12", replace="<B>")
WHOLE_FOR_MODEL = Redaction(id="m", pattern="mmm", original=True, replace="<M>")
NAMED = Redaction(detect=("named_secrets", "email_addresses"))
ALL = Redactor((OF_ARGUMENTS, OF_RESULTS, OF_BOTH, WHOLE_FOR_MODEL), {"KEY": "sssssssssssss"})
SAID = "aaa rrr bbb mmm sssssssssssss"
KEY = "[redacted:$KEY]"


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (TEXT, f"<A> <R> <B> <M> {KEY}"),
        (ARGUMENTS, f"<A> rrr <B> <M> {KEY}"),
        (RESULTS, f"aaa <R> <B> <M> {KEY}"),
        (OURS, f"aaa rrr bbb mmm {KEY}"),
    ],
)
def test_which_entries_count_for_a_text(kind: str, kept: str) -> None:
    """Known secrets everywhere; what anybody said is held to all of them; our own words to none."""
    assert ALL.record(SAID, kind) == kept
    assert ALL.record_value([{"x": (SAID,)}], kind) == [{"x": (kept,)}]


def test_the_model_gets_what_it_shall_get_whole() -> None:
    """Of results, and by the entries for results."""
    assert ALL.for_model(SAID) == f"aaa <R> <B> mmm {KEY}"


def test_in_a_message_arguments_are_arguments_and_roles_are_ours() -> None:
    """In what anybody said, and nowhere else: a tool's own `role` is a text like any other."""
    message = {"role": "role aaa", "type": "bbb", "arguments": "aaa rrr", "content": "aaa rrr", "calls": [{"arguments": "rrr"}]}
    assert ALL.record_value(message) == {
        "role": "role aaa", "type": "bbb", "arguments": "<A> rrr", "content": "<A> <R>", "calls": [{"arguments": "rrr"}],
    }  # fmt: skip
    assert ALL.record_value({"role": "sssssssssssss"}) == {"role": KEY}
    assert ALL.record_value({"x": {"role": "rrr", "arguments": "rrr"}}, RESULTS) == {"x": {"role": "<R>", "arguments": "<R>"}}
    assert ALL.record_value([{"role": "rrr", "arguments": "aaa"}], RESULTS) == [{"role": "<R>", "arguments": "aaa"}]


def test_what_is_neither_text_nor_number_stays() -> None:
    """Whatever a pattern says, and whatever the field is called."""
    assert ALL.record_value([True, False, None, 12, 1.5]) == [True, False, None, "<B>", 1.5]
    named = Redactor((NAMED,))
    value = {"password": True, "api_key": False, "secret": None, "passwd": ["x"]}
    assert named.record_value(value) == value


def test_those_who_approve_see_all_but_what_opens_something() -> None:
    """In the arguments, whatever their keys are called."""
    shown = Redactor((Redaction(detect=("named_secrets", "email_addresses"), where="arguments"), OF_BOTH))
    value = {"role": "bbb", "arguments": {"type": "a@b.de", "password": "hunter22"}, "list": [{"role": "bbb"}]}
    assert shown.for_approver(value) == {**value, "arguments": {"type": "a@b.de", "password": "[redacted:named_secrets]"}}


@pytest.mark.parametrize(
    ("text", "place", "cut"),
    [
        ("xx rrr yy", 2, 2),
        ("xx rrr yy", 3, 3),
        ("xx rrr yy", 4, 3),
        ("xx rrr yy", 5, 3),
        ("xx rrr yy", 6, 6),
        ("xx rrr yy", 9, 9),
        ("xx aaa yy", 4, 4),
        ("xx mmm yy", 4, 3),
        ("\ud800x rrr", 5, 3),
        ("xbbrrr", 5, 3),
    ],
)
def test_nothing_that_is_redacted_is_cut_in_two(text: str, place: int, cut: int) -> None:
    """A result is cut before it, or not within it; what the model gets whole counts too, because the record does not have it."""
    assert ALL.before(text, place) == cut
    assert Redactor().before(text, place) == place


def test_a_cut_goes_back_as_far_as_it_takes() -> None:
    """Past everything that lies across."""
    chained = Redactor((Redaction(id="x", pattern="abc"), Redaction(id="y", pattern="cde")))
    assert chained.before("..abcde..", 6) == 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('["x", "bbb", "y", 5, "z"]', '["x", "<B>", "y", 5, "z"]'),
        ('{"bbb": ["x", "y"], "n": 12}', '{"<B>": ["x", "y"], "n": "<B>"}'),
        ('{"role": "bbb", "content": 1}', '{"role": "<B>", "content": 1}'),
        ('{"bbb": 1, "<B>": 2}', '{"<B> 2": 1, "<B>": 2}'),
        ('{"a": bbb, "c": "\\u0062bb"}', '{"a": <B>, "c": "<B>"}'),
        ("", ""),
    ],
)
def test_json_stays_json(text: str, kept: str) -> None:
    """Strings and numbers one by one; the keys of protocols stay; two keys never become one."""
    assert ALL.record(text) == kept


def test_what_becomes_json_is_looked_at_as_json() -> None:
    """What is written in place of something can make a text one that others read."""
    whole = Redactor((Redaction(id="x", pattern="BAD", replace="1"), Redaction(id="y", pattern="secret", replace="*")))
    assert whole.record('{"a": BAD, "b": "\\u0073ecret"}') == '{"a": 1, "b": "*"}'
    named = Redactor((Redaction(id="x", pattern="BAD", replace="1"), NAMED))
    assert named.record('{"a": BAD, "password": "x"}') == '{"a": 1, "password": "[redacted:named_secrets]"}'


def test_what_is_found_in_no_json_is_replaced_all_the_same() -> None:
    """Also where it looks like a string of JSON and is none."""
    assert ALL.record('"\\x bbb", bbb') == '"\\x <B>", <B>'


def test_space_before_json_changes_nothing() -> None:
    """It is looked at field by field."""
    assert Redactor((NAMED,)).record(' \t\r\n{"password": "x"}') == ' \t\r\n{"password": "[redacted:named_secrets]"}'


def test_half_a_character_in_json_stays_escaped() -> None:
    """So that what is written can be written as bytes; whole characters stay as they are where they stood so."""
    assert ALL.record('["\\ud800 bbb"]') == '["\\ud800 <B>"]'
    assert ALL.record('["é bbb"]') == '["é <B>"]'


def test_secrets_alone_are_something_to_redact() -> None:
    """Without any entry of a policy."""
    alone = Redactor(secrets={"KEY": "sssssssssssss"})
    assert alone
    assert alone.before("x sssssssssssss", 5) == 2
    assert not Redactor()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"password": 5}', '{"password": "[redacted:named_secrets]"}'),
        ('{"password": "hunter22"}', '{"password": "[redacted:named_secrets]"}'),
        ('{"password": ["x", 5], "a": "b"}', '{"password": ["x", 5], "a": "b"}'),
        ('{"password": "[redacted:email_addresses]"}', '{"password": "[redacted:email_addresses]"}'),
    ],
)
def test_only_what_stands_right_under_the_name_of_a_secret_is_one(text: str, kept: str) -> None:
    """As the last of an object too; what is redacted already stays as it is."""
    named = Redactor((NAMED,))
    assert named.record(text) == kept


@pytest.mark.parametrize("value", [{1, 2}, object, b"x"], ids=["set", "class", "bytes"])
def test_what_is_no_json_is_refused(value: Json) -> None:
    """Nobody knows what it would say."""
    with pytest.raises(TypeError, match=f"^{type(value).__name__} is no JSON$"):
        ALL.record_value(value)


def test_what_is_redacted_already_stays_as_it_is() -> None:
    """Whatever the field is called, however many stand before, and where one begins like another."""
    assert Redactor((NAMED,)).record_value({"password": "[redacted:email_addresses]"}) == {"password": "[redacted:email_addresses]"}
    named = Redactor((Redaction(id="a-long-one", pattern="uuu"), Redaction(id="x", pattern="abc")))
    assert named.record("[redacted:a-long-one] u [redacted:x] abc q [redacted:x] uuu abc") == (
        "[redacted:a-long-one] u [redacted:x] [redacted:x] q [redacted:x] [redacted:a-long-one] [redacted:x]"
    )
    alike = Redactor((Redaction(id="x", pattern="q", replace="[x"), Redaction(id="y", pattern="y", replace="[xy")))
    assert alike.record("y") == alike.record("[xy") == "[xy"
    assert alike.record("a [xy b") == "a [xy b"


def test_what_lies_across_or_side_by_side() -> None:
    """Side by side: one for each that is another; across each other: that of the one that begins first, of those the longest."""
    assert ALL.record("aaabbbbbbaaa") == "<A><B><A>"
    across = Redactor(
        (
            Redaction(id="a", pattern="abc", replace="<1>"),
            Redaction(id="b", pattern="abcd", replace="<2>"),
            Redaction(id="c", pattern="cde", replace="<3>"),
        )
    )
    assert across.record("abcd") == "<2>"
    assert across.record("xabcdex") == "x<2>x"


@pytest.mark.parametrize(
    ("patterns", "text", "kept"),
    [
        (("^secret$",), '{"a": "secret", "b": "no secret"}', '{"a": "*", "b": "no secret"}'),
        (("^secret$", "zzz"), '["secret"]', '["*"]'),
        (("zzz", "^secret$"), '["secret"]', '["*"]'),
        (("secret",), '["é secret ü"]', '["é * ü"]'),
        (("é+",), "ééü é", "*ü *"),
    ],
)
def test_patterns_look_at_one_string_at_a_time(patterns: tuple[str, ...], text: str, kept: str) -> None:
    """So that one can ask where it begins and ends; other patterns beside it change nothing, and neither do letters of several bytes."""
    looking = Redactor(Redaction(id=f"p{number}", pattern=pattern, replace="*") for number, pattern in enumerate(patterns))
    assert looking.record(text) == kept


@pytest.mark.parametrize(("number", "found"), [("4111111111111111", True), ("4111111111111112", False), ("4111 1111 1111 1111", True)])
def test_a_number_that_cannot_be_a_card_is_none(number: str, found: bool) -> None:
    """Its last digit says so."""
    assert (Redactor((Redaction(detect=("credit_cards",)),)).record(f"it is {number}") == "it is [redacted:credit_cards]") is found


SPELLED = 'k/ey"+é?~zz>>>'
QUOTED = quote(SPELLED)


@pytest.mark.parametrize(
    "text",
    [
        SPELLED,
        json.dumps(SPELLED)[1:-1],
        json.dumps(SPELLED).replace("/", "\\/")[1:-1],
        json.dumps(SPELLED, ensure_ascii=False)[1:-1],
        json.dumps(SPELLED, ensure_ascii=False).replace("/", "\\/")[1:-1],
        QUOTED,
        quote(SPELLED, safe=""),
        quote_plus(SPELLED),
        re.sub("%..", lambda match: match.group().lower(), QUOTED),
        b64encode(SPELLED.encode()).decode(),
        urlsafe_b64encode(SPELLED.encode()).decode(),
    ],
)
def test_a_known_secret_is_found_in_every_spelling(text: str) -> None:
    """Of JSON, of URLs, and of Base64."""
    kept = Redactor(secrets={"KEY": SPELLED}).record(f"is {text} it")
    assert kept.rstrip("= it").endswith("[redacted:$KEY]")
    assert kept.startswith("is [redacted:$KEY]")


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("code", [b64encode, urlsafe_b64encode])
def test_a_known_secret_is_found_within_longer_base64(before: str, code: Callable[[bytes], bytes]) -> None:
    """Wherever in it the secret begins."""
    kept = Redactor(secrets={"KEY": SPELLED}).record(code(f"{before}{SPELLED}{before}".encode()).decode())
    assert "[redacted:$KEY]" in kept
    assert len(kept) <= len("[redacted:$KEY]") + 2 * len(before) + 8
