"""A rule about results that never changes what the model gets."""

from __future__ import annotations

import json
from collections.abc import Iterable

from agentgate.core.findings import Finding, Severity
from agentgate.core.lint.audit import Audit, Report, Subject
from agentgate.core.lint.implies import core
from agentgate.core.lint.impossible import impossible
from agentgate.core.results import ERROR, RESULT, CompiledResultRule, ResultRules, judge_result
from agentgate.core.rules import CompiledCondition, CompiledRule

_MOST_BYTES = 1_000_000
"""Of a result that is tried; larger ones are not made up."""
_VERB = {True: "cuts", False: "blocks"}
_DONE = {True: "cut", False: "blocked"}


def _find(subject: Subject, report: Report) -> Iterable[Finding]:
    rules = ResultRules(subject.policy)
    enforced = [rule for rule in rules.rules if not rule.rule.rule.observe]
    for place, rule in enumerate(enforced):
        said = rule.compiled.rule
        unsatisfied = _unsatisfied(rule.compiled)
        if unsatisfied is not None:
            condition, why = unsatisfied
            yield report(subject.place_of(condition.condition, said), f"nothing satisfies the condition of rule `{rule.id}`: {why}")
            continue
        other = next((one for one in enforced[:place] if _takes_all(one, rule)), None)
        if other is None:
            continue
        same = core(other.compiled) == core(rule.compiled) and (other.cut, other.max_bytes) == (rule.cut, rule.max_bytes)
        what = (
            f"says the same as rule `{other.id}`" if same else f"never decides: rule `{other.id}` already {_VERB[other.cut]} these results"
        )
        yield report(
            subject.place_of(said),
            f"rule `{rule.id}` about results {what}",
            help="take one of them away" if same else "take it away, or narrow the other one",
            proof=_proof(subject, rules, rule, other),
            related=[(subject.place_of(other.rule.rule), "the same rule" if same else "the stricter rule")],
        )


def _unsatisfied(rule: CompiledRule) -> tuple[CompiledCondition, str] | None:
    """A condition that no result satisfies, and why; what cannot be judged counts as satisfied all the same."""
    for condition in rule.when:
        why = impossible(condition)
        if why is not None:
            return condition, why
    parts: dict[str, CompiledCondition] = {}
    for condition in rule.when:
        if condition.parts is not None and not condition.condition.optional and not all(test.holds_absent for test in condition.tests):
            parts[condition.parts[0]] = condition
    if RESULT in parts and ERROR in parts:
        return parts[ERROR], f"a tool returns a `{RESULT}` or fails with an `{ERROR}`, never both"
    return None


def _takes_all(other: CompiledResultRule, rule: CompiledResultRule) -> bool:
    """Whether a rule that is tried before this one matches whatever this one does."""
    outer, inner = other.compiled, rule.compiled
    if other.max_bytes is not None and (rule.max_bytes is None or rule.max_bytes < other.max_bytes):
        return False
    if core(outer) == core(inner):
        return True
    if not outer.rule.unconditional or outer.rule.except_tools:
        return False
    names = [*inner.selector.exact, *inner.selector.globs]
    wide = all(
        "*" in outer.selector.globs or name in outer.selector.globs or (name in outer.selector and "*" not in name) for name in names
    )
    if not wide or not names:
        return False
    if outer.roles is not None and (inner.roles is None or not inner.roles <= outer.roles):
        return False
    left_out = outer.without_roles - inner.without_roles
    return not left_out or (inner.roles is not None and not inner.roles & left_out)


def _proof(subject: Subject, rules: ResultRules, rule: CompiledResultRule, other: CompiledResultRule) -> str | None:
    """A result that the other rule decides about."""
    size = max(rule.max_bytes or 0, other.max_bytes or 0) + 1
    if size > _MOST_BYTES:
        return None
    content = json.dumps({"ok": True, "result": "x" * size})
    for tool in subject.calls.tool_names(rule.compiled):
        for role in subject.calls.roles(rule.compiled):
            history = subject.calls.history(rule.compiled)
            state = subject.calls.state(role, history)
            verdict = judge_result(rules, state, tool, content, subject.calls.world)
            if verdict.rule == other.id:
                setting = [f"role {role}"] * (role is not None) + [f"after {', '.join(history)}"] * bool(history)
                where = f" ({', '.join(setting)})" if setting else ""
                return f"this result is {_DONE[other.cut]} by rule `{other.id}`: {size} bytes of {tool}{where}"
    return None


AUDIT = Audit(
    code="idle-result-rule",
    severity=Severity.WARNING,
    summary="a rule about results never decides what the model gets",
    documentation="Either nothing satisfies its conditions, or a stricter rule under `results` matches every result that it does: block "
    "wins over cut, and the smallest cut over others. What looks like a second protection is none: a change to the stricter rule alone "
    "decides what passes.",
    find=_find,
)
