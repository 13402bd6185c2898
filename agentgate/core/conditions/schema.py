"""`schema`: the argument is valid against a JSON Schema."""

from agentgate.core.conditions.test import InvalidOperand, Operator, Test
from agentgate.core.events import Json
from agentgate.core.schemas import InvalidSchema, Schema


def _compile(operand: Json) -> Test:
    try:
        schema = Schema(operand)
    except InvalidSchema as error:
        raise InvalidOperand(f"not a usable JSON Schema: {error}") from None
    return Test(holds=lambda value, world, state: schema.is_valid(value), wanted="valid against the schema")


OPERATOR = Operator(
    key="schema",
    summary="is valid against this JSON Schema (draft 2020-12 unless `$schema` says otherwise); formats are checked",
    operand={"type": "object", "description": "A JSON Schema without references to other documents."},
    compile=_compile,
    example={"type": "integer", "minimum": 1},
)
