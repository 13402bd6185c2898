"""`max`: the argument is a number, and not above a bound."""

from agentgate.core.conditions.bounds import bound, number

OPERATOR = bound(
    key="max",
    summary="is a number, and at most this much",
    operand={"type": "number", "description": "The greatest number that is within."},
    measure=number,
    lower=False,
    words="at most {}",
    example=100,
)
