"""Patterns without signs are taken apart without a tree, to the same texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.lint.pattern_tree import tree
from agentgate.core.lint.patterns import _made, samples

FLAGS = st.sampled_from(["", "(?i)", "(?is)", "(?si)", "(?imsU)", "(?ii)"])
TEXT = st.text(st.sampled_from("abZ09_,:;@=/ -.*[("), min_size=1, max_size=12)


@given(flags=FLAGS, text=TEXT)
def test_as_the_tree_says(flags: str, text: str) -> None:
    """The short way never says anything else than the long one."""
    found = samples(flags + text)
    if found:
        assert found == tuple(_made(tree(flags + text)))


def test_the_short_way() -> None:
    """One sample, in which every character answers to itself."""
    (sample,) = samples("(?si)ab")
    assert [(piece.text, piece.atom, piece.flags) for piece in sample] == [("a", "a", "is"), ("b", "b", "is")]
