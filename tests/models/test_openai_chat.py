from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from agentgate.core.events import Usage
from agentgate.models.failures import Refused
from tests.models.asking import KEY, PROMPT, TOOLS, ask, connect
from tests.scripted_server import ScriptedServer, call, chat, error


def test_a_request_says_what_the_task_says_and_nothing_else() -> None:
    """The body holds the conversation, the tools and the settings, and goes to the path of Chat Completions with the key."""
    with ScriptedServer(chat("Hello")) as server, closing(connect(server, temperature=0.5, max_output_tokens=64)) as model:
        reply = ask(model)
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "gpt-test",
        "messages": PROMPT,
        "tools": TOOLS,
        "tool_choice": "auto",
        "temperature": 0.5,
        "max_completion_tokens": 64,
    }
    assert reply.message == {"role": "assistant", "content": "Hello"}
    assert (reply.finish_reason, reply.usage, reply.cost_usd, reply.notes) == ("stop", Usage(100, 20), None, ())


def test_several_calls_come_in_order() -> None:
    """The calls of one answer keep their order, their ids and the raw text of their arguments."""
    calls = [call("write", '{"a": 1.0}', id="call_b"), call("read", " ", id="call_a")]
    with ScriptedServer(chat("I look.", calls=calls)) as server, closing(connect(server)) as model:
        reply = ask(model)
    assert reply.message == {"role": "assistant", "content": "I look.", "tool_calls": calls}
    assert reply.unusable is None


def test_calls_and_results_go_back_as_they_were() -> None:
    """The second request repeats calls and results, without fields of our own."""
    calls = [call("read", {"id": 1})]
    said = {"role": "assistant", "content": None, "tool_calls": calls, "items": [{"type": "reasoning"}]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "{}"}
    with ScriptedServer(chat("Done")) as server, closing(connect(server)) as model:
        ask(model, messages=[*PROMPT, said, result])
    assert server.requests[0].body["messages"] == [*PROMPT, {"role": "assistant", "content": None, "tool_calls": calls}, result]


def test_without_tools_neither_tools_nor_choice_are_sent() -> None:
    """Servers refuse a `tool_choice` without tools."""
    with ScriptedServer(chat("Hello")) as server, closing(connect(server)) as model:
        ask(model, tools=[])
    assert set(server.requests[0].body) == {"model", "messages"}


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "Invalid type for 'tool_choice': expected one of 'none', 'auto', 'required'.", param="tool_choice"),
        error(400, "Unknown value", param="tool_choice"),
        error(422, "Input tag 'allowed_tools' found using 'type' does not match any of the expected tags"),
    ],
)
def test_a_server_without_allowed_tools_is_offered_those_tools_only(refusal: Any) -> None:
    """The same request goes out once more with fewer tools, the user hears of it, and the form is not tried again in this run."""
    choice = {"mode": "required", "allowed_tools": ["write"]}
    with ScriptedServer(refusal, chat("a"), chat("b")) as server, closing(connect(server)) as model:
        first, second = ask(model, choice), ask(model, choice)
    tried, cut_down, later = (request.body for request in server.requests)
    assert tried["tools"] == TOOLS
    assert tried["tool_choice"]["type"] == "allowed_tools"
    assert cut_down == {**tried, "tools": TOOLS[1:], "tool_choice": "required"}
    assert later == cut_down
    assert len(first.notes) == 1
    assert "allowed_tools" in first.notes[0]
    assert second.notes == ()


def test_another_refusal_is_not_tried_again() -> None:
    """A request that is refused for other reasons goes out once."""
    with ScriptedServer(error(400, "Invalid 'messages'")) as server, closing(connect(server)) as model, pytest.raises(Refused):
        ask(model, {"mode": "auto", "allowed_tools": ["write"]})
    assert len(server.requests) == 1


def test_a_refused_word_is_not_tried_again() -> None:
    """Without a restriction there is nothing to say in another form."""
    refusal = error(400, "tool_choice is not supported", param="tool_choice")
    with ScriptedServer(refusal) as server, closing(connect(server)) as model, pytest.raises(Refused, match="tool_choice"):
        ask(model, "required")
    assert len(server.requests) == 1


def test_the_form_without_allowed_tools_is_tried_once() -> None:
    """A server that refuses both forms fails the run instead of being asked for ever."""
    refusal = error(400, "tool_choice is not supported", param="tool_choice")
    with ScriptedServer(refusal, refusal) as server, closing(connect(server)) as model, pytest.raises(Refused):
        ask(model, {"mode": "auto", "allowed_tools": ["write"]})
    assert len(server.requests) == 2


def test_an_older_server_gets_max_tokens() -> None:
    """Where `max_completion_tokens` is unknown, its older name is sent, and the user hears of it once."""
    refusal = error(400, "Unrecognized request argument supplied: max_completion_tokens")
    with ScriptedServer(refusal, chat("a"), chat("b")) as server, closing(connect(server, max_output_tokens=64)) as model:
        first, second = ask(model), ask(model)
    assert [request.body.get("max_tokens") for request in server.requests] == [None, 64, 64]
    assert all("max_completion_tokens" not in request.body for request in server.requests[1:])
    assert len(first.notes) == 1
    assert second.notes == ()


def test_an_answer_cut_off_by_length_executes_nothing() -> None:
    """Its calls are in the message, so that their refusal is recorded, and the reply says why."""
    with ScriptedServer(chat(calls=[call("read")], finish_reason="length")) as server, closing(connect(server)) as model:
        reply = ask(model)
    assert reply.finish_reason == "length"
    assert reply.unusable == "the answer was cut off at its greatest length"
    assert len(reply.message["tool_calls"]) == 1
