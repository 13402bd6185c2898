"""Most whole answers are read in a quick way, which understands nothing otherwise than the careful one, and takes nothing doubtful."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentgate.core.events import Json
from agentgate.gateway.chat import ChatAnswer
from agentgate.gateway.chat_usual import read_usual
from agentgate.gateway.shapes import Broken, Whole
from agentgate.models.replies import MAX_ANSWER_BYTES

CALL = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"id": 7}'}}
NULLS = {"audio": None, "function_call": None, "reasoning_content": "hm", "annotations": None}
USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0}}


def body(*calls: Json, **message: Json) -> dict[str, Json]:
    """A usual answer."""
    said = {"role": "assistant", "content": None if calls else "done", **({"tool_calls": list(calls)} if calls else {}), **message}
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": "tool_calls" if calls else "stop"}
    about = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**about, "choices": [choice], "usage": USAGE, "service_tier": "default", "system_fingerprint": "fp"}


USUAL: dict[str, dict[str, Json]] = {
    "a call": body(CALL),
    "two calls": body(CALL, {**CALL, "id": "call_2"}, refusal=None, annotations=[]),
    "text": body(refusal=None),
    "text and no calls": body(tool_calls=[], **NULLS),
    "nulls": body(CALL, **NULLS),
    "no usage": {**body(CALL), "usage": None},
    "nothing but what is needed": {"choices": [{"message": {"role": "assistant", "tool_calls": [CALL]}, "finish_reason": "stop"}]},
}
KEYS = st.sampled_from(
    ["id", "type", "function", "name", "arguments", "role", "content", "tool_calls", "function_call", "refusal", "annotations", "delta",
     "index", "message", "finish_reason", "logprobs", "choices", "usage", "output", "error", "custom", "cached_tokens", "prompt_tokens",
     "total_tokens", "cost", "x", "stop_reason", "model", "reasoning", "object"]
)  # fmt: skip
VALUES = st.sampled_from(
    [None, "", "x", "stop", "tool_calls", "length", "user", "assistant", "function", "custom", 0, 1, -1, 100, 1.5, True, 2**63, 2**70,
     [], {}, [None], [1], [CALL], [CALL, 5], {"name": "f", "arguments": "{}"}, {"name": "f", "arguments": {}}, {"x": 1}, {"tool": "x"},
     ":", "é"]
)  # fmt: skip


def places(value: Json) -> list[Json]:
    """All objects and lists in it that are not empty."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return ([value] if inner else []) + [place for part in inner for place in places(part)]


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """A usual answer with some of it replaced, left out, or added, in either form, and maybe with a key twice."""
    made = deepcopy(draw(st.sampled_from(list(USUAL.values()))))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from(places(made) or [made]))
        if isinstance(place, list):
            place[draw(st.integers(0, len(place) - 1))] = deepcopy(draw(VALUES))
        elif place and draw(st.booleans()):
            key = draw(st.sampled_from(list(place)))
            if draw(st.booleans()):
                place[key] = deepcopy(draw(VALUES))
            else:
                del place[key]
        else:
            place[draw(KEYS)] = deepcopy(draw(VALUES))
    text = json.dumps(made, separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])), ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 4)) == 0:
        twice = draw(st.sampled_from(['"id"', '"name"', '"choices"', '"role"', '"tool_calls"', '"prompt_tokens"']))
        text = text.replace(f"{twice}:", f'{twice}:"\\u003a",{twice}:', 1)
    return text.encode()


def told(answer: Whole) -> object:
    """All that is judged of an answer, and what may go out of it."""
    return repr(answer.answer), json.dumps(json.loads(answer.released()), sort_keys=True), answer.untouched()


def refusal(raw: bytes) -> str | None:
    """Why the quick way refuses an answer that it must not take; None where it leaves that to the other."""
    try:
        assert read_usual(raw) is None
    except Broken as error:
        return str(error)
    return None


@given(answers())
@settings(max_examples=600)
def test_the_quick_way_understands_nothing_otherwise(raw: bytes) -> None:
    """What it takes is judged as the careful way would have it judged, and goes out as the same; nothing of it is doubtful."""
    try:
        wanted = told(ChatAnswer(raw, 0))
    except Broken as error:
        assert refusal(raw) in (None, str(error))  # noqa: PT017 - it may be left to the careful way
        return
    quick = read_usual(raw)
    if quick is not None:
        assert told(quick) == wanted
        assert quick.answer.unusable is None


@pytest.mark.parametrize("said", USUAL.values(), ids=USUAL)
@pytest.mark.parametrize("indent", [None, 2])
def test_usual_answers_are_read_quickly(said: dict[str, Json], indent: int | None) -> None:
    """Those of OpenAI and of vLLM among them, with and without calls."""
    raw = json.dumps(said, indent=indent).encode()
    quick = read_usual(raw)
    assert quick is not None
    assert told(quick) == told(ChatAnswer(raw, 0))
    assert [call.arguments for call in quick.answer.calls] == ['{"id": 7}'] * len(quick.answer.calls)


@pytest.mark.parametrize(
    "said",
    [
        {**body(CALL), "x": 1},
        body({**CALL, "custom": None}),
        body({**CALL, "id": None}),
        body({**CALL, "function": {**CALL["function"], "strict": True}}),  # type: ignore[dict-item]
        body(CALL, function_call={"name": "f", "arguments": "{}"}),
        body(CALL, role="tool"),
        {**body(CALL), "choices": body(CALL)["choices"] * 2},
        {**body(CALL), "choices": [{**body(CALL)["choices"][0], "finish_reason": "length"}]},
        {**body(), "choices": [{**body()["choices"][0], "finish_reason": "tool_calls"}]},
        {**body(CALL), "error": {"message": "x"}},
    ],
    ids=["field", "beside a function", "no id", "in a function", "old form", "role", "two choices", "cut off", "announced", "error"],
)
def test_what_is_not_usual_is_read_with_care(said: dict[str, Json]) -> None:
    """Whatever has more in it, or may be doubtful."""
    assert read_usual(json.dumps(said).encode()) is None


def test_the_careful_way_says_what_is_too_long() -> None:
    """The limit is that of all answers."""
    raw = json.dumps(body(CALL)).encode()
    assert read_usual(raw + b" " * (MAX_ANSWER_BYTES - len(raw))) is not None
    assert read_usual(raw + b" " * (MAX_ANSWER_BYTES - len(raw) + 1)) is None
