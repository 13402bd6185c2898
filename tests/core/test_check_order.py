"""The checks come in one order, and the first that refuses gives the reason."""

from __future__ import annotations

from itertools import combinations

import pytest

from agentgate.core.events import Code, Decision, Effect, Json, ToolCall
from agentgate.session import Session

from .building import decision, limit, policy, rule, tool

CHECKS = ("malformed_call", "default", "unknown_tool", "not_offered", "malformed_arguments", "invalid_arguments", "limit", "rule")
PARAMETERS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def failing(*checks: str) -> Decision:
    """The decision on a call for which exactly these checks fail."""
    allowed = rule("allow", "other" if "default" in checks else "read")
    forbidden = [
        rule("block", "read", when={"a": {"exists": True}}),
        rule("block", "read", id="block-missing", when={"a": {"exists": False}}),
    ]
    story = policy(allowed, *(forbidden if "rule" in checks else []), *([limit("tool_calls", 0)] if "limit" in checks else []))
    session = Session(
        story,
        tools=[tool("other" if "unknown_tool" in checks else "read", PARAMETERS)],
        allowed_tools=["other"] if "not_offered" in checks else None,
    )
    arguments = '{"b": "x"' if "invalid_arguments" in checks else '{"a": "x"'
    return session.propose(
        ToolCall("" if "malformed_call" in checks else "c", "read", arguments if "malformed_arguments" in checks else arguments + "}")
    )


def test_a_call_that_fails_no_check_is_allowed() -> None:
    """The call that the other stories break in one way or another."""
    assert failing().effect is Effect.ALLOW


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_refuses_alone(check: str) -> None:
    """Every check is there, and says so by its code."""
    said = failing(check)
    assert (said.effect, said.code) == (Effect.BLOCK, Code(check))


@pytest.mark.parametrize(("first", "second"), list(combinations(CHECKS, 2)))
def test_of_two_checks_the_earlier_gives_the_reason(first: str, second: str) -> None:
    """Where two checks fail, the order decides which one speaks."""
    assert failing(first, second).code is Code(first)


def test_where_all_checks_fail_the_first_gives_the_reason() -> None:
    """Everything is wrong at once."""
    assert failing(*CHECKS).code is Code.MALFORMED_CALL


def test_a_block_rule_without_conditions_says_more_than_the_default() -> None:
    """With nothing that allows the tool, a block rule that covers it all decides before the tool is even looked up."""
    story = policy(rule("block", "read", id="b", message="never"), rule("block", "re*", id="a", message="not here", hint="ask Ann"))
    said = decision(story, "read", "{", tools=[], allowed_tools=[])
    assert (said.code, said.rule, said.reason, said.hint) == (Code.RULE, "a", "not here", "ask Ann")


@pytest.mark.parametrize(
    "conditional",
    [
        {"when": {"a": "x"}}, {"unless": {"a": "x"}}, {"after": ("read",)}, {"before": ("read",)}, {"roles": ("viewer",)},
        {"observe": True}, {"except_tools": ("read",)}, {"except_roles": ("operator",)},
    ],
    ids=lambda more: next(iter(more)),
)  # fmt: skip
def test_a_block_rule_with_conditions_does_not_say_more(conditional: dict[str, Json]) -> None:
    """What needs a look at arguments, history or another role leaves the refusal to the default."""
    more = dict(conditional)
    story = policy(
        rule("block", "read", when=more.pop("when", None), unless=more.pop("unless", None), **more), roles={"viewer": (), "operator": ()}
    )
    said = decision(story, "read", {"a": "x"}, role="operator")
    assert (said.code, said.rule, said.reason) == (Code.DEFAULT, None, "tool 'read' is not allowed")


def test_a_block_rule_without_conditions_waits_where_another_rule_allows() -> None:
    """Where some rule allows the tool, the other checks come first."""
    story = policy(rule("block", "read"), rule("allow", "read"))
    assert decision(story, "read", tools=[]).code is Code.UNKNOWN_TOOL
    assert decision(story, "read", "{").code is Code.MALFORMED_ARGUMENTS
    assert decision(story, "read").rule == "block-read"


@pytest.mark.parametrize("default", ["allow", "ask"])
def test_with_a_milder_default_no_rule_needs_to_name_the_tool(default: str) -> None:
    """The second check belongs to `default: block` alone."""
    assert decision(policy(default=default), "read", tools=[]).code is Code.UNKNOWN_TOOL
    said = decision(policy(default=default), "read")
    assert (said.effect.value, said.code) == (default, Code.DEFAULT)


def test_a_rule_on_trial_allows_nothing() -> None:
    """An allow rule with `observe: true` does not count as one that allows the tool."""
    assert decision(policy(rule("allow", "read", observe=True)), "read").code is Code.DEFAULT


def test_an_empty_list_means_none() -> None:
    """No tools, or no tools offered, is not the same as not saying."""
    story = policy(rule("allow", "*"))
    assert decision(story, "read", tools=[]).code is Code.UNKNOWN_TOOL
    assert decision(story, "read", allowed_tools=[]).code is Code.NOT_OFFERED
    assert decision(story, "read", tools=None, allowed_tools=None).effect is Effect.ALLOW
