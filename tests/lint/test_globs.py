"""Many patterns of tool names, asked together."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.lint.globs import Globs

GLOBS = st.lists(st.text("ab_*", min_size=1, max_size=5).filter(lambda glob: "*" in glob), unique=True, max_size=8)


@given(globs=GLOBS, name=st.text("ab_", max_size=6))
def test_each_by_itself(globs: list[str], name: str) -> None:
    """The positions of those that match the name as a whole, in their order."""
    assert Globs(globs).matches(name) == [index for index, glob in enumerate(globs) if fnmatchcase(name, glob)]


def test_beginnings() -> None:
    """Of patterns that say how a name begins, none takes a name that is shorter."""
    globs = Globs(["read_*", "*", "re*", "*_x", "read_a*"])
    assert globs.matches("read_x") == [0, 1, 2, 3]
    assert globs.matches("read") == [1, 2]
    assert globs.matches("") == [1]
