"""Operators that can never judge an argument, because it has another type."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint import shapes
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.calls import put
from agentgate.core.lint.trial import Trial
from agentgate.core.lint.values import TAKES
from agentgate.core.rules import CompiledCondition, CompiledRule


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if subject.tools is None:
        return
    for rule in subject.rules:
        for condition in (*rule.when, *rule.unless):
            for tool in subject.calls.tool_names(rule):
                for operator in _misfits(subject, condition, tool):
                    trial, kinds = _proof(subject, rule, condition, tool), _kinds(subject, condition, tool)
                    yield report(
                        subject.place_of(condition.condition, rule.rule),
                        f"`{operator}` cannot judge `{condition.condition.argument}` of tool `{tool}`, which is {kinds}",
                        help=_help(rule),
                        proof=trial,
                    )


def _misfits(subject: Subject, condition: CompiledCondition, tool: str) -> Iterable[str]:
    if condition.parts is None:
        return
    schema = subject.calls.argument(tool, condition.condition.argument)
    if schema is shapes.UNKNOWN or schema is shapes.MISSING:
        return
    given = shapes.kinds(schema, subject.calls.schema(tool))
    for operator, _ in condition.condition.operators:
        if given and not given & TAKES.get(operator, given):
            yield operator


def _kinds(subject: Subject, condition: CompiledCondition, tool: str) -> str:
    names = {"array": "a list", "object": "an object", "null": "null"}
    kinds = shapes.kinds(subject.calls.argument(tool, condition.condition.argument), subject.calls.schema(tool))
    return " or ".join(names.get(kind, f"a {kind}") for kind in sorted(kinds))


def _help(rule: CompiledRule) -> str:
    if rule.rule.effect is Effect.ALLOW:
        return "what cannot be judged is not allowed"
    return "what cannot be judged counts as a match, so the rule stops every call with this argument"


def _proof(subject: Subject, rule: CompiledRule, condition: CompiledCondition, tool: str) -> Trial | None:
    assert condition.parts is not None
    schema = subject.calls.argument(tool, condition.condition.argument)
    for value in shapes.examples(schema, subject.calls.schema(tool)):
        arguments = put(subject.calls.least(tool), condition.parts, value)
        if subject.calls.valid(tool, arguments):
            return subject.calls.judge(tool, arguments, role=next(iter(subject.calls.roles(rule)), None), after=subject.calls.history(rule))
    return None


AUDIT = Audit(
    code="type-cannot-match",
    severity=Severity.WARNING,
    summary="an operator can never judge the argument, which has another type",
    documentation="Types are exact: `min` cannot judge a string, `matches` cannot judge a number. What cannot be judged never loosens: an "
    "allow rule then allows nothing, a block rule stops every call that has the argument. Reported with `--task`.",
    find=_find,
)
