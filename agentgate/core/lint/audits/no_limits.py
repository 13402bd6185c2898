"""A policy under which a run need never end."""

from collections.abc import Iterable

from msgspec.structs import replace

from agentgate.core.engine import decide
from agentgate.core.events import Effect, ModelRequest
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject

_ENDING = frozenset(("steps", "tool_calls", "tokens", "seconds", "cost_usd"))
_MANY = 1000
_NATIVE = "add `limits:` with `steps` or `tool_calls`"
_FLAT = "add an entry of `type: budget` with `max_tool_calls` or `max_tokens`"


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if any(limit.kind in _ENDING for limit in subject.policy.limits):
        return
    state = replace(subject.calls.state(None), steps=_MANY, let_through=_MANY, calls=_MANY, allowed=_MANY)
    if decide(subject.calls.compiled, state, ModelRequest()).effect is Effect.ALLOW:
        yield report(
            subject.place,
            "nothing limits a run",
            help=f"{_FLAT if subject.flat else _NATIVE}; after {_MANY:,} steps and calls the model is still asked again",
        )


AUDIT = Audit(
    code="no-limits",
    severity=Severity.WARNING,
    summary="no limit ever ends a run",
    documentation="A model can call tools in a circle for as long as it is let, and every step costs money. At least one of `steps`, "
    "`tool_calls`, `tokens`, `cost_usd` and `seconds` under `limits` bounds that; `repeats`, `refusals` and limits of "
    "single tools do not.",
    find=_find,
)
