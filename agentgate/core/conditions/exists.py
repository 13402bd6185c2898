"""`exists`: the argument is present, or it is absent."""

from agentgate.core.conditions.test import Operator, Test
from agentgate.core.events import Json


def _compile(operand: Json) -> Test:
    present = bool(operand)
    return Test(
        holds=lambda value, world, state: present,
        wanted="present" if present else "absent",
        holds_absent=not present,
    )


OPERATOR = Operator(
    key="exists",
    summary="is present (`true`) or absent (`false`); `null` counts as present",
    operand={"type": "boolean", "description": "`true`: the argument must be there. `false`: it must not."},
    compile=_compile,
    example=True,
)
