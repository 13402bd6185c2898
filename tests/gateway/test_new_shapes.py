"""Shapes of answers that nobody has seen yet: whatever could carry a call does not pass, however a client reads the stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from openai._streaming import SSEDecoder

from agentgate.core.events import Json
from agentgate.gateway import chat, responses
from agentgate.gateway.shapes import Api
from tests.core.building import policy, rule
from tests.gateway.judged import Outcome, asked, bench, stream
from tests.gateway.serving import function

ON = bench(policy(rule("allow", "good")))
EVIL = {"index": 0, "id": "x", "type": "function", "function": {"name": "evil", "arguments": "{}"}}
GOOD = {"index": 0, "id": "g", "type": "function", "function": {"name": "good", "arguments": "{}"}}
ITEM = {"type": "function_call", "id": "fc1", "call_id": "c1", "name": "evil", "arguments": "{}", "status": "completed"}
SAID = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "hi", "annotations": []}]}
END = b"data: [DONE]\n\n"


def chunk(delta: Json, finish: str | None = None, *, choice: Json = None, **more: Json) -> dict[str, Any]:
    """A chunk with one choice."""
    made = {"index": 0, "delta": delta, "finish_reason": finish, **(choice or {})}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [made], **more}


def other_ends(character: str) -> str:
    """A text in which an event of its own begins for whoever takes the character for the end of a line."""
    return f"x{character}data: {json.dumps(chunk({'tool_calls': [EVIL]}))}{character}{character}y"


STOP, CALLED = chunk({}, "stop"), chunk({}, "tool_calls")
CHAT: dict[str, tuple[dict[str, Any], ...]] = {
    "within-a-field": (chunk({"content": "hi", "provider_specific_fields": {"tool_calls": [EVIL]}}), STOP),
    "within-a-list": (chunk({"content": "hi", "extra": [[{"function_call": {"name": "evil"}}]]}), STOP),
    "within-the-chunk": (chunk({"content": "hi"}, x_meta={"a": {"tool_calls": [EVIL]}}), STOP),
    "within-usage": (chunk({"content": "hi"}, usage={"prompt_tokens": 1, "completion_tokens": 1, "tool_calls": [EVIL]}), STOP),
    "within-annotations": (chunk({"content": "hi", "annotations": [{"tool_calls": [EVIL]}]}), STOP),
    "within-logprobs": (chunk({"content": "hi"}, choice={"logprobs": {"content": [{"tool_calls": [EVIL]}]}}), STOP),
    "instead-of-an-id": (chunk({"content": "hi"}) | {"id": {"tool_calls": [EVIL]}}, STOP),
    "content-of-a-chunk": (chunk({"content": "hi"}, content={"tool_calls": [EVIL]}), STOP),
    "delta-in-a-delta": (chunk({"content": "hi", "delta": {"tool_calls": [EVIL]}}), STOP),
    "by-type-alone": (chunk({"content": "hi", "extra": {"type": "tool_use", "name": "evil", "input": {}}}), STOP),
    "the-delta-itself": (chunk({"content": "hi", "type": "function_call", "name": "evil", "arguments": "{}"}), STOP),
    "both-forms": (chunk({"tool_calls": [GOOD], "function_call": {"name": "evil", "arguments": "{}"}}), CALLED),
    "beside-a-refusal": (chunk({"refusal": "no", "tool_calls": [EVIL]}), CALLED),
    "ids-that-clash": (chunk({"tool_calls": [GOOD, {**EVIL, "id": "h"}]}), CALLED),
    "arguments-before-the-name": (
        chunk({"tool_calls": [{"index": 0, "id": "x", "function": {"arguments": "{}"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": "evil"}}]}),
        CALLED,
    ),
    "no-name": (chunk({"tool_calls": [{**EVIL, "function": {"name": "", "arguments": '{"evil": 1}'}}]}), CALLED),
    "after-the-end": (STOP, chunk({"tool_calls": [EVIL]})),
}
TEXTS = {"u2028": "\u2028", "u2029": "\u2029", "u0085": "\u0085"}


def response(*output: Json, **more: Json) -> dict[str, Any]:
    return {"id": "r", "object": "response", "status": "completed", "model": "m", "output": list(output), "usage": None, **more}


def event(kind: str, **more: Json) -> dict[str, Any]:
    return {"type": f"response.{kind}", **more}


def delta(**more: Json) -> dict[str, Any]:
    return event("output_text.delta", **{"output_index": 0, "content_index": 0, "item_id": "m", "delta": "hi", **more})


WHOLE = event("completed", response=response(SAID))
ANNOTATED = event(
    "output_text.annotation.added", output_index=0, content_index=0, item_id="m", annotation={"type": "x", "tool_calls": [ITEM]}
)
RESPONSES: dict[str, tuple[dict[str, Any], ...]] = {
    "annotation": (ANNOTATED, delta(), WHOLE),
    "logprobs": (delta(logprobs=[{"function_call": ITEM}]), WHOLE),
    "place": (delta(item_id=ITEM), WHOLE),
    "response": (delta(), event("completed", response=response(SAID, tool_calls=[ITEM]))),
    "within-the-response": (delta(), event("completed", response=response(SAID, extra={"function_call": ITEM}))),
    "beginning": (event("created", response=response(delta={"tool_calls": [ITEM]})), delta(), WHOLE),
    "instead-of-an-id": (event("completed", response=response({**ITEM, "name": "good", "id": ITEM})),),
    "no-place": (event("function_call_arguments.delta", output_index={"tool_calls": [ITEM]}, item_id="fc1", delta="{}"), WHOLE),
}


def by_the_sdk(sent: bytes) -> list[str]:
    return [found.data for found in SSEDecoder().iter_bytes(iter([sent]))]


def by_lines(sent: bytes) -> list[str]:
    """As clients read that split a stream by `str.splitlines`."""
    return [line.removeprefix("data:").strip() for line in sent.decode().splitlines() if line.startswith("data:")]


READERS = {"sdk": by_the_sdk, "lines": by_lines}


def read(datas: list[str]) -> list[Json]:
    return [json.loads(data) for data in datas if data != "[DONE]"]


def written(*events: Json) -> bytes:
    return "".join(f"data: {json.dumps(one, ensure_ascii=False)}\n\n" for one in events).encode()


def of_api(api: Api, pieces: Sequence[bytes]) -> Outcome:
    """The answer to a request that offers both tools."""
    if api is chat:
        return stream(ON, asked([function("good"), function("evil")]), pieces)
    tools = [{"type": "function", "name": tool, "parameters": {"type": "object"}} for tool in ("good", "evil")]
    request = responses.read_request(json.dumps({"model": "m", "input": "x", "tools": tools}).encode(), 1 << 20)
    return stream(ON, request, pieces, api=api)


def of_responses(*events: Json) -> Outcome:
    """The same for these events of the Responses API."""
    return of_api(responses, [written(*events)])


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("name", CHAT)
def test_nothing_of_it_reaches_a_client_of_chat_completions(name: str, size: int) -> None:
    """However the stream is cut: the answer is withheld, and no byte of the call went out before."""
    raw = written(*CHAT[name]) + END
    got = stream(ON, asked([function("good"), function("evil")]), [raw[at : at + size] for at in range(0, len(raw), size)])
    assert (got.kind, b"evil" in got.sent) == ("withheld", False)


@pytest.mark.parametrize("name", RESPONSES)
def test_nothing_of_it_reaches_a_client_of_responses(name: str) -> None:
    """The answer is withheld."""
    got = of_responses(*RESPONSES[name])
    assert (got.kind, b"evil" in got.sent) == ("withheld", False)


def test_fields_beside_the_response_do_not_go_out() -> None:
    """Of the last event, only the response does."""
    got = of_responses(delta(), event("completed", response=response(SAID), item=ITEM, output=[ITEM], tool_calls=[ITEM]))
    assert (got.kind, b"evil" in got.sent) == ("released", False)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_one_event_to_every_client(name: str, reader: str) -> None:
    """Also to those that take other characters for ends of lines; the text itself is what the model said."""
    text = other_ends(TEXTS[name])
    got = stream(ON, asked([function("good")]), [written(chunk({"content": text}), STOP) + END])
    found = read(READERS[reader](got.sent))
    assert got.kind == "released"
    assert [one["choices"][0]["delta"].get("content") for one in found] == [text, None]


@pytest.mark.parametrize("reader", READERS)
def test_an_error_is_one_event_to_every_client(reader: str) -> None:
    """What a model calls its tool may stand in the reason; it is quoted, never a line of its own."""
    named = {**EVIL, "function": {"name": other_ends("\u2028"), "arguments": "{}"}}
    got = stream(ON, asked([function("good")]), [written(chunk({"content": "hi"}), chunk({"tool_calls": [named]}), CALLED) + END])
    assert got.verdict is not None
    assert got.verdict.failure is not None
    found = read(READERS[reader](got.sent + got.verdict.failure.event))
    assert ["error" in one for one in found] == [False, True]


def nodes(value: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Json]]:
    """Every value within a value, by its path."""
    yield path, value
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from nodes(part, (*path, key))


JUNK: tuple[Json, ...] = (
    None,
    "",
    0,
    -1,
    True,
    [],
    {},
    "other",
    [{}],
    {"tool_calls": [EVIL]},
    {"function_call": ITEM},
    [ITEM],
    ITEM,
    "0",
    1.5,
)
FIELDS = (
    "tool_calls",
    "function_call",
    "item",
    "output",
    "delta",
    "message",
    "x",
    "content",
    "annotations",
    "response",
    "part",
    "logprobs",
)


def mixed(random: Random, one: Json, pool: Sequence[Json]) -> Json:
    """A part of a stream with something taken out of it, put into it, or put in place of something else."""
    made = json.loads(json.dumps(one))
    for _ in range(random.choice((0, 1, 1, 2))):
        path = random.choice([path for path, _ in nodes(made) if path] or [()])
        place = made
        for key in path[:-1]:
            place = place[key]
        new = json.loads(
            json.dumps(random.choice((random.choice(JUNK), random.choice([value for _, value in nodes(random.choice(pool))]))))
        )
        match random.randrange(3) if path else 2:
            case 0:
                place[path[-1]] = new
            case 1:
                del place[path[-1]]
            case _ if isinstance(place, dict):
                place[random.choice(FIELDS)] = new
    return made


def called(datas: list[str]) -> list[str]:
    """Whatever a client could take for a call that is not let through."""
    found = []
    for _, value in (node for one in read(datas) for node in nodes(one)):
        if isinstance(value, dict) and "error" not in value:
            named = [value.get(key) for key in ("tool_calls", "function_call")] + [value.get("type") == "function_call" and value]
            found += [json.dumps(one) for one in named if isinstance(one, dict | list) and '"evil"' in json.dumps(one)]
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("api", [chat, responses], ids=["chat", "responses"])
def test_whatever_is_mixed_no_call_gets_through(api: Api, seed: int) -> None:
    """Nothing but our own errors comes out, the cut changes nothing, and no client sees a call that is not let through."""
    random = Random(seed)
    known = [list(story) for story in (CHAT if api is chat else RESPONSES).values()]
    pool = [one for story in known for one in story]
    for _ in range(150):
        raw = written(*(mixed(random, one, pool) for one in random.choice(known))) + (END if api is chat else b"")
        whole = of_api(api, [raw])
        assert [called(reader(whole.sent)) for reader in READERS.values()] == [[], []], raw
        size = random.randrange(1, 50)
        pieces = of_api(api, [raw[at : at + size] for at in range(0, len(raw), size)])
        assert (pieces.kind, pieces.sent) == (whole.kind, whole.sent), raw


@pytest.mark.parametrize(
    "beside",
    [
        {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "server_tool_use": {"web_search_requests": 1}, "tool_use_tokens": 3}},
        {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]},
        {"x_groq": {"id": "req_1", "usage": {"queue_time": 0.1}}},
    ],
    ids=["usage", "filters", "times"],
)
def test_what_providers_say_besides_passes(beside: dict[str, Json]) -> None:
    """Counts, filters and times are no calls."""
    raw = written(chunk({"content": "hi"}, None, choice=None, **beside), STOP) + END
    assert stream(ON, asked([function("good")]), [raw]).kind == "released"
