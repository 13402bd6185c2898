"""Who gives a command, for the record."""

from __future__ import annotations

import getpass
from collections.abc import Callable


def who(ask: Callable[[], str] = getpass.getuser) -> str:
    """The person's name as the system has it; a container may run as a user that it has no name for.

    Args:
        ask: asks the system.
    """
    try:
        return ask()
    except (OSError, KeyError):
        return "somebody"
