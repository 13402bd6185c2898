"""Chat Completions messages: a line a run, `{"id", "tools", "meta", "messages"}`, as `agentgate.files.importers.chat` reads it."""

from __future__ import annotations

from collections import Counter

import msgspec

from agentgate.core.events import ApprovalAnswered, Json, ModelReplied, RunEnded, RunResumed, RunStarted, ToolReturned
from agentgate.files.transcript import InvalidTranscript, Proposed, Transcript, Unanswered

ONE_A_FILE = False


def write(transcript: Transcript, losses: Counter[str]) -> bytes:
    """The line of a run.

    Raises:
        InvalidTranscript: it holds what JSON cannot carry.
    """
    begin = transcript.started
    line: dict[str, Json] = {"id": transcript.id}
    if begin.tools is not None:
        line["tools"] = list(begin.tools)
    meta = _meta(transcript)
    if meta:
        line["meta"] = meta
    line["messages"] = messages_of(transcript, losses)
    try:
        return msgspec.json.encode(line) + b"\n"
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError) as error:
        raise InvalidTranscript(f"it cannot be written as JSON: {error}") from None


def messages_of(transcript: Transcript, losses: Counter[str]) -> list[dict[str, Json]]:
    """The conversation of a run, in order."""
    messages: list[dict[str, Json]] = []
    names: dict[Json, str] = {}
    for item in transcript.items:
        match item:
            case RunStarted():
                messages.extend(item.messages)
            case ModelReplied():
                messages.extend(item.messages)
                messages.append(item.message)
                _lose_of_reply(item, losses)
            case Unanswered():
                messages.extend(item.messages)
            case Proposed():
                if type(item.call.id) is str and type(item.call.name) is str:
                    names[item.call.id] = item.call.name
                if item.recorded is not None:
                    losses["decision"] += 1
            case ToolReturned():
                name = names.get(item.call_id) if type(item.call_id) is str else None
                named = {} if name is None else {"name": name}
                messages.append({"role": "tool", "tool_call_id": item.call_id, **named, "content": item.content})
                if not item.executed:
                    losses["word that a call was not executed"] += 1
            case ApprovalAnswered():
                losses["answer of a person"] += 1
            case RunEnded():
                losses["word of how a run ended"] += 1
            case RunResumed():
                losses["word that a run was resumed"] += 1
    return messages


def _lose_of_reply(reply: ModelReplied, losses: Counter[str]) -> None:
    if reply.usage is not None or reply.cost_usd is not None:
        losses["count of tokens or cost"] += 1
    if reply.unusable is not None:
        losses["word that an answer was not used"] += 1
    if reply.offered is not None:
        losses["change of what was offered"] += 1
    if reply.finish_reason not in (None, "stop", "tool_calls"):
        losses["reason why an answer ended"] += 1


def _meta(transcript: Transcript) -> dict[str, Json]:
    """What is said about a run beside its messages."""
    begin = transcript.started
    said: dict[str, Json] = dict(transcript.meta) if isinstance(transcript.meta, dict) else {}
    if transcript.attacked:
        said["attack_succeeded"] = True
    for name, value in (("model", begin.model), ("role", begin.role), ("workdir", begin.workdir)):
        if value is not None:
            said.setdefault(name, value)
    if not transcript.imported:
        said.setdefault("mode", begin.mode.value)
        if begin.policy is not None:
            said.setdefault("policy", begin.policy.name)
    return said
