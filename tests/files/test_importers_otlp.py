"""Traces of OpenTelemetry become runs, whichever way their messages were recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentgate.core.events import Json, Usage
from agentgate.files.importers import otlp
from agentgate.files.transcript import Damage, Transcript
from tests.files.imported import lines, read, read_values, started, story, told

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STORY = [
    f"# {TRACE}",
    "reply 1",
    'call call_1 get_weather {"location": "Paris"}',
    'call call_2 get_weather {"location": "Rome"}',
    "result call_1: rainy, 57°F",
    'result call_2: {"sky": "clear"}',
    "reply 2",
    'call call_3 send_email {"to": "anna@example.com"}',
    "result call_3: sent",
]
OLD = ["reply 1", 'call call_1 get_weather {"location":"Paris"}']


def packed(value: Json) -> dict[str, Json]:
    """A value as OTLP JSON has it."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [packed(item) for item in value]}}
        case dict():
            return {"kvlistValue": {"values": [{"key": key, "value": packed(item)} for key, item in value.items()]}}
    return {}


def attributes(values: dict[str, Json]) -> list[Json]:
    return [{"key": key, "value": packed(value)} for key, value in values.items()]


def span(trace: str = "t", at: int = 1, **values: Json) -> dict[str, Json]:
    """A span; `input_messages` is `gen_ai.input.messages`."""
    named = {f"gen_ai.{key.replace('__', '.')}": value for key, value in values.items()}
    return {"traceId": trace, "spanId": f"s{at}", "startTimeUnixNano": f"{at}000000000", "attributes": attributes(named)}


def export(*spans: dict[str, Json]) -> dict[str, Json]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def text(role: str, said: str) -> dict[str, Json]:
    return {"role": role, "parts": [{"type": "text", "content": said}]}


def called(call_id: str, arguments: Json = None) -> dict[str, Json]:
    return {"role": "assistant", "parts": [{"type": "tool_call", "id": call_id, "name": "t", "arguments": arguments or {}}]}


def returned(call_id: str) -> dict[str, Json]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": "ok"}]}


def spoiled(*spans: dict[str, Json]) -> str:
    (line,) = story([export(*spans)])
    prefix = "damage 1: the trace `t`: "
    assert line.startswith(prefix)
    return line.removeprefix(prefix)


def test_a_trace() -> None:
    """Its spans stand in two lines, with messages once as JSON and once as values; every call is proposed once, in order."""
    (run,) = read("otlp.jsonl")
    assert told(run) == STORY
    begin = started(run)
    assert begin.model == "gpt-4-0613"
    assert [(message["role"], message["content"]) for message in begin.messages] == [
        ("system", "You are a helpful bot"),
        ("user", "Weather in Paris and Rome?"),
    ]
    assert begin.tools is not None
    assert [tool["function"]["name"] for tool in begin.tools] == ["get_weather", "send_email"]
    assert isinstance(run, Transcript)
    assert getattr(run.items[1], "usage", None) == Usage(47, 17)


def test_older_events() -> None:
    """Events of spans, records in the log, and the JSON of the oldest form tell the same story."""
    spans, log, oldest = read("otlp_events.jsonl")
    for run in (spans, log):
        assert told(run)[1:] == [*OLD, "result call_1: rainy", "reply 2"]
    assert told(oldest)[1:] == OLD


def test_details_in_an_event_of_their_own() -> None:
    """The current event of the log holds what the span could have held; both together are not twice as much."""
    both = {"gen_ai.input.messages": [text("user", "hi")], "gen_ai.output.messages": [called("a")]}
    record = {
        "eventName": "gen_ai.client.inference.operation.details",
        "timeUnixNano": "1",
        "traceId": "t",
        "spanId": "s1",
        "attributes": attributes(both),
    }
    log = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    expected = ["# t", "reply 1", "call a t {}"]
    assert story([log]) == expected
    assert story([export(span(operation__name="chat")), log]) == expected
    assert (
        story([export(span(input__messages=both["gen_ai.input.messages"], output__messages=both["gen_ai.output.messages"])), log])
        == expected
    )


def test_order_of_spans() -> None:
    """Spans are exported when they end, so that their place says nothing."""
    user = text("user", "hi")
    first = span(at=1, input__messages=[user], output__messages=[called("a")])
    second = span(at=2, input__messages=[user, called("a"), returned("a")], output__messages=[called("b")])
    expected = ["# t", "reply 1", "call a t {}", "result a: ok", "reply 2", "call b t {}"]
    assert story([export(second, first)]) == story([export(first, second)]) == story([export(second), export(first)]) == expected


def test_another_history_is_another_conversation() -> None:
    """A subagent, or a history that was shortened, begins a transcript of its own, and no call is lost."""
    first = span(at=1, input__messages=[text("user", "hi")], output__messages=[called("a")])
    other = span(at=2, input__messages=[text("user", "go on"), called("a"), returned("a")], output__messages=[called("b")])
    found = story([export(first, other)])
    assert found == ["# t", "reply 1", "call a t {}", "# t/2", "reply 1", "call a t {}", "result a: ok", "reply 2", "call b t {}"]


def test_all_choices_are_seen() -> None:
    """Calls of every choice are proposed in one answer; the history goes on from any of them."""
    user = text("user", "hi")
    first = span(at=1, input__messages=[user], output__messages=[text("assistant", "no"), called("a"), called("b")])
    second = span(at=2, input__messages=[user, called("b"), returned("b")], output__messages=[text("assistant", "done")])
    assert story([export(first, second)]) == ["# t", "reply 1", "call a t {}", "call b t {}", "result b: ok", "reply 2"]


def test_an_answer_that_only_the_next_history_tells() -> None:
    """A span without its output is made up for by the one after it."""
    user = text("user", "hi")
    spans = span(at=1, input__messages=[user]), span(at=2, input__messages=[user, called("a"), returned("a")])
    assert story([export(*spans)]) == ["# t", "reply 1", "call a t {}", "result a: ok"]


def test_tools_without_models() -> None:
    """Calls that only spans of tools know are judged too, where their arguments were recorded."""
    tool = span(
        operation__name="execute_tool", tool__name="t", tool__call__id="x", tool__call__arguments='{"a":1}', tool__call__result="ok"
    )
    assert story([export(tool)]) == ["# t/tools", "reply 1", 'call x t {"a":1}', "result x: ok"]
    blind = span(operation__name="execute_tool", tool__name="t", tool__call__id="x")
    assert spoiled(blind) == "a call of `t` was recorded without its arguments"


def test_an_agent_around_its_models() -> None:
    """What it records is said again inside of it; where it is not, it is read."""
    user = text("user", "hi")
    agent = span(at=1, operation__name="invoke_agent", input__messages=[user], output__messages=[called("a"), called("b")])
    inner = span(at=2, input__messages=[user], output__messages=[called("a")])
    assert story([export(agent, inner)]) == ["# t", "reply 1", "call a t {}", "# t/2", "reply 1", "call a t {}", "call b t {}"]
    agent = span(at=1, operation__name="invoke_agent", input__messages=[user], output__messages=[called("a")])
    assert story([export(agent, inner)]) == ["# t", "reply 1", "call a t {}"]
    assert story([export(agent)]) == ["# t", "reply 1", "call a t {}"]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "tool_call", "id": "a", "name": "t", "arguments": '{"x": 1}'}, 'call a t {"x": 1}'),
        ({"type": "tool_call", "id": "a", "name": "t", "arguments": "{oops"}, "call a t {oops"),
        ({"type": "tool_call", "id": "a", "name": "t"}, "call a t null"),
        ({"type": "server_tool_call", "id": "a", "name": "t", "server_tool_call": {}}, "call a t malformed"),
    ],
)
def test_odd_calls_are_proposed_as_they_stand(part: Json, expected: str) -> None:
    """Arguments that were recorded as a text are the model's own text."""
    found = story([export(span(output__messages=json.dumps([{"role": "assistant", "parts": [part]}])))])
    assert found[2] == expected


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"output__messages": '[{"role": "assi'}, "`gen_ai.output.messages` is not JSON, or was cut off: "),
        ({"output__messages": "{}"}, "`gen_ai.output.messages` is not a list"),
        ({"output__messages": ["x"]}, "a message that is not an object"),
        ({"output__messages": [{"role": "critic"}]}, "a message with the unknown role `critic`"),
        ({"output__messages": [{"role": "assistant", "parts": [{"type": "telepathy"}]}]}, "a part of the unknown kind `telepathy`"),
        ({"input__messages": [{"role": "user", "parts": called("a")["parts"]}]}, "a call in a message that is not the model's"),
        ({"response__finish_reasons": ["tool_calls"]}, "an answer ended in calls, and they were not recorded"),
        ({"operation__name": "chat"}, "no messages were recorded, only that there were some"),
        ({"completion__0__tool_calls__0__name": "t"}, "messages in single attributes, like `gen_ai.completion.0.tool_calls.0.name`, "),
    ],
)
def test_what_is_not_understood_spoils_its_trace(values: dict[str, Any], why: str) -> None:
    """What could be a call and is not read is named; other traces are read."""
    assert spoiled(span(**values)).startswith(why)
    good = span("good", output__messages=[called("a")])
    assert story([export(span(**values), good)])[1:] == ["# good", "reply 1", "call a t {}"]


def test_an_event_of_an_unknown_kind() -> None:
    """A message of a kind that the conventions do not know could hold a call."""
    event = {"name": "gen_ai.robot.message", "attributes": []}
    assert spoiled({**span(operation__name="chat"), "events": [event]}) == "an event of the unknown kind `gen_ai.robot.message`"


def test_values_that_can_be_read_in_two_ways() -> None:
    """The same attribute twice, or a value of two types, is refused as a key twice in JSON is."""
    twice = {**span(), "attributes": attributes({"gen_ai.a": 1}) * 2}
    assert spoiled(twice) == "an attribute without its key, or twice"
    both = {**span(), "attributes": [{"key": "gen_ai.a", "value": {"stringValue": "x", "intValue": "1"}}]}
    assert spoiled(both) == "a value that is not one value"


def test_nothing_about_models() -> None:
    """Traces of something else are no transcripts, and a file with nothing else says so."""
    http = {"traceId": "t", "spanId": "1", "attributes": attributes({"http.request.method": "GET"})}
    assert story([export(http)]) == ["damage 1: no span or event in it is about a model or a tool"]
    assert story([*lines("otlp.jsonl"), export(http)]) == STORY


def test_open_traces_are_bounded() -> None:
    """What is held does not grow with the file; a trace that goes on after it was read is named rather than read in halves."""
    user = text("user", "hi")
    values = [export(span(f"t{number}", input__messages=[user], output__messages=[called("a")])) for number in range(50)]
    data = [(number, json.dumps(value).encode() + b"\n") for number, value in enumerate([*values, values[0]], 1)]
    found = list(otlp.read_lines(iter(data), "t", limit=3 * len(data[0][1])))
    assert [one.id for one in found if isinstance(one, Transcript)] == [f"t{number}" for number in range(50)]
    damages = [one for one in found if isinstance(one, Damage)]
    assert [(one.line, one.why) for one in damages] == [(51, "the trace `t0` goes on after it was read: too much of others stands between")]


def test_a_line_of_something_else() -> None:
    """It is named, and the traces are read."""
    found = read_values([lines("otlp.jsonl")[0], {"other": 1}, lines("otlp.jsonl")[1]])
    assert [told(one)[0] for one in found] == ["damage 2: not an export of OpenTelemetry", f"# {TRACE}"]
