from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentgate.errors import ModelError
from agentgate.models.usage import parse_usage

CASES = [json.loads(line) for line in (Path(__file__).parent.parent / "data" / "models" / "usage.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_usage_is_counted_unknown_or_an_error(case: dict[str, Any]) -> None:
    """What was used counts exactly, what is not said is unknown rather than zero, and what cannot be is an error that names the field."""
    if "error" in case:
        with pytest.raises(ModelError) as caught:
            parse_usage(case["usage"])
        assert case["error"] in caught.value.message
        return
    usage = parse_usage(case["usage"])
    found = None if usage is None else [usage.input_tokens, usage.output_tokens, usage.cached_tokens]
    assert found == case["counts"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_errors(value: float) -> None:
    """NaN compares false with every limit, so it never gets as far as one."""
    with pytest.raises(ModelError, match="prompt_tokens"):
        parse_usage({"prompt_tokens": value, "completion_tokens": 1})
