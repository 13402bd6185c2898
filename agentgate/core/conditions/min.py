"""`min`: the argument is a number, and not below a bound."""

from agentgate.core.conditions.bounds import bound, number

OPERATOR = bound(
    key="min",
    summary="is a number, and at least this much",
    operand={"type": "number", "description": "The smallest number that is within."},
    measure=number,
    lower=True,
    words="at least {}",
    example=1,
)
