"""An exception that nothing satisfies."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.contradictions import unsatisfiable
from agentgate.core.lint.trial import Trial
from agentgate.core.lint.values import of_operator
from agentgate.core.rules import CompiledCondition, CompiledRule

_MOST = 4


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    for rule in subject.enforced:
        found = unsatisfiable(rule.unless)
        if found is not None:
            why, condition = found
            yield report(
                subject.place_of(condition.condition, rule.rule),
                f"the exception from rule `{rule.rule.id}` never holds: {why}",
                help="say what is excepted, or leave `unless` out",
                proof=_proof(subject, rule, condition),
            )


def _proof(subject: Subject, rule: CompiledRule, condition: CompiledCondition) -> Trial | None:
    """A call that was probably meant to be excepted, and that the rule decides all the same."""
    found: Trial | None = None
    meant = [value for key, operand in condition.condition.operators for value in of_operator(key, operand)]
    for tool in subject.calls.tool_names(rule)[:_MOST]:
        for role in subject.calls.roles(rule)[:_MOST]:
            for arguments in subject.calls.matching(rule, tool, role, most=2):
                tries = [subject.calls.with_value(tool, arguments, condition, value) for value in meant]
                for made in (*tries, arguments):
                    trial = subject.calls.judge(tool, made, role=role, after=subject.calls.history(rule))
                    if trial.decision.effect is rule.rule.effect and subject.calls.valid(tool, made):
                        if trial.decision.rule == rule.rule.id:
                            return trial
                        found = found or trial
    return found


AUDIT = Audit(
    code="exception-never-holds",
    severity=Severity.WARNING,
    summary="nothing satisfies the `unless` of a rule",
    documentation="The conditions under `unless` contradict themselves or one another, so the rule has no exception: an allow rule allows "
    "what somebody wanted to take out, a block rule stops what somebody wanted to let pass.",
    find=_find,
)
