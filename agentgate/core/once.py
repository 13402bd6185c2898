"""Exactly once: which calls a run has made already, so that the same tool with the same arguments is not executed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from rpds import HashTrieMap

from agentgate.core.events import ToolReturned

if TYPE_CHECKING:
    from agentgate.core.conditions import World
    from agentgate.core.state import State

ONCE = "once"
"""The rule that a repeat is refused by, and the fact under which another run's call is recorded."""
DONE, FAILED, STARTED = "done", "failed", "started"


class Earlier(Struct, frozen=True):
    """The call that a repeat repeats."""

    call_id: str
    run_id: str | None = None
    """None for this run."""
    content: str | None = None
    """What the model was told; None where nobody knows what came of it, so that it may have run."""
    ok: bool = False

    @property
    def status(self) -> str:
        """`done`, `failed` (it was executed, to whatever effect), or `started` (it may have run)."""
        if self.content is None:
            return STARTED
        return DONE if self.ok else FAILED

    @property
    def fact(self) -> str:
        """As it is recorded with a decision: `done run k3v9 call call_2`."""
        return f"{self.status} run {self.run_id} call {self.call_id}"

    @property
    def sentence(self) -> str:
        """Why a repeat of it is not executed."""
        where = f" in run {self.run_id}" if self.run_id is not None else ""
        if self.content is None:
            return f"the same call is being executed{where}, or may have run, as {self.call_id}"
        return f"the same call was executed{where}, as {self.call_id}{'' if self.ok else ', and gave no result'}"


Made: TypeAlias = "HashTrieMap[str, Earlier]"
"""`repeat_key` → the call that was made, or is being made."""


def begun(made: Made, key: str, call_id: str) -> Made:
    """With a call that was let through: from now on it may run."""
    return made if not key or key in made else made.insert(key, Earlier(call_id))


def ended(made: Made, key: str, event: ToolReturned) -> Made:
    """With what came of a call. One that certainly did not run is as if it had never been let through."""
    if not key:
        return made
    known = made.get(key)
    if known is not None and known.call_id != event.call_id:
        return made
    if event.executed or (event.ok and known is not None):
        return made.insert(key, Earlier(event.call_id, content=None if event.unknown else event.content, ok=event.ok))
    return made.discard(key) if known is not None and known.content is None else made


def repeated(state: State, key: str, world: World) -> str | None:
    """Why a call repeats an earlier one, of this run or, by what the world tells, of another; None where it does not."""
    known = state.made.get(key)
    if known is not None:
        return known.sentence
    fact = world.told(ONCE)
    return None if not fact else _sentence(fact)


def _sentence(fact: str) -> str:
    """The sentence for a recorded fact. One that says something else is believed too: it was recorded because there was such a call."""
    status, _, rest = fact.partition(" run ")
    run_id, _, call_id = rest.partition(" call ")
    content = None if status == STARTED else ""
    return Earlier(call_id or "another call", run_id or "unknown", content, status == DONE).sentence
