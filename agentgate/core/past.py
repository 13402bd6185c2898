"""Earlier calls of a run as an example or a test tells of them: taken as facts, whatever a policy would say about them."""

from __future__ import annotations

from datetime import UTC, datetime

from agentgate.core.arguments import canonical, digest
from agentgate.core.events import CallDecided, Code, Effect, Json, ToolReturned
from agentgate.core.state import State, evolve

MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""Examples and tests take no time, and happen at no particular one."""


def returned(state: State, call_id: str, tool: str, arguments: Json, result: Json) -> State:
    """The state after a call that was allowed, was executed and has returned."""
    state = evolve(state, _decided(call_id, tool, arguments, Effect.ALLOW))
    content = canonical({"ok": True, "tool": tool, "result": result}).decode()
    return evolve(state, ToolReturned(at=MOMENT, call_id=call_id, executed=True, ok=True, content=content))


def refused(state: State, call_id: str, tool: str, arguments: Json) -> State:
    """The state after a call that was blocked."""
    return evolve(state, _decided(call_id, tool, arguments, Effect.BLOCK))


def _decided(call_id: str, tool: str, arguments: Json, effect: Effect) -> CallDecided:
    return CallDecided(
        at=MOMENT,
        step=0,
        call_id=call_id,
        tool=tool,
        arguments=canonical(arguments).decode(),
        args_hash=digest(arguments),
        effect=effect,
        code=Code.RULE,
    )
