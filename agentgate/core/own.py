"""The one place where a state is changed rather than made anew: while it is a session's own, and nobody else has ever seen it."""

from __future__ import annotations

from msgspec.structs import force_setattr

from agentgate.core.state import State


def let_through(state: State, call_id: str, tool: str) -> bool:
    """Makes of a state what `after_decision` would make of it for a call that was allowed, in less than half the time.

    Args:
        state: what `after_decision` has made for an allowed call, or for others since then, and nobody but the caller has seen.
        call_id: of a call that was allowed just now.
        tool: its tool.

    Returns:
        Whether it was done. Where not, nothing has changed, and it takes `after_decision`.
    """
    counts = state.calls_by_tool
    if type(counts) is not dict or not state.proposed.enter(call_id, tool):
        return False
    counts[tool] = counts.get(tool, 0) + 1
    force_setattr(state, "allowed", state.allowed + 1)
    force_setattr(state, "let_through", state.let_through + 1)
    if state.refusals:
        force_setattr(state, "refusals", 0)
    return True
