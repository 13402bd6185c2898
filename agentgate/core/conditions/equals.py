"""`equals`: the argument is exactly one value."""

from agentgate.core.conditions.test import Operator, Test, exactly, shown
from agentgate.core.events import Json


def _compile(operand: Json) -> Test:
    wanted = exactly(operand)
    if type(operand) is str:  # which equals nothing but itself
        return Test(holds=lambda value, world, state: value == operand, wanted=shown(operand), values=frozenset((wanted,)))
    return Test(
        holds=lambda value, world, state: exactly(value) == wanted,
        wanted=shown(operand),
        values=frozenset((wanted,)),
    )


OPERATOR = Operator(
    key="equals",
    summary='is exactly that value; types are exact, so `true` is not `1` and `1` is not `"1"`',
    operand={"description": "The one value that the argument must be, of exactly this type."},
    compile=_compile,
    example="read",
)
