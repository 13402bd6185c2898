"""Streams made up at random, cut anywhere: of a refused call no byte goes out, and of an allowed one exactly what was decided.

Everything that belongs to a call is written in capitals and nothing else is, so that a single leaked byte is seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from agentgate.core.events import Json, Mode
from agentgate.gateway.shapes import Asked
from tests.core.building import policy, rule
from tests.gateway.judged import Outcome, asked, bench, chunks, cut, stream
from tests.gateway.serving import function

NAMES = ("READ", "WIPE")
ON = policy(rule("allow", "READ"), rule("block", "WIPE"))
ENFORCED, OBSERVED = bench(ON), bench(ON, Mode.OBSERVE)
TEXTS = ("so ", "let me ", "é… ", "\n\n", "data: ", "[done]", "")
LOGPROB: dict[str, Json] = {"logprob": -0.5, "bytes": None, "top_logprobs": []}


def request() -> Asked:
    return asked([function(name) for name in NAMES], stream=True)


def chunk(delta: Mapping[str, Any], *, index: int = 0, finish: str | None = None, **more: Json) -> dict[str, Any]:
    """A chunk with one choice."""
    choice = {"index": index, "delta": delta, "finish_reason": finish, **more}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def written(told: Sequence[Json], *, done: bool = True, end: bytes = b"\n") -> bytes:
    """Chunks as server-sent events."""
    lines = [b"data: " + json.dumps(one).encode() for one in told] + [b"data: [DONE]"] * done
    return b"".join(line + end * 2 for line in lines)


def piece(name: str | None = None, arguments: str | None = None, *, id: str | None = None, index: int = 0) -> dict[str, Any]:
    """A part of a call as a delta."""
    body = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    head = {"id": id, "type": "function"} if id is not None else {}
    return {"tool_calls": [{"index": index, **head, "function": body}]}


def leaked(got: Outcome) -> bytes:
    """The capitals that went out."""
    return bytes(byte for byte in got.sent.replace(b"[DONE]", b"") if 65 <= byte <= 90)


def by_client(sent: bytes) -> list[tuple[int, str, str, str]]:
    """What the official client puts together: choice, id, name and arguments of every call."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for one in chunks(sent):
        list(state.handle_chunk(ChatCompletionChunk.model_validate(one)))
    found = []
    for choice in state.current_completion_snapshot.choices:
        for call in choice.message.tool_calls or ():
            assert call.type == "function"
            found.append((choice.index, call.id, call.function.name, call.function.arguments))
    return sorted(found)


def by_anybody(sent: bytes) -> list[tuple[int, str, str, str]]:
    """The same for streams as they came, whose calls may come in any order: pieces of a call are put one behind the other."""
    found: dict[tuple[int, int], list[str]] = {}
    for one in chunks(sent):
        for choice in one["choices"]:
            for part in choice["delta"].get("tool_calls") or ():
                call = found.setdefault((choice["index"], part["index"]), ["", "", ""])
                said = (part.get("id"), part["function"].get("name"), part["function"].get("arguments"))
                call[:] = [before + (more or "") for before, more in zip(call, said, strict=True)]
    return sorted((index, id, name, arguments) for (index, _), (id, name, arguments) in found.items())


class Made:
    """A stream made up at random."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.calls: list[tuple[int, str, str, str]] = []
        self.text = {0: ""}
        queues = [self._call(number) for number in range(data.draw(st.integers(0, 3), label="calls"))]
        queues.append([self._said(text) for text in data.draw(st.lists(st.sampled_from(TEXTS), max_size=4), label="texts")])
        told = self._shuffled(queues)
        self.choices = sorted({one["choices"][0]["index"] for one in told} | {0})
        told = [chunk({"role": "assistant", "content": ""}, index=index) for index in self.choices] + told
        for index in self.choices:
            proposes = any(call[0] == index for call in self.calls)
            told.append(chunk({}, index=index, finish="tool_calls" if proposes else "stop"))
        if data.draw(st.booleans(), label="usage"):
            told.append({**chunk({}), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
        self.raw = written(told, done=data.draw(st.booleans(), label="done"), end=data.draw(st.sampled_from((b"\n", b"\r\n", b"\r"))))

    @property
    def refused(self) -> bool:
        return any(call[2] == "WIPE" for call in self.calls)

    def _call(self, number: int) -> list[dict[str, Any]]:
        """The parts of a call: its id and name, split or not, then its arguments."""
        draw = self._data.draw
        index, place = draw(st.integers(0, 1), label="choice"), draw(st.sampled_from((number, number * 3)), label="index")
        id, name, arguments = f"ID{number}", draw(st.sampled_from(NAMES), label="name"), '{"A": "SECRET"}'
        self.calls.append((index, id, name, arguments))
        names = self._split(name)
        parts = [piece(names[0], id=id, index=place), *(piece(part, index=place) for part in names[1:])]
        parts += [piece(arguments=part, index=place) for part in self._split(arguments)]
        noise: dict[str, Any] = {"logprobs": {"content": [{"token": "WIPE", **LOGPROB}]}} if draw(st.booleans(), label="noise") else {}
        return [chunk(part, index=index, **noise) for part in parts]

    def _said(self, text: str) -> dict[str, Any]:
        self.text[0] += text
        return chunk({"content": text})

    def _split(self, text: str) -> list[str]:
        places = sorted(self._data.draw(st.sets(st.integers(1, len(text) - 1), max_size=3), label="split"))
        return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]

    def _shuffled(self, queues: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """All parts, each queue in its own order."""
        order = self._data.draw(st.permutations([place for place, queue in enumerate(queues) for _ in queue]), label="order")
        return [queues[place].pop(0) for place in order]


@settings(max_examples=150)
@given(data=st.data())
def test_what_goes_out_is_what_was_decided(data: st.DataObject) -> None:
    """Refused: nothing in capitals. Allowed: the official client puts together exactly the calls that the model made, and its text."""
    made = Made(data)
    sizes = data.draw(st.lists(st.integers(1, 400), max_size=12), label="sizes")
    got = stream(ENFORCED, request(), cut(made.raw, sizes))
    if made.refused:
        assert got.kind == "withheld"
        assert leaked(got) == b""
        return
    assert got.kind == "released", got.error
    assert by_client(got.sent) == sorted(made.calls)
    text = "".join(choice["delta"].get("content") or "" for one in chunks(got.sent) for choice in one["choices"])
    assert text == made.text[0]


@settings(max_examples=60)
@given(data=st.data())
def test_in_observe_mode_nothing_is_lost(data: st.DataObject) -> None:
    """Refused calls too arrive whole, and so do answers that are not understood."""
    made = Made(data)
    cut_off = made.raw.replace(b'"tool_calls"}', b'"length"}') if data.draw(st.booleans(), label="cut off") else made.raw
    got = stream(OBSERVED, request(), cut(cut_off, data.draw(st.lists(st.integers(1, 400), max_size=6))))
    assert got.kind == "released"
    assert by_anybody(got.sent) == sorted(made.calls)


@settings(max_examples=60)
@given(data=st.data())
def test_a_stream_cut_off_anywhere_releases_no_call(data: st.DataObject) -> None:
    """Unless every choice had said that it is complete."""
    made = Made(data)
    place = data.draw(st.integers(0, len(made.raw) - 1), label="place")
    got = stream(ENFORCED, request(), [made.raw[:place]])
    if got.kind == "released":
        assert by_client(got.sent) in ([], sorted(made.calls))
    else:
        assert leaked(got) == b""


WIPE = piece("WIPE", '{"A": 1}', id="ID")
TOKENS = {"content": [{"token": "WIPE", **LOGPROB}]}
HI = chunk({"role": "assistant", "content": "hi"})
END = chunk({}, finish="tool_calls")


@pytest.mark.parametrize(
    "told",
    [
        [chunk({"role": "assistant", **WIPE}, logprobs=TOKENS), HI, END],
        [chunk({"role": "assistant", "content": "hi", **WIPE}, logprobs=TOKENS), END],
        [chunk({"role": "assistant", **WIPE}, token_ids=["WIPE"]), HI, END],
        [HI, chunk(WIPE, finish="tool_calls", logprobs=TOKENS)],
        [HI, chunk({"function_call": {"name": "WIPE", "arguments": "{}"}}), chunk({}, finish="function_call")],
        [HI, chunk({"function_call": {"name": "WI"}}), chunk({"function_call": {"name": "PE"}}), chunk({}, finish="function_call")],
        [HI, chunk({"tool_calls": [{"index": 0, "id": "ID", "type": "custom", "custom": {"name": "WIPE", "input": "A"}}]}), END],
        [HI, chunk({"tool_calls": [{"index": 0, "id": "ID", "type": "mcp", "mcp": {"name": "WIPE"}}]}), END],
        [HI, chunk(WIPE), END, chunk(WIPE)],
        [HI, chunk(piece("READ", "{}", id="ID")), chunk(WIPE | {}, index=1), END, chunk({}, index=1, finish="tool_calls")],
        [HI, chunk({"tool_calls": {"0": WIPE}}), END],
        [HI, chunk({"content": "x", "mcp_call": {"name": "WIPE"}}), END],
        [HI, chunk({"content": "x", "function": {"name": "WIPE"}}), END],
        [HI, chunk({"content": "x", "tools": [{"name": "WIPE"}]}), END],
        [HI, chunk({"content": "x", "tool_use": {"name": "WIPE"}}), END],
        [HI, {**chunk({"content": "x"}), "message": {"tool_calls": [WIPE]}}, END],
        [HI, {**chunk({"content": "x"}), "output": [{"type": "function_call", "name": "WIPE"}]}, END],
        [HI, chunk({"content": [{"type": "tool_use", "name": "WIPE"}]}), END],
        [HI, chunk({"content": "x"}, message={"tool_calls": [WIPE]}), END],
        [HI, chunk({"role": "tool", "content": "WIPE"}), chunk({}, finish="stop")],
        [HI, chunk(piece("READ", "{}", id="ID", index=0)), chunk(piece(arguments='"WIPE"', index=True)), END],
    ],
    ids=range(21),
)
def test_every_way_to_hide_a_call_is_seen(told: list[Json]) -> None:
    """Beside text, in fields that only some clients read, in pieces, or after the end: nothing of it goes out."""
    for size in (1, 7, 1 << 20):
        raw = written(told)
        got = stream(ENFORCED, request(), cut(raw, [size] * (len(raw) // size)))
        assert got.kind != "released"
        assert leaked(got) == b""


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"id": "c", "choices": [], "choices": [{"index": 0, "delta": {"tool_calls": []}}]}',
        b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "a", "content": "WIPE"}}]}',
        b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "a", "c\\u006fntent": "WIPE"}}]}',
        b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "\\ud800WIPE"}}]}',
        b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "WIPE"}, "x": NaN}]}',
        b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "WIPE"}}]} {}',
        b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "\xffWIPE"}}]}',
        b"data: " + b'{"a":' * 100 + b'"WIPE"' + b"}" * 100,
        b"data: WIPE",
        b'data: ["WIPE"]',
    ],
    ids=range(10),
)
def test_a_chunk_that_could_be_read_in_two_ways_ends_the_stream(line: bytes) -> None:
    """Nothing of it goes out, nor of what comes after."""
    raw = written([HI], done=False) + line + b"\n\n" + written([chunk({"content": "AFTER"}), chunk({}, finish="stop")])
    for size in (1, 1 << 20):
        got = stream(ENFORCED, request(), cut(raw, [size] * (len(raw) // size)))
        assert got.kind == "broken"
        assert b"hi" in got.sent
        assert leaked(got) == b""
