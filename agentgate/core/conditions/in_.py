"""`in`: the argument is one of several values."""

from agentgate.core.conditions.test import Operator, Test, exactly, shown
from agentgate.core.events import Json


def _compile(operand: Json) -> Test:
    wanted = frozenset(exactly(value) for value in operand)
    return Test(
        holds=lambda value, world, state: exactly(value) in wanted,
        wanted="one of " + (", ".join(shown(value) for value in operand) or "nothing"),
        values=wanted,
        never=not wanted,
    )


OPERATOR = Operator(
    key="in",
    summary="is exactly one of those values; an empty list holds for nothing",
    operand={"type": "array", "description": "The values that the argument may be, of exactly these types."},
    compile=_compile,
    example=["free", "pro"],
)
