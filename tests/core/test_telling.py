"""What is recorded of a decision."""

from __future__ import annotations

from agentgate.core.events import CallDecided, Code, Decision, Effect, ToolCall, Trial
from agentgate.core.telling import told

from .building import START


def test_all_of_a_decision_is_told() -> None:
    """Whatever somebody could later ask about it, and the raw text of the call."""
    trials = (Trial("tried", Effect.ASK),)
    decision = Decision(Effect.BLOCK, Code.RULE, "r", "because", "go on", {"a": 1}, {"/a": "/b"}, trials, enforced=False)
    assert told(ToolCall("c", "read", '{"a":1}'), decision, START, 3, "hash") == CallDecided(
        at=START,
        step=3,
        call_id="c",
        tool="read",
        arguments='{"a":1}',
        args_hash="hash",
        effect=Effect.BLOCK,
        code=Code.RULE,
        rule="r",
        reason="because",
        hint="go on",
        enforced=False,
        facts={"/a": "/b"},
        trials=trials,
    )
