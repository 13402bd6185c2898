"""Judgements that are kept for the next call that is the same: never another call's, and only so many."""

from __future__ import annotations

import pytest

from agentgate.core.events import Code, Decision, Effect, Json, ToolCall
from agentgate.core.remembered import Remembered
from agentgate.core.schemas import ToolSet
from tests.core.building import tool

CALL = ToolCall("call_1", "x", "{}")
ALLOWED = Decision(Effect.ALLOW, Code.RULE, "r", "rule `r` allows it")


def test_only_the_same_call_is_recalled() -> None:
    """Same tool, arguments, role and tools offered; the id does not matter."""
    kept, tools = Remembered(), ToolSet([tool("x")])
    kept.keep(CALL, "admin", tools, ALLOWED)
    assert kept.recall(ToolCall("call_2", "x", "{}"), "admin", tools) is ALLOWED
    assert kept.recall(ToolCall("call_1", "y", "{}"), "admin", tools) is None
    assert kept.recall(ToolCall("call_1", "x", "{ }"), "admin", tools) is None
    assert kept.recall(CALL, None, tools) is None
    assert kept.recall(CALL, "admin", None) is None
    assert kept.recall(CALL, "admin", ToolSet([tool("x")])) is None
    assert kept.recall(CALL, "admin", tools) is ALLOWED


@pytest.mark.parametrize("arguments", [{}, 5, None, "x" * 1025], ids=["object", "number", "nothing", "long"])
def test_what_hardly_comes_twice_is_not_kept(arguments: Json) -> None:
    """Arguments that are no text, or a long one."""
    kept, call = Remembered(), ToolCall("call_1", "x", arguments)
    kept.keep(call, None, None, ALLOWED)
    assert kept.recall(call, None, None) is None


def test_any_number_of_calls_can_be_kept() -> None:
    """When it is full it begins anew, and the latest is there."""
    kept = Remembered()
    for number in range(8193):
        kept.keep(ToolCall("call_1", "x", str(number)), None, None, ALLOWED)
    assert kept.recall(ToolCall("call_1", "x", "0"), None, None) is None
    assert kept.recall(ToolCall("call_1", "x", "8192"), None, None) is ALLOWED


def test_any_number_of_tool_sets_can_be_kept() -> None:
    """The same, and none is taken for another."""
    kept, sets = Remembered(), [ToolSet([tool("x")]) for _ in range(16)]
    for tools in sets:
        assert kept.recall(CALL, None, tools) is None
        kept.keep(CALL, None, tools, ALLOWED)
    assert kept.recall(CALL, None, sets[-1]) is ALLOWED
    assert kept.recall(CALL, None, sets[0]) is None
