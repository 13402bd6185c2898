"""Chat Completions message lists become runs, and nothing of them is lost or repaired."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import EPOCH, Effect, Json, ModelReplied, RunStarted, ToolCall, ToolReturned
from agentgate.core.policy import Policy
from agentgate.files.importers import chat, importer_of
from agentgate.files.transcript import InvalidTranscript, Proposed, Unanswered
from agentgate.session import Session

ODD = Path(__file__).parents[1] / "data" / "transcripts" / "odd_calls.jsonl"
SYSTEM = {"role": "system", "content": "be kind"}
USER = {"role": "user", "content": "hi"}


def call(id: Json = "c", name: Json = "t", arguments: Json = "{}") -> dict[str, Json]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def assistant(*calls: Json, content: Json = None) -> dict[str, Json]:
    return {"role": "assistant", "content": content} | ({"tool_calls": list(calls)} if calls else {})


def result(content: Json, id: Json = "c") -> dict[str, Json]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def test_a_conversation() -> None:
    """Messages before the first answer begin the run; what users say later comes with the next answer; results are returns."""
    first, second, last = assistant(call("a"), call("b"), content="let me see"), assistant(call("c")), assistant(content="done")
    more = {"role": "user", "content": "and?"}
    items = chat.from_messages(
        [SYSTEM, USER, first, result("ra", "a"), result("rb", "b"), second, result("rc"), more, last, USER], run_id="r"
    )
    assert items == (
        RunStarted(run_id="r", messages=(SYSTEM, USER), imported=True),
        ModelReplied(step=1, message=first),
        Proposed(ToolCall("a", "t", "{}"), 0),
        Proposed(ToolCall("b", "t", "{}"), 1),
        ToolReturned(call_id="a", executed=True, ok=True, content="ra"),
        ToolReturned(call_id="b", executed=True, ok=True, content="rb"),
        ModelReplied(step=2, message=second),
        Proposed(ToolCall("c", "t", "{}"), 2),
        ToolReturned(call_id="c", executed=True, ok=True, content="rc"),
        ModelReplied(step=3, message=last, messages=(more,)),
        Unanswered((USER,)),
    )
    assert {item.at for item in items} == {EPOCH}


@pytest.mark.parametrize("messages", [[], [USER], [result("r")], [assistant()], [assistant(content="")]])
def test_conversations_with_little_in_them(messages: list[Json]) -> None:
    """Empty lists, answers without anything and results without calls are runs too."""
    assert isinstance(chat.from_messages(messages, run_id="r")[0], RunStarted)


ODD_CASES = [json.loads(line) for line in ODD.read_bytes().splitlines()]


@pytest.mark.parametrize("case", ODD_CASES, ids=[case["what"] for case in ODD_CASES])
def test_odd_calls_are_proposed_as_they_stand(case: dict[str, Any]) -> None:
    """Whatever stands where a call belongs is one proposed call with the values that it has, and the gate refuses what is malformed."""
    items = chat.from_messages([USER, case["message"], *case.get("results", ())], run_id="r")
    proposed = [item.call for item in items if isinstance(item, Proposed)]
    assert [[one.id, one.name, one.arguments] for one in proposed] == case["calls"]
    session = Session(Policy("everything", default=Effect.ALLOW))
    codes = []
    for item in items:
        if isinstance(item, Proposed):
            codes.append(session.propose(item.call).code.value)
        elif not isinstance(item, Unanswered):
            session.record(item)
    assert codes == case["codes"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (None, ""),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        ([], ""),
        ([{"type": "image_url"}], '[{"type": "image_url"}]'),
        ({"rows": 3}, '{"rows": 3}'),
        (5, "5"),
    ],
)
def test_what_a_tool_said(content: object, text: str) -> None:
    """Results are text: the parts joined, other values as JSON."""
    *_, returned = chat.from_messages([assistant(call()), result(content)], run_id="r")
    assert isinstance(returned, ToolReturned)
    assert returned.content == text


def test_system_messages_are_not_the_prompt() -> None:
    """Only what users said counts as prompt, also between answers."""
    session = Session(Policy("p"))
    later = [assistant(), {"role": "developer", "content": "x"}, {"role": "user", "content": "more"}, assistant()]
    for item in chat.from_messages([SYSTEM, USER, *later], run_id="r"):
        assert not isinstance(item, Proposed | Unanswered)
        session.record(item)
    assert session.state.prompt == ("hi", "more")


def test_tools_that_are_not_functions_are_left_out() -> None:
    """A custom tool's calls are not understood, so it is as if it were not offered."""
    function = {"type": "function", "function": {"name": "t"}}
    started = chat.from_messages([], run_id="r", tools=[function, {"type": "custom", "custom": {"name": "u"}}])[0]
    assert isinstance(started, RunStarted)
    assert started.tools == (function,)


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([USER, "hello"], "message 2 is not an object"),
        ([{"content": "x"}], "message 1 has the unknown role `None`"),
        ([USER, {"role": "critic", "content": "x"}], "message 2 has the unknown role `critic`"),
        ([{"role": ["user"]}], "message 1 has the unknown role `['user']`"),
    ],
)
def test_what_is_no_message(messages: list[Json], why: str) -> None:
    """A message that is not understood may have carried a call, so the whole transcript is damaged."""
    with pytest.raises(InvalidTranscript) as caught:
        chat.from_messages(messages, run_id="r")
    assert str(caught.value) == why


@pytest.mark.parametrize("value", [{"messages": []}, {"messages": [USER]}, [USER], [assistant(call())]])
def test_what_is_recognised(value: Json) -> None:
    """Objects with a message list, and bare lists."""
    assert importer_of(value) is chat


@pytest.mark.parametrize("value", [None, 5, "messages", [], {}, {"messages": None}, {"messages": {}}, [1], [{"type": "function"}]])
def test_what_is_not_recognised(value: Json) -> None:
    """Other JSON is nobody's."""
    assert importer_of(value) is None
