"""Type hints and docstrings become closed JSON Schemas, and arguments become what the hints ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentgate.core.schemas import ToolSet
from tests.tools.running import DATA, Opener

DESCRIBED = json.loads((DATA / "described.json").read_text())


def test_definitions(opened: Opener) -> None:
    """Every function is described as `described.json` says."""
    run = opened(*(f"described.py:{name}" for name in DESCRIBED))
    assert {tool.name: tool.definition["function"] for tool in run.toolbox.tools} == DESCRIBED


ACCEPTED: list[tuple[str, dict[str, Any], Any]] = [
    ("plain", {"action": "read", "customer_id": 1}, "read"),
    ("plain", {"action": "read", "customer_id": 1, "new_tier": None, "ratio": 1}, "read"),
    (
        "nested",
        {"filters": [{"city": "x"}], "extra": {"a": [1]}, "address": {"title": "t", "street": "s"}, "open_ended": {"id": 1, "b": 2}},
        "Address",
    ),
    (
        "rich",
        {"tier": "pro", "price": {"amount": 19.99}, "due": "2024-02-29", "tags": ["a"]},
        [
            "<Tier.PRO: 'pro'>", "Money(amount=Decimal('19.99'), currency='EUR')", "datetime.date(2024, 2, 29)", "3", "frozenset({'a'})",
            "datetime.date(2024, 2, 29)",
        ],
    ),
    ("undescribed", {"value": {"a": None}}, {"a": None}),
]  # fmt: skip
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("nothing", {"x": 1}),
    ("plain", {"action": "read"}),
    ("plain", {"action": "delete", "customer_id": 1}),
    ("plain", {"action": "read", "customer_id": 1.0}),
    ("plain", {"action": "read", "customer_id": True}),
    ("plain", {"action": "read", "customer_id": "1"}),
    ("plain", {"action": "read", "customer_id": 1, "admin": True}),
    ("undescribed", {"value": 1, "times": 1}),
    ("nested", {"filters": [{"limit": 1}], "extra": {}, "address": {"title": "t", "street": "s"}, "open_ended": {"id": 1}}),
    ("nested", {"filters": [{"city": "x", "more": 1}], "extra": {}, "address": {"title": "t", "street": "s"}, "open_ended": {"id": 1}}),
    ("nested", {"filters": None, "extra": {}, "address": {"title": "t", "street": "s", "more": 1}, "open_ended": {"id": 1}}),
    ("rich", {"tier": "pro", "price": {"amount": 1, "more": 1}, "due": "2024-02-29"}),
    ("rich", {"tier": "gold", "price": {"amount": 1}, "due": "2024-02-29"}),
    ("rich", {"tier": "pro", "price": {"amount": 1}, "due": "2024-02-30"}),
    ("rich", {"tier": "pro", "price": {"amount": 1}, "due": "2024-02-29", "count": 11}),
]


@pytest.mark.parametrize(("tool", "arguments", "result"), ACCEPTED)
def test_accepted(opened: Opener, tool: str, arguments: dict[str, Any], result: Any) -> None:
    """What the schema accepts reaches the function, as the types that it is annotated with."""
    run = opened(f"described.py:{tool}")
    assert _schema_error(run.toolbox.tools[0].definition, arguments) is None
    assert run.result(tool, arguments) == result


@pytest.mark.parametrize(("tool", "arguments"), REFUSED)
def test_refused(tool: str, arguments: dict[str, Any]) -> None:
    """Unknown arguments are refused at every depth, and types are exact."""
    assert _schema_error({"type": "function", "function": DESCRIBED[tool]}, arguments) is not None


ORDER: dict[str, Any] = {
    "Name": "n",
    "shapes": [{"kind": "circle", "centre": {"x": 1, "y": 2.5}}, {"kind": "box", "corners": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}],
    "by_name": {"a": {"x": 1, "y": 1}},
    "parent": {"Name": "above", "shapes": [], "parent": None},
}


def test_models_within_models_are_closed(opened: Opener) -> None:
    """In lists, tuples, mappings and alternatives, behind a discriminator, an alias, a base class and a reference to itself."""
    run = opened("models.py:place")
    (tool,) = run.toolbox.tools
    described = tool.definition["function"]["parameters"]["$defs"]
    assert {name: model["additionalProperties"] for name, model in described.items()} == dict.fromkeys(
        ("Box", "Circle", "Order", "Point"), False
    )
    assert _schema_error(tool.definition, {"order": ORDER}) is None
    assert run.result("place", {"order": ORDER}) == "n, a Circle in a Order"


@pytest.mark.parametrize(
    "path",
    [(), ("shapes", 0), ("shapes", 0, "centre"), ("shapes", 1), ("shapes", 1, "corners", 1), ("by_name", "a"), ("parent",)],
    ids=lambda path: ".".join(map(str, path)) or "order",
)
@pytest.mark.parametrize("extra", ["more", "name"])
def test_no_model_takes_more_than_it_lists(opened: Opener, path: tuple[str | int, ...], extra: str) -> None:
    """Wherever the unknown argument stands, and though a field of the model has that name behind its alias."""
    order = json.loads(json.dumps(ORDER))
    inner = order
    for part in path:
        inner = inner[part]
    inner[extra] = "x"
    assert _schema_error(opened("models.py:place").toolbox.tools[0].definition, {"order": order}) is not None


def test_conversion_fails(opened: Opener) -> None:
    """An argument that its type refuses, though the schema did not, never reaches the function."""
    outcome = opened("described.py:rich").call("rich", {"tier": "pro", "price": {"amount": "many"}, "due": "2024-02-29"})
    assert (outcome.ok, outcome.executed) == (False, False)
    assert json.loads(outcome.content)["error"].startswith("tool 'rich' failed: invalid arguments: price.amount: ")


def _schema_error(definition: dict[str, Any], arguments: dict[str, Any]) -> str | None:
    return ToolSet([definition]).schema(definition["function"]["name"]).first_error(arguments)
