"""A rule that allows every tool."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.rules import EVERYTHING


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for rule in subject.enforced:
        if rule.rule.effect is not Effect.ALLOW or EVERYTHING not in rule.selector.globs or not rule.rule.unconditional:
            continue
        names = subject.tools.names if subject.tools is not None else ("delete_everything", "run_anything")
        trials = (
            subject.calls.judge(name, subject.calls.least(name), role=role) for role in subject.calls.roles(rule)[:1] for name in names
        )
        trial = next((trial for trial in trials if trial.decision.rule == rule.rule.id), None)
        if trial is not None:
            yield report(
                subject.place_of(rule.rule),
                f"rule `{rule.rule.id}` allows every tool with any arguments",
                help="name the tools that are needed",
                proof=trial,
            )


AUDIT = Audit(
    code="allow-everything",
    severity=Severity.WARNING,
    summary='`allow: "*"` without a condition allows every tool',
    documentation='A rule with `allow: "*"` and no condition is the same as `default: allow`: the policy then holds back only what its '
    "block rules name. Name the tools, or a pattern that covers only what is meant (`read_*`).",
    find=_find,
)
