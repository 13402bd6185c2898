"""What a session has come to, and how its records tell it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rpds import HashTrieMap

from agentgate.core.events import Event, RunStarted, ToolReturned
from agentgate.core.state import State, evolve
from agentgate.gateway.results import Heard, heard


class Past(Struct, frozen=True):
    """What a session has come to."""

    run: str
    """What the run is called that it is."""
    state: State
    returned: HashTrieMap[str, Heard] = HashTrieMap()
    """The ids of calls whose results have been seen, and what was made of them."""


def fold(events: Sequence[Event], past: Past | None, policy: str) -> Past | None:
    """A session as its recorded events tell it; a `run_started` among them begins anew.

    Args:
        events: what was recorded.
        past: what it had come to before.
        policy: the SHA-256 of the policy that judged.
    """
    for event in events:
        if isinstance(event, RunStarted):
            past = Past(event.run_id, State())
        if past is None:
            continue
        known = past.returned
        if isinstance(event, ToolReturned) and type(event.call_id) is str:
            known = known.insert(event.call_id, heard(event, policy))
        past = Past(past.run, evolve(past.state, event), known)
    return past
