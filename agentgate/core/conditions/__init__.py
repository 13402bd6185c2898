"""The operators of the policy language, one file each. A new one is a file and a line in `OPERATORS`.

The policy file's JSON Schema, `check`, `explain` and the documentation follow from what an operator says about itself.
"""

from functools import lru_cache

from agentgate.core.conditions import (
    command,
    email,
    equals,
    exists,
    glob,
    in_,
    links_seen_in,
    matches,
    max,
    max_length,
    min,
    min_length,
    not_in,
    path,
    schema,
    search,
    seen_in,
    sql,
    url,
)
from agentgate.core.conditions.test import InvalidOperand, Operator, Test, Unjudgeable, World
from agentgate.core.events import Json

OPERATORS: dict[str, Operator] = {
    module.OPERATOR.key: module.OPERATOR
    for module in (
        equals,
        in_,
        not_in,
        matches,
        search,
        glob,
        min,
        max,
        min_length,
        max_length,
        exists,
        schema,
        path,
        url,
        email,
        command,
        sql,
        seen_in,
        links_seen_in,
    )
}
"""Every operator by its key, in the order of the documentation."""


@lru_cache(maxsize=2048)
def _of_text(key: str, operand: str) -> Test:
    return OPERATORS[key].compile(operand)


def compiled_test(key: str, operand: Json) -> Test:
    """The test that an operator makes of its operand. A text's is kept: it is made when a file is read, and again where it is judged.

    Raises:
        InvalidOperand: the operand makes no sense.
    """
    return _of_text(key, operand) if type(operand) is str else OPERATORS[key].compile(operand)


__all__ = ["OPERATORS", "InvalidOperand", "Operator", "Test", "Unjudgeable", "World", "compiled_test"]
