"""What could be executed at all, whatever the policy; what limits leave no room for; rules on trial that look at world and run."""

from __future__ import annotations

from typing import Any

import pytest

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.conditions import Unjudgeable
from agentgate.core.engine import unrunnable
from agentgate.core.events import Code, Effect, ToolCall, Trial
from agentgate.core.rules import lookup
from agentgate.session import Session

from .building import limit, policy, rule, tool


def call(id: str = "call_1", name: str = "t", arguments: str = "{}") -> ToolCall:
    """A call."""
    return ToolCall(id, name, arguments)


def test_a_call_that_was_proposed_can_run_only_if_it_is_that_call() -> None:
    """Its id was used before in the run, unless whoever asks says that it is this very call."""
    session = Session(policy())
    session.propose(call())
    again = session.runnable(call())
    assert (again.effect, again.code) == (Effect.BLOCK, Code.MALFORMED_CALL)
    same = session.runnable(call(), proposed=True)
    assert (same.effect, same.code, same.reason, same.arguments) == (Effect.ALLOW, Code.DEFAULT, "can run", {})


def test_what_cannot_be_looked_at_cannot_run() -> None:
    """Whatever goes wrong while looking is a refusal that names it."""
    broken: Any = None
    refused = unrunnable(broken, call())
    assert (refused.effect, refused.code) == (Effect.BLOCK, Code.INTERNAL_ERROR)
    assert refused.reason == "internal error while judging: AttributeError"


def test_an_argument_below_something_that_is_no_object() -> None:
    """It cannot be judged, which is not the same as being absent."""
    with pytest.raises(Unjudgeable, match=r"^leads through something that is not an object$"):
        lookup({"a": 1}, ("a", "b"))


@pytest.mark.parametrize("text", ["1e999", '{"a": -1e999}', f'{{"a": {10**308 * 10}}}', f'[{{"a": [{-(10**400)}]}}]'])
def test_numbers_out_of_range(text: str) -> None:
    """They are called so, wherever they stand."""
    with pytest.raises(InvalidJson, match=r"^number out of range$"):
        parse_json(text)


def test_what_no_policy_allows_can_run_all_the_same() -> None:
    """The policy is not asked: only the call, and the tools that there are."""
    session = Session(policy(), tools=[tool("t", {"type": "object", "properties": {"a": {"type": "integer"}}})])
    assert session.runnable(call(arguments='{"a": 1}')).arguments == {"a": 1}
    assert session.runnable(call(arguments='{"a": "1"}')).code is Code.INVALID_ARGUMENTS
    assert session.runnable(call(arguments="{")).code is Code.MALFORMED_ARGUMENTS
    assert session.runnable(call(name="u")).code is Code.UNKNOWN_TOOL
    assert session.runnable(call(name="no name")).code is Code.MALFORMED_CALL


@pytest.mark.parametrize(("to_come", "room"), [(2, True), (1, True), (0, False)])
def test_room_for_a_call_that_was_decided_earlier(to_come: int, room: bool) -> None:
    """Two calls were let through under a limit of two: there is room for one of them as long as not both were executed."""
    session = Session(policy(rule("allow", "t"), limit("tool_calls", 2)))
    for number in range(2):
        session.propose(call(f"call_{number}"))
    held = session.exceeded(call("call_1"), ["t"] * to_come)
    assert (held is None) is room
    if held is not None:
        assert (held.effect, held.code, held.rule) == (Effect.BLOCK, Code.LIMIT, "limits.tool_calls")
        assert held.reason == "limit of 2 tool calls reached"


def test_room_is_looked_for_in_the_limits_of_the_tool_alone() -> None:
    """A limit on another tool, and one that does not count calls, hold nothing back."""
    session = Session(policy(rule("allow", ["t", "u"]), limit("calls", 1, "u"), limit("steps", 0)))
    session.propose(call("call_1", "u"))
    assert session.exceeded(call("call_2", "t"), []) is None
    held = session.exceeded(call("call_1", "u"), [])
    assert held is not None
    assert held.rule == "limits.tools.u"


@pytest.mark.parametrize(("arguments", "tried"), [('{"file": "src/a"}', True), ('{"file": "/etc/a"}', False)])
def test_a_rule_on_trial_may_ask_the_world(arguments: str, tried: bool) -> None:
    """Links are resolved for it as for any other rule."""
    on_trial = rule("ask", "t", id="new", when={"file": {"path": ["src"]}}, observe=True)
    session = Session(policy(rule("allow", "t"), on_trial), workdir="/work", resolve=lambda path: path)
    assert session.propose(call(arguments=arguments)).trials == ((Trial("new", Effect.ASK),) if tried else ())


@pytest.mark.parametrize(("arguments", "tried"), [('{"to": "Anna"}', True), ('{"to": "Bob"}', False)])
def test_a_rule_on_trial_may_look_at_the_run(arguments: str, tried: bool) -> None:
    """It knows the prompt as any other rule does."""
    on_trial = rule("ask", "t", id="new", when={"to": {"seen_in": "prompt"}}, observe=True)
    session = Session(policy(rule("allow", "t"), on_trial), prompt="write to Anna")
    assert session.propose(call(arguments=arguments)).trials == ((Trial("new", Effect.ASK),) if tried else ())
