"""What is written can be read again, and needs few quotes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.files.scalars import CONTROL
from agentgate.files.yaml import load
from agentgate.files.yaml_writer import entry, flow, number, text_scalar

texts = st.text().filter(lambda text: CONTROL.search(text) is None and "\r" not in text)
numbers = st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: len(number(value)) <= 40)
scalars = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | numbers | texts
keys = texts.filter(lambda text: text.strip() != "")
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12)


def read(text: str) -> Any:
    """What the strict reader makes of it."""
    return load(text.encode(), "written", max_bytes=10**6).value


def exact(value: Any) -> Any:
    """A value in which `1`, `1.0` and `true` differ."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


@given(values)
def test_any_value_is_read_again(value: Any) -> None:
    """On one line, whatever it is."""
    assert exact(read(f"key: {flow(value)}")) == exact({"key": value})


@given(keys, values)
def test_any_entry_is_read_again(key: str, value: Any) -> None:
    """On one line or several."""
    lines = "\n".join(entry(key, value))
    assert exact(read(lines)) == exact({key: value})
    assert exact(read("\n".join(("outer:", *entry(key, value, "  "))))) == exact({"outer": {key: value}})


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("customer_db", "customer_db"),
        ("read_*", "read_*"),
        ("*", '"*"'),
        ("@group", '"@group"'),
        ("", '""'),
        ("yes", '"yes"'),
        ("null", '"null"'),
        ("1", '"1"'),
        ("010", '"010"'),
        ("1:30", '"1:30"'),
        ("2026-01-31", '"2026-01-31"'),
        ("contains destructive SQL, and more", "contains destructive SQL, and more"),
        ("Blocked: no", '"Blocked: no"'),
        ("a # b", '"a # b"'),
        ("it's", "it's"),
        ("- x", '"- x"'),
        ("x ", '"x "'),
        (r"(?i)\bdrop\b", r"'(?i)\bdrop\b'"),
        (r"a'\b", r"'a''\b'"),
        ('say "x"', "'say \"x\"'"),
        ("a\nb", '"a\\nb"'),
        ("a\u200bb", '"a\\u200bb"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("naïve", "naïve"),
    ],
)
def test_quotes_stand_only_where_they_are_needed(text: str, written: str) -> None:
    """Single ones around patterns, so that backslashes stay as they are."""
    assert text_scalar(text) == written
    assert read(f"key: {written}") == {"key": text}


def test_long_values_take_a_line_for_each_item() -> None:
    """And texts of several lines stand as they are."""
    tools = [f"tool_number_{index}" for index in range(12)]
    assert list(entry("block", tools, "  ")) == ["  block:", *(f"    - {tool}" for tool in tools)]
    assert list(entry("about", "one\n\ntwo\n")) == ["about: |", "  one", "", "  two"]
