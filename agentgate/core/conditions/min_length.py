"""`min_length`: the argument is a string or list, and not too short."""

from agentgate.core.conditions.bounds import bound, length

OPERATOR = bound(
    key="min_length",
    summary="is a string or list with at least this many characters or items",
    operand={"type": "integer", "minimum": 0, "description": "The smallest length that is within."},
    measure=length,
    lower=True,
    words="of length {} or more",
    example=1,
)
