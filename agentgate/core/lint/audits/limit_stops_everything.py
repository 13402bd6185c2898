"""A limit that is reached before anything has happened."""

from collections.abc import Iterable, Iterator

from agentgate.core.events import Code
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.trial import Trial

_MEANT = {
    "steps": "a run needs at least one step",
    "tokens": "no model can be asked without tokens",
    "seconds": "a run takes time",
    "cost_usd": "a limit of 0 ends the run before it costs anything",
    "refusals": "0 ends the run before the first call; 1 ends it after the first refused call",
    "repeats": "0 blocks every call, the first included; 1 lets each call through once",
}


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for limit in subject.policy.limits:
        if limit.value > 0 or limit.kind not in _MEANT:
            continue
        proof = "the first model request is already blocked"
        if limit.kind == "repeats":
            trial = next(_calls(subject), None)
            if trial is None:
                continue
            proof = f"this first call is blocked: {trial}"
        yield report(limit.place or subject.place, f"limit `{limit.id}` of 0 stops every run", help=f"{_MEANT[limit.kind]}; {proof}")


def _calls(subject: Subject) -> Iterator[Trial]:
    for rule in subject.enforced:
        for tool in subject.calls.tool_names(rule):
            for role in subject.calls.roles(rule)[:1]:
                for arguments in subject.calls.matching(rule, tool, role, most=1):
                    trial = subject.calls.judge(tool, arguments, role=role)
                    if trial.decision.code is Code.LIMIT:
                        yield trial


AUDIT = Audit(
    code="limit-stops-everything",
    severity=Severity.WARNING,
    summary="a limit of 0 ends a run before it starts",
    documentation="0 means none, so a limit of 0 is reached at once: with `steps`, `tokens`, `seconds` or `refusals` the model is never "
    "asked, with `repeats` every call is blocked. `tool_calls: 0` and `calls: 0` are fine where no calls are meant. To have "
    "no limit, leave it out.",
    find=_find,
)
