"""Rules that no call can satisfy, told from what they say."""

from __future__ import annotations

from msgspec import Struct

from agentgate.core.lint.calls import Calls
from agentgate.core.lint.implies import cells, certain
from agentgate.core.lint.impossible import impossible, incompatible
from agentgate.core.lint.trial import Trial
from agentgate.core.lint.values import of_operator
from agentgate.core.policy import Condition
from agentgate.core.rules import ABSENT, CompiledCondition, CompiledRule

_MOST = 4
"""Tools and roles with which a call is looked for."""


class Contradiction(Struct, frozen=True):
    """Why a rule cannot match, where, and a call that shows it."""

    why: str
    condition: Condition | None = None
    trial: Trial | None = None


def contradiction(calls: Calls, rule: CompiledRule) -> Contradiction | None:
    """Why no call can satisfy the rule, or None where one may."""
    found = unsatisfiable(rule.when)
    if found is not None:
        why, condition = found
        return Contradiction(why, condition.condition, nearest(calls, rule, condition))
    role = None if rule.roles is None else next(iter(calls.roles(rule)), None)
    if (
        rule.rule.except_tools
        and rule.selector.exact
        and not rule.selector.globs
        and all(map(rule.excepted.__contains__, rule.selector.exact))
    ):
        tool = min(rule.selector.exact)
        return Contradiction("`except` takes out all of its tools", None, calls.judge(tool, calls.least(tool), role=role))
    if _out_of_time(rule):
        why, tools = "`before` excludes every tool that `after` asks for", calls.possible_names(rule)
        after = sorted(rule.after.exact)[:1] if rule.after is not None else []
        trial = calls.judge(tools[0], calls.least(tools[0]), role=role, after=after) if tools else None
        return Contradiction(why, None, trial)
    return _excepted(calls, rule)


def unsatisfiable(conditions: tuple[CompiledCondition, ...]) -> tuple[str, CompiledCondition] | None:
    """Why the conditions cannot all hold, and the one where that shows; None where they may."""
    for condition in conditions:
        why = impossible(condition)
        if why is not None:
            return why, condition
    return incompatible(conditions) if len(conditions) > 1 else None


def nearest(calls: Calls, rule: CompiledRule, condition: CompiledCondition) -> Trial | None:
    """A call with the value that somebody probably had in mind, which the rule does not decide: if possible one that the tool takes."""
    values = [*(value for key, operand in condition.condition.operators for value in of_operator(key, operand)), "x", ABSENT]
    refused: Trial | None = None
    for tool in calls.possible_names(rule)[:_MOST]:
        for role in calls.roles(rule)[:_MOST]:
            for value in values:
                arguments = calls.with_value(tool, calls.least(tool), condition, value)
                trial = calls.judge(tool, arguments, role=role, after=calls.history(rule))
                if trial.decision.rule != rule.rule.id:
                    if calls.valid(tool, arguments):
                        return trial
                    refused = refused or trial
    return refused


def _out_of_time(rule: CompiledRule) -> bool:
    if rule.after is None or rule.before is None or not rule.after.exact or rule.after.globs:
        return False
    return all(tool in rule.before for tool in rule.after.exact)


def _excepted(calls: Calls, rule: CompiledRule) -> Contradiction | None:
    """Whether `unless` takes away everything that `when` picks out."""
    if not rule.unless:
        return None
    parts = cells(calls, rule)
    if not parts or not all(certain(calls, condition, cell) for cell in parts for condition in rule.unless):
        return None
    trial = None
    for tool in calls.possible_names(rule)[:1]:
        for role in calls.roles(rule)[:1]:
            arguments = next(calls.satisfying_all(rule, tool, role), {**calls.least(tool), **parts[0].arguments})
            trial = calls.judge(tool, arguments, role=role, after=calls.history(rule))
    return Contradiction("`unless` holds whenever `when` does", rule.unless[0].condition, trial)
