"""What the model gets of the results that an application sends along: as in a run, judged by the rules about results and redacted.

An application sends its results again with every request. What was judged once stays so, as it does in the conversation of a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from agentgate.core.admission import Admitted
from agentgate.core.admission import admitted as as_judged
from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json, Mode, ToolCall, ToolReturned
from agentgate.core.redaction.redactor import RESULTS, Redactor
from agentgate.core.results import MAX_CONTENT, verdict_by
from agentgate.session import Session


class Heard(Struct, frozen=True):
    """What was made of a result when it came first."""

    policy: str
    """The SHA-256 of the policy that judged it."""
    rule: str | None
    """The rule that blocked or cut it; None where it passed."""
    sha256: str
    """Of the original, or where it passed, of what is recorded of it."""


SEEN = Heard("", None, "")
"""It came, and is judged whenever it comes."""


class Result(Struct, frozen=True):
    """One result of a request, as the model gets it."""

    content: str
    covered: bool = False
    """Whether there are rules about results of its tool."""
    told: Mapping[str, Json] = {}
    """What the record says of it, besides where it belongs."""

    @property
    def kept_back(self) -> bool:
        """Whether a rule about results had something to say."""
        return bool(self.told and (self.told["code"] is not None or self.told["trials"]))


def heard(event: ToolReturned, policy: str) -> Heard:
    """What a recorded event tells. What could not be judged is judged again."""
    if event.original is not None and event.rule is None:
        return SEEN
    digest = sha256(event.content.encode("utf-8", "surrogatepass")).hexdigest() if event.original is None else event.original.sha256
    return Heard(policy, event.rule, digest)


def admit(session: Session, call: ToolCall, text: str, redactor: Redactor | None, policy: str, before: Heard | None = None) -> Admitted:
    """Judges a result.

    Args:
        session: judges.
        call: what it is the result of.
        text: what the application sends: the result as a text, or as JSON.
        redactor: what the policy redacts.
        policy: the SHA-256 of the policy that judges.
        before: what was made of it when it came first; believed where it is the same result, and the same policy.
    """
    wrapped = json.dumps({"ok": True, "tool": call.name, "result": _value(text)}, ensure_ascii=False)
    admitted = session.admit(call, wrapped)
    if before is not None and before.policy == policy and before.rule != admitted.verdict.rule and session.mode is not Mode.OBSERVE:
        again = as_judged(verdict_by(session.policy.results, before.rule), wrapped, redactor)
        if before.sha256 == _digest(again, text, redactor):
            admitted = again
    if admitted.original is None:
        return Admitted(passed(text, redactor), True, admitted.verdict)
    return admitted


def passed(text: str, redactor: Redactor | None) -> str:
    """A result that no rule keeps back."""
    return text if redactor is None else redactor.for_model(text)


def ruled(admitted: Admitted) -> Result:
    """A result that rules are about."""
    verdict = admitted.verdict
    told = {
        "ok": admitted.ok,
        "truncated": admitted.truncated,
        "rule": verdict.rule,
        "code": verdict.code,
        "enforced": verdict.enforced,
        "trials": verdict.trials,
        "original": admitted.original,
    }
    return Result(admitted.content, True, told)


def is_plain(content: Json) -> bool:
    """Whether the content of a message is text alone."""
    if isinstance(content, list):
        return all(isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in content)
    return isinstance(content, str | None)


def replaced(before: Json, text: str, result: Result) -> Json:
    """The content of a message with what the model gets in place of what came; the same object where that is all of it.

    Args:
        before: the content as it came.
        text: the same as a text.
        result: what the model gets of it.
    """
    if result.content == text:
        return before
    return result.content if is_plain(before) else json.loads(result.content)


def _digest(admitted: Admitted, text: str, redactor: Redactor | None) -> str:
    if admitted.original is not None:
        return admitted.original.sha256
    kept = passed(text, redactor)
    kept = kept if redactor is None else redactor.record(kept, RESULTS)
    return sha256(kept.encode("utf-8", "surrogatepass")).hexdigest()


def _value(text: str) -> Json:
    """What conditions look at: an object or a list where it is one, else the text."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return parse_json(text, limit=MAX_CONTENT)
    except InvalidJson:
        return text
