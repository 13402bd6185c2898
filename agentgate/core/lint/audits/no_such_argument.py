"""Conditions on arguments that a tool does not have."""

from collections.abc import Iterable, Iterator

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint import shapes
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.near import did_you_mean
from agentgate.core.lint.trial import Trial
from agentgate.core.rules import CompiledCondition, CompiledRule


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    if subject.tools is None:
        return
    for rule in subject.rules:
        for condition in (*rule.when, *rule.unless):
            for tool in _without(subject, rule, condition):
                name = condition.condition.argument
                schema = subject.calls.schema(tool)
                near = did_you_mean(name, shapes.names(schema)) or _has(schema)
                yield report(
                    subject.place_of(condition.condition, rule.rule),
                    f"tool `{tool}` has no argument `{name}`, so {_consequence(rule, condition)}",
                    help=near,
                    proof=_proof(subject, rule, tool, always=_always(condition)),
                )


def _without(subject: Subject, rule: CompiledRule, condition: CompiledCondition) -> Iterator[str]:
    """The tools that lack the argument: those that the rule names, and the first that a pattern covers if all of them lack it."""
    if condition.parts is None:
        return
    names = subject.calls.tool_names(rule)
    lacking = [name for name in names if subject.calls.argument(name, condition.condition.argument) is shapes.MISSING]
    covered = [name for name in names if name not in rule.selector.exact]
    yield from (name for name in lacking if name in rule.selector.exact)
    if covered and all(name in lacking for name in covered):
        yield covered[0]


def _consequence(rule: CompiledRule, condition: CompiledCondition) -> str:
    if _always(condition):
        return "the condition always holds"
    if condition in rule.unless:
        return "the exception never holds"
    verb = {Effect.ALLOW: "allows", Effect.ASK: "asks about", Effect.BLOCK: "blocks"}[rule.rule.effect]
    return f"rule `{rule.rule.id}` never {verb} it"


def _always(condition: CompiledCondition) -> bool:
    return condition.condition.optional or all(test.holds_absent for test in condition.tests)


def _has(schema: object) -> str:
    names = shapes.names(schema)[:8]
    return f"it has {', '.join(f'`{name}`' for name in names)}" if names else "it takes no arguments"


def _proof(subject: Subject, rule: CompiledRule, tool: str, *, always: bool) -> Trial | None:
    """A call that the tool takes and that the rule has nothing to say about, one that passes a block rule if there is one.

    Where the condition always holds, a call that the rule does decide.
    """
    found: Trial | None = None
    for role, history, arguments in subject.calls.settings(rule, tool):
        if not subject.calls.valid(tool, arguments):
            continue
        trial = subject.calls.judge(tool, arguments, role=role, after=history)
        if (trial.decision.rule == rule.rule.id) is always:
            found = found or trial
            if trial.passes is (rule.rule.effect is not Effect.ALLOW):
                return trial
    return found


AUDIT = Audit(
    code="no-such-argument",
    severity=Severity.WARNING,
    summary="a condition is about an argument that the tool does not have",
    documentation="An argument that a tool does not have is never there (unknown arguments are refused), so the condition never holds: an "
    "allow rule allows nothing, and a block rule lets everything pass. Reported with `--task`, which tells what arguments "
    "there are.",
    find=_find,
)
