"""An answer before a policy without any network: bytes in, what the client would get out."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from agentgate.core.events import ApprovalAnswered, CallDecided, Json, Mode, PolicyDigest
from agentgate.core.policy import Policy
from agentgate.gateway import chat
from agentgate.gateway.judging import Bench, Sitting, Verdict
from agentgate.gateway.past import Past
from agentgate.gateway.shapes import Answer, Api, Asked, Broken
from agentgate.session import prepare
from tests.core.building import Clock
from tests.hostile.translation import policy_of, specifications, tools_of

SPECIFICATIONS = specifications()


class Nobody:
    """Nobody has answered anything."""

    def __init__(self) -> None:
        self.asked: list[CallDecided] = []

    def answered(self, call: CallDecided, besides: Collection[str]) -> tuple[str, ApprovalAnswered] | None:
        return None

    def use(self, ids: Collection[str]) -> None:
        assert not ids

    def ask(self, call: CallDecided) -> str:
        self.asked.append(call)
        return f"apr_{len(self.asked)}"


class Outcome(Struct):
    """What a client gets."""

    kind: str
    """`released`, `withheld` or `broken`."""
    sent: bytes
    """All that went out, apart from the error."""
    error: dict[str, Json] | str | None = None
    verdict: Verdict | None = None
    answer: Answer | None = None


def bench(policy: Policy, mode: Mode = Mode.ENFORCE, role: str | None = None, clock: Callable[[], datetime] | None = None) -> Bench:
    """What to judge by."""
    digest = PolicyDigest(policy.name, policy.sha256)
    return Bench(policy=prepare(policy), digest=digest, mode=mode, role=role, clock=clock or Clock(), workdir="/")


def corpus_bench(name: str, mode: Mode = Mode.ENFORCE) -> Bench:
    """A policy of the hostile corpus."""
    return bench(policy_of(name, SPECIFICATIONS[name], in_rules=True), mode)


def asked(tools: Sequence[Json] = (), *, messages: Sequence[Json] = (), api: Any = chat, **more: Json) -> Asked:
    """A request of Chat Completions."""
    said = list(messages) or [{"role": "user", "content": "do it"}]
    body = {"model": "m", "messages": said, "tools": list(tools), **more}
    read: Asked = api.read_request(json.dumps(body).encode(), 1 << 20)
    return read


def corpus_asked(name: str, **more: Json) -> Asked:
    """A request that offers the tools of a policy of the corpus, and some that it does not allow."""
    offered = tools_of(name, SPECIFICATIONS[name], in_rules=True)
    known = {tool["function"]["name"] for tool in offered}
    anything = {"type": "object", "additionalProperties": True}
    others = [name for name in ("delete_all", "get_weather_and_delete") if name not in known]
    return asked([*offered, *({"type": "function", "function": {"name": other, "parameters": anything}} for other in others)], **more)


def cut(raw: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Bytes in pieces of these sizes, and the rest."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(raw[start : start + size])
        start += size
    return [*pieces, raw[start:]]


def judge(on: Bench, request: Asked, answer: Answer, past: Past | None = None) -> Verdict:
    """The verdict on an answer."""
    return Sitting(on, request, past, "run").judge(answer, Nobody())


def stream(on: Bench, request: Asked, pieces: Iterable[bytes], *, api: Api = chat, hold: bool = False) -> Outcome:
    """A streamed answer, judged as the gateway does it."""
    reading = api.open_stream(request, hold=hold)
    sent = b"".join([reading.feed(piece) for piece in pieces])
    try:
        answer = reading.end()
    except Broken as error:
        return Outcome("broken", sent, str(error))
    verdict = judge(on, request, answer)
    if verdict.failure is not None:
        return Outcome("withheld", sent, verdict.failure.error, verdict, answer)
    rest = reading.untouched() if answer.unusable else reading.released()
    return Outcome("released", sent + rest, None, verdict, answer)


def whole(on: Bench, request: Asked, raw: bytes, *, api: Api = chat) -> Outcome:
    """An answer in one piece, judged as the gateway does it."""
    try:
        read = api.read_answer(raw, request)
    except Broken as error:
        return Outcome("broken", b"", str(error))
    verdict = judge(on, request, read.answer)
    if verdict.failure is not None:
        return Outcome("withheld", b"", verdict.failure.error, verdict, read.answer)
    return Outcome("released", read.untouched() if read.answer.unusable else read.released(), None, verdict, read.answer)


def chunks(sent: bytes) -> list[Any]:
    """The chunks of a stream, without its end."""
    lines = [line.removeprefix(b"data: ") for line in sent.split(b"\n\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def assembled(sent: bytes) -> dict[int, dict[str, Any]]:
    """A stream put together as a client would: choice → its text, calls and finish reason."""
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks(sent):
        for choice in chunk["choices"]:
            found = choices.setdefault(choice["index"], {"content": "", "tool_calls": {}, "finish_reason": None})
            delta = choice.get("delta") or {}
            found["content"] += delta.get("content") or ""
            for call in delta.get("tool_calls") or ():
                assert call["index"] not in found["tool_calls"], "a call goes out in one piece"
                found["tool_calls"][call["index"]] = call
            found["finish_reason"] = choice.get("finish_reason") or found["finish_reason"]
    return choices
