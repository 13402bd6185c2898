"""What is decided about the result of a call."""

from __future__ import annotations

from msgspec import Struct

from agentgate.core.events import Code, ResultEffect, ResultTrial


class Verdict(Struct, frozen=True):
    """The judgement on one result."""

    effect: ResultEffect
    rule: str | None = None
    """The id of the deciding rule; None where none decided."""
    reason: str = ""
    """A sentence for people and for the model."""
    hint: str | None = None
    code: Code | None = None
    """`result_blocked` or `result_cut`; `internal_error` where it could not be judged; None for one that passes."""
    max_bytes: int | None = None
    """What a cut leaves."""
    trials: tuple[ResultTrial, ...] = ()
    """Rules on trial that matched."""
    enforced: bool = True
    """False in observe mode."""


PASSES = Verdict(ResultEffect.ALLOW)
