"""The loop, told as it happens: what the model proposes, what is decided, what comes of it, how the run ends."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import CallDecided, Json, ModelReplied, RunEnded, ToolReturned
from agentgate.errors import RecordError
from agentgate.files.transcript_verify import verify
from agentgate.files.transcript_writer import TranscriptWriter
from tests.loop.playing import Play, Recorder, stories

STORIES = [story for name in ("stories.yaml", "limits.yaml", "malformed.yaml", "once.yaml") for story in stories(name)]
told = pytest.mark.parametrize("story", STORIES, ids=lambda story: story["story"][:60])


@told
def test_what_happens(story: Any, tmp_path: Path) -> None:
    """Every story comes out as it is told, and its transcript passes the audit."""
    with TranscriptWriter(tmp_path / "run.jsonl") as writer:
        play = Play(story, tmp_path, Recorder(onward=writer))
        play.run()
    assert play.told == story["told"]
    assert verify(tmp_path / "run.jsonl").problems == ()


@told
def test_every_call_has_one_decision_and_one_answer(story: Any, tmp_path: Path) -> None:
    """In the order in which they were proposed, the answer right after the decision's consequences."""
    play = Play(story, tmp_path)
    play.run()
    proposed = [
        call.get("id") for event in play.events if isinstance(event, ModelReplied) for call in event.message.get("tool_calls") or ()
    ]
    assert [event.call_id for event in play.events if isinstance(event, CallDecided)] == proposed
    assert [event.call_id for event in play.events if isinstance(event, ToolReturned)] == proposed


@told
def test_the_model_is_told_in_a_form_that_every_server_accepts(story: Any, tmp_path: Path) -> None:
    """Also after malformed calls: ids are there, short and used once, names are names, arguments are JSON, every call is answered."""
    play = Play(story, tmp_path)
    play.run()
    for messages in play.model.asked:
        assert wrong_with(messages) == []


@told
def test_nothing_is_executed_that_is_not_recorded(story: Any, tmp_path: Path) -> None:
    """Wherever the disk fails, the run stops there: no later event, no later execution, nothing that its record does not cover."""
    whole = Play(story, tmp_path)
    whole.run()
    for room in range(len(whole.events)):
        play = Play(story, tmp_path, Recorder(fails_at=room))
        with pytest.raises(RecordError):
            play.run()
        assert play.events == whole.events[:room]
        assert play.tools.executed == whole.tools.executed[: len(play.tools.executed)]
        answered = sum(isinstance(event, ToolReturned) and event.executed for event in play.events)
        assert answered <= len(play.tools.executed) <= answered + 1


@told
def test_totals_are_what_the_events_say(story: Any, tmp_path: Path) -> None:
    """Counted again from the record alone."""
    play = Play(story, tmp_path)
    ended = play.run()
    effects = [event.effect.value for event in play.events if isinstance(event, CallDecided)]
    totals = ended.totals
    assert (totals.calls, totals.allowed, totals.asked, totals.blocked) == (
        len(effects),
        effects.count("allow"),
        effects.count("ask"),
        effects.count("block"),
    )
    assert totals.executed == len(play.tools.executed)
    assert totals.steps == sum(isinstance(event, ModelReplied) for event in play.events)
    assert isinstance(play.events[-1], RunEnded)


def test_the_codes_of_unanswered_questions(tmp_path: Path) -> None:
    """A no is another thing than nobody, also for programs that read the answers."""
    story = {
        "policy": {"rules": [{"id": "big", "ask": "pay"}]},
        "tools": {"pay": {}},
        "people": ["reject", "nobody"],
        "model": [["pay", "pay"], "done"],
    }
    play = Play(story, tmp_path)
    play.run()
    answers = [json.loads(event.content) for event in play.events if isinstance(event, ToolReturned)]
    assert [(answer["code"], answer["rule"]) for answer in answers] == [("approval_rejected", "big"), ("approval_unavailable", "big")]


def test_what_a_provider_notes_is_passed_on(tmp_path: Path) -> None:
    """To whoever watches."""
    play = Play({"policy": "strict.yaml", "model": [{"text": "done", "notes": ("the server does not know that",)}]}, tmp_path)
    play.run()
    assert play.notes.heard == ["the server does not know that"]


def wrong_with(messages: Sequence[Mapping[str, Json]]) -> list[str]:
    """What a strict server would refuse in a conversation."""
    problems: list[str] = []
    used: set[str] = set()
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if not waiting or message["tool_call_id"] != waiting.pop(0):
                problems.append(f"an answer to nothing: {message}")
            if not isinstance(message["content"], str):
                problems.append(f"no text: {message}")
            continue
        if waiting:
            problems.append(f"without an answer: {waiting}")
        for call in message.get("tool_calls") or ():
            problems += _wrong_with_call(call, used)
            used.add(call["id"])
            waiting.append(call["id"])
    return problems + [f"without an answer: {waiting}"] * bool(waiting)


def _wrong_with_call(call: Mapping[str, Json], used: set[str]) -> list[str]:
    problems = []
    if set(call) != {"id", "type", "function"} or call["type"] != "function" or set(call["function"]) != {"name", "arguments"}:
        problems.append(f"shape: {call}")
    if not isinstance(call["id"], str) or not 0 < len(call["id"]) <= 256 or call["id"] in used:
        problems.append(f"id: {call}")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"]):
        problems.append(f"name: {call}")
    if not isinstance(json.loads(call["function"]["arguments"]), dict):
        problems.append(f"arguments: {call}")
    return problems
