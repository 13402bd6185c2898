"""Operators judge whatever JSON they are given: only `Unjudgeable` is ever raised, and long values cost no more than they should."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.conditions import OPERATORS, Unjudgeable, sql_tree
from agentgate.core.conditions.shell_words import words_of
from agentgate.core.conditions.url import parse
from agentgate.core.events import Json
from agentgate.core.state import State
from tests.conditions.cases import cases, judge, state

SEEDS = {key: [case["value"] for case in cases(key) if isinstance(case["value"], str) and len(case["value"]) < 200] for key in OPERATORS}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANY_JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8)
TALKED = State(prompt=("mail a@b.com 12 and 3.5, or 'x y'",))


@st.composite
def twisted(draw: st.DrawFn, key: str) -> str:
    """A text made of pieces of the operator's own cases."""
    pieces = [draw(st.sampled_from(SEEDS[key])) for _ in range(draw(st.integers(1, 3)))] if SEEDS[key] else [""]
    cuts = [piece[draw(st.integers(0, len(piece))) :] if draw(st.booleans()) else piece for piece in pieces]
    return draw(st.sampled_from(["", " ", "/", ";", "'", "\\", ",", "\n"])).join(cuts)


@pytest.mark.parametrize("key", OPERATORS)
def test_operators_are_total(key: str) -> None:
    """Any JSON value has one of three outcomes."""

    @given(ANY_JSON | twisted(key))
    def total(value: Json) -> None:
        assert judge(key, OPERATORS[key].example, value, TALKED) in ("true", "false", "unjudgeable")

    total()


ODD: list[Json] = ["\ud800", 10**5000, -(10**5000), float("nan"), float("inf"), -0.0, {"\ud800": "\udfff"}, "\x00", [[[["x"]]]]]


@pytest.mark.parametrize("key", ["path", "url", "email", "command", "sql", "seen_in"])
def test_what_strict_json_refuses_has_an_outcome_too(key: str) -> None:
    """Surrogates, and numbers without end, do not get as far as an operator; if they did, nothing would break."""
    for value in ODD:
        assert judge(key, OPERATORS[key].example, value, TALKED) in ("true", "false", "unjudgeable")


LONG = [
    piece * (100_000 // len(piece)) for piece in ("a", "a ", "../", "'", '"', "(", "a.", "a@", "1,", ",", "://", "SELECT ", "\\", "é", ".")
]


@pytest.mark.parametrize("key", OPERATORS)
def test_long_values_are_judged(key: str) -> None:
    """Values of 100,000 characters come to an end, in front of a prompt as long."""
    for text in LONG:
        before = State(prompt=(text,))
        for value in (text, text[:999]):
            assert judge(key, OPERATORS[key].example, value, before) in ("true", "false", "unjudgeable")


@given(twisted("command") | st.text(alphabet="ab \t'\"\\-=~^./*$;", max_size=12))
def test_words_are_those_of_the_standard_library(text: str) -> None:
    """Where a command is simple, `shlex` splits it into the same words."""
    try:
        words = words_of(text)
    except Unjudgeable:
        return
    assert list(words) == shlex.split(text)


@given(twisted("url"))
def test_hosts_are_those_of_the_standard_library(text: str) -> None:
    """Where a URL is plain, `urlsplit` finds the same host and port, and nobody's name."""
    try:
        target = parse(text)
    except Unjudgeable:
        return
    parts = urlsplit(text)
    assert (parts.scheme, parts.hostname, parts.port, parts.username) == (target.scheme, target.host, target.port, None)


def test_two_statements_are_not_one() -> None:
    """The parser counts, too, should a semicolon ever get as far."""
    with pytest.raises(Unjudgeable):
        sql_tree.parse("SELECT 1; SELECT 2", None, frozenset())


@given(st.text(alphabet="ab1.,@ \"'-", max_size=12), st.text(alphabet="ab1.,@ \"'-", min_size=3, max_size=5))
def test_what_is_seen_is_there(prompt: str, value: str) -> None:
    """A value that occurs is a part of the text, and not next to a letter or digit."""
    if judge("seen_in", "prompt", value, State(prompt=(prompt,))) == "true":
        places = [place for place in range(len(prompt)) if prompt.startswith(value, place)]
        free = [p for p in places if not prompt[p - 1 : p].isalnum() and not prompt[p + len(value) : p + len(value) + 1].isalnum()]
        assert free or "'s" in prompt


@pytest.mark.parametrize("key", ["path", "url", "email", "command", "sql"])
def test_an_outcome_never_depends_on_who_asks_first(key: str) -> None:
    """Judging all cases in reverse order gives the same outcomes: nothing is remembered that matters."""
    for case in reversed(cases(key)):
        assert judge(key, case["operand"], case["value"], state(case)) == case["outcome"]
