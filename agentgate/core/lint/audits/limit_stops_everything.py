"""A limit that is reached before anything has happened."""

from collections.abc import Iterable

from msgspec.structs import replace

from agentgate.core.compiled import compile
from agentgate.core.engine import decide
from agentgate.core.events import Code, Effect, ModelRequest
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.calls import Calls
from agentgate.core.policy import Limit

_MEANT = {
    "steps": "a run needs at least one step",
    "tokens": "no model can be asked without tokens",
    "seconds": "a run takes time",
    "cost_usd": "a limit of 0 ends the run before it costs anything",
    "refusals": "0 ends the run before the first call; 1 ends it after the first refused call",
    "repeats": "0 blocks every call, the first included; 1 lets each call through once",
}
_SWITCHED_OFF = {
    "tool_calls": "fine where no calls are meant; to have no limit, leave it out",
    "calls": "fine where the tool is switched off on purpose; to have no limit, leave it out",
}


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for limit in subject.policy.limits:
        place = limit.place or subject.place
        if limit.value > 0:
            continue
        if limit.kind in _MEANT:
            proof = _request(subject, limit) or _call(subject, limit)
            yield report(place, f"limit `{limit.id}` of 0 stops every run", help=_MEANT[limit.kind], proof=proof)
        else:
            proof = _call(subject, limit)
            if proof is not None:
                what = "blocks every call" if limit.tools is None else f"blocks every call of `{limit.tools}`"
                yield report(place, f"limit `{limit.id}` of 0 {what}", help=_SWITCHED_OFF[limit.kind], proof=proof, severity=Severity.NOTE)


def _request(subject: Subject, limit: Limit) -> str | None:
    """What becomes of the first request to the model, where it is this limit that decides about it."""
    decision = decide(compile(replace(subject.policy, limits=(limit,))), subject.calls.state(None), ModelRequest())
    return f"the first request to the model is blocked: {decision.reason}" if decision.effect is Effect.BLOCK else None


def _call(subject: Subject, limit: Limit) -> str | None:
    """A call that some rule lets through, and this limit does not."""
    calls = Calls(replace(subject.policy, limits=(limit,)), subject.tools, world=subject.calls.world)
    trials = (trial for trial in calls.let_through() if trial.decision.code is Code.LIMIT)
    trial = next(trials, None)
    return trial.says if trial is not None else None


AUDIT = Audit(
    code="limit-stops-everything",
    severity=Severity.WARNING,
    summary="a limit of 0 ends a run before it starts",
    documentation="0 means none, so a limit of 0 is reached at once: with `steps`, `tokens`, `seconds` or `refusals` the model is never "
    "asked, with `repeats` every call is blocked. `tool_calls: 0` and `calls: 0` are fine where no calls are meant, so they are only a "
    "note where a rule lets such calls through. To have no limit, leave it out.",
    find=_find,
)
