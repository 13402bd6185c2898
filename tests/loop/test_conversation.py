"""The conversation as it is told to the model: what cannot be said again is replaced, the rest stays to the letter."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.conversation import Conversation, tool_call
from agentgate.core.events import Json, ToolCall
from agentgate.models.port import Reply
from tests.loop.test_stories import wrong_with

START = {"role": "user", "content": "do it"}


def told(*calls: ToolCall, tools: tuple[str, ...] = ()) -> list[dict[str, Json]]:
    """The calls as they are said again, all in one answer."""
    conversation = Conversation([START], tools)
    conversation.add(Reply(message={"content": None}), [(call, "{}") for call in calls])
    said: list[dict[str, Json]] = conversation.messages[1]["tool_calls"]
    return said


def test_a_sound_call_stays_as_it_was() -> None:
    """To the letter, so that a provider's cache of the conversation holds."""
    (said,) = told(ToolCall("call_1", "read", ' {"b" : 1, "a": "é"} '))
    assert said == {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": ' {"b" : 1, "a": "é"} '}}


@pytest.mark.parametrize("arguments", ["", "  ", "{", '{"a":1,"a":2}', '{"a": NaN}', "[1]", None, {"a": 1}, "{}}"])
def test_arguments_that_a_server_could_not_parse_are_empty(arguments: Json) -> None:
    """Servers that parse the conversation refuse all of it otherwise; the refusal tells the model what was wrong."""
    assert told(ToolCall("a", "read", arguments))[0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("read", "read"), ("re-ad_1", "re-ad_1"), ("mail.send", "mail.send"), ("functions.read", "malformed"), ("", "malformed"),
        ("a" * 65, "malformed"), ("read\n", "malformed"), ("réad", "malformed"), (None, "malformed"), (["read"], "malformed"),
    ],
)  # fmt: skip
def test_names(name: Json, said: str) -> None:
    """A name stays that servers take; with a dot only that of a tool that they were offered."""
    assert told(ToolCall("a", name, "{}"), tools=("mail.send",))[0]["function"]["name"] == said


@pytest.mark.parametrize("id", [None, "", 7, ["a"], {"a": 1}, "a" * 257, True])
def test_ids_that_cannot_be_said_again(id: Json) -> None:
    """They get one of ours."""
    assert told(ToolCall(id, "read", "{}"))[0]["id"] == "malformed_0"


def test_ids_are_used_once_in_the_whole_conversation() -> None:
    """Also where the model uses one of ours."""
    conversation = Conversation([START])
    for ids in (["malformed_1", None, "a"], ["a", "malformed_3", None]):
        conversation.add(Reply(message={"content": None}), [(ToolCall(id, "read", "{}"), "{}") for id in ids])
    said = [call["id"] for message in conversation.messages for call in message.get("tool_calls", ())]
    assert said[0] == "malformed_1"
    assert said[2] == "a"
    assert len(set(said)) == 6
    assert wrong_with(conversation.messages) == []


def test_items_of_the_provider_are_kept() -> None:
    """What a server wants to see again goes with the message."""
    conversation = Conversation([START])
    conversation.add(Reply(message={"content": None}, items=({"type": "reasoning"},)), [(ToolCall("a", "read", "{}"), "{}")])
    assert conversation.messages[1]["items"] == [{"type": "reasoning"}]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3), lambda inner: st.lists(inner, max_size=2), max_leaves=3
)
wild_calls = st.dictionaries(
    st.sampled_from(["id", "type", "function", "x"]),
    json_values | st.dictionaries(st.sampled_from(["name", "arguments"]), json_values | st.sampled_from(["read", "{}", "{"]), max_size=2),
    max_size=4,
)


@given(st.lists(st.lists(wild_calls, min_size=1, max_size=4), max_size=3))
def test_whatever_a_model_proposes_can_be_told_again(answers: list[list[dict[str, Json]]]) -> None:
    """The conversation is one that a strict server takes, and JSON."""
    conversation = Conversation([START])
    for calls in answers:
        conversation.add(Reply(message={"content": None}), [(tool_call(call), "{}") for call in calls])
    assert wrong_with(json.loads(json.dumps(conversation.messages))) == []
