"""The event that tells of a decision, and who is told of events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from agentgate.core.events import ApprovalAnswered, CallDecided, Decision, Event, ToolCall

Approve: TypeAlias = Callable[[ToolCall, CallDecided], ApprovalAnswered | None]
"""Who knows whether a person has answered already: given a call that needs it, and the decision that says so."""


class Recorder(Protocol):
    """Takes every event before its consequences; raises RecordError where it cannot keep one."""

    def __call__(self, event: Event, /) -> None: ...


def told(call: ToolCall, decision: Decision, at: datetime, step: int, args_hash: str) -> CallDecided:
    """What is recorded of a decision.

    Args:
        call: as the model proposed it.
        decision: what was decided about it.
        at: when.
        step: in which answer of the model, from 1.
        args_hash: the SHA-256 of its arguments, empty where nobody asks for it.
    """
    return CallDecided(
        at=at,
        step=step,
        call_id=call.id,
        tool=call.name,
        arguments=call.arguments,
        args_hash=args_hash,
        effect=decision.effect,
        code=decision.code,
        rule=decision.rule,
        reason=decision.reason,
        hint=decision.hint,
        enforced=decision.enforced,
        facts=decision.facts,
        trials=decision.trials,
    )
