"""The only judgement on results: `judge_result(policy, state, tool, content)`, pure and total, beside `decide`.

The strictest rule that matches wins: block over cut, and among cuts the one that leaves least. What cannot be judged is blocked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.conditions import World
from agentgate.core.events import Code, Json, ResultEffect, ResultTrial
from agentgate.core.policy import Policy, ResultRule
from agentgate.core.rules import CompiledRule
from agentgate.core.state import State
from agentgate.core.verdict import PASSES, Verdict

RESULT, ERROR = "result", "error"
"""What conditions of such rules are about: what the tool returned, or the text that it failed with."""
MAX_CONTENT = 16 * 1024 * 1024
"""Bytes of a result that can be judged."""
_SENTENCES = {True: "the result was cut by rule '{}'", False: "the result was blocked by rule '{}'"}


class CompiledResultRule:
    """A rule about results, ready to judge."""

    __slots__ = ("compiled", "cut", "effect", "id", "max_bytes", "reason", "rule")

    def __init__(self, rule: ResultRule, policy: Policy) -> None:
        self.rule = rule
        self.compiled = CompiledRule(rule.rule, policy)
        self.id = rule.rule.id
        self.cut = rule.cut
        self.max_bytes = rule.max_bytes
        self.effect = ResultEffect.CUT if rule.cut else ResultEffect.BLOCK
        self.reason = rule.rule.message or _SENTENCES[rule.cut].format(self.id)

    def matches(self, said: Mapping[str, Json], size: int, world: World, state: State) -> bool:
        """Whether it matches a result of a tool that it covers, in a role that it binds."""
        if self.max_bytes is not None and size <= self.max_bytes:
            return False
        return self.compiled.matches(said, world, state)


class ResultRules:
    """All rules about results of a policy, found by tool and role."""

    __slots__ = ("_plans", "rules")

    _MOST_PLANS = 4096

    def __init__(self, policy: Policy) -> None:
        self.rules = tuple(sorted((CompiledResultRule(rule, policy) for rule in policy.results), key=_strictest_first))
        self._plans: dict[tuple[str, str | None], tuple[CompiledResultRule, ...]] = {}

    def plan(self, tool: str, role: str | None) -> tuple[CompiledResultRule, ...]:
        """The rules about a tool in a role, the strictest first."""
        if not self.rules:
            return ()
        found = self._plans.get((tool, role))
        if found is None:
            if len(self._plans) >= self._MOST_PLANS:
                self._plans.clear()
            found = tuple(rule for rule in self.rules if rule.compiled.covers(tool) and rule.compiled.binds(role))
            self._plans[tool, role] = found
        return found


def _strictest_first(rule: CompiledResultRule) -> tuple[bool, int, str]:
    return (rule.cut, rule.max_bytes or 0 if rule.cut else 0, rule.id)


def verdict_by(rules: ResultRules, rule: str | None) -> Verdict:
    """The verdict that fell by a rule, or with None the one that lets everything pass.

    Raises:
        KeyError: there is no such rule.
    """
    return PASSES if rule is None else _verdict({one.id: one for one in rules.rules}[rule])


def judge_result(rules: ResultRules, state: State, tool: str, content: str, world: World | None = None) -> Verdict:
    """Judges what a tool returned.

    Total: whatever goes wrong while judging is a block with code `internal_error`.

    Args:
        rules: those of the policy.
        state: what the run has come to before the result.
        tool: who returned it.
        content: the text for the model: a JSON object with `result`, or with `error`.
        world: answers what a condition may ask about links in paths.
    """
    try:
        plan = rules.plan(tool, state.role)
        return _judged(plan, state, content, World() if world is None else world) if plan else PASSES
    except InvalidJson as error:
        return Verdict(ResultEffect.BLOCK, None, f"the result cannot be judged: {error}", code=Code.RESULT_BLOCKED)
    except Exception as error:
        reason = f"internal error while judging the result: {type(error).__name__}"
        return Verdict(ResultEffect.BLOCK, None, reason, code=Code.INTERNAL_ERROR)


def _judged(plan: Iterable[CompiledResultRule], state: State, content: str, world: World) -> Verdict:
    said = what_was_said(content)
    size = len(whole_text(said).encode("utf-8", "surrogatepass"))
    matching = (rule for rule in plan if rule.matches(said, size, world, state))
    winner: CompiledResultRule | None = None
    trials = []
    for rule in matching:
        if rule.rule.rule.observe:
            trials.append(ResultTrial(rule.id, rule.effect))
        elif winner is None:
            winner = rule
    if winner is None:
        return Verdict(ResultEffect.ALLOW, trials=tuple(trials))
    return _verdict(winner, tuple(trials))


def _verdict(winner: CompiledResultRule, trials: tuple[ResultTrial, ...] = ()) -> Verdict:
    code = Code.RESULT_CUT if winner.cut else Code.RESULT_BLOCKED
    left = winner.max_bytes if winner.cut else None
    return Verdict(winner.effect, winner.id, winner.reason, winner.rule.rule.hint, code, left, trials)


def what_was_said(content: str) -> dict[str, Json]:
    """What conditions look at: `{"result": …}`, or `{"error": …}` of a call that failed.

    Raises:
        InvalidJson: it is neither.
    """
    value = parse_json(content, limit=MAX_CONTENT)
    for key in (RESULT, ERROR):
        if isinstance(value, Mapping) and key in value:
            return {key: value[key]}
    raise InvalidJson("neither a result nor an error")


def whole_text(said: Mapping[str, Json]) -> str:
    """The result as text, of which its size is taken and which is cut: a string as it is, anything else as JSON."""
    value = next(iter(said.values()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
