"""The calls of a record, judged one after the other where nobody counts: by what is remembered of the same call, else by `decide`."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from agentgate.core.engine import MAX_ID, CompiledPolicy, decide
from agentgate.core.events import Decision, ToolCall
from agentgate.core.remembered import Remembered
from agentgate.core.state import Named, State


def judge_each(policy: CompiledPolicy, state: State, calls: Iterable[ToolCall], remembered: Remembered) -> tuple[list[Decision], State]:
    """What `decide` and `noted` come to, call by call.

    Args:
        policy: one that neither counts nor looks at the world.
        state: what the run has come to before these calls, with nothing in between them.
        calls: as the model proposed them.
        remembered: what this policy made of earlier calls.

    Returns:
        The decisions, and the state after them.
    """
    role, before, known = state.role, state.proposed, remembered.judgements(state.tools)
    open_to_all = state.unusable is None and state.allowed_tools is None
    fresh = not before
    decisions: list[Decision] = []
    noted: dict[str, Named] = {}
    for call in calls:
        id, name, arguments = call.id, call.name, call.arguments
        if type(id) is not str or id in noted or not type(name) is type(arguments) is str:
            state, noted = replace(state, proposed=state.proposed.extend(noted)), {}
            decision = decide(policy, state, call, remembered=remembered)
        else:
            # An id says nothing about a call but whether it can be used, so the state need not know of the others yet.
            fit = open_to_all and 0 < len(id) <= MAX_ID and (fresh or id not in before)
            decision = (known.get((name, arguments, role)) if fit else None) or decide(policy, state, call, remembered=remembered)
        decisions.append(decision)
        if type(id) is str:
            noted[id] = name if type(name) is str else ""
    return decisions, replace(state, proposed=state.proposed.extend(noted)) if noted else state
