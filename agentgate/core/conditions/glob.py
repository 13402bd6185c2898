"""`glob`: a `*` pattern covers the whole string."""

from agentgate.core.conditions.test import Operator, Test, Unjudgeable, World, kind_of
from agentgate.core.events import Json
from agentgate.core.patterns import Pattern, glob_pattern
from agentgate.core.state import State


def _compile(operand: Json) -> Test:
    pattern = Pattern(glob_pattern(operand), "full")
    before, star, after = operand.partition("*")
    simple = star and "*" not in after
    least = len(before) + len(after)

    def holds(value: Json, world: World, state: State) -> bool:
        if type(value) is not str:
            raise Unjudgeable(f"is {kind_of(value)}, not a string")
        if simple and value.isascii():  # the same in a tenth of the time
            return value.startswith(before) and value.endswith(after) and len(value) >= least
        return pattern(value)

    return Test(holds=holds, wanted=f"a string like `{operand}`", pattern=pattern)


OPERATOR = Operator(
    key="glob",
    summary="is a string that the `*` pattern matches as a whole; `*` stands for any run of characters, all else for itself",
    operand={"type": "string", "minLength": 1, "description": "A pattern in which `*` stands for any run of characters."},
    compile=_compile,
    example="report-*.csv",
)
