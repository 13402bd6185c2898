"""A short turn of fuzzing; a long one is `python -m tests.fuzz --seconds 3600`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.entries import ENTRIES
from tests.fuzz.mutations import KINDS, Change, mutated
from tests.fuzz.seeds import seeds

changes = st.lists(st.builds(Change, st.sampled_from(KINDS), st.floats(0, 1), st.integers(0, 100_000)), min_size=1, max_size=6)
EACH = pytest.mark.parametrize("name", ENTRIES)


@EACH
def test_seeds(name: str) -> None:
    """Nothing but our own errors comes of any seed, hostile ones among them, nor of one that is cut in the middle."""
    for seed in seeds(name):
        ENTRIES[name](seed)
        ENTRIES[name](seed[: len(seed) // 2])


@EACH
@settings(max_examples=60)
@given(data=st.binary(max_size=300))
def test_any_bytes(name: str, data: bytes) -> None:
    """Nor of bytes that nobody thought of."""
    ENTRIES[name](data)


@EACH
@settings(max_examples=120)
@given(draw=st.data())
def test_changed_seeds(name: str, draw: st.DataObject) -> None:
    """Nor of seeds that were changed here and there."""
    known = st.sampled_from(seeds(name))
    ENTRIES[name](mutated(draw.draw(known), draw.draw(changes), draw.draw(known)))
