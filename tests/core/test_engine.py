"""`decide` by itself: what it takes, and what it does with what it does not know."""

from __future__ import annotations

from typing import cast

import pytest

from agentgate import Code, Effect, ModelRequest, Policy, State, ToolCall, compile, decide
from agentgate.core.events import Action
from agentgate.core.policy import ResultRule, Rule

OPEN = Policy("open", default=Effect.ALLOW)


def test_a_policy_need_not_be_compiled() -> None:
    """What is judged once may be judged by the policy as it was loaded."""
    policy = Policy("p", rules=(Rule(id="r", effect=Effect.ALLOW, tools=("t",)),))
    call = ToolCall("1", "t", "{}")
    assert decide(policy, State(), call) == decide(compile(policy), State(), call)


def test_a_compiled_policy_has_its_rules_about_results() -> None:
    """Ready to judge by."""
    rule = ResultRule(Rule(id="r", effect=Effect.BLOCK, tools=("t",)))
    assert [one.id for one in compile(Policy("p", results=(rule,))).results.rules] == ["r"]


class Tagged(ToolCall, frozen=True):
    """A call with something more."""


@pytest.mark.parametrize("action", [None, "t", {"name": "t"}, object()])
def test_what_is_no_action_is_blocked(action: object) -> None:
    """Even where everything is allowed: it is recorded as a mistake of ours."""
    decision = decide(OPEN, State(), cast(Action, action))
    assert (decision.effect, decision.code) == (Effect.BLOCK, Code.INTERNAL_ERROR)


def test_kinds_of_calls_are_calls() -> None:
    """A type derived from ToolCall is judged as a call, not waved through as a request."""
    assert decide(Policy("closed"), State(), Tagged("1", "t", "{}")).effect is Effect.BLOCK
    assert decide(OPEN, State(), ModelRequest()).effect is Effect.ALLOW
