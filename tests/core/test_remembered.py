"""Judgements that are kept for the next call that is the same: never another call's, and only so many."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agentgate.core.events import Code, Decision, Effect, Json, ToolCall
from agentgate.core.remembered import Recent, Remembered
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


def twice(kept: Recent, call: ToolCall, decision: Decision, tools: ToolSet | None = None) -> None:
    """Keeps what comes a second time."""
    kept.keep(call, None, tools, decision)
    kept.keep(call, None, tools, decision)


def test_recent_calls_are_recalled_from_the_second_time_on() -> None:
    """Same tool, arguments, role and tools offered; what came once is not kept, as most never comes again."""
    kept, tools = Recent(), ToolSet([tool("x")])
    kept.keep(CALL, None, tools, ALLOWED)
    assert kept.recall(CALL, None, tools) is None
    kept.keep(CALL, None, tools, ALLOWED)
    assert kept.recall(ToolCall("call_2", "x", "{}"), None, tools) == ALLOWED
    assert kept.recall(ToolCall("call_1", "y", "{}"), None, tools) is None
    assert kept.recall(ToolCall("call_1", "x", "{ }"), None, tools) is None
    assert kept.recall(CALL, "admin", tools) is None
    assert kept.recall(CALL, None, None) is None
    assert kept.recall(CALL, None, ToolSet([tool("x")])) is None


def test_what_is_recalled_has_arguments_of_its_own() -> None:
    """Whoever changes those that were kept, or those of an earlier call, changes no later one."""
    kept, arguments = Recent(), {"a": 1}
    twice(kept, CALL, replace(ALLOWED, arguments=arguments))
    arguments["a"] = 2
    for _ in range(2):
        recalled = kept.recall(CALL, None, None)
        assert recalled == replace(ALLOWED, arguments={"a": 1})
        assert isinstance(recalled.arguments, dict)
        recalled.arguments["a"] = 3


def test_what_is_recalled_brings_no_facts_along() -> None:
    """It looked nothing up; but the world that it was decided in may have been asked by others since."""
    kept, facts = Recent(), {"/a": "/b"}
    twice(kept, CALL, replace(ALLOWED, facts=facts))
    recalled = kept.recall(CALL, None, None)
    assert recalled is not None
    assert recalled.facts == {}


@pytest.mark.parametrize("arguments", [{"a": []}, {"a": {}}, {"a": 1.5}], ids=["list", "object", "float"])
def test_arguments_with_something_inside_are_not_kept(arguments: Json) -> None:
    """To copy them would take a walk through all of it."""
    kept = Recent()
    twice(kept, CALL, replace(ALLOWED, arguments=arguments))
    assert kept.recall(CALL, None, None) is None


@pytest.mark.parametrize("arguments", [{}, 5, None, "x" * 513], ids=["object", "number", "nothing", "long"])
def test_what_is_no_text_or_a_long_one_is_not_kept_either(arguments: Json) -> None:
    """Not even as one that came once."""
    kept, call = Recent(), ToolCall("call_1", "x", arguments)
    twice(kept, call, ALLOWED)
    assert kept.recall(call, None, None) is None


def test_only_so_many_recent_calls_are_kept() -> None:
    """When it is full it begins anew, and the latest is there."""
    kept = Recent()
    calls = [ToolCall("call_1", "x", str(number)) for number in range(1025)]
    for call in calls[:1024]:
        twice(kept, call, ALLOWED)
    assert all(kept.recall(call, None, None) is not None for call in calls[:1024])
    twice(kept, calls[1024], ALLOWED)
    assert [call for call in calls if kept.recall(call, None, None) is not None] == [calls[1024]]
