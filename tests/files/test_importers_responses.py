"""Items of the Responses API become the same runs as messages do."""

from __future__ import annotations

import pytest

from agentgate.core.events import Json, ModelReplied, RunStarted, ToolCall, ToolReturned
from agentgate.files.importers import importer_of, responses
from agentgate.files.transcript import InvalidTranscript, Proposed

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
REASONING = {"type": "reasoning", "summary": []}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "t", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "done"}
ANSWER = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "bye"}]}
ITEMS: list[Json] = [USER, REASONING, CALL, RESULT, ANSWER]


@pytest.mark.parametrize(
    "value",
    [{"items": ITEMS}, ITEMS, {"input": ITEMS[:1], "output": ITEMS[1:]}, {"object": "response", "input": "hi", "output": ITEMS[1:]}],
)
def test_items(value: Json) -> None:
    """Calls keep their call id, texts are joined, reasoning says nothing."""
    assert importer_of(value) is responses
    started, reply, proposed, returned, last = responses.read(value, "r", None)
    assert isinstance(started, RunStarted)
    assert started.messages[0]["role"] == "user"
    tool_calls = [{"id": "c", "type": "function", "function": {"name": "t", "arguments": "{}"}}]
    assert reply == ModelReplied(step=1, message={"role": "assistant", "content": None, "tool_calls": tool_calls})
    assert proposed == Proposed(ToolCall("c", "t", "{}"), 0)
    assert returned == ToolReturned(call_id="c", executed=True, ok=True, content="done")
    assert last == ModelReplied(step=2, message={"role": "assistant", "content": "bye"})


def test_what_was_said_between_two_inputs_is_one_answer() -> None:
    """Texts and parallel calls of one response stand in one answer."""
    second = CALL | {"call_id": "d"}
    items = responses.read([USER, ANSWER, CALL, second, ANSWER, RESULT, RESULT | {"call_id": "d"}, USER, ANSWER], "r", None)
    assert [type(item) for item in items] == [RunStarted, ModelReplied, Proposed, Proposed, ToolReturned, ToolReturned, ModelReplied]
    replies = [item for item in items if isinstance(item, ModelReplied)]
    assert replies[0].message["content"] == "byebye"
    assert len(replies[1].messages) == 1


@pytest.mark.parametrize("kind", ["custom_tool_call", "local_shell_call", "web_search_call", "mcp_call"])
def test_other_kinds_of_calls_are_proposed_and_refused(kind: str) -> None:
    """A call that is not a function's keeps its whole item as arguments, which no gate takes for arguments."""
    item = {"type": kind, "call_id": "x", "name": "shell", "input": "{}"}
    proposed = [one.call for one in responses.read([USER, item], "r", None) if isinstance(one, Proposed)]
    assert [(call.id, call.name) for call in proposed] == [("x", "shell")]
    assert not isinstance(proposed[0].arguments, str)


def test_instructions_and_tools() -> None:
    """Instructions are a system message; tools take the form of Chat Completions, and those that are no functions are left out."""
    tools = [{"type": "function", "name": "t", "parameters": {"type": "object"}}, {"type": "web_search"}]
    started = responses.read({"instructions": "be kind", "items": ITEMS}, "r", tools)[0]
    assert isinstance(started, RunStarted)
    assert started.messages[0] == {"role": "system", "content": "be kind"}
    assert started.tools == ({"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}},)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([USER, CALL, {"type": "telepathy"}], "item 3 is of the unknown kind `telepathy`"),
        ([CALL, "x"], "item 2 has no `type`"),
        ([CALL, {"role": "critic", "content": "x"}], "message 2 has the unknown role `critic`"),
        ({"input": 5, "output": [ANSWER]}, "`input` is not a list of items"),
    ],
)
def test_what_is_not_understood(value: Json, why: str) -> None:
    """An item of an unknown kind may be a call, so the whole transcript is damaged."""
    assert importer_of(value) is responses
    with pytest.raises(InvalidTranscript) as caught:
        responses.read(value, "r", None)
    assert str(caught.value) == why
