"""The JSON Schemas that `agentgate schema` prints: valid draft-07, described throughout, and in agreement with loading."""

from __future__ import annotations

from collections.abc import Iterator

import jsonschema
import pytest

from agentgate.core.conditions import OPERATORS
from agentgate.core.events import Json
from agentgate.files.policy_schema import policy_schema
from agentgate.files.task_schema import task_schema
from agentgate.files.test_schema import schema_of_tests
from agentgate.files.yaml import load
from tests.files.cases import DATA

SCHEMAS = {"policy": policy_schema(), "task": task_schema(), "test": schema_of_tests()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_valid_draft_07(name: str) -> None:
    """Against the meta-schema, by an independent implementation."""
    assert SCHEMAS[name]["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(SCHEMAS[name])


def properties(schema: Json, where: str = "") -> Iterator[tuple[str, Json]]:
    """Every property anywhere in a schema, with a path."""
    if isinstance(schema, list):
        for item in schema:
            yield from properties(item, where)
    elif isinstance(schema, dict):
        for key, inner in schema.items():
            if key in ("properties", "patternProperties") and where.rsplit("/", 1)[-1] != "properties":
                conditional = where.rsplit("/", 1)[-1] == "if"
                yield from ((f"{where}/{name}", value) for name, value in inner.items() if not conditional)
            yield from properties(inner, f"{where}/{key}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_described(name: str) -> None:
    """An editor can say something about each of them."""
    schema = SCHEMAS[name]
    for where, value in properties(schema):
        target = value
        if "$ref" in target:
            target = schema["definitions"][target["$ref"].rsplit("/", 1)[-1]]
        assert target.get("description"), where


def test_every_operator_is_in_the_schema() -> None:
    """A new operator needs no other change."""
    operators = policy_schema()["definitions"]["operators"]["properties"]
    assert set(operators) == {*OPERATORS, "optional"}
    for key, operator in OPERATORS.items():
        assert operators[key]["description"] == operator.operand["description"]


@pytest.mark.parametrize("path", sorted((DATA / "policies").glob("*/*.yaml")), ids=lambda path: path.stem)
def test_policies_that_load_are_valid_by_an_independent_validator(path: object) -> None:
    """The published schema says the same as loading does."""
    from pathlib import Path

    assert isinstance(path, Path)
    document = load(path.read_bytes(), path.name, max_bytes=10**6).value
    assert jsonschema.Draft7Validator(policy_schema()).is_valid(document)


@pytest.mark.parametrize(
    "document",
    [
        {"version": 1, "rules": [{"id": "a", "allow": "x", "block": "y"}]},
        {"version": 1, "rules": [{"id": "a", "deny": "x"}]},
        {"version": 1, "rules": [{"id": "a", "allow": "x", "when": {"y": None}}]},
        {"version": 1, "rules": [{"id": "a", "allow": "x", "when": {"y": {"optional": True}}}]},
        {"version": 1, "rules": [{"id": "a\n", "allow": "x"}]},
        {"version": 2},
        {"rules": []},
        {"policies": [{"name": "a", "type": "budget"}]},
    ],
)
def test_editors_see_errors_too(document: Json) -> None:
    """What loading refuses by form, the published schema refuses."""
    import jsonschema_rs

    assert not jsonschema_rs.Draft7Validator(policy_schema()).is_valid(document)
