"""Who gives a command."""

from __future__ import annotations

import pytest

from agentgate.cli.person import who


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no such user")])
def test_a_user_without_a_name_is_somebody(error: Exception) -> None:
    """As in a container with a user id of its own; Python says so by one error or another, by its version."""

    def ask() -> str:
        raise error

    assert who(ask) == "somebody"
    assert who(lambda: "anna") == "anna"
