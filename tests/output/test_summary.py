"""Numbers, places and outcomes in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from agentgate.core.events import CallDecided, Code, Digest, Effect, Mode, ModelReplied, PolicyDigest, RunEnded, RunStarted, Totals, Usage
from agentgate.core.findings import Place
from agentgate.output.plural import plural
from agentgate.output.seen import Seen, said
from agentgate.output.summary import counts, label, money_text, outcome, policy_text, size_text, time_text, ways_on

PLACES = {"limits.tool_calls": Place("policies/strict.yaml", 30), "r": Place("policies/strict.yaml", 4)}


def decided(effect: Effect, rule: str | None = None, code: Code = Code.DEFAULT) -> CallDecided:
    return CallDecided(step=1, call_id="a", tool="f", arguments="{}", effect=effect, code=code, rule=rule)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"),
        (0.0001, "<1 ms"),
        (0.0042, "4 ms"),
        (0.9996, "1.0 s"),
        (3.14, "3.1 s"),
        (59.96, "1 min 0 s"),
        (125, "2 min 5 s"),
        (7322, "2 h 2 min"),
    ],
)
def test_spans_of_time(seconds: float, shown: str) -> None:
    """Two figures are enough, and no unit overflows."""
    assert time_text(seconds) == shown


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(0, "$0.0000"), (0.00001, "<$0.0001"), (0.0007, "$0.0007"), (0.12345, "$0.1235"), (1234.5, "$1,234.50")],
)
def test_amounts_of_money(dollars: float, shown: str) -> None:
    """Small amounts keep four places, and something never looks like nothing."""
    assert money_text(dollars) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", "0 B"), ("é", "2 B"), ("\ud800", "3 B"), ("x" * 1000, "1.0 kB"), ("x" * 999_960, "1.0 MB"), ("x" * 3_400_000, "3.4 MB")],
)
def test_sizes(text: str, shown: str) -> None:
    """Sizes are counted in bytes of UTF-8."""
    assert size_text(text) == shown


@pytest.mark.parametrize(
    ("status", "reason", "shown"),
    [
        ("done", "", "Done, 2 calls blocked"),
        ("done", "the answer was cut off", "Done, 2 calls blocked: the answer was cut off"),
        (
            "stopped",
            "limit of 10 tool calls reached (limits.tool_calls)",
            "Stopped by limits.tool_calls (strict.yaml:30): limit of 10 tool calls reached",
        ),
        ("stopped", "limit of 6 steps reached (max_steps)", "Stopped by max_steps: limit of 6 steps reached"),
        ("stopped", "the person who was asked stopped the run", "Stopped: the person who was asked stopped the run"),
        ("stopped", "said so (loudly)", "Stopped: said so (loudly)"),
        ("stopped", "", "Stopped"),
        ("failed", "no\x1b[2J", r"Failed: no\x1b[2J"),
        ("failed", "", "Failed"),
        ("interrupted", "interrupted", "Interrupted"),
        ("\n", "x", r"Ended as \n: x"),
    ],
)
def test_outcomes(status: str, reason: str, shown: str) -> None:
    """Each end has one word, with the limit's id and place where one stopped the run."""
    event = RunEnded(status=status, reason=reason, totals=Totals(blocked=2))
    assert outcome(event, Seen(), PLACES) == shown


def test_observe_mode_speaks_of_what_would_have_been() -> None:
    """Calls that were only judged were not blocked."""
    seen = Seen()
    seen.take(RunStarted(run_id="r", mode=Mode.OBSERVE))
    event = RunEnded(status="done", totals=Totals(steps=1, blocked=1, executed=1))
    assert outcome(event, seen, {}) == "Done, 1 call would have been blocked"
    assert counts(event, seen) == ["1 step", "0 allowed", "1 executed", "0 tokens", "0 ms"]


def test_observe_mode_tells_what_the_kill_switch_held_back() -> None:
    """It binds in every mode, so those calls were blocked indeed."""
    seen = Seen()
    seen.take(RunStarted(run_id="r", mode=Mode.OBSERVE))
    for enforced in (True, False, False):
        seen.take(replace(decided(Effect.BLOCK), enforced=enforced))
    event = RunEnded(status="done", totals=Totals(steps=1, blocked=3, executed=2))
    assert outcome(event, seen, {}) == "Done, 1 call blocked, 2 calls would have been blocked"


def test_tokens_from_the_cache_are_counted_over_all_answers() -> None:
    """They stand beside the tokens that they are part of, and only where there are any."""
    seen = Seen()
    for usage in (Usage(1000, 10, 0), None, Usage(1200, 35, 1000), Usage(1300, 5, 1200)):
        seen.take(ModelReplied(step=1, message={}, usage=usage))
    event = RunEnded(status="done", totals=Totals(input_tokens=3500, output_tokens=50))
    assert counts(event, seen)[-2] == "3,550 tokens (2,200 cached)"
    assert counts(event, Seen())[-2] == "3,550 tokens"


@pytest.mark.parametrize(
    ("reasons", "shown"),
    [
        (("stop",), []),
        (("tool_calls",), []),
        ((None,), []),
        (("length",), []),
        (("odd", "stop"), []),
        (("stop", "odd"), ["finished by odd"]),
        (("\x1b[2Jodd",), [r"finished by \x1b[2Jodd"]),
    ],
)
def test_an_unusual_end_of_the_last_answer_is_said(reasons: tuple[str | None, ...], shown: list[str]) -> None:
    """The outcome says already that an answer was cut off, and usual ends go without saying."""
    seen = Seen()
    for reason in reasons:
        seen.take(ModelReplied(step=1, message={}, finish_reason=reason))
    event = RunEnded(status="done", totals=Totals())
    assert counts(event, seen)[4:] == shown


def test_what_decided_is_named_with_its_place() -> None:
    """Rules by id and line, with the file where there are several; else the code."""
    assert label(decided(Effect.ALLOW, "r", Code.RULE), PLACES) == "r:4"
    assert label(decided(Effect.ALLOW, "r", Code.RULE), {**PLACES, "s": Place("b.yaml", 2)}) == "r strict.yaml:4"
    assert label(decided(Effect.ALLOW, "other", Code.RULE), PLACES) == "other"
    assert label(decided(Effect.BLOCK), PLACES) == "default"
    assert label(decided(Effect.BLOCK), {"default": Place("p", 7)}) == "default:7"
    assert label(decided(Effect.BLOCK, None, Code.UNKNOWN_TOOL), PLACES) == "unknown_tool"


def test_a_policy_is_named_by_its_file_or_its_name() -> None:
    """One file gives the name; several leave the policy its own."""
    one = PolicyDigest("support", "3f9c2a8" + "0" * 57, (Digest("p/strict.yaml", ""),))
    two = PolicyDigest("support", "", (Digest("a.yaml", ""), Digest("b.yaml", "")))
    assert policy_text(RunStarted(run_id="r", policy=one)) == "strict.yaml@3f9c2a8"
    assert policy_text(RunStarted(run_id="r", policy=one), "mine") == "mine@3f9c2a8"
    assert policy_text(RunStarted(run_id="r", policy=two)) == "support"
    assert policy_text(RunStarted(run_id="r")) is None


def test_ways_on_can_be_copied_into_a_shell() -> None:
    """The line that explains the first blocked call counts calls from 1 and quotes what a shell would split."""
    seen, done = Seen(), RunEnded(status="done")
    assert ways_on(done, seen, None) == []
    seen.take(decided(Effect.ALLOW))
    seen.take(decided(Effect.BLOCK))
    seen.take(decided(Effect.BLOCK))
    assert ways_on(done, seen, Path("my runs/r.jsonl")) == [("saved", "my runs/r.jsonl"), ("why", "agentgate explain 'my runs/r.jsonl'#2")]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "a"}, "a"),
        ({"content": None}, None),
        ({"content": ""}, None),
        ({"content": None, "refusal": "no"}, "no"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}, 3, {"text": 4}]}, "ab"),
        ({"content": 5}, None),
        ({}, None),
    ],
)
def test_what_a_message_says(message: dict[str, object], text: str | None) -> None:
    """Text, parts of text and refusals are said; everything else is nothing."""
    assert said(message) == text


def test_plurals() -> None:
    """One is one, everything else is many."""
    assert [plural(n, "call") for n in (0, 1, 1245)] == ["0 calls", "1 call", "1,245 calls"]
