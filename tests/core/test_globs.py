"""`glob` without a pattern: texts of ASCII and a single `*` need none."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from agentgate.core.conditions import World, compiled_test
from agentgate.core.patterns import compile_pattern, glob_pattern
from agentgate.core.state import State

LETTERS = "ab*.\n\\é"


@given(st.text(LETTERS, min_size=1, max_size=5), st.text(LETTERS, max_size=6))
@example("ab*ba", "aba")
@example("*", "")
@example("a*", "a\n")
def test_the_quick_way_finds_what_the_pattern_finds(glob: str, text: str) -> None:
    """Line breaks and overlapping ends too."""
    holds = compiled_test("glob", glob).holds
    assert holds(text, World(), State()) == (compile_pattern(glob_pattern(glob)).fullmatch(text) is not None)
