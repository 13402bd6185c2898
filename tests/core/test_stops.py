"""Stops: which tools they cover, and what a thrown switch makes of a decision."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentgate.core.engine import decide
from agentgate.core.events import Code, Decision, Effect, ModelRequest, ToolCall
from agentgate.core.state import State
from agentgate.core.stops import Stop
from tests.core.building import policy, rule

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANYTHING = policy(default="allow")
SEND = ToolCall("call_1", "send", "{}")


def stop(*tools: str, writes: bool = False) -> Stop:
    return Stop("s1", NOON, "incident", tools=tools, writes=writes)


@pytest.mark.parametrize(
    ("thrown", "tool", "reads", "covered"),
    [
        (stop(), "send", False, True),
        (stop(), "read", True, True),
        (stop("send"), "send", True, True),
        (stop("send"), "send_more", False, False),
        (stop("send_*", "pay"), "send_more", False, True),
        (stop("*_*_*"), "a_b_c\n", False, True),
        (stop("s.nd"), "send", False, False),
        (stop(writes=True), "send", False, True),
        (stop(writes=True), "read", True, False),
        (stop("read", writes=True), "read", True, False),
        (stop("read", writes=True), "read", False, True),
        (stop("read", writes=True), "send", False, False),
    ],
)
def test_what_a_stop_covers(thrown: Stop, tool: str, reads: bool, covered: bool) -> None:
    """No tools means every tool; a stop of writing leaves those alone that are known to only read."""
    assert thrown.covers(tool, reads=reads) is covered


@pytest.mark.parametrize(("thrown", "ends"), [(stop(), True), (stop("*"), False), (stop(writes=True), False)])
def test_what_ends_a_run(thrown: Stop, ends: bool) -> None:
    """Only a stop of everything does."""
    assert thrown.ends_runs is ends


def test_killed_whatever_the_policy() -> None:
    """A thrown switch blocks calls and model requests that the policy allows, and takes the place of a rule that blocks."""
    killed = Decision(Effect.BLOCK, Code.KILLED, None, "incident")
    assert decide(ANYTHING, State(), SEND, killed="incident") == killed
    assert decide(policy(rule("block", "send")), State(), SEND, killed="incident") == killed
    assert decide(ANYTHING, State(), ModelRequest(), killed="incident") == killed


def test_not_killed() -> None:
    """Without a word from the switch nothing changes, and a malformed call stays one."""
    assert decide(ANYTHING, State(), SEND).effect is Effect.ALLOW
    assert decide(ANYTHING, State(), ToolCall("", "send", "{}"), killed="incident").code is Code.MALFORMED_CALL
