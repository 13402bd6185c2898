"""Tries the examples that stand in rules, each with its own rule alone."""

from __future__ import annotations

import os.path
from collections.abc import Iterator

from agentgate.core.conditions import World
from agentgate.core.findings import Finding
from agentgate.core.past import returned
from agentgate.core.policy import Example, Policy, Rule
from agentgate.core.results import CompiledResultRule, whole_text
from agentgate.core.rules import CompiledRule
from agentgate.core.state import State
from agentgate.files.errors import error
from agentgate.files.words import tick


def failing(policy: Policy) -> Iterator[Finding]:
    """A finding for every example that does not hold. Paths are taken as they are written: no links, from the folder `/`."""
    for rule in policy.rules:
        if rule.examples:
            compiled = CompiledRule(rule, policy)
            for example in rule.examples:
                finding = _failing(compiled, example)
                if finding is not None:
                    yield finding
    for result_rule in policy.results:
        if result_rule.rule.examples:
            about_results = CompiledResultRule(result_rule, policy)
            yield from (found for example in result_rule.rule.examples if (found := _failing(about_results, example)) is not None)


def holds(rule: Rule, policy: Policy) -> bool:
    """Whether every example of a rule is as it says."""
    compiled = CompiledRule(rule, policy)
    return all(_matches(compiled, example)[0] == example.matches for example in rule.examples)


def _failing(rule: CompiledRule | CompiledResultRule, example: Example) -> Finding | None:
    assert example.place is not None
    compiled, what = (rule, "call") if isinstance(rule, CompiledRule) else (rule.compiled, "result")
    matched, why = _matches(compiled, example, None if isinstance(rule, CompiledRule) else rule)
    if matched == example.matches:
        return None
    name = tick(compiled.rule.id)
    if matched:
        return error("failing-example", example.place, f"the rule {name} matches this {what}, and should not")
    return error("failing-example", example.place, f"the rule {name} does not match this {what}", why)


def _matches(rule: CompiledRule, example: Example, of_result: CompiledResultRule | None = None) -> tuple[bool, str | None]:
    if not rule.covers(example.tool):
        return False, f"it is not about {tick(example.tool)}"
    if not rule.binds(example.role):
        wanted = " or ".join(rule.rule.roles or ())
        return False, "it is for other roles" + (f": give the example `role: {wanted}`" if wanted and example.role is None else "")
    state = state_before(example)
    if not rule.in_time(state):
        return False, "its `after` or `before` does not hold: look at `given`"
    if of_result is not None:
        size = len(whole_text(example.arguments).encode())
        return of_result.matches(example.arguments, size, world_of_examples(), state), "its conditions, or its size, do not hold"
    return rule.matches(example.arguments, world_of_examples(), state), "its conditions do not hold"


def state_before(example: Example) -> State:
    """What the run has come to when the call of an example comes."""
    state = State(role=example.role, prompt=() if example.prompt is None else (example.prompt,))
    for index, call in enumerate(example.given):
        state = returned(state, f"given_{index}", call["tool"], call.get("arguments", {}), call.get("result"))
    return state


def world_of_examples() -> World:
    """Where examples happen: paths are taken as they are written, without links, from the folder `/`."""
    return World(workdir="/", resolve=os.path.normpath)
