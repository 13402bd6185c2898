"""What approvers are asked about in these tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agentgate.approvers.messages import About
from agentgate.approvers.port import Question
from agentgate.core.arguments import digest
from agentgate.core.events import Code, Decision, Effect, ToolCall

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ARGUMENTS = {"order_id": "A-1007", "amount": 249.0}
CALL = ToolCall("call_1", "refund", '{"order_id": "A-1007", "amount": 249.0}')
ASK = Decision(Effect.ASK, Code.RULE, "refunds-big", "amount 249.0 is above 100", arguments=ARGUMENTS)
QUESTION = Question(CALL, ASK, digest(ARGUMENTS))
ABOUT = About("k3v9", "operator", "support", "b" * 64, "refunds")
SECRET = b"shared"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def nonce(count: int) -> bytes:
    """Random bytes that are known."""
    return bytes(range(count))
