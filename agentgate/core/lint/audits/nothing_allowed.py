"""A policy by which nothing can ever happen."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    milder = [rule for rule in subject.enforced if rule.rule.effect is not Effect.BLOCK]
    if subject.policy.default is not Effect.BLOCK or milder:
        return
    names = [*(subject.tools.names if subject.tools is not None else ()), "any_tool"]
    trial = subject.calls.judge(names[0], subject.calls.least(names[0]))
    yield report(subject.place, "no rule allows anything, so every call is blocked", help="add a rule with `allow:`", proof=trial)


AUDIT = Audit(
    code="nothing-allowed",
    severity=Severity.WARNING,
    summary="no rule allows or asks for anything",
    documentation="Without an allow or ask rule the default, `block`, decides every call: the agent can do nothing. Rules with `observe: "
    "true` do not count, because they are never enforced. Add a rule with `allow:` for each tool that is needed.",
    find=_find,
)
