"""The tests that operators make of texts are kept."""

from __future__ import annotations

import pytest

from agentgate.core.conditions import InvalidOperand, compiled_test


def test_made_once() -> None:
    """The same operator and text give the same test; another operator, another text or no text at all do not."""
    assert compiled_test("search", "a+") is compiled_test("search", "a+")
    assert compiled_test("search", "a+") is not compiled_test("matches", "a+")
    assert compiled_test("search", "a+") is not compiled_test("search", "a")
    assert compiled_test("in", ["a"]) is not compiled_test("in", ["a"])
    assert compiled_test("equals", 1) is not compiled_test("equals", "1")


def test_refused_each_time() -> None:
    """What makes no sense never does."""
    for _ in range(2):
        with pytest.raises(InvalidOperand):
            compiled_test("search", "(")
