"""Whole decisions: all that one carries, by each way of coming to it."""

from __future__ import annotations

from posixpath import normpath
from typing import Any, cast

import pytest

from agentgate.core.arguments import digest
from agentgate.core.conditions import World
from agentgate.core.engine import MAX_ID, decide
from agentgate.core.events import Action, Code, Decision, Effect, Json, ModelReplied, ModelRequest, ToolCall, Trial, Usage
from agentgate.core.policy import Limit, Policy, Rule
from agentgate.core.schemas import ToolSet
from agentgate.core.state import State, after_decision
from agentgate.session import Session

from .building import limit, policy, rule, tool

CALL = ToolCall("c", "read", '{"path": "docs/a"}')
SAID: dict[str, Any] = {
    "arguments": {"path": "docs/a"},
    "facts": {"/w/docs": "/w/docs", "/w/docs/a": "/w/docs/a"},
    "trials": (Trial("tried", Effect.BLOCK),),
}
"""What goes with every decision about that call which looks at its arguments: what was found about the path, and the rule on trial."""
TRIED = rule("block", "*", id="tried", when={"path": {"path": ["docs"]}}, observe=True)
READ = rule("allow", "read", when={"path": {"path": ["docs"]}}, message="because", hint="go on")


def block(code: Code, reason: str, rule: str | None = None, **more: Any) -> Decision:
    """A refusal."""
    return Decision(Effect.BLOCK, code, rule, reason, **more)


def parts(*more: Rule | Limit, **settings: Any) -> Policy:
    """A policy with the rule on trial."""
    return policy(TRIED, *more, **settings)


LOOKED_AT: dict[str, tuple[Policy, Decision]] = {
    "allow": (parts(READ), Decision(Effect.ALLOW, Code.RULE, "allow-read", "because", "go on", **SAID)),
    "ask": (parts(rule("ask", "read")), Decision(Effect.ASK, Code.RULE, "ask-read", "rule 'ask-read' asks for approval", **SAID)),
    "block": (parts(READ, rule("block", "read")), block(Code.RULE, "blocked by rule 'block-read'", "block-read", **SAID)),
    "limit": (parts(READ, limit("tool_calls", 0)), block(Code.LIMIT, "limit of 0 tool calls reached", "limits.tool_calls", **SAID)),
    "window": (
        parts(READ, limit("tool_calls", 0, window="per_hour")),
        block(Code.LIMIT, "limit of 0 tool calls per hour reached", "limits.tool_calls", **SAID),
    ),
    "default block": (
        parts(rule("allow", "read", when={"path": "x"})),
        block(Code.DEFAULT, "path 'docs/a' is not allowed for tool 'read'", **SAID),
    ),
    "default block, not said": (
        parts(rule("allow", "read", when={"path": {"seen_in": "prompt"}})),
        block(Code.DEFAULT, "path 'docs/a' is not allowed for tool 'read'", **SAID),
    ),
    "default allow": (
        parts(default="allow"), Decision(Effect.ALLOW, Code.DEFAULT, None, "no rule matches, and the default allows", **SAID),
    ),
    "default ask": (
        parts(default="ask"), Decision(Effect.ASK, Code.DEFAULT, None, "no rule matches, and the default asks for approval", **SAID),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected"), LOOKED_AT.values(), ids=list(LOOKED_AT))
def test_what_looks_at_the_arguments_says_what_it_found(wanted: Policy, expected: Decision) -> None:
    """With the parsed arguments, facts about the world, and what rules on trial would have done."""
    assert decide(wanted, State(), CALL, World(workdir="/w", resolve=normpath)) == expected


def test_a_duplicate_says_what_it_found() -> None:
    """The same; and whoever may not make the call is told that, not that it was made."""
    session = Session(parts(READ, rule("block", "read", id="no", when={"n": 1}), once=("read",)), workdir="/w", resolve=normpath)
    assert session.propose(CALL).effect is Effect.ALLOW
    again = session.propose(ToolCall("d", "read", CALL.arguments))
    assert again == block(Code.DUPLICATE, again.reason, "once", args_hash=digest(again.arguments), **SAID)
    assert again.reason.endswith("as c")
    for id in ("e", "f"):
        assert session.propose(ToolCall(id, "read", '{"path": "docs/a", "n": 1}')).rule == "no"


TOOLS = ToolSet([tool("read", {"type": "object", "properties": {"n": {"type": "integer"}}}), tool("bad", {"$ref": "elsewhere"})])
OPEN = policy(rule("allow", "*"))
NAMELESS = "the call names no tool: a name is 1 to 64 letters, digits, `_`, `.` or `-`"
UNUSABLE = "the schema of tool 'bad' cannot be used: `$ref` to `elsewhere`: only references within the schema itself are followed"
USED = after_decision(State(), None, "c", "read", "", Effect.BLOCK)
EARLIER: list[tuple[Policy, State, Json, str | None, Decision]] = [
    (OPEN, State(), ToolCall("", "read", "{}"), None, block(Code.MALFORMED_CALL, "the call has no usable id")),
    (OPEN, State(), ToolCall(5, "read", "{}"), None, block(Code.MALFORMED_CALL, "the call has no usable id")),
    (
        OPEN, State(), ToolCall("x" * (MAX_ID + 1), "read", "{}"), None,
        block(Code.MALFORMED_CALL, "the call's id is longer than 256 characters"),
    ),
    (OPEN, USED, ToolCall("c", "read", "{}"), "stopped", block(Code.MALFORMED_CALL, "the call's id was used before in this run")),
    (OPEN, State(max_steps=0), ModelRequest(), None, block(Code.LIMIT, "limit of 0 steps reached", "max_steps")),
    (OPEN, State(), ToolCall("c", "re ad", "{}"), None, block(Code.MALFORMED_CALL, NAMELESS)),
    (OPEN, State(), ToolCall("c", 5, "{}"), "stopped", block(Code.MALFORMED_CALL, NAMELESS)),
    (OPEN, State(unusable="it was cut off"), CALL, "stopped", block(Code.MALFORMED_CALL, "it was cut off")),
    (OPEN, State(), CALL, "stopped by Ann", block(Code.KILLED, "stopped by Ann")),
    (OPEN, State(), ModelRequest(), "stopped by Ann", block(Code.KILLED, "stopped by Ann")),
    (policy(), State(), CALL, None, block(Code.DEFAULT, "tool 'read' is not allowed")),
    (
        policy(rule("block", "re*", id="all", hint="ask Ann")), State(), CALL, None,
        block(Code.RULE, "tool 'read' is not allowed", "all", hint="ask Ann"),
    ),
    (OPEN, State(tools=TOOLS), ToolCall("c", "reed", "{}"), None, block(Code.UNKNOWN_TOOL, "tool 'reed' not found")),
    (OPEN, State(allowed_tools=frozenset()), CALL, None, block(Code.NOT_OFFERED, "tool 'read' was not offered")),
    (OPEN, State(), ToolCall("c", "read", "[]"), None, block(Code.MALFORMED_ARGUMENTS, "invalid JSON arguments: not an object")),
    (
        OPEN, State(tools=TOOLS), ToolCall("c", "read", '{"n": "x"}'), None,
        block(Code.INVALID_ARGUMENTS, 'invalid arguments: n: "x" is not of type "integer"'),
    ),
    (
        OPEN, State(tools=TOOLS), ToolCall("c", "bad", "{}"), None,
        block(Code.INTERNAL_ERROR, UNUSABLE),
    ),
    (OPEN, State(), "t", None, block(Code.INTERNAL_ERROR, "a str is no action")),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "state", "action", "killed", "expected"), EARLIER, ids=[case[4].reason[:40] for case in EARLIER])
def test_what_is_refused_before_that_says_why(wanted: Policy, state: State, action: Json, killed: str | None, expected: Decision) -> None:
    """And carries nothing that was not looked at."""
    assert decide(wanted, state, cast(Action, action), killed=killed) == expected


WISH = ModelRequest(input_tokens=100, input_usd=0.5, output_usd=0.01)
HOUR = "limits.cost_usd"
REQUESTS: dict[str, tuple[Policy, dict[str, str] | None, Decision]] = {
    "room": (
        policy(limit("tokens", 1000), limit("cost_usd", 2.0, window="per_hour")), {HOUR: "0.5"},
        Decision(Effect.ALLOW, Code.DEFAULT, None, "within the limits", facts={HOUR: "0.5"}, room=100),
    ),
    "this run alone": (
        policy(limit("cost_usd", 2.0, window="per_hour")), None,
        Decision(Effect.ALLOW, Code.DEFAULT, None, "within the limits", room=100),
    ),
    "reached": (
        policy(limit("cost_usd", 2.0, window="per_hour")), {HOUR: "2"},
        block(Code.LIMIT, "limit of $2.00 per hour reached: $2.00 spent", HOUR, facts={HOUR: "2"}),
    ),
    "not understood": (
        policy(limit("cost_usd", 2.0, window="per_hour")), {HOUR: "much"},
        block(
            Code.LIMIT, f"what was used of the limit `{HOUR}` is recorded in a way that cannot be understood", HOUR, facts={HOUR: "much"}
        ),
    ),
    "no room": (
        policy(limit("cost_usd", 2.0, window="per_hour")), {HOUR: "1.5"},
        block(
            Code.LIMIT, "the next request may cost $0.50, and of the limit of $2.00 $1.50 are spent", HOUR, facts={HOUR: "1.5"}
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "facts", "expected"), REQUESTS.values(), ids=list(REQUESTS))
def test_requests_say_why(wanted: Policy, facts: dict[str, str] | None, expected: Decision) -> None:
    """What was known about limits over time goes with it, and how long the answer may be."""
    session = Session(wanted)
    session.record(ModelReplied(step=1, message={}, usage=Usage(100, 0), cost_usd=0.5))
    assert session.request(WISH, facts=facts) == expected


def test_a_request_is_judged_in_the_world_that_is_handed_in() -> None:
    """What it tells of limits over time is believed."""
    wanted, _, expected = REQUESTS["reached"]
    assert decide(wanted, State(), ModelRequest(), World(known={HOUR: "2"})) == expected
