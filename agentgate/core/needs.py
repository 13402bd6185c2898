"""What of a run's history a policy looks at, or its totals: whoever only judges or adds up need not keep the rest. Nothing here judges."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.events import ApprovalAnswered, Event, ModelReplied, RunEnded, ToolCall, ToolReturned
from agentgate.core.state import CUT_OFF, State


class Needs(Struct, frozen=True):
    """What the judgement on a call can depend on besides the call, the role and the tools."""

    counts: bool
    """How many calls there were, what they cost and came to: anything that a limit or `once` counts."""
    history: bool
    """What the user said and which tools returned what: `after`, `before`, `seen_in` and their like."""

    def matters(self, state: State, event: Event) -> bool:
        """Whether a later judgement on a call could be another one for this event."""
        if self.counts:
            return True
        if isinstance(event, ToolReturned):
            return self.history
        if isinstance(event, ModelReplied):
            changed = event.unusable or event.finish_reason in CUT_OFF or state.unusable is not None or event.offered is not None
            return bool(changed) or (self.history and bool(event.messages))
        return not isinstance(event, ApprovalAnswered | RunEnded)


def noted(state: State, call: ToolCall) -> State:
    """The state after a call was decided, where nobody counts: its id is used up, and what returns for it is its tool's."""
    if type(call.id) is not str:
        return state
    return replace(state, proposed=state.proposed.insert(call.id, call.name if type(call.name) is str else ""))


def counted_only(state: State) -> State:
    """What `totals` needs of a state, now and after any further events, and nothing that grows with the calls."""
    empty = State()
    return replace(
        state,
        proposed=empty.proposed,
        standing=empty.standing,
        repeats=empty.repeats,
        made=empty.made,
        returned=empty.returned,
        prompt=empty.prompt,
        results=empty.results,
    )
