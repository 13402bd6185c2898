"""Stops: which tools they cover, and what a thrown switch makes of a decision."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agentgate.core.engine import decide
from agentgate.core.events import Code, Decision, Effect, Json, ModelRequest, ToolCall
from agentgate.core.state import State
from agentgate.core.stops import Halt, Stop, Stops
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


class Scripted:
    """A switch that says what it is told to, one answer a look, and keeps which tools it was asked about."""

    def __init__(self, *answers: Halt | Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[Json] = []

    def __call__(self, tool: Json, /) -> Halt | None:
        self.asked.append(tool)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_call_that_is_stopped_leaves_the_run_going() -> None:
    """The switch is looked at each time, and about the tool in question."""
    switch = Scripted(one := Halt("not now", ends_run=False), None)
    stops = Stops(switch)
    assert stops.halt("send") == one
    assert stops.halt(None) is None
    assert switch.asked == ["send", None]


def test_a_run_that_is_ended_stays_ended() -> None:
    """Also when the switch is taken back."""
    switch = Scripted(end := Halt("enough", ends_run=True), None)
    stops = Stops(switch)
    assert [stops.halt("send"), stops.halt("read")] == [end, end]
    assert switch.asked == ["send"]


def test_a_switch_that_fails_stops_everything() -> None:
    """What cannot be read may say anything."""
    stops = Stops(Scripted(OSError("gone"), None))
    failed = Halt("the kill switch cannot be read: OSError", ends_run=True)
    assert [stops.halt("send"), stops.halt("read")] == [failed, failed]
