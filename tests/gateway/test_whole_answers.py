"""Answers that are not streamed: what is read of them, what is a doubt, what is no answer at all, and what goes out."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from agentgate.core.events import Json, ToolCall, Usage
from agentgate.core.state import CUT_OFF
from agentgate.gateway import chat, responses
from agentgate.gateway.shapes import Asked, Broken, Whole

ASKED = Asked(body={}, raw=b"", model="m", stream=False, items=(), tools=(), tool_choice="auto", legacy_calls=3)
FUNCTION: dict[str, Json] = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CUSTOM = {"id": "b", "type": "custom", "custom": {"name": "c", "input": "free"}}
OLD = {"name": "old", "arguments": "[]"}


def read(api: ModuleType, body: Json) -> Whole:
    """An answer with this body."""
    answer: Whole = api.read_answer(body if isinstance(body, bytes) else json.dumps(body).encode(), ASKED)
    return answer


def said(*, finish: Json = "tool_calls", **message: Json) -> dict[str, Json]:
    """An answer of Chat Completions with this message."""
    return {"choices": [{"message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}]}


def output(*items: Json, **body: Json) -> dict[str, Json]:
    """An answer of the Responses API with these items."""
    return {"status": "completed", "output": list(items), **body}


def test_what_a_chat_answer_says() -> None:
    """Its calls in their order, why it ended, what it used, and its names; calls in the old form are numbered on."""
    body = {
        "id": "x", "model": "m-1", "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        "choices": [
            *said(finish="stop", content="t", tool_calls=[FUNCTION, CUSTOM], function_call=OLD)["choices"],
            *said(finish="function_call", function_call=OLD)["choices"],
        ],
    }  # fmt: skip
    answer = read(chat, body).answer
    assert answer.calls == (
        ToolCall("a", "f", "{}"),
        ToolCall("b", "c", '{"input": "free"}'),
        ToolCall("legacy_3", "old", "[]"),
        ToolCall("legacy_4", "old", "[]"),
    )  # fmt: skip
    assert (answer.finish_reason, answer.usage, answer.unusable, answer.id, answer.model) == ("stop", Usage(1, 2), None, "x", "m-1")
    plain = read(chat, said(finish=5, content="t")).answer
    assert (plain.calls, plain.finish_reason, plain.usage, plain.id, plain.model) == ((), None, None, None, None)
    odd = read(chat, {**said(tool_calls=[{"id": "a"}, {**CUSTOM, "custom": {"name": "c", "input": 5}}]), "id": 5, "model": []}).answer
    assert odd.calls == (ToolCall("a", None, None), ToolCall("b", "c", None))
    assert (odd.id, odd.model) == (None, None)


def test_what_goes_out_of_a_chat_answer() -> None:
    """Calls are written anew; without any the body goes out byte for byte."""
    extra = {**FUNCTION, "x": 1, "function": {**FUNCTION["function"], "y": 2}}
    body = {**said(content="t", tool_calls=[extra], function_call={**OLD, "z": 3}), "k": 1}
    answer = read(chat, body)
    message = {"role": "assistant", "content": "t", "tool_calls": [FUNCTION], "function_call": OLD}
    assert json.loads(answer.released()) == {"choices": [{"message": message, "finish_reason": "tool_calls"}], "k": 1}
    assert json.loads(answer.untouched()) == body
    custom = json.loads(read(chat, said(tool_calls=[{**CUSTOM, "x": 1}])).released())
    assert custom["choices"][0]["message"]["tool_calls"] == [CUSTOM]
    raw = json.dumps(said(finish="stop", content="t", tool_calls=[]), indent=1).encode()
    assert read(chat, raw).released() == read(chat, raw).untouched() == raw
    only_old = json.loads(read(chat, said(function_call=OLD, tool_calls=[])).released())
    only_new = json.loads(read(chat, said(tool_calls=[FUNCTION], function_call={})).released())
    assert only_new["choices"][0]["message"] == {"role": "assistant", "content": None, "tool_calls": [FUNCTION]}
    assert only_old["choices"][0]["message"] == {"role": "assistant", "content": None, "function_call": OLD}


@pytest.mark.parametrize(
    ("body", "doubt"),
    [
        (said(tool_calls=[FUNCTION]), None),
        (said(finish="stop", tool_calls=[FUNCTION]), None),
        (said(finish="stop", content="t", tool_calls=None, refusal=None), None),
        ({**said(tool_calls=[FUNCTION]), "output": [1]}, "the answer has `choices` and `output`"),
        ({**said(tool_calls=[FUNCTION]), "output": []}, None),
        ({**said(tool_calls=[FUNCTION]), "my_calls": [1]}, "the answer has a field that is not known, `my_calls`"),
        ({"choices": [{**said()["choices"][0], "delta": {"x": 1}}]}, "the answer has a `delta` although it is not streamed"),
        ({"choices": [{**said(finish="stop")["choices"][0], "tool_use": 1}]}, "the answer has a field that is not known, `tool_use`"),
        (said(role="user", tool_calls=[FUNCTION]), "the answer's role is `user`, not `assistant`"),
        (said(role=None, tool_calls=[FUNCTION]), "the answer's role is `missing`, not `assistant`"),
        (said(finish="stop", content=[1]), "the answer's `content` is not text"),
        (said(finish="stop", content=[{"type": "tool_call"}]), "the answer's `content` is not text"),
        (said(finish="stop", refusal=1), "the answer's `refusal` is not text"),
        (said(finish="stop", extra={"tool_call": 1}), None),
        (said(finish="stop", extra={"tool_call": {"a": "b"}}), "the answer has a field that is not known, `tool_call`"),
        (said(finish="stop", tool_calls=5), "`tool_calls` is not a list"),
        (said(tool_calls=[5]), "a tool call is not an object"),
        (said(tool_calls=[{**FUNCTION, "custom": {"name": "c"}}]), "a tool call has the body of a function and of a custom tool"),
        (said(tool_calls=[{"id": "a", "type": "function"}]), "a tool call has no function"),
        (said(tool_calls=[{"id": "a", "type": "custom", "function": {"name": "f"}}]), "a tool call has no custom"),
        (said(tool_calls=[{**FUNCTION, "type": "shell"}]), "a tool call has the type `shell`, not `function`"),
        (said(function_call=5), "`function_call` is not an object"),
        (said(finish="stop", function_call={}), None),
        (said(), "the answer announces tool calls and has none"),
        (said(finish="function_call"), "the answer announces tool calls and has none"),
        (said(finish="odd", tool_calls=[FUNCTION]), "the answer ended for a reason that is not known, `odd`"),
        (said(finish=None, tool_calls=[FUNCTION]), "the answer ended for a reason that is not known, `missing`"),
        (said(finish=[], tool_calls=[FUNCTION]), "the answer ended for a reason that is not known, `[]`"),
        (said(finish=5, tool_calls=[FUNCTION]), "the answer ended for a reason that is not known, `5`"),
        (said(finish="odd", content="t"), None),
        ({"choices": [said(tool_calls=[FUNCTION])["choices"][0], said()["choices"][0]]}, "the answer announces tool calls and has none"),
    ],
)  # fmt: skip
def test_what_is_doubtful_in_a_chat_answer(body: Json, doubt: str | None) -> None:
    """The first of it is told; nothing in such an answer is executed."""
    assert read(chat, body).answer.unusable == doubt


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_chat_answer_that_was_cut_off(finish: str) -> None:
    """Is doubtful where it proposes something."""
    assert read(chat, said(finish=finish, tool_calls=[FUNCTION])).answer.unusable == CUT_OFF[finish]
    assert read(chat, said(finish=finish, content="t")).answer.unusable is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "the answer is not strict JSON: "),
        (b'{"a": 1, "a": 1}', "the answer is not strict JSON: "),
        ([], "the answer is not a JSON object"),
        ({"error": {"message": "no money"}}, "the upstream reports an error: no money"),
        ({}, "the answer has no choices"),
        ({"choices": []}, "the answer has no choices"),
        ({"choices": {}}, "the answer has no choices"),
        ({"choices": [5]}, "a choice of the answer has no message"),
        ({"choices": [{"message": 5}]}, "a choice of the answer has no message"),
        ({**said(), "usage": {"prompt_tokens": "x"}}, "`usage.prompt_tokens` is not a whole number"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_no_chat_answer(body: Json, why: str) -> None:
    """An error says so in the words of the upstream."""
    with pytest.raises(Broken) as broken:
        read(chat, body)
    assert str(broken.value).startswith(why)
    assert str(broken.value) == why or why.endswith(": ")


CALL = {"type": "function_call", "id": "i", "call_id": "a", "name": "f", "arguments": "{}", "status": "completed"}
FREE = {"type": "custom_tool_call", "id": "j", "call_id": "b", "name": "c", "input": "free", "status": "completed"}
PART = {"type": "output_text", "text": "t"}
TEXT = {"type": "message", "role": "assistant", "content": [PART]}


def test_what_an_answer_of_responses_says() -> None:
    """Its calls in their order, why it ended, what it used, and its names."""
    answer = read(responses, output(TEXT, CALL, FREE, id="x", model="m-1", usage={"input_tokens": 1, "output_tokens": 2})).answer
    assert answer.calls == (ToolCall("a", "f", "{}"), ToolCall("b", "c", '{"input": "free"}'))
    assert (answer.finish_reason, answer.usage, answer.unusable, answer.id, answer.model) == ("tool_calls", Usage(1, 2), None, "x", "m-1")
    plain = read(responses, output(TEXT)).answer
    assert (plain.calls, plain.finish_reason, plain.usage, plain.id, plain.model) == ((), "stop", None, None, None)


def test_what_goes_out_of_an_answer_of_responses() -> None:
    """Calls are written anew; without any the body goes out byte for byte."""
    body = output(TEXT, {**CALL, "x": 1, "status": None}, {key: value for key, value in FREE.items() if key != "status"}, k=1)
    answer = read(responses, body)
    assert json.loads(answer.released()) == output(TEXT, CALL, FREE, k=1)
    assert json.loads(answer.untouched()) == body
    raw = json.dumps(output(TEXT), indent=1).encode()
    assert read(responses, raw).released() == read(responses, raw).untouched() == raw


@pytest.mark.parametrize(
    ("body", "doubt"),
    [
        (output(TEXT, CALL, FREE), None),
        (output(CALL, choices=[1]), "the answer has `output` and `choices`"),
        (output(CALL, choices=[]), None),
        (output(CALL, my_calls=[1]), "the answer has a field that is not known, `my_calls`"),
        (output({"type": "web_search_call"}), "the answer has an item of the type `web_search_call`, which is not understood"),
        (output({}), "the answer has an item of the type `missing`, which is not understood"),
        (output(5), "the answer has an item of the type `missing`, which is not understood"),
        (output({**CALL, "status": "in_progress"}), "a call of the answer is `in_progress`, not `completed`"),
        (output({**CALL, "status": None}), None),
        (output({**CALL, "id": 5}), "the id of an item is not text"),
        (output({**CALL, "id": None}), None),
        (output({**CALL, "namespace": "n"}), "a call of `f` is not a plain call of a function"),
        (output({**CALL, "async": True}), "a call of `f` is not a plain call of a function"),
        (output({**CALL, "caller": {"type": "program"}}), "a call of `f` is not a plain call of a function"),
        (output({**CALL, "caller": {"type": "direct"}, "async": False, "namespace": ""}), None),
        (output({**TEXT, "role": "user"}), "a message of the answer has the role `user`, not `assistant`"),
        (output({**TEXT, "content": "t"}), "a message of the answer has no list of parts"),
        (output({**TEXT, "content": [{"type": "odd"}]}), "the answer has a part that is not understood"),
        (output({**TEXT, "content": [{"type": []}]}), "the answer has a part that is not understood"),
        (output({**TEXT, "content": [5]}), "the answer has a part that is not understood"),
        (output({**TEXT, "content": [{"type": "output_text", "text": 5}]}), "the answer has a part that is not understood"),
        (output({**TEXT, "content": [{**PART, "tool_call": [1]}]}), "the answer has a field that is not known, `tool_call`"),
        (output({**TEXT, "my_call": [1]}), "the answer has a field that is not known, `my_call`"),
        (output({"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "content": None}), None),
        (output({"type": "reasoning", "summary": "t"}), "the `summary` of an item is not a list"),
        (output({"type": "reasoning", "summary": [{"type": "output_text"}]}), "the answer has a part that is not understood"),
        (output(CALL, status="failed"), "the answer's status is `failed`, not `completed`"),
        (output(TEXT, status="failed"), None),
        (output(CALL, status=None), "the answer's status is `missing`, not `completed`"),
    ],
)  # fmt: skip
def test_what_is_doubtful_in_an_answer_of_responses(body: Json, doubt: str | None) -> None:
    """The first of it is told; nothing in such an answer is executed."""
    assert read(responses, body).answer.unusable == doubt


@pytest.mark.parametrize(
    ("details", "finish"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": "odd"}, "odd"),
        ({"reason": 5}, "incomplete"),
        (None, "incomplete"),
    ],
)
def test_an_answer_of_responses_that_was_cut_off(details: Json, finish: str) -> None:
    """In Chat Completions' words; doubtful where it proposes something."""
    answer = read(responses, output(CALL, status="incomplete", incomplete_details=details)).answer
    assert answer.finish_reason == finish
    assert answer.unusable == CUT_OFF.get(finish, "the answer's status is `incomplete`, not `completed`")
    plain = read(responses, output(TEXT, status="incomplete", incomplete_details=details)).answer
    assert (plain.finish_reason, plain.unusable) == (finish, None)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "the answer is not strict JSON: "),
        ([], "the answer has no output"),
        ({}, "the answer has no output"),
        ({"output": {}}, "the answer has no output"),
        ({"error": {"message": "no money"}}, "no money"),
        ({"error": {}, "output": 5}, "the answer has no output"),
    ],
    ids=str,
)
def test_what_is_no_answer_of_responses(body: Json, why: str) -> None:
    """An error says so in the words of the upstream."""
    with pytest.raises(Broken) as broken:
        read(responses, body)
    assert str(broken.value).startswith(why)
    assert str(broken.value) == why or why.endswith(": ")


@pytest.mark.parametrize(
    ("api", "body"),
    [
        (chat, said(finish="stop", content="x" * 2**21)),
        (chat, said(content="x" * 2**21, tool_calls=[CUSTOM])),
        (responses, output(TEXT, text="x" * 2**21)),
    ],
    ids=["chat", "a rare call in chat", "responses"],
)
def test_an_answer_may_be_long(api: ModuleType, body: Json) -> None:
    """Longer than arguments may be."""
    assert read(api, body).answer.unusable is None


def event(data: Json) -> bytes:
    """A piece of a stream."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def piece(finish: Json = None, usage: Json = None, **delta: Json) -> bytes:
    """A piece of a streamed answer of Chat Completions."""
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": usage})


@pytest.mark.parametrize("hold", [True, False])
def test_a_stream_that_is_held_says_nothing_before_its_end(hold: bool) -> None:
    """Of either API."""
    texts = chat.open_stream(ASKED, hold=hold), responses.open_stream(ASKED, hold=hold)
    delta = event({"type": "response.output_text.delta", "item_id": "x", "output_index": 0, "content_index": 0, "delta": "t"})
    assert [bool(texts[0].feed(piece(role="assistant", content="t"))), bool(texts[1].feed(delta))] == [not hold] * 2


@pytest.mark.parametrize("wanted", [True, False])
def test_a_stream_is_read_as_it_was_asked_for(wanted: bool) -> None:
    """With its usage where the client wants it, and calls in the old form numbered on."""
    asked = Asked(body={}, raw=b"", model="m", stream=True, items=(), tools=(), tool_choice="auto", legacy_calls=3, wants_usage=wanted)
    stream = chat.open_stream(asked, hold=False)
    sent = stream.feed(piece(role="assistant", function_call={"name": "old", "arguments": "{}"}) + piece(finish="function_call"))
    sent += stream.feed(event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}) + b"data: [DONE]\n\n")
    assert stream.end().calls == (ToolCall("legacy_3", "old", "{}"),)
    assert (b"prompt_tokens" in sent + stream.released()) is wanted
