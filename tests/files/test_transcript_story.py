"""An audit compares decisions with what the model proposed, totals with the events, and each moment with the one before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from agentgate.core.arguments import digest_arguments
from agentgate.core.events import CallDecided, Code, Effect, Event, ModelReplied, RunEnded, RunStarted, ToolReturned, Totals, Usage
from agentgate.core.state import State, evolve
from agentgate.files.transcript_chain import ZEROS, seal
from agentgate.files.transcript_verify import verify_stream

GOLDEN = Path(__file__).parents[1] / "data" / "transcripts" / "run.jsonl"
AT = datetime(2026, 3, 1, tzinfo=UTC)
READ, MAIL = ("c1", "read", '{"id": 1}'), ("c2", "mail", "{}")
Call = tuple[object, object, object]


def reply(*calls: Call) -> ModelReplied:
    proposed = [{"id": id, "type": "function", "function": {"name": name, "arguments": arguments}} for id, name, arguments in calls]
    return ModelReplied(step=1, message={"role": "assistant", "tool_calls": proposed}, usage=Usage(10, 2), cost_usd=0.1)


def decided(call: Call) -> CallDecided:
    id, name, arguments = call
    args_hash = digest_arguments(arguments)
    return CallDecided(
        step=1, call_id=id, tool=name, arguments=arguments, args_hash=args_hash, effect=Effect.BLOCK, code=Code.DEFAULT, reason=""
    )


def returned(call: Call) -> ToolReturned:
    return ToolReturned(call_id=call[0], executed=False, ok=False, content="")


def answers(*calls: Call) -> list[Event]:
    return [event for call in calls for event in (decided(call), returned(call))]


def findings(*events: Event) -> list[tuple[int, str]]:
    """What an audit of these events finds, one second each. Totals that nobody gave are those of the events."""
    lines, prev, state = [], ZEROS, State()
    for seq, event in enumerate(events, 1):
        timed = event if event.at.year > 1970 else replace(event, at=AT + timedelta(seconds=seq))
        state = evolve(state, timed)
        if isinstance(timed, RunEnded) and timed.totals == Totals():
            timed = replace(timed, totals=state.totals)
        sealed = seal(timed, seq, prev)
        lines.append(sealed.line)
        prev = sealed.hash
    verification = verify_stream(BytesIO(b"".join(lines)), "run.jsonl")
    return [(problem.line, problem.what) for problem in verification.problems]


START = RunStarted(run_id="r")
DONE = RunEnded(status="done")
NEVER = "the model proposed the call `{}`, and nothing was decided about it"
OTHER = "the call `{}` is not the one that the model proposed: {} differ"

PROPOSALS: list[tuple[str, Sequence[Event], list[tuple[int, str]]]] = [
    ("each decided", [START, reply(READ, MAIL), *answers(READ, MAIL), reply(), DONE], []),
    ("none decided", [START, reply(READ), DONE], [(3, NEVER.format("c1"))]),
    ("one left out", [START, reply(READ, MAIL), *answers(MAIL), DONE], [(3, NEVER.format("c1"))]),
    ("the last one left out", [START, reply(READ, MAIL), *answers(READ), reply(), DONE], [(5, NEVER.format("c2"))]),
    ("never proposed", [START, reply(), *answers(READ), DONE], [(3, "the call `c1` was decided, and the model did not propose it")]),
    ("another tool", [START, reply(READ), *answers(("c1", "mail", READ[2])), DONE], [(3, OTHER.format("c1", "tools"))]),
    ("other arguments", [START, reply(READ), *answers(("c1", "read", '{"id":1}')), DONE], [(3, OTHER.format("c1", "arguments"))]),
    ("another id", [START, reply(READ), *answers(("x", *READ[1:])), DONE], [(3, OTHER.format("x", "ids"))]),
    ("malformed, as it was", [START, reply((None, 7, None)), *answers((None, 7, None)), DONE], []),
    ("waiting for a person", [START, reply(READ), RunEnded(status="waiting")], []),
    ("broken off", [START, reply(READ), RunEnded(status="failed")], []),
    ("calls without a model", [START, *answers(READ), DONE], []),
]


@pytest.mark.parametrize(("events", "expected"), [story[1:] for story in PROPOSALS], ids=[story[0] for story in PROPOSALS])
def test_every_proposal_has_its_decision(events: list[Event], expected: list[tuple[int, str]]) -> None:
    """What was decided must be what the model proposed: id, tool and raw arguments, in order, none left out."""
    assert findings(*events) == expected


@pytest.mark.parametrize(
    ("field", "said", "true"),
    [
        ("steps", 2, 1),
        ("calls", 1, 2),
        ("allowed", 1, 0),
        ("asked", 1, 0),
        ("blocked", 0, 2),
        ("executed", 1, 0),
        ("input_tokens", 9, 10),
        ("output_tokens", 0, 2),
        ("cost_usd", None, 0.1),
        ("seconds", 60.0, 6.0),
    ],
)
def test_totals_are_those_of_the_events(field: str, said: object, true: object) -> None:
    """Each number of `run_ended` is compared with what the events come to."""
    honest = Totals(steps=1, calls=2, blocked=2, input_tokens=10, output_tokens=2, cost_usd=0.1, seconds=6.0)
    events = [START, reply(READ, MAIL), *answers(READ, MAIL)]
    assert findings(*events, RunEnded(status="done", totals=honest)) == []
    forged = RunEnded(status="done", totals=replace(honest, **{field: said}))
    assert findings(*events, forged) == [(7, f"`run_ended` says {said} {field}, and its events come to {true}")]


def test_seconds_may_be_taken_before_the_end_is_written() -> None:
    """The totals are made a moment before the event that holds them; any moment since the last event is right."""
    for seconds, right in {0.9: False, 1.0: True, 1.5: True, 2.0: True, 2.1: False}.items():
        totals = Totals(steps=1, input_tokens=10, output_tokens=2, cost_usd=0.1, seconds=seconds)
        assert (findings(START, reply(), RunEnded(status="done", totals=totals)) == []) is right


def test_the_time_never_goes_back() -> None:
    """A moment before that of the event before it is a finding; the same moment is none."""
    late = replace(reply(), at=AT + timedelta(seconds=9))
    same = replace(DONE, at=AT + timedelta(seconds=9))
    assert findings(START, late, same) == []
    early = replace(DONE, at=AT + timedelta(seconds=8.5))
    back = "the time goes back, from 2026-03-01T00:00:09Z to 2026-03-01T00:00:08.500000Z"
    assert findings(START, late, early) == [(3, back)]


def test_after_a_damaged_line_only_the_damage_is_told() -> None:
    """Totals and proposals follow from the lines that are missing: they are no findings of their own."""
    lines = GOLDEN.read_bytes().splitlines(keepends=True)
    edited = lines[4].replace(b'"ask"', b'"allow"')
    found = verify_stream(BytesIO(b"".join([*lines[:4], edited, *lines[5:]])), "run.jsonl").problems
    assert [problem.line for problem in found] == [5, 6, 7]
    assert "changed after it was written" in found[0].what
    assert not any("run_ended" in problem.what or "proposed" in problem.what for problem in found)


def test_a_long_run_is_added_up_as_a_short_one_is() -> None:
    """What no total depends on is forgotten on the way; the totals, which nobody could get right by chance, hold all the same."""
    lines, prev = [], ZEROS
    state, run = State(), [RunStarted(at=AT, run_id="r")]
    events: list[Event] = [*run]
    for number in range(700):
        call = (f"c{number}", "read", "{}")
        events += [reply(call), decided(call), returned(call)]
    for event in events:
        state = evolve(state, event)
    for seq, event in enumerate([*events, RunEnded(status="done", totals=state.totals)], 1):
        sealed = seal(event, seq, prev)
        lines.append(sealed.line)
        prev = sealed.hash
    assert state.totals.blocked == 700
    found = verify_stream(BytesIO(b"".join(lines)), "run.jsonl")
    assert [problem.what for problem in found.problems if "totals" in problem.what or "come to" in problem.what] == []
