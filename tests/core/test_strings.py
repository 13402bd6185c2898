"""Every string in the arguments of a call: what `*` stands for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.conditions.search import strings, strings_in
from agentgate.core.events import Json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
VALUES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3))


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_the_quick_way_finds_what_the_long_way_finds(arguments: dict[str, Json]) -> None:
    """In the same order, which facts about the world are recorded in; the names of the arguments themselves are not among them."""
    assert strings_in(arguments) == list(strings(list(arguments.values())))
