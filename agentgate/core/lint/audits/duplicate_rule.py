"""Two rules that say the same."""

from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.implies import core
from agentgate.core.rules import CompiledRule

_MOST = 4
"""Tools and roles with which a call is looked for."""


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    alike: dict[object, CompiledRule] = {}
    first: dict[object, CompiledRule] = {}
    for rule in subject.rules:
        other = alike.setdefault(_at_a_glance(rule), rule)
        if other is rule:
            continue
        first.setdefault(core(other), other)
        other = first.setdefault(core(rule), rule)
        if other is rule:
            continue
        yield report(
            subject.place_of(rule.rule),
            f"rule `{rule.rule.id}` says the same as rule `{other.rule.id}`",
            help="take one of them away",
            proof=_proof(subject, rule, other),
            related=[(subject.place_of(other.rule), "the same rule")],
        )


def _at_a_glance(rule: CompiledRule) -> object:
    """What is the same for rules that say the same, and different for most others; found out quickly."""
    when, tools = rule.rule.when, rule.selector.exact
    said: object = len(when)
    if len(when) == 1 and len(when[0].operators) == 1:
        ((key, operand),) = when[0].operators
        said = (when[0].argument, key, operand if type(operand) is str else None)
    return said, next(iter(tools)) if len(tools) == 1 else len(tools), rule.selector.globs[:1] if len(rule.selector.globs) == 1 else None


def _proof(subject: Subject, rule: CompiledRule, other: CompiledRule) -> str | None:
    for tool in subject.calls.tool_names(rule)[:_MOST]:
        for role in subject.calls.roles(rule)[:_MOST]:
            for arguments in subject.calls.matching(rule, tool, role, most=1):
                trial = subject.calls.judge(tool, arguments, role=role, after=subject.calls.history(rule))
                if trial.decision.rule in (rule.rule.id, other.rule.id):
                    return trial.told(f"matches both and {trial.fate}")
    return None


AUDIT = Audit(
    code="duplicate-rule",
    severity=Severity.WARNING,
    summary="two rules say the same under different ids",
    documentation="Two rules with the same effect, tools, roles, conditions and times do the work of one: which of them is named as the "
    "deciding one depends on their ids alone, and a change to one is silently undone by the other.",
    find=_find,
)
