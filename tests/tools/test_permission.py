"""Nothing is executed without a decision that lets it, and only what was decided on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from agentgate.core.events import Code, Decision, Effect, ToolCall
from agentgate.errors import UsageError
from agentgate.tools.toolbox import TaskToolbox
from tests.tools.running import DATA, Opener, make_task

ARGUMENTS = {"value": 1}
CALL = ToolCall("call_1", "echo", '{"value": 1}')


def _decision(effect: Effect = Effect.ALLOW, code: Code = Code.RULE, arguments: Any = ARGUMENTS, **more: Any) -> Decision:
    return Decision(effect, code, None, "", arguments=arguments, **more)


ALLOWED = [
    (_decision(), False),
    (_decision(Effect.ASK), True),
    (_decision(Effect.BLOCK, enforced=False), False),
    (_decision(Effect.ASK, enforced=False), False),
]
REFUSED = [
    (_decision(Effect.BLOCK), False, "the decision `block` does not let this call be executed"),
    (_decision(Effect.BLOCK), True, "the decision `block` does not let this call be executed"),
    (_decision(Effect.ASK), False, "the decision `ask` does not let this call be executed"),
    (_decision(Effect.ASK), 1, "the decision `ask` does not let this call be executed"),
    (_decision(Effect.BLOCK, Code.KILLED, enforced=False), True, "the decision `block` does not let this call be executed"),
    (_decision(enforced=None, effect=Effect.BLOCK), False, "the decision `block` does not let this call be executed"),
    (_decision(arguments=None), False, "a call without judged arguments cannot be executed"),
    (_decision(Effect.BLOCK, arguments=None, enforced=False), False, "a call without judged arguments cannot be executed"),
    (_decision(arguments={"value": 2}), False, "the arguments to execute are not those of the call"),
    (_decision(arguments={"value": 1.0}), False, "the arguments to execute are not those of the call"),
    (_decision(arguments={"value": True}), False, "the arguments to execute are not those of the call"),
    (_decision(arguments={"value": 1, "more": None}), False, "the arguments to execute are not those of the call"),
    (_decision(arguments={"value": {1}}), False, "the arguments to execute are not those of the call"),
    (_decision(arguments={}), False, "the arguments to execute are not those of the call"),
]


@pytest.mark.parametrize(("decision", "approved"), ALLOWED)
def test_allowed(opened: Opener, decision: Decision, approved: bool) -> None:
    """An allow, an approved ask, and what observe mode lets through are executed."""
    outcome = opened("misbehaving.py:echo").toolbox.execute(CALL, decision, approved=approved)
    assert json.loads(outcome.content) == {"ok": True, "tool": "echo", "result": 1}
    assert (outcome.ok, outcome.executed, outcome.truncated) == (True, True, False)


@pytest.mark.parametrize(("decision", "approved", "said"), REFUSED)
def test_refused(echoing: TaskToolbox, decision: Decision, approved: bool, said: str) -> None:
    """Everything else is a bug of the caller, and reaches no tool."""
    with pytest.raises(UsageError) as caught:
        echoing.execute(CALL, decision, approved=approved)
    assert caught.value.message == said


@pytest.fixture(scope="module")
def echoing() -> Iterator[TaskToolbox]:
    with TaskToolbox(make_task(DATA, "misbehaving.py:echo"), environ=os.environ) as toolbox:
        yield toolbox


def test_changed_arguments(opened: Opener) -> None:
    """Arguments that were changed after the decision are not executed."""
    decision = _decision(arguments={"value": [1]})
    assert decision.arguments is not None
    decision.arguments["value"].append(2)
    with pytest.raises(UsageError, match="not those of the call"):
        opened("misbehaving.py:echo").toolbox.execute(ToolCall("call_1", "echo", '{"value": [1]}'), decision)


def test_unknown_tool(opened: Opener) -> None:
    """Only tools of the task can be executed."""
    toolbox = opened("misbehaving.py:echo").toolbox
    for name in ("raises", "Echo", "", None, ["echo"]):
        with pytest.raises(UsageError, match="there is no tool"):
            toolbox.execute(ToolCall("call_1", name, '{"value": 1}'), _decision())


def test_once(opened: Opener) -> None:
    """A call is executed once, whatever came of it."""
    toolbox = opened("misbehaving.py:raises", name="echo").toolbox
    assert not toolbox.execute(ToolCall("call_1", "echo", "{}"), _decision(arguments={})).ok
    with pytest.raises(UsageError, match="call `call_1` was executed before"):
        toolbox.execute(ToolCall("call_1", "echo", "{}"), _decision(arguments={}))
