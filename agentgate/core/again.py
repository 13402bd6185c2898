"""A run of which only the calls are known, judged where nobody counts: by what is remembered of the same call, else by `decide`."""

from __future__ import annotations

from collections.abc import Sequence

from agentgate.core.compiled import CompiledPolicy
from agentgate.core.engine import MAX_ID, decide
from agentgate.core.events import Decision, ToolCall
from agentgate.core.needs import noted
from agentgate.core.remembered import Remembered
from agentgate.core.state import State


def judge_each(policy: CompiledPolicy, state: State, calls: Sequence[ToolCall], remembered: Remembered) -> list[Decision]:
    """What `decide` says about each call in its turn.

    Args:
        policy: one that neither counts nor looks at the world.
        state: what the run has come to before these calls, with nothing in between them.
        calls: as the model proposed them.
        remembered: what this policy made of earlier calls.
    """
    decisions: list[Decision] = []
    if state.proposed or state.unusable is not None or state.allowed_tools is not None:
        return _in_turn(policy, state, calls, decisions, remembered)
    role, known = state.role, remembered.judgements(state.tools)
    met: set[str] = set()
    for call in calls:
        id, name, arguments = call.id, call.name, call.arguments
        if type(id) is not str or id in met or not 0 < len(id) <= MAX_ID or not type(name) is type(arguments) is str:
            return _in_turn(policy, state, calls, decisions, remembered)
        # Other calls make no difference, but for one with the same id.
        decisions.append(known.get((name, arguments, role)) or decide(policy, state, call, remembered=remembered))
        met.add(id)
    return decisions


def _in_turn(
    policy: CompiledPolicy, state: State, calls: Sequence[ToolCall], decisions: list[Decision], remembered: Remembered
) -> list[Decision]:
    """The same where ids or states are unusual, from where there are no decisions yet."""
    begin = len(decisions)
    for call in calls[:begin]:
        state = noted(state, call)
    for call in calls[begin:]:
        decisions.append(decide(policy, state, call, remembered=remembered))
        state = noted(state, call)
    return decisions
