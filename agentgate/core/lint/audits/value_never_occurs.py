"""Values in a condition that the tool does not take."""

from collections.abc import Iterable

from agentgate.core.conditions.test import shown
from agentgate.core.events import Json
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint import shapes
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.calls import put
from agentgate.core.lint.near import did_you_mean
from agentgate.core.lint.trial import Trial
from agentgate.core.lint.values import finite
from agentgate.core.rules import CompiledCondition, CompiledRule


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if subject.tools is None:
        return
    for rule in subject.rules:
        for condition in (*rule.when, *rule.unless):
            for tool in subject.calls.tool_names(rule):
                for value, trial in _refused(subject, rule, condition, tool):
                    yield report(
                        subject.place_of(condition.condition, rule.rule),
                        f"`{condition.condition.argument}` of tool `{tool}` can never be {shown(value)}",
                        help=_help(subject.calls.argument(tool, condition.condition.argument), value),
                        proof=trial,
                    )


def _refused(subject: Subject, rule: CompiledRule, condition: CompiledCondition, tool: str) -> Iterable[tuple[Json, Trial]]:
    """The listed values with which no call is valid, each with a call that shows it."""
    values, parts = finite(condition.condition), condition.parts
    schema = subject.calls.argument(tool, condition.condition.argument) if parts is not None else shapes.UNKNOWN
    if not values or parts is None or schema in (shapes.UNKNOWN, shapes.MISSING) or tool not in rule.selector.exact:
        return
    least = subject.calls.least(tool)
    if not any(subject.calls.valid(tool, put(least, parts, example)) for example in shapes.examples(schema, subject.calls.schema(tool))):
        return
    for value in values:
        arguments = put(least, parts, value)
        if not subject.calls.valid(tool, arguments):
            yield value, subject.calls.judge(tool, arguments, role=next(iter(subject.calls.roles(rule)), None))


def _help(schema: Json, value: Json) -> str:
    listed = shapes.listed(schema)
    near = did_you_mean(value, [item for item in listed if isinstance(item, str)]) if listed and isinstance(value, str) else None
    return near or (f"the tool takes {', '.join(map(shown, listed[:8]))}" if listed else f"the tool takes {_kinds(schema)}")


def _kinds(schema: Json) -> str:
    names = {"array": "a list", "object": "an object", "null": "null"}
    return " or ".join(names.get(kind, f"a {kind}") for kind in sorted(shapes.kinds(schema, schema)))


AUDIT = Audit(
    code="value-never-occurs",
    severity=Severity.WARNING,
    summary="a condition wants a value that the tool's schema refuses",
    documentation="Arguments are checked against the tool's JSON Schema before any rule. A value under `equals` or `in` that the schema "
    'refuses can therefore never be met: mostly it is misspelt, or of another type (`1` is not `"1"`). Reported with '
    "`--task`.",
    find=_find,
)
