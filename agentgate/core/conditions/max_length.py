"""`max_length`: the argument is a string or list, and not too long."""

from agentgate.core.conditions.bounds import bound, length

OPERATOR = bound(
    key="max_length",
    summary="is a string or list with at most this many characters or items",
    operand={"type": "integer", "minimum": 0, "description": "The greatest length that is within."},
    measure=length,
    lower=False,
    words="of length {} or less",
    example=500,
)
