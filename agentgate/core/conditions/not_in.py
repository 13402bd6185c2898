"""`not_in`: the argument is none of several values."""

from agentgate.core.conditions.test import Operator, Test, exactly, shown
from agentgate.core.events import Json


def _compile(operand: Json) -> Test:
    unwanted = frozenset(exactly(value) for value in operand)
    return Test(
        holds=lambda value, world, state: exactly(value) not in unwanted,
        wanted="anything but " + (", ".join(shown(value) for value in operand) or "nothing"),
    )


OPERATOR = Operator(
    key="not_in",
    summary="is present and exactly none of those values",
    operand={"type": "array", "description": "The values that the argument must not be, of exactly these types."},
    compile=_compile,
    example=["admin", "root"],
)
