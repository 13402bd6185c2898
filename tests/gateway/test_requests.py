"""What a request of either API says, piece by piece: what is judged of it, and what it becomes where it is asked again."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from agentgate.core.events import Json, RunStarted, ToolCall
from agentgate.files.transcript import Proposed
from agentgate.gateway import chat, responses
from agentgate.gateway.envelope import BadRequest
from agentgate.gateway.shapes import Asked

LIMIT = 100_000
USER = {"role": "user", "content": "hello"}
PARAMETERS = {"type": "object", "properties": {}}
CUSTOM_PARAMETERS = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def function(name: str) -> dict[str, Json]:
    """A tool in Chat Completions form."""
    return {"type": "function", "function": {"name": name, "parameters": PARAMETERS}}


def read(api: ModuleType, **body: Json) -> Asked:
    """The request with this body, as it is read."""
    asked: Asked = api.read_request(json.dumps(body).encode(), LIMIT)
    return asked


def names(asked: Asked) -> list[Json]:
    """The names of the tools that are offered."""
    return [tool["function"]["name"] for tool in asked.tools]


def calls(asked: Asked) -> list[ToolCall]:
    """The calls of the conversation."""
    return [item.call for item in asked.items if isinstance(item, Proposed)]


def test_what_a_chat_request_says() -> None:
    """Its model, whether it is streamed, its tools and choice, and what bounds its answer."""
    raw = json.dumps({"model": "m", "messages": [USER], "stream": True, "tools": [function("f")], "tool_choice": "none"}).encode()
    asked = chat.read_request(raw, LIMIT)
    assert (asked.raw, asked.body, asked.model, asked.stream, asked.tool_choice) == (raw, json.loads(raw), "m", True, "none")
    assert (asked.legacy_calls, asked.hosted, asked.bound_by) == (0, (), ("max_completion_tokens", "max_tokens"))
    assert asked.items == (RunStarted(run_id="request", messages=(USER,), tools=(function("f"),)),)
    assert (asked.wants_usage, asked.continues, asked.foreign) == (False, None, None)
    plain = read(chat, messages=[USER])
    assert (plain.model, plain.stream, plain.tool_choice, plain.tools) == ("", False, "auto", ())


@pytest.mark.parametrize(
    ("options", "wanted"), [(None, False), ({}, False), ({"x": 1}, False), ({"include_usage": True}, True), ({"include_usage": 1}, False)]
)
def test_whether_the_client_wants_the_usage(options: Json, wanted: bool) -> None:
    """Only `true` says so; else a streamed request is made to ask for it, with all else in it as it was."""
    asked = read(chat, messages=[USER], stream=True, stream_options=options, x=1)
    assert asked.wants_usage is wanted
    sent = json.loads(chat.with_usage(asked))
    assert sent == {**asked.body, "stream_options": {**(options or {}), "include_usage": True}}
    plain = read(chat, messages=[USER], stream_options=options)
    assert chat.with_usage(plain) == plain.raw


def test_tools_of_every_kind_in_chat() -> None:
    """Functions in both forms and custom tools are judged; what the provider executes itself is named."""
    asked = read(
        chat,
        messages=[USER],
        tools=[function("f"), {"type": "custom", "custom": {"name": "c"}}, {"type": "custom"}, {"type": "shell"}, {"type": 5}],
        functions=[{"name": "old", "parameters": PARAMETERS}],
        web_search_options={"x": 1},
    )
    assert names(asked) == ["f", "c", "old"]
    assert asked.tools[1] == {"type": "function", "function": {"name": "c", "parameters": CUSTOM_PARAMETERS}}
    assert asked.tools[2] == function("old")
    assert asked.hosted == ("web_search", "custom", "shell", "unknown")
    assert read(chat, messages=[USER], web_search_options=None).hosted == ()
    assert read(chat, messages=[USER], web_search_options={}).hosted == ("web_search",), "the documented way to ask for it"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "auto"),
        ({"function_call": "none"}, "none"),
        ({"function_call": {"name": "old"}}, {"mode": "required", "required_function_name": "old"}),
        ({"function_call": "none", "tool_choice": "required"}, "required"),
    ],
    ids=["none", "a word", "a name", "both"],
)
def test_the_old_form_of_a_choice(body: dict[str, Json], expected: Json) -> None:
    """Where there is none in the new form."""
    assert read(chat, messages=[USER], **body).tool_choice == expected


@pytest.mark.parametrize(
    ("body", "why", "param"),
    [
        ({}, "`messages` is missing or empty", "messages"),
        ({"messages": []}, "`messages` is missing or empty", "messages"),
        ({"messages": {}}, "`messages` is not a list", "messages"),
        ({"messages": [USER], "stream": 1}, "`stream` is not true or false", "stream"),
        ({"messages": [USER], "model": 1}, "`model` is not a text", "model"),
        ({"messages": [USER], "stream_options": 1}, "`stream_options` is not an object", "stream_options"),
        ({"messages": [USER], "tools": [1]}, "`tools` holds something that is not an object", "tools"),
        ({"messages": [USER], "functions": [1]}, "`functions` holds something that is not an object", "functions"),
        ({"messages": [USER], "tool_choice": 1}, "`tool_choice` is neither a word nor an object", "tool_choice"),
        ({"messages": [USER], "function_call": 1}, "`tool_choice` is neither a word nor an object", "tool_choice"),
        ({"messages": [{"role": "robot"}]}, "message 1 has the unknown role `robot`", None),
        ({"messages": [USER], "tools": [{"type": "function"}]}, "a tool without a name", None),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_chat_request_that_nobody_could_judge_is_refused(body: dict[str, Json], why: str, param: str | None) -> None:
    """With the field that is wrong."""
    with pytest.raises(BadRequest) as refused:
        read(chat, **body)
    assert (str(refused.value), refused.value.param) == (why, param)


def test_a_conversation_with_calls_of_every_form() -> None:
    """Old calls are numbered, custom ones have one argument; results go by the same ids."""
    asked = read(
        chat,
        tools=[function("f")],
        messages=[
            USER,
            {"role": "assistant", "content": "x", "function_call": {"name": "old", "arguments": "{}"}},
            {"role": "function", "name": "old", "content": "1"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
                    {"id": "c2", "type": "custom", "custom": {"name": "c", "input": "free"}},
                ],
                "function_call": {"name": "old", "arguments": "[]"},
            },
            {"role": "tool", "tool_call_id": "c1", "content": "2"},
        ],
    )
    assert asked.legacy_calls == 2
    started = asked.items[0]
    assert isinstance(started, RunStarted)
    assert (started.run_id, started.tools) == ("request", asked.tools)
    assert calls(asked) == [
        ToolCall("legacy_0", "old", "{}"),
        ToolCall("c1", "f", '{"a": 1}'),
        ToolCall("c2", "c", '{"input": "free"}'),
        ToolCall("legacy_1", "old", "[]"),
    ]
    assert chat.contents(asked) == ["1", "2"]


PLAIN = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "custom": {"name": "x"}}
OLD_CALL = {"name": "old", "arguments": "{}"}
CUSTOM_CALL = {"id": "c2", "type": "custom", "custom": {"name": "c", "input": "free"}}
AS_FUNCTION = {"id": "c2", "type": "function", "function": {"name": "c", "arguments": '{"input": "free"}'}}


@pytest.mark.parametrize(
    ("messages", "made", "legacy"),
    [
        ([USER, {"role": "assistant", "content": "x"}], [USER, {"role": "assistant", "content": "x"}], 0),
        ([{"role": "assistant", "tool_calls": [PLAIN, 5]}], [{"role": "assistant", "tool_calls": [PLAIN, 5]}], 0),
        ([{"role": "assistant", "tool_calls": [CUSTOM_CALL]}], [{"role": "assistant", "tool_calls": [AS_FUNCTION]}], 0),
        ([{"role": "assistant", "tool_calls": [PLAIN], "function_call": None}], [{"role": "assistant", "tool_calls": [PLAIN]}], 0),
        (
            [{"role": "assistant", "function_call": OLD_CALL}, {"role": "function", "name": "old", "content": "1"}] * 2,
            [
                {"role": "assistant", "tool_calls": [{"id": "legacy_0", "type": "function", "function": OLD_CALL}]},
                {"role": "function", "name": "old", "content": "1", "tool_call_id": "legacy_0"},
                {"role": "assistant", "tool_calls": [{"id": "legacy_1", "type": "function", "function": OLD_CALL}]},
                {"role": "function", "name": "old", "content": "1", "tool_call_id": "legacy_1"},
            ],
            2,
        ),
        (
            [{"role": "assistant", "tool_calls": [PLAIN]}, {"role": "assistant", "content": "x"}, {**USER, "function_call": OLD_CALL}],
            [{"role": "assistant", "tool_calls": [PLAIN]}, {"role": "assistant", "content": "x"}, {**USER, "function_call": OLD_CALL}],
            0,
        ),
    ],
    ids=["no calls", "plain", "custom", "none in the old form", "old", "beside others"],
)
def test_calls_of_every_form_become_one_form(messages: list[Json], made: list[Json], legacy: int) -> None:
    """What is no call of the model's stays as it is."""
    assert chat.in_one_form(messages) == (made, legacy)


def test_results_of_a_chat_request_can_be_replaced() -> None:
    """What is changed keeps its role, id and name alone; all else stays as it was."""
    first = {"role": "tool", "tool_call_id": "a", "name": "n", "content": "1", "x": "more"}
    second = {"role": "function", "name": "m", "content": "2", "x": "more"}
    user = {"role": "user", "content": "3", "x": "y"}
    old = {"role": "assistant", "content": None, "function_call": {"name": "m", "arguments": "{}"}}
    new = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "n", "arguments": "{}"}}],
    }
    asked = read(chat, messages=[new, first, old, second, user], stream=True)
    same = chat.with_contents(asked, chat.contents(asked))
    assert same.body == asked.body
    other = chat.with_contents(asked, ["9", asked.body["messages"][3]["content"]])
    assert other.body == {
        **asked.body,
        "messages": [new, {"role": "tool", "tool_call_id": "a", "name": "n", "content": "9"}, old, second, user],
    }
    assert json.loads(other.raw) == other.body
    third = chat.with_contents(asked, [asked.body["messages"][1]["content"], None])
    assert third.body["messages"][3] == {"role": "function", "name": "m", "content": None}
    assert (third.items, third.stream) == (asked.items, True)


def test_a_chat_request_asked_again() -> None:
    """With the withheld calls at its end, and what became of each."""
    asked = read(chat, messages=[USER], x=1)
    again = chat.ask_again(asked, [ToolCall("a", "f", "{}"), ToolCall("b", "g", "[]")], ["no", "nor this"])
    assert again.body == {
        "messages": [
            USER,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": "[]"}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "no"},
            {"role": "tool", "tool_call_id": "b", "content": "nor this"},
        ],
        "x": 1,
    }
    assert json.loads(again.raw) == again.body
    assert again.items == asked.items


def test_a_call_of_a_custom_tool_is_said_again_as_it_was() -> None:
    """As a call of a custom tool, and not of the function that it is judged as; what has no text of its own stays a function's."""
    withheld = [ToolCall("a", "c", '{"input": "free"}'), ToolCall("b", "f", '{"input": "x"}'), ToolCall("d", "c", '{"x": 1}')]
    contents = ["1", "2", "3"]
    asked = read(chat, messages=[USER], tools=[{"type": "custom", "custom": {"name": "c"}}, function("f")])
    said, *told = chat.ask_again(asked, withheld, contents).body["messages"][1:]
    assert said["tool_calls"] == [
        {"id": "a", "type": "custom", "custom": {"name": "c", "input": "free"}},
        {"id": "b", "type": "function", "function": {"name": "f", "arguments": '{"input": "x"}'}},
        {"id": "d", "type": "function", "function": {"name": "c", "arguments": '{"x": 1}'}},
    ]
    assert [one["content"] for one in told] == contents
    asked = read(responses, input="x", tools=[{"type": "custom", "name": "c"}, {"type": "function", "name": "f"}])
    items = responses.ask_again(asked, withheld, contents).body["input"][1:]
    assert [item["type"] for item in items] == [
        *("custom_tool_call", "function_call", "function_call"),
        *("custom_tool_call_output", "function_call_output", "function_call_output"),
    ]
    assert items[0] == {"type": "custom_tool_call", "call_id": "a", "name": "c", "input": "free"}
    assert items[3] == {"type": "custom_tool_call_output", "call_id": "a", "output": "1"}


@pytest.mark.parametrize("arguments", ['{"input": "free", "x": 1}', '["input"]', '["input", 1]', "[]", '{"input": 1}', "{", None])
def test_only_one_text_is_said_again_as_a_custom_tools(arguments: Json) -> None:
    """Whatever else stands there, or in the tools beside it, the call stays a function's."""
    withheld = [ToolCall("a", "c", arguments)]
    function = {"name": "c", "arguments": arguments}
    asked = read(chat, messages=[USER], tools=[{"type": "custom", "custom": 5}, {"type": "custom", "custom": {"name": "c"}}])
    said = chat.ask_again(asked, withheld, ["1"]).body["messages"][1]
    assert said["tool_calls"] == [{"id": "a", "type": "function", "function": function}]
    asked = read(responses, input="x", tools=[{"type": "custom", "name": "d", "custom": 5}, {"type": "custom", "name": "c"}])
    item = responses.ask_again(asked, withheld, ["1"]).body["input"][1]
    assert item == {"type": "function_call", "call_id": "a", **function}


def test_what_is_offered_beside_known_tools_is_read_each_time() -> None:
    """Tools are known by their text; functions in the old form and what the provider executes stand beside it."""
    tools = [function("known before"), function("f")]
    for more, offered, hosted in (
        ({}, [], ()),
        ({}, [], ()),
        ({"functions": [{"name": "g"}]}, ["g"], ()),
        ({"web_search_options": {}}, [], ("web_search",)),
        ({"functions": [{"name": "h"}]}, ["h"], ()),
        ({"web_search_options": None}, [], ()),
        ({"functions": [{"name": "g"}], "web_search_options": {}}, ["g"], ("web_search",)),
        ({}, [], ()),
    ):
        asked = read(chat, messages=[USER], tools=tools, **more)
        assert (names(asked), asked.hosted) == (["known before", "f", *offered], hosted)


@pytest.mark.parametrize("api", [chat, responses], ids=["chat", "responses"])
def test_each_withheld_call_is_told_about(api: ModuleType) -> None:
    """One that is not is a mistake of the caller."""
    asked = read(api, messages=[USER], input="hello")
    with pytest.raises(ValueError, match="zip"):
        api.ask_again(asked, [ToolCall("a", "f", "{}")], [])


def test_what_a_request_for_responses_says() -> None:
    """Its model, whether it is streamed, its tools and choice, and what bounds its answer."""
    tool = {"type": "function", "name": "f", "parameters": PARAMETERS}
    raw = json.dumps({"model": "m", "input": "hello", "instructions": "be kind", "stream": True, "tools": [tool], "tool_choice": "none"})
    asked = responses.read_request(raw.encode(), LIMIT)
    assert (asked.raw, asked.body, asked.model, asked.stream, asked.tool_choice) == (raw.encode(), json.loads(raw), "m", True, "none")
    assert (asked.hosted, asked.bound_by, asked.foreign, asked.continues) == ((), ("max_output_tokens",), None, None)
    (started,) = asked.items
    assert isinstance(started, RunStarted)
    assert started.tools == asked.tools
    assert (started.run_id, [message["role"] for message in started.messages]) == ("request", ["system", "user"])
    assert asked.tools == ({"type": "function", "function": {"name": "f", "parameters": PARAMETERS}},)
    assert responses.with_usage(asked) == asked.raw
    plain = read(responses)
    assert (plain.model, plain.stream, plain.tool_choice, plain.tools) == ("", False, "auto", ())


def test_tools_of_every_kind_for_responses() -> None:
    """Functions and custom tools are judged; what the provider executes itself is named."""
    asked = read(
        responses,
        input="x",
        tools=[{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}, {"type": "web_search"}, {}],
    )
    assert names(asked) == ["f", "c"]
    assert asked.tools[1] == {"type": "function", "function": {"name": "c", "parameters": CUSTOM_PARAMETERS}}
    assert asked.hosted == ("web_search", "unknown")


@pytest.mark.parametrize(
    ("body", "hosted"),
    [
        ({"prompt": {"id": "pmpt_1"}}, ("prompt template",)),
        ({"prompt": {"id": "pmpt_1"}, "tools": None}, ("prompt template",)),
        ({"prompt": {"id": "pmpt_1"}, "tools": []}, ()),
        ({"prompt": None}, ()),
        ({"input": [{"type": "mcp_approval_response", "approval_request_id": "x", "approve": True}]}, ("mcp_approval_response",)),
    ],
    ids=["a template", "without tools", "with other tools", "none", "a permission"],
)
def test_tools_that_a_request_offers_without_naming_them(body: dict[str, Json], hosted: tuple[str, ...]) -> None:
    """A template at the provider has tools of its own, and a permission lets the provider execute what one of its tools proposed."""
    assert read(responses, **body).hosted == hosted


@pytest.mark.parametrize(
    ("choice", "expected", "hosted"),
    [
        ({"type": "mcp", "server_label": "x"}, "required", ("mcp",)),
        ({"type": "function", "name": "f"}, {"mode": "required", "required_function_name": "f"}, ()),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "x"}]},
            {"mode": "auto", "allowed_tools": ["f"]},
            ("mcp",),
        ),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, {"mode": "required", "allowed_tools": []}, ()),
    ],
    ids=["one of the provider's", "a function", "some of both", "nothing"],
)
def test_a_choice_of_tools_of_the_provider(choice: Json, expected: Json, hosted: tuple[str, ...]) -> None:
    """It offers them, so that such a request is refused, or in observe mode let through, as one that lists them is."""
    asked = read(responses, input="x", tool_choice=choice)
    assert (asked.tool_choice, asked.hosted) == (expected, hosted)


@pytest.mark.parametrize(
    ("body", "foreign", "continues"),
    [
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "an item of the type `web_search_call`", None),
        ({"input": "x", "previous_response_id": "r"}, None, "previous_response_id"),
        ({"input": "x", "conversation": "c"}, None, "conversation"),
        ({"input": "x", "conversation": {"id": "c"}, "previous_response_id": None}, None, "conversation"),
        ({"input": [{"type": "item_reference", "id": "x"}, USER]}, None, "input"),
        ({"input": [{"type": "mcp_approval_request", "id": "x", "name": "f"}]}, "an item of the type `mcp_approval_request`", None),
    ],
    ids=["a call of the provider", "an answer", "a conversation", "another form", "an item", "what the provider proposed"],
)
def test_what_only_the_provider_knows_is_named(body: dict[str, Json], foreign: str | None, continues: str | None) -> None:
    """Its own calls with their results, and conversations that it keeps."""
    asked = read(responses, **body)
    assert (asked.foreign, asked.continues) == (foreign, continues)


@pytest.mark.parametrize(
    ("body", "why", "param"),
    [
        ({"background": True}, "an answer in the background would come by a way that is not judged", "background"),
        ({"background": 1}, "`background` is not true or false", "background"),
        ({"input": 5}, "`input` is neither a text nor a list", "input"),
        ({"input": {}}, "`input` is neither a text nor a list", "input"),
        ({"stream": 1}, "`stream` is not true or false", "stream"),
        ({"model": 1}, "`model` is not a text", "model"),
        ({"tools": 1}, "`tools` is not a list", "tools"),
        ({"tool_choice": 1}, "`tool_choice` is neither a word nor an object", "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools"}}, "`tool_choice` is not a sound form of `allowed_tools`", "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "tools": [{"name": "f"}]}},
            "`tool_choice` names something that is no function",
            "tool_choice",
        ),
        ({"input": [5]}, "item 1 has no `type`", None),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_request_for_responses_that_nobody_could_judge_is_refused(body: dict[str, Json], why: str, param: str | None) -> None:
    """With the field that is wrong."""
    with pytest.raises(BadRequest) as refused:
        read(responses, **body)
    assert (str(refused.value), refused.value.param) == (why, param)


ITEMS: list[Json] = [
    {"role": "user", "content": "hello"},
    {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "a", "output": "1", "x": "more"},
    {"type": "custom_tool_call", "call_id": "b", "name": "c", "input": "free"},
    {"type": "custom_tool_call_output", "call_id": "b", "id": "i", "output": "2"},
]


def test_items_with_calls_of_every_form() -> None:
    """Custom ones have one argument."""
    asked = read(responses, input=ITEMS)
    assert calls(asked) == [ToolCall("a", "f", "{}"), ToolCall("b", "c", '{"input": "free"}')]
    assert asked.foreign is None
    assert responses.contents(asked) == ["1", "2"]
    assert responses.contents(read(responses, input="x")) == []


def test_results_of_a_request_for_responses_can_be_replaced() -> None:
    """What is changed keeps its type and ids alone; all else stays as it was."""
    asked = read(responses, input=ITEMS, x=1)
    assert responses.with_contents(asked, responses.contents(asked)).body == asked.body
    other = responses.with_contents(asked, ["9", asked.body["input"][4]["output"]])
    assert other.body == {
        "input": [*ITEMS[:2], {"type": "function_call_output", "call_id": "a", "output": "9"}, *ITEMS[3:]],
        "x": 1,
    }
    assert json.loads(other.raw) == other.body
    third = responses.with_contents(asked, [asked.body["input"][2]["output"], None])
    assert third.body["input"][4] == {"type": "custom_tool_call_output", "id": "i", "call_id": "b", "output": None}


@pytest.mark.parametrize(
    ("given", "before"), [("hello", [{"role": "user", "content": "hello"}]), (ITEMS, ITEMS), (None, [])], ids=["text", "items", "nothing"]
)
def test_a_request_for_responses_asked_again(given: Json, before: list[Json]) -> None:
    """With the withheld calls at its end, and what became of each."""
    asked = read(responses, input=given, x=1)
    again = responses.ask_again(asked, [ToolCall("c", "f", "{}")], ["no"])
    assert again.body == {
        "input": [
            *before,
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "no"},
        ],
        "x": 1,
    }
    assert json.loads(again.raw) == again.body
    assert again.items == asked.items
