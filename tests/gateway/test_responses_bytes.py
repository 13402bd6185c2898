"""Streams of the Responses API that carry a call where nobody looks for one. Everything that belongs to it is written in capitals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.core.events import Json
from agentgate.gateway import responses
from agentgate.gateway.shapes import Asked
from tests.gateway.judged import cut, stream, whole
from tests.gateway.test_responses_answers import events
from tests.gateway.test_stream_bytes import ENFORCED, leaked
from tests.scripted_server import call_item, text_item

PARAMETERS = {"type": "object", "additionalProperties": True}
BASE = {"id": "resp_1", "object": "response", "model": "m", "status": "in_progress", "output": []}
CALL = {"type": "function_call", "id": "FC", "call_id": "ID", "name": "WIPE", "arguments": '{"A": 1}', "status": "completed"}
TEXT = text_item("hi")
EMPTY = {**TEXT, "content": []}
BEGUN = {"type": "response.created", "response": BASE}
ADDED = {"type": "response.output_item.added", "output_index": 0, "item": EMPTY}
DELTA = {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "hi"}
DONE = {"type": "response.output_item.done", "output_index": 0, "item": TEXT}
ENDED = {"type": "response.completed", "response": {**BASE, "status": "completed", "output": [TEXT]}}


def request() -> Asked:
    tools = [{"type": "function", "name": name, "parameters": PARAMETERS} for name in ("READ", "WIPE")]
    return responses.read_request(json.dumps({"model": "m", "input": "x", "stream": True, "tools": tools}).encode(), 1 << 20)


def written(told: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(f"event: {one['type']}\ndata: {json.dumps({**one, 'sequence_number': n})}\n\n".encode() for n, one in enumerate(told))


def ended(*items: Json, **more: Json) -> dict[str, Json]:
    return {"type": "response.completed", "response": {**BASE, "status": "completed", "output": list(items), **more}}


@pytest.mark.parametrize(
    "told",
    [
        [{**BEGUN, "response": {**BASE, "output": [CALL]}}, ADDED, DELTA, ENDED],
        [BEGUN, {"type": "response.in_progress", "response": {**BASE, "output": [CALL]}}, ADDED, DELTA, ENDED],
        [BEGUN, {**ADDED, "item": {**EMPTY, "content": [{"type": "tool_use", "name": "WIPE"}]}}, DELTA, ENDED],
        [BEGUN, {**ADDED, "item": {**EMPTY, "tool_calls": [{"name": "WIPE"}]}}, DELTA, ENDED],
        [BEGUN, ADDED, DELTA, {**DONE, "item": {**TEXT, "content": [*TEXT["content"], CALL]}}, ENDED],
        [BEGUN, ADDED, {**DELTA, "item": CALL}, ENDED],
        [BEGUN, ADDED, {**DELTA, "response": {"output": [CALL]}}, ENDED],
        [BEGUN, ADDED, {**DELTA, "delta": {"name": "WIPE"}}, ENDED],
        [BEGUN, ADDED, DELTA, {**DELTA, "type": "response.output_text.done", "text": ["WIPE"]}, ENDED],
        [BEGUN, ADDED, DELTA, {**DELTA, "type": "response.content_part.done", "part": CALL}, ENDED],
        [BEGUN, ADDED, DELTA, {**DELTA, "type": "response.content_part.done", "part": {"type": "output_text", "text": CALL}}, ENDED],
        [BEGUN, {**ADDED, "item": {"type": "reasoning", "id": "r", "summary": [], "content": [CALL]}}, ADDED, DELTA, ENDED],
        [BEGUN, ADDED, DELTA, ended(TEXT, CALL)],
        [BEGUN, ADDED, DELTA, ended({**TEXT, "function_call": {"name": "WIPE"}})],
        [BEGUN, ADDED, DELTA, ended({**TEXT, "content": [*TEXT["content"], {"type": "tool_use", "name": "WIPE"}]})],
        [BEGUN, ADDED, DELTA, ended(TEXT, {"type": "reasoning", "id": "r", "summary": [{"type": "function_call", "name": "WIPE"}]})],
        [BEGUN, ADDED, DELTA, ended(TEXT, {"type": "mcp_call", "name": "WIPE"})],
        [BEGUN, ADDED, DELTA, ended(TEXT, choices=[{"message": {"tool_calls": [{"function": {"name": "WIPE"}}]}}])],
        [BEGUN, ADDED, DELTA, ENDED, {"type": "response.output_item.added", "output_index": 1, "item": CALL}],
        [BEGUN, ADDED, DELTA, {"type": "response.web_search_call.searching", "item_id": "WIPE"}, ENDED],
        [BEGUN, ADDED, DELTA, {"type": "response.function_call_arguments.delta", "output_index": 9, "delta": "WIPE"}, ENDED],
    ],
    ids=range(21),
)
def test_every_way_to_hide_a_call_is_seen(told: list[dict[str, Json]]) -> None:
    """In the head, in an item, in a text, in the end, or after it: refused, and nothing of it goes out."""
    raw = written(told)
    for size in (1, 7, 1 << 20):
        got = stream(ENFORCED, request(), cut(raw, [size] * (len(raw) // size)), api=responses)
        assert got.kind == "withheld"
        assert leaked(got) == b""


@pytest.mark.parametrize(
    "item",
    [
        {**TEXT, "tool_calls": [{"name": "WIPE"}]},
        {**TEXT, "content": [*TEXT["content"], CALL]},
        {**TEXT, "content": [{"type": "output_text", "text": "hi", "function": {"name": "WIPE"}}]},
        {**TEXT, "content": "WIPE"},
        {"type": "reasoning", "id": "r", "summary": [CALL]},
        {"type": "reasoning", "id": "r", "summary": [], "content": [CALL]},
        {"type": "message", "role": "tool", "content": [{"type": "output_text", "text": "WIPE"}]},
        {"type": "function_call_output", "call_id": "ID", "output": "WIPE"},
    ],
    ids=range(8),
)
def test_the_same_in_one_piece(item: dict[str, Json]) -> None:
    """Without a stream."""
    got = whole(ENFORCED, request(), json.dumps({**BASE, "status": "completed", "output": [TEXT, item]}).encode(), api=responses)
    assert (got.kind, got.sent) == ("withheld", b"")


def test_plain_text_and_thoughts_still_pass() -> None:
    """What the checks above leave alone."""
    thoughts = {
        "type": "reasoning",
        "id": "r",
        "summary": [{"type": "summary_text", "text": "so"}],
        "content": [{"type": "reasoning_text", "text": "hm"}],
        "encrypted_content": "x",
    }
    part = {"type": "output_text", "text": "hi", "annotations": [{"type": "url_citation", "url": "https://example.com"}], "logprobs": []}
    told: list[dict[str, Any]] = [
        BEGUN,
        {**ADDED, "item": thoughts},
        ADDED,
        {**DELTA, "type": "response.content_part.added", "part": part},
        DELTA,
        DONE,
    ]
    got = stream(ENFORCED, request(), [written([*told, ended(thoughts, TEXT)])], api=responses)
    assert got.kind == "released", got.error


@settings(max_examples=80)
@given(data=st.data())
def test_what_goes_out_is_what_was_decided(data: st.DataObject) -> None:
    """Any items in any order, cut anywhere: withheld without a leak, or released with exactly these items."""
    items: list[Any] = []
    for number in range(data.draw(st.integers(1, 4), label="items")):
        name = data.draw(st.sampled_from(("READ", "WIPE", "")), label="item")
        made = call_item(name, {"A": number}, id=f"ID{number}") if name else text_item(data.draw(st.sampled_from(("hi", "\n\ndata: "))))
        items.append({**made, "id": f"m_{number}"})
    raw = events(*items)
    got = stream(ENFORCED, request(), cut(raw, data.draw(st.lists(st.integers(1, 500), max_size=10), label="sizes")), api=responses)
    if any(item.get("name") == "WIPE" for item in items):
        assert got.kind == "withheld"
        assert leaked(got) == b""
    else:
        assert got.kind == "released"
        last = json.loads(got.sent.rstrip().rpartition(b"\ndata: ")[2])
        assert last["response"]["output"] == items
