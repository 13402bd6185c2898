"""What a report tells of each run: its header, its audit, and every step with its calls, their decisions and what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from agentgate.core.arguments import InvalidJson, parse_arguments
from agentgate.core.events import EPOCH, ApprovalAnswered, CallDecided, Json, ModelReplied, RunEnded, RunResumed, ToolReturned, Usage
from agentgate.core.state import user_texts
from agentgate.errors import FileError
from agentgate.files.history import MOST, Run, summary
from agentgate.files.transcript import Proposed, Transcript
from agentgate.files.transcript_reader import Source, read_file
from agentgate.files.transcript_verify import UNENDED, Verification, verify
from agentgate.output.summary import resumed_text


class Call(Struct):
    """A proposed call, and all that came of it."""

    number: int
    """Which call of the run it is, from 1."""
    id: Json
    tool: Json
    raw: Json
    """The arguments as the model wrote them."""
    arguments: Mapping[str, Json] | None
    """Parsed; None where they are no strict JSON object."""
    decided: CallDecided | None = None
    """None in transcripts of others: nobody decided anything there."""
    approvals: list[ApprovalAnswered] = field(default_factory=list)
    returns: list[ToolReturned] = field(default_factory=list)
    """Its answers: one, or several where it was executed again after nobody knew whether it had run."""


class Step(Struct):
    """One answer of the model with its calls; number 0 for calls that came before any answer."""

    number: int
    after: float | None = None
    """Seconds since the run began; None where nobody knows."""
    said: str = ""
    asked: tuple[str, ...] = ()
    """What the user said since the answer before."""
    usage: Usage | None = None
    cost_usd: float | None = None
    finish_reason: str | None = None
    unusable: str | None = None
    calls: list[Call] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """What else happened: the run was resumed, and the like."""


class Told(Struct, frozen=True):
    """A run as a report tells it."""

    run: Run
    messages: tuple[tuple[str, str], ...]
    """Role and text of what was said before the first answer."""
    steps: Sequence[Step]
    files: tuple[tuple[str, str], ...]
    """The policy's files and their hashes."""
    version: str
    verification: Verification | None
    """None where there are no hashes to verify."""
    unverified: str | None
    """Why there is no verification."""


class Cost(Struct, frozen=True):
    """What one answer added, and when."""

    at: datetime
    cost_usd: float | None
    tokens: int


def tell(source: Source) -> Iterator[Told]:
    """Every run of a file, one at a time. What is damaged in it is not told here: `read_history` names it."""
    for found in read_file(source):
        if isinstance(found, Transcript):
            yield _told(found)


def costs(source: Source) -> Iterator[Cost]:
    """What every answer in a file added, where it is known when that was."""
    for found in read_file(source):
        for item in found.items if isinstance(found, Transcript) else ():
            if isinstance(item, ModelReplied) and item.at != EPOCH:
                tokens = item.usage.input_tokens + item.usage.output_tokens if item.usage else 0
                cost = item.cost_usd if item.cost_usd is None or item.cost_usd <= MOST else None
                yield Cost(item.at, cost, min(tokens, MOST))


def has_findings(verification: Verification | None) -> bool:
    """Whether an audit found more than that the run has no end."""
    return verification is not None and any(problem.what != UNENDED for problem in verification.problems)


def _told(transcript: Transcript) -> Told:
    started = transcript.started
    verification, unverified = _verified(transcript)
    return Told(
        run=replace(summary(transcript), file=transcript.file),
        messages=tuple((str(message.get("role", "")), text_of(message.get("content"))) for message in started.messages),
        steps=_steps(transcript),
        files=tuple((file.name, file.sha256) for file in started.policy.files) if started.policy else (),
        version=started.agentgate,
        verification=verification,
        unverified=unverified,
    )


def _verified(transcript: Transcript) -> tuple[Verification | None, str | None]:
    if transcript.imported:
        return None, "recorded by somebody else, without hashes"
    if not transcript.hashed:
        return None, "its events have no hashes"
    try:
        return verify(transcript.file), None
    except FileError as error:
        return None, error.message


def _steps(transcript: Transcript) -> list[Step]:
    began = transcript.started.at
    steps: list[Step] = []
    calls: dict[str, list[Call]] = {}
    for item in transcript.items[1:]:
        if isinstance(item, ModelReplied):
            steps.append(_step(item, None if began == EPOCH else (item.at - began).total_seconds()))
            continue
        if not steps and not isinstance(item, RunEnded):
            steps.append(Step(0))
        match item:
            case Proposed():
                call = _call(item)
                steps[-1].calls.append(call)
                calls.setdefault(repr(call.id), []).append(call)
            case ApprovalAnswered():
                for call in _meant(calls, item.call_id):
                    call.approvals.append(item)
            case ToolReturned():
                for call in _meant(calls, item.call_id):
                    call.returns.append(item)
            case RunResumed():
                steps[-1].notices.append(" · ".join(("the run goes on", *resumed_text(item, transcript.started))))
            case RunEnded():
                if item is not transcript.items[-1]:
                    steps[-1].notices.append(f"the run ended as {item.status}" + (f": {item.reason}" if item.reason else ""))
            case _:
                pass
    return steps


def _step(item: ModelReplied, after: float | None) -> Step:
    return Step(
        item.step,
        after=after,
        said=text_of(item.message.get("content")),
        asked=tuple(user_texts(item.messages)),
        usage=item.usage,
        cost_usd=item.cost_usd,
        finish_reason=item.finish_reason,
        unusable=item.unusable,
    )


def _call(item: Proposed) -> Call:
    arguments = None
    if isinstance(item.call.arguments, str):
        try:
            arguments = parse_arguments(item.call.arguments)
        except InvalidJson:
            arguments = None
    return Call(item.index + 1, item.call.id, item.call.name, item.call.arguments, arguments, item.recorded)


def _meant(calls: Mapping[str, list[Call]], call_id: Json) -> list[Call]:
    """The oldest call of this id that has no answer yet, else the latest one; none where there is no such call."""
    found = calls.get(repr(call_id), [])
    return [call for call in found if not call.returns][:1] or found[-1:]


def text_of(content: Json) -> str:
    """What a message says: a text, or its parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in content):
        return "\n".join(part["text"] for part in content)
    return json.dumps(content)
