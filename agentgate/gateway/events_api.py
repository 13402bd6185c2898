"""What the gateway tells about its decisions: events, newest first, and the questions that wait for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import zip_longest

from agentgate.core.events import ApprovalAnswered, CallDecided, Effect, Json, ResultTrial, ToolReturned, Trial
from agentgate.files.gateway_records import RESULTS, Denial, Record
from agentgate.gateway.books import Question, Wanted
from agentgate.gateway.envelope import BadRequest

MOST = 1000
_KNOWN = ("limit", "since", "before", "session", "result")


def wanted(query: Mapping[str, str]) -> Wanted:
    """What a query string asks for.

    Raises:
        BadRequest: something in it is not understood; nothing is guessed.
    """
    for name in query:
        if name not in _KNOWN:
            raise BadRequest(f"`{name[:40]}` is not a parameter: {', '.join(_KNOWN)}", name[:40])
    limit = query.get("limit", "50")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MOST):
        raise BadRequest(f"`limit` is not a number from 1 to {MOST}", "limit")
    result = query.get("result")
    if result is not None and result not in RESULTS.values():
        raise BadRequest(f"`result` is none of {', '.join(RESULTS.values())}", "result")
    since, before = query.get("since"), query.get("before")
    if before is not None and not before.startswith("evt_"):
        raise BadRequest("`before` is not the id of an event", "before")
    return Wanted(
        limit=int(limit),
        since=since if since is None or since.startswith("evt_") else _time(since),
        before=before,
        session=query.get("session"),
        result=result,
    )


def _time(text: str) -> str:
    """A time with its zone; `+` in a query string means a space where nobody took care."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadRequest("`since` is neither the id of an event nor a time such as 2026-01-31T12:00:00Z", "since")
    return found.isoformat()


def as_event(record: Record) -> dict[str, Json]:
    """A record as the events API tells it."""
    decided = record.decided
    answers = {event.call_id: event for event in record.events if isinstance(event, ApprovalAnswered)}
    decisions = [_decision(call, list, answers) for call, list in zip_longest(decided, record.listed[: len(decided)])]
    return {
        "id": record.id,
        "at": record.at.isoformat().replace("+00:00", "Z"),
        "session": record.session,
        "run": record.run,
        "api": record.api,
        "model": record.model,
        "answer_id": record.answer_id,
        "mode": record.mode.value,
        "role": record.role,
        "policy": {"name": record.policy.name, "sha256": record.policy.sha256},
        "released": record.released,
        "error": record.error,
        "tool_calls": [_call(call) for call in decided],
        "policy_decisions": decisions if record.denied is None else [*decisions, _of_no_call(record.denied)],
        "tool_results": [_result(event) for event in record.events if isinstance(event, ToolReturned) and (event.code or event.trials)],
    }


def _call(call: CallDecided) -> dict[str, Json]:
    return {"name": call.tool, "arguments": call.arguments, "args_hash": call.args_hash, "policy_result": RESULTS[call.effect]}


def _decision(call: CallDecided, list: str | None, answers: Mapping[str, ApprovalAnswered]) -> dict[str, Json]:
    rule = call.rule or list
    answered = answers.get(call.call_id) if call.effect is Effect.ASK and isinstance(call.call_id, str) else None
    return {
        "policy": rule or call.code.value,
        "action": call.effect.value,
        "matched": rule is not None,
        "reason": call.reason if list is None else "the list names this tool",
        "code": call.code.value,
        "enforced": call.enforced,
        "trials": _trials(call.trials),
        "approval": None if answered is None else {"answer": answered.answer, "by": answered.by, "note": answered.note},
    }


def _of_no_call(denied: Denial) -> dict[str, Json]:
    """What was decided about a request, or an answer, as a whole."""
    return {
        "policy": denied.rule or denied.code,
        "action": Effect.BLOCK.value,
        "matched": denied.rule is not None,
        "reason": denied.reason,
        "code": denied.code,
        "enforced": denied.enforced,
        "trials": [],
        "approval": None,
    }


def _trials(trials: Sequence[Trial | ResultTrial]) -> list[Json]:
    """Rules on trial that matched, and what they would have done."""
    return [{"policy": trial.rule, "action": trial.effect.value} for trial in trials]


def _result(event: ToolReturned) -> dict[str, Json]:
    """A result that a rule kept back from the model, or cut, or that a rule on trial would have."""
    return {
        "tool_call_id": event.call_id,
        "rule": event.rule,
        "code": event.code,
        "enforced": event.enforced,
        "trials": _trials(event.trials),
    }


def as_question(question: Question) -> dict[str, Json]:
    """A question as the API tells it."""
    return {
        "id": question.id,
        "at": question.at.isoformat().replace("+00:00", "Z"),
        "state": question.state,
        "session": question.session,
        "tool": question.tool,
        "arguments": question.arguments,
        "args_hash": question.args_hash,
        "role": question.role,
        "rule": question.rule,
        "reason": question.reason,
        "by": question.by,
        "note": question.note,
        "answered_at": None if question.answered_at is None else question.answered_at.isoformat().replace("+00:00", "Z"),
    }
