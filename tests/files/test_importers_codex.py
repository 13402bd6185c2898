"""Sessions of Codex become runs."""

from __future__ import annotations

import pytest

from agentgate.core.events import Json
from tests.files.imported import lines, read, read_values, started, story, told

SESSION = [
    "# 019a2d7a-41c4-78b1-b7cc-a45d62a89cd5",
    "reply 1",
    'call call_1 shell {"command":["rg","total"],"workdir":"/home/anna/shop"}',
    'call call_2 shell {"command":["git","status"]}',
    'result call_1: {"output":"cart.ts:3","metadata":{"exit_code":0}}',
    "result call_2: clean",
    "reply 2",
    "call call_3 apply_patch malformed",
    "result call_3: Success",
    "reply 3",
    'call call_4 shell {"command":["npm","test"]}',
]


def test_a_session() -> None:
    """Parallel calls, a custom tool, and a last call without a result; what the screen was told is not read twice."""
    (run,) = read("codex.jsonl")
    assert told(run) == SESSION
    begin = started(run)
    assert (begin.workdir, begin.model, begin.tools) == ("/home/anna/shop", "gpt-5-codex", None)
    assert [message["role"] for message in begin.messages] == ["system", "user", "user"]
    assert begin.messages[0]["content"] == "You are Codex."


def test_an_old_session() -> None:
    """Before there were types, a file held its head and then bare items."""
    head = {"id": "old-1", "timestamp": "2025-06-01T08:00:00Z", "instructions": "Be kind.", "git": None}
    items = [line["payload"] for line in lines("codex.jsonl") if line["type"] == "response_item"]
    assert story([head, {"record_type": "state"}, *items]) == ["# old-1", *SESSION[1:]]


def test_a_fork() -> None:
    """It repeats the head of what it was forked from, and keeps its own name."""
    session = lines("codex.jsonl")
    fork = {**session[0], "payload": {**session[0]["payload"], "id": "fork"}}
    assert story([fork, *session]) == ["# fork", *SESSION[1:]]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"timestamp": "", "type": "novelty", "payload": {}}, "a line of the unknown type `novelty`"),
        ({"timestamp": "", "type": "response_item", "payload": {"type": "telepathy"}}, "item 1 is of the unknown kind `telepathy`"),
        ({"timestamp": "", "type": "response_item", "payload": "x"}, "item 1 has no `type`"),
        ({"record_type": "novelty"}, "a line of the unknown type `novelty`"),
        ({}, "not a line of a session"),
        ("x", "not a line of a session"),
    ],
)
def test_what_could_be_a_call_spoils_the_session(line: Json, why: str) -> None:
    """It is named with its line, and nothing of the session is judged."""
    assert story([*lines("codex.jsonl"), line]) == [f"damage 18: {why}"]


def test_a_message_of_nobody_known() -> None:
    """It is found when the session is put together, and named with its beginning."""
    line = {"timestamp": "", "type": "response_item", "payload": {"type": "message", "role": "critic", "content": []}}
    assert story([*lines("codex.jsonl"), line])[0].startswith("damage 1: message ")


def test_without_its_head() -> None:
    """A session that lost its first line is named by its place."""
    (run,) = read_values(lines("codex.jsonl")[1:])
    assert told(run) == ["# t.jsonl:1", *SESSION[1:]]
