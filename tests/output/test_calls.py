"""Calls and results as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.events import Json
from agentgate.output.calls import call_text, error_text, result_text, shortened, value_text


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("customer_db", '{"action": "read", "customer_id": 101}', 'customer_db(action="read", customer_id=101)'),
        ("f", "", "f()"),
        ("f", {"a": None, "b": [1, 2.5, True], "c": {"d": "é"}}, 'f(a=null, b=[1,2.5,true], c={"d":"é"})'),
        ("f", '{"two words": 1, "": 2, "a=b": 3}', 'f("two words"=1, ""=2, "a=b"=3)'),
        ("f", '{"a": 1, "a": 2}', r'f(malformed: "{\"a\": 1, \"a\": 2}")'),
        ("f", "[1]", 'f(malformed: "[1]")'),
        ("f", None, "f(malformed: null)"),
        ("f", 7, "f(malformed: 7)"),
        ("f()\n", "{}", r'"f()\n"()'),
        ("f\x1b[2J", "{}", r'"f\u001b[2J"()'),
        (None, "{}", "null()"),
        ({"a": 1}, "{}", '{"a":1}()'),
        ("f", r'{"a": "\ud83d\ude00 \u202e \u007f"}', 'f(a="😀 \\u202e \\u007f")'),
        ("f", '{"a": "\ud800"}', 'f(malformed: "{\\"a\\": \\"\\ud800\\"}")'),
    ],
)
def test_a_call_as_text(name: Json, arguments: Json, shown: str) -> None:
    """Arguments are JSON literals; whatever is not a sound call is quoted."""
    assert call_text(name, arguments) == shown


def test_what_decided_comes_first_and_whole() -> None:
    """Named arguments lead, dotted ones by their first part, absent ones not at all; `*` makes everything whole."""
    arguments = {"a": "x" * 300, "b": {"c": "y" * 300}, "d.e": 1}
    text = call_text("f", arguments, first=("b.c", "d.e", "absent"), longest=60)
    assert text.startswith('f(b={"c":"' + "y" * 300 + '"}, d.e=1, a="xxx')
    assert "…240 characters…" in text
    assert call_text("f", arguments, first=("*",), longest=60) == call_text("f", arguments)


def test_long_values_lose_their_middle() -> None:
    """Strings keep both ends, lists and objects their first entries; numbers and what is barely too long stay whole."""
    assert value_text("a" * 100 + "end", longest=40) == f'"{"a" * 30}"…63 characters…"{"a" * 7}end"'
    assert value_text(list(range(100)), longest=10, ascii=True) == "[0,1,2,3,4,...95 more...]"
    assert value_text({"k" * 100: 1}, longest=20) == f'{{"{"k" * 12}"…84 characters…"kkkk":1}}'
    assert value_text("a" * 60, longest=50) == f'"{"a" * 60}"'
    assert value_text(10**300, longest=10) == str(10**300)


@given(st.text(max_size=300), st.integers(16, 80))
def test_a_cut_says_how_much_is_missing(text: str, longest: int) -> None:
    """What is shown and what is said to be hidden add up."""
    shown = shortened("x" * 100 + text, longest)
    if "…" in shown and "…" not in text:
        hidden = int(shown.split("…")[1].split()[0].replace(",", ""))
        assert hidden == 100 + len(text) - longest


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('{"ok": true, "tool": "f", "result": {"a": 1}}', '{"a":1}'),
        ('{"ok": true, "tool": "f", "result": "said\\n"}', r'"said\n"'),
        ('{"ok": true, "dry_run": true}', '{"ok":true,"dry_run":true}'),
        ('{"ok": true, "result": 1, "more": 2}', '{"ok":true,"result":1,"more":2}'),
        ('{"ok": false, "error": "tool \'f\' failed: \\u001b[2J", "code": "tool_error"}', r"failed: tool 'f' failed: \x1b[2J"),
        ('{"ok": false}', '{"ok":false}'),
        ("not JSON \x1b", r'"not JSON \u001b"'),
        (None, "null"),
    ],
)
def test_a_result_as_text(content: Json, shown: str) -> None:
    """A tool's result without what agentgate wrapped it in; anything unexpected as it is."""
    assert result_text(content) == shown


def test_what_went_wrong_is_found() -> None:
    """Only an answer of ours that says so is an error."""
    assert error_text('{"ok": false, "error": "no"}') == "no"
    assert error_text('{"ok": true, "error": "no"}') is None
    assert error_text('{"ok": false, "error": 1}') is None
    assert error_text("no") is None
