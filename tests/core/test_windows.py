"""Limits per hour and per day: judged by what the world tells of them, else by the run itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agentgate.core.events import Code, Effect, ModelReplied, ModelRequest, ToolCall, Usage
from agentgate.core.policy import Limit
from agentgate.core.windows import Used, parse_used
from agentgate.session import Session
from tests.core.building import START, Clock, limit, policy, propose, rule

HOUR = "limits.per_hour.tool_calls"


def window(kind: str, value: float, tools: str | None = None, per: str = "per_hour", **more: Any) -> Limit:
    """A limit over time with the id that a file would give it."""
    id = f"limits.tools.{tools}.{per}" if tools else f"limits.{per}.{kind}"
    return Limit(kind, value, tools, id=id, window=per, **more)


def decided(limits: list[Limit], facts: dict[str, str], tool: str = "send") -> tuple[str, str | None, str]:
    """Effect, rule and reason of one call under these limits."""
    session = Session(policy(rule("allow", "*"), *limits), clock=Clock())
    decision = session.propose(ToolCall("c", tool, "{}"), facts=facts)
    return decision.effect.value, decision.rule, decision.reason


@pytest.mark.parametrize(("used", "effect"), [("0", "allow"), ("4", "allow"), ("5", "block"), ("6", "block"), ("4.999999999999", "allow")])
def test_a_window_is_full_once_all_is_used(used: str, effect: str) -> None:
    """By all runs together, as far as that is known."""
    assert decided([window("tool_calls", 5)], {HOUR: used})[0] == effect


@pytest.mark.parametrize("fact", ["", "much", "nan", "inf", "-1", "5 until", "5 until then", "5 until 2026-01-01T00:00:00", "0x5"])
def test_what_cannot_be_understood_is_no_room(fact: str) -> None:
    """A record that says nonsense loosens nothing."""
    effect, id, reason = decided([window("tool_calls", 5)], {HOUR: fact})
    if parse_used(fact) is None:
        assert (effect, id) == ("block", HOUR)
        assert reason == f"what was used of the limit `{HOUR}` is recorded in a way that cannot be understood"
    else:
        assert fact == "5 until"


@pytest.mark.parametrize(
    ("wait", "text"),
    [
        (timedelta(seconds=1), "1 s"),
        (timedelta(seconds=89.5), "90 s"),
        (timedelta(seconds=90), "2 min"),
        (timedelta(minutes=12), "12 min"),
        (timedelta(minutes=119, seconds=1), "2 h"),
        (timedelta(hours=3, minutes=1), "3 h 1 min"),
        (timedelta(hours=3, minutes=20), "3 h 20 min"),
        (timedelta(hours=23, minutes=30), "23 h 30 min"),
        (timedelta(hours=24), "24 h"),
    ],
)
def test_the_reason_says_when_there_is_room_again(wait: timedelta, text: str) -> None:
    """Rounded up, so that it is true."""
    fact = Used(5, START + wait).fact
    _, _, reason = decided([window("tool_calls", 5)], {HOUR: fact})
    assert reason == f"limit of 5 tool calls per hour reached; again in {text}"


@pytest.mark.parametrize(
    ("one", "fact", "reason"),
    [
        (window("tool_calls", 1, per="per_day"), "1", "limit of 1 tool call per day reached"),
        (window("calls", 5, "send"), "7", "limit of 5 calls of 'send' per hour reached"),
        (window("calls", 1, "s*"), "1", "limit of 1 call of 's*' per hour reached"),
        (window("cost_usd", 2.0), "2.0000004", "limit of $2.00 per hour reached: $2.00 spent"),
        (window("cost_usd", 2.0), "2.2500004", "limit of $2.00 per hour reached: $2.25 spent"),
        (window("tool_calls", 3, message="enough"), "3", "enough"),
    ],
)
def test_what_a_window_says(one: Limit, fact: str, reason: str) -> None:
    """Its amount, its tool and its time, or its own words."""
    assert decided([one], {one.id: fact}) == ("block", one.id, reason)


def test_its_own_words_are_followed_by_the_time() -> None:
    """Whoever is told to wait is told how long."""
    one = window("tool_calls", 3, message="enough for now")
    assert decided([one], {one.id: Used(3, START + timedelta(minutes=5)).fact})[2] == "enough for now; again in 5 min"


def test_a_window_of_a_tool_is_for_its_calls_alone() -> None:
    """A full one keeps nobody from calling another tool."""
    one = window("calls", 5, "send")
    assert decided([one], {one.id: "5"}, "read")[0] == "allow"


def test_without_facts_the_run_itself_counts_as_a_whole() -> None:
    """However long it takes: that is stricter than the window."""
    clock = Clock()
    session = Session(policy(rule("allow", "*"), window("tool_calls", 2), window("calls", 1, "send")), clock=clock)
    assert [propose(session, tool).rule for tool in ("send", "send", "read", "read")] == [
        "allow-*",
        "limits.tools.send.per_hour",
        "allow-*",
        HOUR,
    ]
    clock.wait(7200)
    assert propose(session, "read").rule == HOUR


def test_limits_of_the_run_come_first() -> None:
    """They say more about what the model did."""
    assert decided([window("tool_calls", 0), limit("tool_calls", 0)], {HOUR: "0"})[1] == "limits.tool_calls"


@pytest.mark.parametrize("wait", [timedelta(0), timedelta(seconds=-5)])
def test_a_moment_that_has_come_is_not_told(wait: timedelta) -> None:
    """The world says that it is full, and nobody knows until when."""
    fact = Used(5, START + wait).fact
    assert decided([window("tool_calls", 5)], {HOUR: fact}) == ("block", HOUR, "limit of 5 tool calls per hour reached")


def test_nothing_is_free_again_where_there_never_was_anything() -> None:
    """A window of 0 stays full."""
    assert decided([window("tool_calls", 0)], {HOUR: "0"}) == ("block", HOUR, "limit of 0 tool calls per hour reached")


def replied(session: Session, cost: float | None) -> None:
    """An answer of the model that cost so much."""
    session.record(ModelReplied(at=session.now(), step=1, message={"role": "assistant"}, usage=Usage(1, 1), cost_usd=cost))


def test_cost_over_time_stops_requests_and_calls() -> None:
    """Like the limit of one run."""
    session = Session(policy(rule("allow", "*"), window("cost_usd", 1.0)), clock=Clock())
    replied(session, 0.75)
    assert session.request().effect is Effect.ALLOW
    replied(session, 0.25)
    assert session.request().rule == "limits.per_hour.cost_usd"
    assert propose(session, "send").code is Code.LIMIT


def test_cost_that_nobody_told_is_not_zero() -> None:
    """Whatever is known of other runs."""
    session = Session(policy(rule("allow", "*"), window("cost_usd", 1.0)), clock=Clock())
    replied(session, None)
    assert session.request(facts={"limits.per_hour.cost_usd": "0"}).reason == (
        "an answer of the model came without its cost, so the limit of $1.00 cannot be kept"
    )


def test_a_request_must_fit_into_what_is_left_of_a_window() -> None:
    """With what other runs have used."""
    session = Session(policy(window("cost_usd", 1.0)), clock=Clock())
    wish = ModelRequest(input_tokens=100, input_usd=0.3, output_usd=0.001)
    assert session.request(wish, facts={"limits.per_hour.cost_usd": "0.5"}).room == 200
    refused = session.request(wish, facts={"limits.per_hour.cost_usd": "0.69"})
    assert (refused.effect, refused.rule) == (Effect.BLOCK, "limits.per_hour.cost_usd")
    assert refused.reason == "the next request may cost $0.30, and of the limit of $1.00 $0.69 are spent"


@pytest.mark.parametrize(
    "used", [Used(0), Used(99), Used(1.25), Used(0.000000000001), Used(5, START), Used(1e9, START + timedelta(days=1))]
)
def test_facts_read_back(used: Used) -> None:
    """What was recorded is what a replay judges by."""
    assert parse_used(used.fact) == used


def test_a_limit_over_time_may_be_about_a_group() -> None:
    """All its tools use it up together, and no other."""
    grouped = Limit("calls", 1, "@slow", id="limits.tools.@slow.per_hour", window="per_hour")
    session = Session(policy(rule("allow", "*"), grouped, groups={"slow": ("crawl", "index")}))
    assert [propose(session, name).effect.value for name in ("read", "crawl", "index", "read")] == ["allow", "allow", "block", "allow"]
