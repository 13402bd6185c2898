"""What the model gets of a result: all of it, a part, or word that it was blocked; redacted in any case as the policy says."""

from __future__ import annotations

import json
from hashlib import sha256

from msgspec import Struct

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Original, ResultEffect
from agentgate.core.redaction.redactor import Redactor
from agentgate.core.results import MAX_CONTENT, what_was_said, whole_text
from agentgate.core.verdict import Verdict


class Admitted(Struct, frozen=True):
    """A result as the model gets it."""

    content: str
    ok: bool
    verdict: Verdict
    truncated: bool = False
    original: Original | None = None
    """What the tool returned, where that is not what the model gets."""


def admitted(verdict: Verdict, content: str, redactor: Redactor | None, *, ok: bool = True) -> Admitted:
    """Makes of a result what its verdict leaves of it.

    It is redacted before it is cut, and never cut within something that is redacted in the record, so that no half of it is left over.

    Args:
        verdict: what was judged about the result as the tool returned it.
        content: a JSON object with `result` or `error`.
        redactor: what the policy redacts.
        ok: whether the tool succeeded.
    """
    if verdict.effect is ResultEffect.BLOCK and verdict.enforced:
        refusal = {"ok": False, "error": verdict.reason, "code": verdict.code, "rule": verdict.rule, "hint": verdict.hint}
        return Admitted(json.dumps(refusal, ensure_ascii=False), False, verdict, original=_original(content))
    redacted = content if redactor is None else redactor.for_model(content)
    if verdict.effect is not ResultEffect.CUT or not verdict.enforced or verdict.max_bytes is None:
        return Admitted(redacted, ok, verdict)
    left = _cut(redacted, verdict.max_bytes, redactor)
    if left == redacted:  # what was redacted made it short enough
        return Admitted(redacted, ok, Verdict(ResultEffect.ALLOW, trials=verdict.trials))
    return Admitted(left, ok, verdict, truncated=True, original=_original(content))


def _cut(content: str, size: int, redactor: Redactor | None) -> str:
    """The content with a shorter result, which is a text then: half a structure would mean something else."""
    said = what_was_said(content)
    whole = whole_text(said)
    part = whole.encode()[:size].decode(errors="ignore")
    if len(part) == len(whole):
        return content
    if redactor:
        part = part[: redactor.before(whole, len(part))]
    value = parse_json(content, limit=MAX_CONTENT)
    return json.dumps({**value, **dict.fromkeys(said, part), "truncated": True}, ensure_ascii=False)


def _original(content: str) -> Original:
    """Size and digest of what the tool returned."""
    try:
        text = whole_text(what_was_said(content))
    except InvalidJson:
        text = content
    data = text.encode("utf-8", "surrogatepass")
    return Original(len(data), sha256(data).hexdigest())
