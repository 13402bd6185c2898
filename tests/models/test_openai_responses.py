from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from agentgate.core.events import Usage
from agentgate.models.port import Reply
from tests.models.asking import KEY, PROMPT, TOOLS, ask, connect
from tests.scripted_server import ScriptedServer, call, call_item, error, responses, text_item

FLAT = [{"strict": False, **tool["function"], "type": "function"} for tool in TOOLS]


def converse(*output: dict[str, Any], messages: list[dict[str, Any]] = PROMPT, choice: Any = "auto") -> tuple[Reply, dict[str, Any]]:
    """The reply to one request, and the body of that request."""
    with ScriptedServer(responses(*output)) as server, closing(connect(server, "openai-responses")) as model:
        reply = ask(model, choice, messages=messages)
    return reply, server.requests[0].body


def test_a_request_is_stateless_and_says_what_the_task_says() -> None:
    """The server is told to keep nothing, and gets the conversation as items and the tools in their flat form."""
    with (
        ScriptedServer(responses(text_item("Hello"))) as server,
        closing(connect(server, "openai-responses", temperature=0.5, max_output_tokens=64)) as model,
    ):
        reply = ask(model)
    (request,) = server.requests
    assert request.path == "/v1/responses"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "gpt-test",
        "input": PROMPT,
        "store": False,
        "tools": FLAT,
        "tool_choice": "auto",
        "temperature": 0.5,
        "max_output_tokens": 64,
    }
    assert reply.message == {"role": "assistant", "content": "Hello"}
    assert (reply.finish_reason, reply.usage, reply.items) == ("stop", Usage(100, 20), ())


def test_calls_come_in_chat_form_and_in_order() -> None:
    """Text and calls of several items become one message."""
    reply, _ = converse(text_item("I look."), call_item("write", '{"a": 1.0}', id="call_b"), call_item("read", id="call_a"))
    calls = [call("write", '{"a": 1.0}', id="call_b"), call("read", id="call_a")]
    assert reply.message == {"role": "assistant", "content": "I look.", "tool_calls": calls}
    assert reply.finish_reason == "tool_calls"


def test_a_conversation_goes_back_as_items() -> None:
    """Calls and results become items with the ids that they had."""
    calls = [call("read", {"id": 1}, id="call_a"), call("write", id="call_b")]
    conversation = [
        *PROMPT,
        {"role": "assistant", "content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_a", "content": "A"},
        {"role": "tool", "tool_call_id": "call_b", "content": "B"},
    ]
    _, body = converse(text_item("Done"), messages=conversation)
    assert body["input"] == [
        *PROMPT,
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "call_a", "name": "read", "arguments": '{"id": 1}'},
        {"type": "function_call", "call_id": "call_b", "name": "write", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_a", "output": "A"},
        {"type": "function_call_output", "call_id": "call_b", "output": "B"},
    ]


def test_reasoning_goes_back_where_the_server_can_read_it_again() -> None:
    """Encrypted reasoning is kept and said again in its place, with nothing but known fields beside it."""
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    reply, _ = converse({**reasoning, "made_up": 1, "content": None}, call_item("read", {"id": 1}))
    assert reply.items == (reasoning, call_item("read", {"id": 1}))
    said = {**reply.message, "items": list(reply.items)}
    _, body = converse(text_item("Done"), messages=[*PROMPT, said, {"role": "tool", "tool_call_id": "call_1", "content": "A"}])
    assert body["input"][2:] == [
        reasoning,
        call_item("read", {"id": 1}),
        {"type": "function_call_output", "call_id": "call_1", "output": "A"},
    ]


def test_calls_that_got_other_ids_go_by_those_in_items_too() -> None:
    """Where a malformed call was given an id, its item says that one, so that call and output belong together."""
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    items: list[dict[str, Any]] = [reasoning, {"type": "function_call", "id": "fc_1", "call_id": "", "name": "read", "arguments": "{}"}]
    said = {"role": "assistant", "content": None, "tool_calls": [call("read", id="malformed_0")], "items": items}
    _, body = converse(text_item("Done"), messages=[said])
    assert body["input"] == [reasoning, {**items[1], "call_id": "malformed_0"}]


def test_reasoning_without_content_is_left_out() -> None:
    """A server that keeps nothing does not know its items by their ids."""
    reply, _ = converse({"type": "reasoning", "id": "rs_1", "summary": []}, call_item("read"))
    assert reply.items == ()
    assert reply.unusable is None


def test_an_answer_that_cannot_be_used_keeps_no_items() -> None:
    """What is not understood is not sent back either."""
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    reply, _ = converse(reasoning, {"type": "mcp_call", "name": "write"})
    assert reply.unusable is not None
    assert reply.items == ()


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        ("required", "required"),
        (
            {"mode": "auto", "allowed_tools": ["read"]},
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "read"}]},
        ),
        ({"mode": "auto", "allowed_tools": []}, "none"),
        ({"mode": "required", "required_function_name": "read"}, {"type": "function", "name": "read"}),
    ],
)
def test_tool_choice_keeps_every_tool_in_the_request(choice: Any, wire: Any) -> None:
    """A restriction is said by `tool_choice` alone, so that the provider's prompt cache holds."""
    _, body = converse(text_item("Hello"), choice=choice)
    assert body["tool_choice"] == wire
    assert body["tools"] == FLAT


def test_a_server_without_allowed_tools_is_offered_those_tools_only() -> None:
    """The same fallback as for Chat Completions, once and remembered."""
    choice = {"mode": "auto", "allowed_tools": ["write"]}
    refusal = error(400, "Invalid value: 'allowed_tools'", param="tool_choice.type")
    with (
        ScriptedServer(refusal, responses(text_item("a")), responses(text_item("b"))) as server,
        closing(connect(server, "openai-responses")) as model,
    ):
        first, second = ask(model, choice), ask(model, choice)
    tried, cut_down, later = (request.body for request in server.requests)
    assert cut_down == {**tried, "tools": FLAT[1:], "tool_choice": "auto"}
    assert later == cut_down
    assert (len(first.notes), second.notes) == (1, ())


def test_separate_messages_stay_on_lines_of_their_own() -> None:
    """Commentary and the final answer do not run into each other."""
    reply, _ = converse(text_item("First."), text_item("Second."))
    assert reply.message["content"] == "First.\nSecond."
