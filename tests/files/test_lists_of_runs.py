"""A JSON document that is a list of runs: each item is read as a line of its own would be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import Json
from agentgate.files.transcript import Damage, Proposed, Transcript
from agentgate.files.transcript_reader import Source, read_file

CALL = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
CHAT = {"messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]}
ANTHROPIC = {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "read", "input": {}}]}]}
RESPONSES = {"input": [{"type": "function_call", "call_id": "c1", "name": "read", "arguments": "{}"}]}


def written(path: Path, value: Json, **more: Any) -> Source:
    """A file with one JSON value."""
    path.write_text(json.dumps(value, **more))
    return Source(str(path))


@pytest.mark.parametrize("indent", [None, 1], ids=["one line", "many lines"])
def test_each_item_is_a_run(indent: int | None, tmp_path: Path) -> None:
    """Of any form that a line may have; its number is its place in the list."""
    found = list(read_file(written(tmp_path / "runs.json", [CHAT, {**ANTHROPIC, "id": "two"}, RESPONSES], indent=indent)))
    assert all(isinstance(run, Transcript) for run in found)
    runs = [run for run in found if isinstance(run, Transcript)]
    assert [(run.id.rpartition("/")[2], run.line) for run in runs] == [("runs.json:1", 1), ("two", 2), ("runs.json:3", 3)]
    assert [sum(isinstance(item, Proposed) for item in run.items) for run in runs] == [1, 1, 1]


def test_the_form_can_be_forced(tmp_path: Path) -> None:
    """Then every item has it."""
    assert len(list(read_file(written(tmp_path / "runs.json", [CHAT, CHAT], indent=1), form="chat"))) == 2


def test_an_item_that_cannot_be_read_is_named_by_its_place(tmp_path: Path) -> None:
    """The others are read."""
    [first, second] = read_file(written(tmp_path / "runs.json", [{"messages": [{"role": "boss"}]}, CHAT]))
    assert isinstance(first, Damage)
    assert first.line == 1
    assert isinstance(second, Transcript)


@pytest.mark.parametrize("value", [[], [1], [CHAT, 1], [CHAT, {"a": 1}]], ids=["empty", "numbers", "a number among them", "another object"])
def test_other_lists_are_no_transcripts(value: Json, tmp_path: Path) -> None:
    """Nothing is guessed."""
    [found] = read_file(written(tmp_path / "runs.json", value))
    assert isinstance(found, Damage)
