"""Logs of Inspect become runs, one a sample."""

from __future__ import annotations

import json

import pytest

from agentgate.core.events import Json
from tests.files.imported import OTHERS, read, read_values, started, story, told

FLAG = [
    "# fNkE8/flag-1/1",
    "reply 1",
    'call call_1 bash {"cmd": "ls"}',
    'call call_2 bash {"cmd": "grep -r FLAG ."}',
    "result call_1: a.txt",
    "result call_2 failed: Command timed out",
    "reply 2",
    "call call_3 bash malformed",
    "result call_3 never ran: Error parsing arguments",
]
EVENTS = ["# fNkE8/flag-1/1/events", "reply 1", 'call call_s bash {"cmd": "cat /etc/passwd"}', "result call_s: root:x:0"]


def log(**change: Json) -> dict[str, Json]:
    """The log, with other fields in its first sample."""
    value: dict[str, Json] = json.loads((OTHERS / "inspect.json").read_text())
    value["samples"][0].update(change)
    return value


def first(**change: Json) -> list[str]:
    return [line for found in read_values([log(**change)])[:1] for line in told(found)]


def test_a_log() -> None:
    """Attachments are in their places, a call that could not be parsed is malformed, a call that only the events know is not lost."""
    flag, events, plain, damage = read("inspect.json")
    assert told(flag) == FLAG
    assert told(events) == EVENTS
    assert told(plain) == ["# fNkE8/2/1", "reply 1"]
    assert told(damage) == ["damage 1: sample 3: message 2: the unknown role `oracle`"]


def test_what_is_known_of_it() -> None:
    """The model is the log's; tools are those that any request offered."""
    flag, *_ = read("inspect.json")
    run = started(flag)
    assert run.model == "openai/gpt-4o"
    assert run.tools is not None
    assert [tool["function"]["name"] for tool in run.tools] == ["bash"]
    assert [message["role"] for message in run.messages] == ["system", "user"]


def test_a_tool_that_requests_describe_differently_takes_anything() -> None:
    """Nobody knows which of the schemas was meant for a call."""
    events = log()["samples"][0]["events"]
    other = json.loads(json.dumps(events[1]))
    other["tools"][0]["parameters"] = {"type": "object", "properties": {}}
    run = started(read_values([log(events=[*events, other])])[0])
    assert run.tools is not None
    assert run.tools[0]["function"]["parameters"] == {"type": "object", "additionalProperties": True}


def test_events_inside_of_events() -> None:
    """Older logs keep what a subagent did inside of the tool's event."""
    events = log()["samples"][0]["events"]
    nested = [{**events[2], "events": events[3:]}]
    assert story([log(events=[*events[:2], *nested])])[: len(FLAG + EVENTS)] == FLAG + EVENTS


def test_an_event_of_a_tool_alone() -> None:
    """A call that no answer tells is proposed as its tool was called."""
    events = log()["samples"][0]["events"]
    assert story([log(events=events[4:])])[len(FLAG) :][:4] == EVENTS


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"attachments": {}}, "sample 1: message 3: the attachment `0123456789abcdef0123456789abcdef` is missing"),
        ({"messages": "x"}, "sample 1: `messages` is not a list of objects"),
        ({"events": [5]}, "sample 1: `events` is not a list of objects"),
        ({"events": [{"event": "model", "output": {"choices": [{}]}}]}, "sample 1: a choice without its `message`"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "telepathy"}]}]},
            "sample 1: message 1: content of the unknown kind `telepathy`",
        ),
    ],
)
def test_what_is_not_understood_spoils_its_sample(change: dict[str, Json], why: str) -> None:
    """The other samples are read."""
    found = [told(one) for one in read_values([log(**change)])]
    assert found[0] == [f"damage 1: {why}"]
    assert ["# fNkE8/2/1", "reply 1"] in found


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([{"id": "a", "function": "f", "arguments": "{}"}], 'call a f "{}"'),
        ([{"id": "a", "function": "f", "arguments": {}, "type": "custom"}], "call a f malformed"),
        (["x"], "call None None malformed"),
        ({"id": "a", "function": "f", "arguments": {}}, "call a f {}"),
    ],
)
def test_odd_calls_are_proposed_as_they_stand(calls: Json, expected: str) -> None:
    """The gate refuses them; nothing is repaired."""
    assert first(messages=[{"role": "assistant", "content": "", "tool_calls": calls}], events=[])[2] == expected


def test_a_tool_that_the_provider_executed() -> None:
    """It is proposed too, and the gate refuses it."""
    part = {"type": "tool_use", "tool_type": "web_search", "id": "w", "name": "search", "arguments": "{}", "result": "…"}
    assert first(messages=[{"role": "assistant", "content": [part]}], events=[])[2] == "call w search malformed"


def test_a_head_without_samples() -> None:
    """A log of which only the head was written holds nothing to judge, and says so."""
    head = {"version": 2, "status": "started", "eval": {"task": "ctf"}}
    assert story([head]) == ["damage 1: a log without samples: only its head was written"]
