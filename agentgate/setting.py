"""What a session is told when it is opened, checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from agentgate.core.compiled import CompiledPolicy
from agentgate.core.events import Json, Mode
from agentgate.core.offers import name_set
from agentgate.core.policy import Policy
from agentgate.core.redaction.redactor import Redactor
from agentgate.core.remembered import Remembered
from agentgate.core.schemas import ToolSet
from agentgate.core.state import State
from agentgate.dealings import Dealings
from agentgate.errors import UsageError


class Terms(NamedTuple):
    """What sessions have in common that judge alike."""

    policy: CompiledPolicy
    mode: Mode
    clock: Callable[[], datetime]
    workdir: str
    resolve: Callable[[str], str] | None
    remembered: Remembered | None
    redactor: Redactor | None
    unshared: Dealings
    """Those of a session that knows of its own run alone. They hold nothing that changes."""


def mode_of(word: str) -> Mode:
    """The mode by its name.

    Raises:
        UsageError: there is none of that name.
    """
    try:
        return Mode(word)
    except ValueError:
        raise UsageError(f"unknown mode `{word}`", help="one of enforce, observe, dry-run") from None


def redactor_of(policy: Policy, secrets: Mapping[str, str] | Redactor | None) -> Redactor | None:
    """What keeps secrets out of records; None where there is nothing to keep out."""
    if isinstance(secrets, Redactor):
        return secrets or None
    return (Redactor(policy.redactions, secrets) or None) if policy.redactions or secrets else None


def first_state(
    role: str | None,
    tools: ToolSet | Sequence[Mapping[str, Json]] | None,
    allowed_tools: Collection[str] | None,
    prompt: str | None,
    started: datetime,
) -> State:
    """What a run has come to at its beginning.

    Raises:
        UsageError: `allowed_tools` is no list of names.
    """
    return State(
        role=role,
        tools=tools if tools is None or isinstance(tools, ToolSet) else ToolSet(tools),
        allowed_tools=names_of(allowed_tools),
        prompt=() if prompt is None else (prompt,),
        started=started,
    )


def names_of(allowed_tools: Collection[str] | None) -> frozenset[str] | None:
    """The names that may be called at all; None for no restriction.

    Raises:
        UsageError: it is no list of names.
    """
    try:
        return None if allowed_tools is None else name_set(allowed_tools)
    except ValueError as error:
        raise UsageError(str(error), help="give a list of tool names, or None for no restriction") from None
