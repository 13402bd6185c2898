"""Every operator against its table of cases."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from agentgate.core.conditions import OPERATORS
from tests.conditions.cases import cases, judge, state

TABLES = [(key, case) for key in OPERATORS for case in cases(key)]


@pytest.mark.parametrize(("key", "case"), TABLES, ids=[f"{key}-{number}" for number, (key, _) in enumerate(TABLES)])
def test_operators_judge_as_their_table_says(key: str, case: dict[str, Any]) -> None:
    """A value holds, does not hold, or cannot be judged, as the table says."""
    found = judge(key, case["operand"], case["value"], state(case))
    assert found == case["outcome"], f"{case['why']}: {case['value']!r}"


@pytest.mark.parametrize("key", OPERATORS)
def test_operands_of_the_tables_are_valid_by_the_schema(key: str) -> None:
    """The schema of an operand accepts what the tables use, and the operator's own example."""
    jsonschema.Draft7Validator.check_schema(OPERATORS[key].operand)
    validator = jsonschema.Draft7Validator(OPERATORS[key].operand)
    for operand in [OPERATORS[key].example, *(case["operand"] for case in cases(key))]:
        validator.validate(operand)
    OPERATORS[key].compile(OPERATORS[key].example)


@pytest.mark.parametrize("key", OPERATORS)
def test_operators_document_themselves(key: str) -> None:
    """Every operator has a summary, and a description at its operand and at every key of it."""
    operator = OPERATORS[key]
    assert operator.summary
    assert operator.operand["description"]
    assert all(part.get("description") for part in operator.operand.get("properties", {}).values())
