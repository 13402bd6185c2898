"""What an approver outside is asked, and how its answer is read: JSON both ways, signed where both sides share a secret.

Anything in an answer that is not clear makes it a no.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from agentgate.approvers.port import Answer, Question
from agentgate.core.arguments import InvalidJson, canonical, parse_json
from agentgate.core.events import Json, Scope

VERSION = 1
MAX_ANSWER = 64 * 1024
"""Bytes of an answer, at most."""
_LONGEST_NAME = 200
_LONGEST_REASON = 500
_ECHOED = ("run_id", "call_id", "args_hash", "nonce")


class About(Struct, frozen=True):
    """The run that asks."""

    run_id: str
    role: str | None = None
    policy_name: str | None = None
    policy_sha256: str | None = None
    task: str | None = None


class Request(Struct, frozen=True):
    """A question as it is sent."""

    fields: dict[str, Json]
    """Without the signature."""
    data: bytes
    """One JSON object."""
    expires_at: datetime


class Unclear(ValueError):
    """An answer that is none. The message says why, in lower case, and quotes nothing of it."""


def request(
    question: Question, about: About, *, now: datetime, seconds: float, random: Callable[[int], bytes], secret: bytes | None
) -> Request:
    """The question about one call.

    Args:
        question: whom it is about.
        about: the run.
        now: the time, in UTC.
        seconds: for how long an answer is waited for.
        random: gives that many random bytes.
        secret: signs it.
    """
    decision = question.decision
    expires = now + timedelta(seconds=seconds)
    fields: dict[str, Json] = {
        "version": VERSION,
        "run_id": about.run_id,
        "call_id": question.call.id,
        "tool": question.call.name,
        "arguments": dict(decision.arguments or {}),
        "args_hash": question.args_hash,
        "rule": decision.rule,
        "reason": decision.reason,
        "role": about.role,
        "policy": {"name": about.policy_name, "sha256": about.policy_sha256},
        "task": about.task,
        "asked_at": _moment(now),
        "expires_at": _moment(expires),
        "nonce": random(16).hex(),
    }
    signed = fields if secret is None else {**fields, "signature": sign(fields, secret)}
    return Request(fields, canonical(signed) + b"\n", expires)


def sign(fields: Mapping[str, Json], secret: bytes) -> str:
    """HMAC-SHA256 over the canonical JSON of an object without its `signature`, in hexadecimal."""
    return hmac.digest(secret, canonical(fields), "sha256").hex()


class _Reply(Struct, forbid_unknown_fields=True):
    run_id: str
    call_id: str
    args_hash: str
    nonce: str
    answer: str
    by: str
    scope: str = "call"
    reason: str | None = None
    signature: str | None = None


def answer(data: bytes, asked: Request, *, now: datetime, who: str, secret: bytes | None) -> Answer:
    """What an approver said.

    Args:
        data: what it sent.
        asked: what it was sent.
        now: the time, in UTC.
        who: how it was reached; stands beside the name that it gives.
        secret: what its answer must be signed with.

    Raises:
        Unclear: it is no clear answer to this question.
    """
    if len(data) > MAX_ANSWER:
        raise Unclear(f"the answer is longer than {MAX_ANSWER} bytes")
    try:
        value = parse_json(data)
        reply = msgspec.convert(value, _Reply)
    except InvalidJson:
        raise Unclear("the answer is not strict JSON") from None
    except msgspec.ValidationError as error:
        raise Unclear(f"the answer is not of the documented form: {_only_ours(str(error))}") from None
    _check_signature(value, reply.signature, secret)
    for name in _ECHOED:
        if getattr(reply, name) != asked.fields[name]:
            raise Unclear(f"the answer is to another question: `{name}` is not that of this one")
    if now > asked.expires_at:
        raise Unclear("the answer came too late")
    if reply.answer not in ("approve", "reject") or reply.scope not in (Scope.CALL, Scope.RUN):
        raise Unclear("`answer` is approve or reject, and `scope` is call or run")
    if not 0 < len(reply.by.strip()) <= _LONGEST_NAME or len(reply.reason or "") > _LONGEST_REASON:
        raise Unclear(f"`by` has 1 to {_LONGEST_NAME} characters, and `reason` at most {_LONGEST_REASON}")
    approved = reply.answer == "approve"
    scope = Scope(reply.scope) if approved else Scope.CALL
    return Answer(approved=approved, by=f"{reply.by} ({who})", note=reply.reason or None, scope=scope)


def _check_signature(value: dict[str, Json], signature: str | None, secret: bytes | None) -> None:
    if secret is None:
        if signature is not None:
            raise Unclear("the answer is signed, and there is no secret to check it with")
        return
    if signature is None:
        raise Unclear("the answer is not signed")
    own = sign({name: field for name, field in value.items() if name != "signature"}, secret)
    if not hmac.compare_digest(own.encode(), signature.encode("utf-8", "replace")):
        raise Unclear("the signature is wrong")


def _only_ours(message: str) -> str:
    """What the library says, without names that the answer made up."""
    return "an unknown key" if "unknown field" in message else message.partition(" - at")[0].replace("`", "").lower()


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
