"""`matches`: a pattern covers the whole string."""

from agentgate.core.conditions.test import InvalidOperand, Operator, Test, Unjudgeable, World, kind_of
from agentgate.core.events import Json
from agentgate.core.patterns import InvalidPattern, Pattern
from agentgate.core.state import State


def _compile(operand: Json) -> Test:
    try:
        pattern = Pattern(operand, "full")
    except InvalidPattern as error:
        raise InvalidOperand(f"RE2 cannot compile this pattern: {error}") from None

    def holds(value: Json, world: World, state: State) -> bool:
        if type(value) is not str:
            raise Unjudgeable(f"is {kind_of(value)}, not a string")
        return pattern(value)

    return Test(holds=holds, wanted=f"a whole match of /{operand}/", pattern=pattern)


OPERATOR = Operator(
    key="matches",
    summary="is a string that the pattern (RE2) matches **as a whole**; `.` stands for anything but a line break",
    operand={"type": "string", "description": "An RE2 pattern that must cover the whole string."},
    compile=_compile,
    example="[a-z]+-[0-9]+",
)
