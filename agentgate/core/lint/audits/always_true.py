"""Conditions that every call satisfies, because the tool takes nothing else."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint import shapes
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.calls import put
from agentgate.core.rules import CompiledCondition, CompiledRule


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if subject.tools is None:
        return
    for rule in subject.rules:
        for condition in rule.when:
            names = subject.calls.tool_names(rule)
            if names and all(_always(subject, condition, tool) for tool in names):
                yield report(
                    subject.place_of(condition.condition, rule.rule),
                    f"the condition on `{condition.condition.argument}` holds for every call that tool `{names[0]}` takes",
                    help=_proof(subject, rule, condition, names[0]),
                )


def _always(subject: Subject, condition: CompiledCondition, tool: str) -> bool:
    schema = subject.calls.schema(tool)
    if condition.parts is None or schema is shapes.UNKNOWN or any(test.asks_world for test in condition.tests):
        return False
    if not condition.condition.optional and not shapes.always_given(schema, condition.parts):
        return False
    values = shapes.listed(subject.calls.argument(tool, condition.condition.argument))
    if not values:
        return False
    state = subject.calls.state(None)
    return all(condition.outcome(put({}, condition.parts, value), subject.calls.world, state) is True for value in values)


def _proof(subject: Subject, rule: CompiledRule, condition: CompiledCondition, tool: str) -> str:
    assert condition.parts is not None
    values = shapes.listed(subject.calls.argument(tool, condition.condition.argument)) or []
    role, history = next(iter(subject.calls.roles(rule)), None), subject.calls.history(rule)
    trials = (
        subject.calls.judge(tool, put(subject.calls.least(tool), condition.parts, value), role=role, after=history) for value in values
    )
    matched = [trial for trial in trials if trial.decision.rule == rule.rule.id]
    return f"leave it out; the rule also decides {matched[-1]}" if matched else "leave it out"


AUDIT = Audit(
    code="always-true",
    severity=Severity.NOTE,
    summary="the tool's schema makes a condition hold for every call",
    documentation="The condition lists every value that the tool takes, so it restricts nothing now. That may be meant: it still holds "
    "when the tool learns a new value. Reported with `--task`.",
    find=_find,
)
