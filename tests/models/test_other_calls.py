"""What is called a call, a function or a tool is found wherever it stands in an answer; the quick way finds what the plain one finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.core.events import Json, Usage
from agentgate.errors import ModelError
from agentgate.models.replies import Doubts, look_for_other_calls, present, quoted
from agentgate.models.usage import MAX_TOKENS, parse_usage

WORDS = ("call", "function", "tool")
HARMLESS = ("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "index", "message", "delta",
            "finish_reason", "logprobs", "role", "content", "refusal", "annotations", "output", "status", "type", "text")  # fmt: skip
KEYS = st.sampled_from((*HARMLESS, "type", "type", "tool_calls", "Function", "recall", "mcp_CALL", "reasoning", "x", "", "details"))
LEAVES: st.SearchStrategy[Json] = st.sampled_from(
    [None, True, False, 0, 1, 1.5, "", "x", "tool_use", "function", "Call", "message", [], {}]
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)
KNOWN = st.sampled_from([(), ("choices",), ("message",), ("content", "tool_calls", "function_call"), ("tool_calls", "function_call")])


def counts(value: Json) -> bool:
    """Whether it is a number or nothing."""
    return value is None or isinstance(value, int | float)


def named(name: str) -> bool:
    """Whether it has one of the words in it."""
    return any(word in name.lower() for word in WORDS)


def plainly(place: dict[str, Json], known: tuple[str, ...]) -> list[str]:
    """All reasons, in their order."""
    found: list[str] = []
    for key, value in place.items():
        nested = isinstance(value, list | dict)
        if key == "type" and isinstance(value, str) and named(value):
            found.append(f"the answer has a part of the type {quoted(value)}")
        if (key in HARMLESS and not nested) or key in known or not present(value):
            continue
        if key not in HARMLESS and named(key):
            found.append(f"the answer has a field that is not known, {quoted(key)}")
        elif nested:
            found += within(value)
    return found


def within(value: Json) -> list[str]:
    """The same for what nobody knows."""
    found: list[str] = []
    if isinstance(value, list):
        for part in value:
            found += within(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if counts(part) or (isinstance(part, dict) and all(map(counts, part.values()))):
                continue
            name = part if key == "type" and isinstance(part, str) else key
            if present(part) and named(name):
                found.append(f"the answer has a field that is not known, {quoted(name)}")
            found += within(part)
    return found


class All(Doubts):
    """Keeps all reasons."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def add(self, reason: str) -> None:
        self.all.append(reason)


@given(st.dictionaries(KEYS, VALUES, max_size=6), KNOWN)
@settings(max_examples=500)
def test_other_calls_are_found_as_plainly_said(place: dict[str, Json], known: tuple[str, ...]) -> None:
    """The same reasons in the same order, at any depth."""
    doubts = All()
    look_for_other_calls(place, doubts, known=known)
    assert doubts.all == plainly(place, known)


def test_no_field_that_is_passed_over_names_a_call() -> None:
    """Else one could hide behind it."""
    for name in HARMLESS:
        assert not named(name)


COUNT = st.sampled_from([None, 0, 1, 2, 3, 5, MAX_TOKENS - 1, MAX_TOKENS, MAX_TOKENS + 1, 2**80, -1, 1.0, True, "1"])
DETAILS: st.SearchStrategy[Json] = st.sampled_from([None, {}, [], 1]) | st.dictionaries(st.just("cached_tokens"), COUNT)
USAGES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "total_tokens"), COUNT),
        **dict.fromkeys(("prompt_tokens_details", "input_tokens_details"), DETAILS),
        "cost": st.sampled_from([None, 0, 0.5, -1, True, "1", float("inf"), float("nan")]),
    },
)


def usage_plainly(usage: dict[str, Any]) -> Usage | None:
    """By the definition: of two names one or both alike, a total not below its parts, cached among the taken.

    Raises:
        ValueError: something in it cannot be.
    """

    def count(value: Json) -> int | None:
        if value is not None and (type(value) is not int or value < 0):
            raise ValueError
        return None if value is None else int(value)

    cost = usage.get("cost")
    details = [usage.get(name) for name in ("prompt_tokens_details", "input_tokens_details")]
    odd = cost is not None and (type(cost) not in (int, float) or not 0 <= cost < float("inf"))
    if odd or any(one is not None and type(one) is not dict for one in details):
        raise ValueError
    taken = {count(usage.get(name)) for name in ("prompt_tokens", "input_tokens")} - {None}
    given = {count(usage.get(name)) for name in ("completion_tokens", "output_tokens")} - {None}
    total = count(usage.get("total_tokens"))
    cached = max(count((one or {}).get("cached_tokens")) or 0 for one in details)
    if len(taken) > 1 or len(given) > 1:
        raise ValueError
    if not taken or not given:
        return None
    (first,), (second,) = taken, given
    assert first is not None
    assert second is not None
    if (total is not None and total < first + second) or cached > first:
        raise ValueError
    output = second if total is None else total - first
    return Usage(min(first, MAX_TOKENS), min(output, MAX_TOKENS), min(cached, MAX_TOKENS))


@given(USAGES)
@settings(max_examples=500)
def test_usage_is_read_as_plainly_said(usage: dict[str, Any]) -> None:
    """Or refused, where it cannot be."""
    try:
        wanted = usage_plainly(usage)
    except ValueError:
        with pytest.raises(ModelError):
            parse_usage(usage)
    else:
        assert parse_usage(usage) == wanted
