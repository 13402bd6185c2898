"""A policy under which a run need never end."""

import json
from collections.abc import Iterable

from msgspec.structs import replace

from agentgate.core.engine import decide
from agentgate.core.events import Effect, ModelRequest, ToolCall
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.trial import Trial
from agentgate.core.state import State

_ENDING = frozenset(("steps", "tool_calls", "tokens", "seconds", "cost_usd"))
_MANY = 1000
_NATIVE = "add `limits:` with `steps` or `tool_calls`"
_FLAT = "add an entry of `type: budget` with `max_tool_calls` or `max_tokens`"


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if any(limit.kind in _ENDING for limit in subject.policy.limits):
        return
    if decide(subject.calls.compiled, _late(subject, None, ()), ModelRequest()).effect is not Effect.ALLOW:
        return
    trial = next((trial for trial in subject.calls.let_through() if _still(subject, trial)), None)
    proof = f"after {_MANY:,} steps and calls the model is still asked again"
    if trial is not None:
        proof += f", and {trial.says}"
    yield report(subject.place, "nothing limits a run", help=_FLAT if subject.flat else _NATIVE, proof=proof)


def _late(subject: Subject, role: str | None, after: tuple[str, ...]) -> State:
    return replace(subject.calls.state(role, after), steps=_MANY, let_through=_MANY, allowed=_MANY)


def _still(subject: Subject, trial: Trial) -> bool:
    """Whether a call has the same fate after so many others."""
    call = ToolCall("call_1001", trial.tool, json.dumps(trial.arguments))
    late = decide(subject.calls.compiled, _late(subject, trial.role, trial.after), call, subject.calls.world)
    return late.effect is trial.decision.effect and late.effect is not Effect.BLOCK


AUDIT = Audit(
    code="no-limits",
    severity=Severity.WARNING,
    summary="no limit ever ends a run",
    documentation="A model can call tools in a circle for as long as it is let, and every step costs money. At least one of `steps`, "
    "`tool_calls`, `tokens`, `cost_usd` and `seconds` under `limits` bounds that; `repeats`, `refusals` and limits of "
    "single tools do not.",
    find=_find,
)
