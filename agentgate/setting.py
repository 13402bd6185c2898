"""What a session is told when it is opened, checked."""

from __future__ import annotations

from collections.abc import Collection

from agentgate.core.events import Mode
from agentgate.core.offers import name_set
from agentgate.errors import UsageError


def mode_of(word: str) -> Mode:
    """The mode by its name.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        return Mode(word)
    except ValueError:
        raise UsageError(f"unknown mode `{word}`", help="one of enforce, observe, dry-run") from None


def names_of(allowed_tools: Collection[str] | None) -> frozenset[str] | None:
    """The names that may be called at all; None for no restriction.

    Raises:
        UsageError: it is no list of names.
    """
    try:
        return None if allowed_tools is None else name_set(allowed_tools)
    except ValueError as error:
        raise UsageError(str(error), help="give a list of tool names, or None for no restriction") from None
