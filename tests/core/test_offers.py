"""Which tools a `tool_choice` leaves callable."""

from __future__ import annotations

import pytest

from agentgate.core.events import Json
from agentgate.core.offers import name_set, names_offered


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("auto", None),
        ("required", None),
        ("none", []),
        (None, None),
        (5, None),
        ({}, None),
        ({"mode": "auto"}, None),
        ({"mode": "none"}, []),
        ({"mode": "none", "allowed_tools": ["a"]}, ["a"]),
        ({"allowed_tools": ["a", "b", "a"]}, ["a", "b"]),
        ({"allowed_tools": []}, []),
        ({"required_function_name": "a"}, ["a"]),
        ({"allowed_tools": ["a"], "required_function_name": "b"}, ["a"]),
    ],
)
def test_what_a_choice_leaves_callable(choice: Json, names: list[str] | None) -> None:
    """A word or a mapping; None is no restriction, and an empty list leaves nothing."""
    assert names_offered(choice) == (None if names is None else frozenset(names))


@pytest.mark.parametrize("names", ["read", None, {"a": 1}, ["a", 5], [None], 5])
def test_what_is_no_list_of_names_is_refused(names: Json) -> None:
    """A text would be taken for a list of its letters."""
    with pytest.raises(ValueError, match=r"^`allowed_tools` is not a list of names$"):
        name_set(names)
    with pytest.raises(ValueError, match="not a list of names"):
        names_offered({"allowed_tools": names})


def test_a_required_function_without_a_name_is_refused() -> None:
    """It would leave nobody knows what."""
    with pytest.raises(ValueError, match="not a list of names"):
        names_offered({"required_function_name": 5})
