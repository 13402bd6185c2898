"""The event that tells of a decision."""

from __future__ import annotations

from datetime import datetime

from agentgate.core.events import CallDecided, Decision, ToolCall


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
