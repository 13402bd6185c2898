"""A policy by which nothing can ever happen."""

from collections.abc import Iterable

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.rules import EVERYTHING, CompiledRule


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    blankets = [rule for rule in subject.enforced if _is_blanket(rule)]
    left = frozenset.intersection(*(rule.excepted.exact for rule in blankets)) if blankets else None
    milder = any(rule.rule.effect is not Effect.BLOCK for rule in subject.enforced)
    if left is None and (milder or subject.policy.default is not Effect.BLOCK):
        return
    if left:
        return
    names = [*(subject.tools.names if subject.tools is not None else ()), *_mentioned(subject), "any_tool"]
    trial = subject.calls.judge(names[0], subject.calls.least(names[0]))
    if left is None:
        yield report(subject.place, "no rule allows anything, so every call is blocked", help="add a rule with `allow:`", proof=trial)
        return
    what = "blocks every tool" if len(blankets) == 1 else "and the others leave no tool that all of them allow"
    native, flat = "name the tools that it is about, or those in `except`", "list the tools that are needed under `allowed_tools`"
    yield report(
        subject.place_of(blankets[0].rule),
        f"rule `{blankets[0].rule.id}` {what}, so every call is blocked",
        help=flat if subject.flat else native,
        proof=trial,
        related=[(subject.place_of(rule.rule), "this one allows others") for rule in blankets[1:]],
    )


def _is_blanket(rule: CompiledRule) -> bool:
    """Whether it blocks every tool but certain ones, for everybody and with any arguments."""
    everybody = rule.roles is None and not rule.without_roles
    return (
        rule.rule.effect is Effect.BLOCK
        and rule.rule.unconditional
        and everybody
        and EVERYTHING in rule.selector.globs
        and not rule.excepted.globs
    )


def _mentioned(subject: Subject) -> list[str]:
    return [name for rule in subject.enforced for name in sorted(rule.excepted.exact)]


AUDIT = Audit(
    code="nothing-allowed",
    severity=Severity.WARNING,
    summary="no rule allows or asks for anything, or rules block every tool",
    documentation="Without an allow or ask rule the default, `block`, decides every call: the agent can do nothing. Rules with `observe: "
    'true` do not count, because they are never enforced. Add a rule with `allow:` for each tool that is needed. A rule with `block: "*"` '
    "and no condition blocks every tool, whatever else is allowed; so do `allowed_tools: []` in the flat form, and lists there that have "
    "no tool in common.",
    find=_find,
)
