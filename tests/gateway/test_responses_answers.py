"""Answers of the Responses API: whole and streamed, through the same judgement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentgate.core.events import Json
from agentgate.gateway import responses
from agentgate.gateway.shapes import Asked
from tests.core.building import policy, rule
from tests.gateway.judged import Outcome, bench, corpus_bench, cut, stream, whole
from tests.gateway.serving import Served
from tests.gateway.test_hostile_envelopes import DATA, cases_in, of_chat
from tests.scripted_server import Answer, ScriptedServer, call_item, text_item
from tests.scripted_server import responses as answer_of

ON = bench(policy(rule("allow", ["read", "patch"]), rule("ask", "send")))
TOOLS = [{"type": "function", "name": name, "parameters": {"type": "object", "additionalProperties": True}} for name in ("read", "delete")]
PATCH = {"type": "custom", "name": "patch"}


def asked(**more: Json) -> Asked:
    body = {"model": "m", "input": "do it", "tools": [*TOOLS, PATCH], **more}
    return responses.read_request(json.dumps(body).encode(), 1 << 20)


def judged(*output: Mapping[str, Any], **more: Any) -> Outcome:
    return whole(ON, asked(), answer_of(*output, **more).body, api=responses)


def events(*items: Mapping[str, Any], last: str = "response.completed", text: str | None = None, **more: Any) -> bytes:
    """A stream of these items, as the provider sends it."""
    about = {"id": "resp_1", "object": "response", "model": "m"}
    told: list[dict[str, Any]] = [{"type": "response.created", "response": {**about, "status": "in_progress", "output": []}}]
    for place, item in enumerate(items):
        told.append({"type": "response.output_item.added", "output_index": place, "item": {**item, "arguments": ""}})
        if item["type"] == "message":
            said = {"item_id": item["id"], "output_index": place, "content_index": 0}
            told.append({"type": "response.output_text.delta", **said, "delta": item["content"][0]["text"]})
        if item["type"] == "function_call":
            told += [
                {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": place, "delta": piece}
                for piece in item["arguments"]
            ]
        told.append({"type": "response.output_item.done", "output_index": place, "item": item})
    whole = {**about, "status": last.rpartition(".")[2], "output": list(items), "usage": None, **more}
    told.append({"type": last, "response": whole})
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n".encode()
        for number, event in enumerate(told)
    )


def streamed(raw: bytes, size: int = 1 << 20, *, hold: bool = False) -> Outcome:
    return stream(ON, asked(stream=True), cut(raw, [size] * (len(raw) // size)), api=responses, hold=hold)


def told(sent: bytes) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix(b"data: ")) for line in sent.splitlines() if line.startswith(b"data: {")]


@pytest.mark.parametrize("case", [case for case in cases_in(DATA) if not of_chat(case)], ids=lambda case: case["id"])
def test_a_hostile_answer_is_judged_right(case: dict[str, Json]) -> None:
    """A case of the selection: function calls judged, everything else that could be executed refused."""
    tools = [
        {"type": "function", "name": name, "parameters": {"type": "object", "additionalProperties": True}}
        for name in ("get_weather", "delete_all")
    ]
    got = whole(corpus_bench(case["policy"]), asked(tools=tools), json.dumps(case["response"]).encode(), api=responses)
    wanted = {case["expected"], *(case.get("alt_ok") or [])}
    assert (got.kind == "released") == ("allow" in wanted), got.error


def test_an_allowed_call_goes_out_as_it_was_decided() -> None:
    """Its item holds the known fields and no others."""
    got = judged({**call_item("read", {"id": 1}), "extra": "delete"})
    assert got.kind == "released"
    assert json.loads(got.sent)["output"] == [call_item("read", {"id": 1})]


def test_one_refused_call_withholds_the_answer() -> None:
    """Also where another one is allowed."""
    got = judged(text_item("I will."), call_item("read"), call_item("delete", id="call_2"))
    assert (got.kind, isinstance(got.error, dict) and got.error["tool"]) == ("withheld", "delete")


@pytest.mark.parametrize("kind", ["mcp_call", "web_search_call", "computer_call", "code_interpreter_call", "shell_call", "made_up", None])
def test_an_item_that_is_not_understood_blocks(kind: str | None) -> None:
    """Whatever the policy says."""
    got = judged(text_item("done"), {"type": kind, "id": "x", "status": "completed"})
    assert (got.kind, isinstance(got.error, dict) and got.error["code"]) == ("withheld", "malformed_tool_call")


def test_a_custom_tool_is_judged_by_its_input() -> None:
    """Its free text is the argument `input`."""
    on = bench(policy(rule("allow", "patch", when={"input": {"search": "^safe"}})))
    for text, kind in (("safe thing", "released"), ("rm -rf /", "withheld")):
        item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "patch", "input": text, "status": "completed"}
        got = whole(on, asked(), answer_of(item).body, api=responses)
        assert got.kind == kind
        assert kind == "withheld" or json.loads(got.sent)["output"] == [item]


def test_an_incomplete_answer_releases_text_and_no_calls() -> None:
    """Cut off at its greatest length."""
    cut_off = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert judged(text_item("half"), **cut_off).kind == "released"
    assert judged(call_item("read"), **cut_off).kind == "withheld"


def test_a_stream_is_judged_alike_at_every_read_size() -> None:
    """Text first, then an allowed call."""
    raw = events(text_item("Let me see."), call_item("read", {"id": 1}))
    once = streamed(raw)
    assert once.kind == "released"
    for size in (1, 3, 17, 100):
        got = streamed(raw, size)
        assert (got.kind, got.sent) == (once.kind, once.sent)


def test_a_streamed_call_goes_out_anew() -> None:
    """In the order and with the numbers that a client expects."""
    got = told(streamed(events(text_item("Hm."), call_item("read", {"id": 1}))).sent)
    assert [event["sequence_number"] for event in got] == list(range(len(got)))
    assert [event["type"].removeprefix("response.") for event in got] == [
        "created",
        "output_item.added",
        "output_text.delta",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert got[-1]["response"]["output"][1] == got[-2]["item"] == call_item("read", {"id": 1})


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_no_byte_of_a_refused_call_goes_out(size: int) -> None:
    """Not of its name, arguments or item."""
    got = streamed(events(text_item("Hm."), call_item("delete", {"what": "secrets"})), size)
    assert got.kind == "withheld"
    assert b"Hm." in got.sent
    assert not any(word in got.sent for word in (b"function_call", b"delete", b"call_1", b"secrets", b"what"))


def test_nothing_has_gone_out_before_the_first_text() -> None:
    """So that a refusal is still a 409."""
    assert streamed(events(call_item("delete"))).sent == b""
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": []}
    assert streamed(events(reasoning, call_item("delete"))).sent == b""


def test_streamed_calls_must_be_those_of_the_end() -> None:
    """A stream that shows one call and ends with another is refused."""
    raw = events(call_item("read"))
    changed = raw.replace(b'"name": "read"', b'"name": "patch"', 2)
    got = streamed(changed)
    assert (got.kind, isinstance(got.error, dict) and got.error["message"]) == (
        "withheld",
        "the calls of the stream are not those of its last event",
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"data: {}\n\n",
        b'data: {"type": "error", "message": "overloaded"}\n\n',
        events(text_item("hm")).rpartition(b"event: ")[0],
        events(text_item("hm"))[:-1],
        b'data: {"type": "response.created", "type": "response.completed"}\n\n',
    ],
    ids=["empty", "no-type", "error", "no-end", "inside-an-event", "key-twice"],
)
def test_what_is_no_stream_is_broken(raw: bytes) -> None:
    """And releases nothing more."""
    assert streamed(raw).kind == "broken"


def test_an_unknown_event_blocks() -> None:
    """Nothing after it goes out."""
    raw = events(text_item("hm")).replace(b"response.output_text.delta", b"response.mcp_call.in_progress")
    got = streamed(raw)
    assert (got.kind, got.sent) == ("withheld", b"")


def test_through_a_running_gateway(tmp_path: Path) -> None:
    """Plain, streamed, and refused either way."""
    raw = events(text_item("Hm."), call_item("read"))
    refused = events(call_item("delete"))
    sse = {"content-type": "text/event-stream"}
    script = [answer_of(call_item("read")), Answer(raw, headers=sse), answer_of(call_item("delete")), Answer(refused, headers=sse)]
    with ScriptedServer(*script) as upstream, Served(tmp_path, upstream) as gateway:
        body = {"model": "m", "input": "do it", "tools": TOOLS}
        got = [gateway.send("POST", "/v1/responses", {**body, "stream": streams}) for streams in (False, True, False, True)]
        assert [one.status for one in got] == [200, 200, 409, 409]
        assert got[0].body["output"] == [call_item("read")]
        assert told(got[1].raw)[-1]["type"] == "response.completed"
        assert upstream.requests[0].path == "/v1/responses"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"background": True}, 400),
        ({"previous_response_id": "resp_0"}, 400),
        ({"conversation": {"id": "conv_1"}}, 400),
        ({"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://example.com"}]}, 409),
        ({"tools": [{"type": "web_search"}]}, 409),
        ({"input": [{"type": "function_call_output", "call_id": "lost", "output": "x"}], "tools": TOOLS}, 400),
        ({"input": 7}, 400),
        ({"tool_choice": {"type": "mcp"}}, 409),
        ({"tool_choice": {"type": 5}}, 400),
        ({"prompt": {"id": "pmpt_1"}, "tools": None}, 409),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, 400),
    ],
    ids=["background", "previous", "conversation", "mcp", "web-search", "lost-result", "no-input", "choice", "no-choice", "prompt", "item"],
)
def test_what_cannot_be_judged_is_not_asked(tmp_path: Path, more: dict[str, Json], status: int) -> None:
    """The upstream never hears of it."""
    with ScriptedServer(answer_of(call_item("read"))) as upstream, Served(tmp_path, upstream) as gateway:
        got = gateway.send("POST", "/v1/responses", {"model": "m", "input": "x", "tools": TOOLS, **more})
        assert got.status == status, got.raw
        assert (len(upstream.requests)) == (1 if "lost" in str(more) else 0)
