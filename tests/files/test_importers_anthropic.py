"""Anthropic messages become runs: blocks in their order, nothing repaired, nothing dropped."""

from __future__ import annotations

import json

import pytest

from agentgate.core.events import Json, ModelReplied
from agentgate.files.importers import anthropic, chat, importer_of
from agentgate.files.transcript import InvalidTranscript, Proposed
from tests.files.imported import read, started, told

USE = {"type": "tool_use", "id": "a", "name": "t", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "done"}


def conversation(*blocks: Json, answers: Json = None) -> dict[str, Json]:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": list(blocks)}]
    return {"messages": messages if answers is None else [*messages, {"role": "user", "content": answers}]}


def test_a_conversation() -> None:
    """Parallel calls and their results keep their order; a call without a result has none; the rest of the file is read after damage."""
    weather, bare, search, damage = read("anthropic.jsonl")
    assert told(weather) == [
        "# weather",
        "reply 1",
        'call toolu_01 get_weather {"city": "Paris"}',
        'call toolu_02 get_weather {"city": "Rome"}',
        "result toolu_01: rainy\n14 °C",
        "result toolu_02 failed: station offline",
        "reply 2 +user",
        'call toolu_03 bash {"command": "curl wttr.in/Rome"}',
    ]
    assert [message["role"] for message in started(bare).messages] == ["system", "user"]
    assert told(search)[1:3] == ["reply 1", "call srvtoolu_01 web_search malformed"]
    assert told(damage) == ["damage 4: message 2: a block of the unknown kind `telepathy_call`"]


def test_what_was_offered() -> None:
    """Schemas come from `input_schema`; tools whose schema the provider keeps take anything."""
    run = started(read("anthropic.jsonl")[0])
    assert run.model == "claude-sonnet-4-5"
    assert run.tools is not None
    weather, bash = (tool["function"] for tool in run.tools)
    assert (weather["name"], weather["parameters"]["required"]) == ("get_weather", ["city"])
    assert bash == {"name": "bash", "parameters": {"type": "object", "additionalProperties": True}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (conversation(USE), anthropic),
        (conversation(USE)["messages"], anthropic),
        ({"system": "be kind", "messages": [{"role": "user", "content": "hi"}]}, anthropic),
        ({"messages": [{"role": "user", "content": [RESULT]}]}, anthropic),
        ({"messages": [{"role": "assistant", "content": [USE], "tool_calls": []}]}, anthropic),
        ({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "…"}], "tool_calls": []}]}, chat),
        ({"system": "be kind", "messages": [{"role": "tool", "content": "x", "tool_call_id": "a"}]}, chat),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, chat),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": []}]}, chat),
    ],
)
def test_told_from_chat_completions(value: Json, expected: object) -> None:
    """Calls and results as blocks are of Anthropic, and so is a `system` beside messages that are not of Chat Completions."""
    assert importer_of(value) is expected


@pytest.mark.parametrize(
    ("given", "arguments"),
    [({"b": 1, "a": "é"}, '{"b": 1, "a": "é"}'), ("{}", '"{}"'), ([], "[]"), (None, "null"), (True, "true")],
)
def test_input_that_is_no_object_stays_none(given: Json, arguments: str) -> None:
    """Arguments are the JSON of what stands there, so that a text with an object in it is no object."""
    calls = [item.call for item in anthropic.read(conversation(USE | {"input": given}), "r", None) if isinstance(item, Proposed)]
    assert [call.arguments for call in calls] == [arguments]


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use", "browser_click_tool_use"])
def test_calls_that_the_provider_executes(kind: str) -> None:
    """They are proposed with the whole block as arguments, which no gate takes for arguments."""
    items = anthropic.read(conversation(USE | {"type": kind}), "r", None)
    (call,) = (item.call for item in items if isinstance(item, Proposed))
    assert (call.id, call.name) == ("a", "t")
    assert not isinstance(call.arguments, str)


def test_what_a_tool_said_in_parts() -> None:
    """Texts stand as they are, other parts as JSON, nothing as an empty text."""
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    results = [RESULT | {"content": ["x", {"type": "text", "text": "y"}, image]}, {"type": "tool_result", "tool_use_id": "a"}]
    items = anthropic.read(conversation(USE, answers=results), "r", None)
    assert [getattr(item, "content", None) for item in items[-2:]] == [f'"x"\ny\n{json.dumps(image)}', ""]


def test_texts_of_an_answer_are_joined() -> None:
    """The answer in Chat Completions form has one text, and its calls as they are proposed."""
    items = anthropic.read(conversation({"type": "text", "text": "a"}, USE, {"type": "text", "text": "b"}), "r", None)
    (reply,) = (item for item in items if isinstance(item, ModelReplied))
    function = {"name": "t", "arguments": "{}"}
    assert reply.message == {"role": "assistant", "content": "ab", "tool_calls": [{"id": "a", "type": "function", "function": function}]}


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([{"role": "user", "content": [USE]}], "message 1: a block of the kind `tool_use` that is not the model's"),
        ([{"role": "user", "content": "x"}, {"role": "tool", "content": [RESULT]}], "message 2: the unknown role `tool`"),
        ([{"role": "assistant", "content": [USE], "tool_calls": []}], "message 1: calls in another form among Anthropic messages"),
        ([{"role": "assistant", "content": [{"name": "t"}]}], "message 1: block 1 has no `type`"),
        ([{"role": "assistant", "content": {}}], "message 1: its `content` is neither a text nor a list of blocks"),
        ([USE, 5], "message 1: the unknown role `None`"),
        ([5], "message 1: not an object"),
    ],
)
def test_what_is_not_understood(messages: Json, why: str) -> None:
    """What could be a call and is not read spoils the whole transcript."""
    with pytest.raises(InvalidTranscript) as caught:
        anthropic.read({"messages": messages}, "r", None)
    assert str(caught.value) == why
