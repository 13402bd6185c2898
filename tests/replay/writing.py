"""Short ways to write transcripts: runs of agentgate, event by event, and what others record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from io import BytesIO
from typing import Any

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Effect,
    Event,
    ModelReplied,
    RunEnded,
    RunStarted,
    ToolReturned,
    Usage,
)
from agentgate.files.transcript import Damage, Transcript
from agentgate.files.transcript_chain import ZEROS, seal
from agentgate.files.transcript_reader import Source, read_stream
from agentgate.replay import Judged, Replay
from tests.core.building import START


def started(**more: Any) -> RunStarted:
    """The beginning of a run; no tools are known unless they are given."""
    return RunStarted(**{"at": START, "run_id": "run-1", **more})


def decided(id: Any, tool: Any, arguments: Any = "{}", effect: str = "allow", *, seconds: float = 0, **more: Any) -> CallDecided:
    """A call, and what was decided about it so many seconds after the beginning."""
    at = START + timedelta(seconds=seconds)
    code = more.pop("code", Code.RULE if more.get("rule") else Code.DEFAULT)
    return CallDecided(at=at, step=1, call_id=id, tool=tool, arguments=arguments, effect=Effect(effect), code=code, **more)


def returned(id: Any, content: str = "{}", *, executed: bool = True, ok: bool = True) -> ToolReturned:
    """The answer of a call."""
    return ToolReturned(at=START, call_id=id, executed=executed, ok=ok, content=content)


def answered(id: str, answer: str) -> ApprovalAnswered:
    """What a person said."""
    return ApprovalAnswered(at=START, call_id=id, args_hash="", answer=answer, by="somebody")


def replied(step: int = 1, usage: tuple[int, int] | None = (10, 5), **more: Any) -> ModelReplied:
    """An answer of the model."""
    return ModelReplied(at=START, step=step, message={"role": "assistant"}, usage=None if usage is None else Usage(*usage), **more)


ENDED = RunEnded(at=START, status="done")


def native(*events: Event, hashed: bool = True) -> bytes:
    """A run of agentgate, as a file."""
    lines: list[bytes] = []
    prev = ZEROS
    for number, event in enumerate(events, 1):
        sealed = seal(event, number, prev)
        prev = sealed.hash
        lines.append(sealed.line if hashed else _without(sealed.raw, "hash", "prev", "seq"))
    return b"".join(lines)


def _without(raw: dict[str, Any], *keys: str) -> bytes:
    return json.dumps({key: value for key, value in raw.items() if key not in keys}).encode() + b"\n"


def call(id: Any, name: Any, arguments: Any = "{}") -> dict[str, Any]:
    """A call in an assistant message."""
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def chat(*messages: dict[str, Any] | str, **more: Any) -> bytes:
    """A Chat Completions transcript, one line; a bare text is what the user says."""
    said = [{"role": "user", "content": message} if isinstance(message, str) else message for message in messages]
    return json.dumps({"messages": said, **more}).encode() + b"\n"


def assistant(*calls: dict[str, Any]) -> dict[str, Any]:
    """An answer that proposes calls."""
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def result(id: Any, content: str = "{}") -> dict[str, Any]:
    """What a call returned."""
    return {"role": "tool", "tool_call_id": id, "content": content}


def read(data: bytes, file: str = "t.jsonl") -> list[Transcript | Damage]:
    """What a file with these bytes holds."""
    return list(read_stream(BytesIO(data), Source(file), {}))


def judge(replay: Replay, data: bytes) -> list[Judged]:
    """Every call in a file without damages, judged."""
    calls: list[Judged] = []
    for found in read(data):
        assert isinstance(found, Transcript), found
        calls += replay.judge(found)
    return calls


def rows(calls: Iterable[Judged]) -> list[str]:
    """One line a call: what is decided, about what, by which rule; what was decided before, and whether that is a flip."""
    return [_row(call) for call in calls]


def _row(call: Judged) -> str:
    before = call.before
    parts: Sequence[str] = (
        call.effect,
        str(call.tool),
        call.rule or call.code,
        f"was {before.effect}" if before is not None else "",
        "FLIP" if call.flipped else "",
        "(after)" if call.after_flip else "",
    )
    return " ".join(part for part in parts if part)
