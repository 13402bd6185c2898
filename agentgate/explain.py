"""Explains a call: feeds a session up to it, as a run or a replay would, and asks there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.changes import Change
from agentgate.core.events import CallDecided, Code, Decision, Effect, RunStarted, ToolCall, ToolReturned
from agentgate.core.explain import Considered
from agentgate.core.policy import Policy
from agentgate.core.state import State, evolve
from agentgate.errors import UsageError
from agentgate.files.transcript import Proposed, Transcript, Unanswered
from agentgate.session import Session


class Explanation(Struct, frozen=True):
    """A call, the decision on it, and where that comes from."""

    call: ToolCall
    policy: Policy
    decision: Decision
    considered: tuple[Considered, ...]
    changes: tuple[Change, ...]
    recorded: CallDecided | None = None
    """What was decided when the call was recorded."""


def explain_call(
    policy: Policy,
    call: ToolCall,
    started: RunStarted,
    *,
    after: Iterable[str] = (),
    resolve: Callable[[str], str] | None = None,
    workdir: str = "/",
) -> Explanation:
    """Explains a call at the beginning of a run, or once the tools in `after` have returned."""
    session = Session(policy, resolve=resolve, workdir=workdir)
    session.record(started)
    session.state = _returned(session.state, after)
    return _explained(session, call, started.at, None)


def explain_recorded(
    policy: Policy,
    transcript: Transcript,
    number: int,
    *,
    role: str | None = None,
    resolve: Callable[[str], str] | None = None,
    workdir: str = "/",
) -> Explanation:
    """Explains a call of a transcript where it stands.

    Args:
        policy: what to judge by.
        transcript: where the call is.
        number: which call, from 1.
        role: in place of the recorded one.
        resolve: for links in paths that the transcript does not tell about.
        workdir: where relative paths start, if the transcript does not say.

    Raises:
        UsageError: the transcript has no such call.
    """
    session = Session(policy, resolve=resolve, workdir=workdir)
    calls = 0
    for item in transcript.items:
        if isinstance(item, Proposed):
            calls += 1
            if calls == number:
                return _explained(session, item.call, item.at, item.recorded)
            session.propose(item.call, at=item.at, facts=item.recorded.facts if item.recorded is not None else None)
        elif isinstance(item, RunStarted) and role is not None:
            session.record(replace(item, role=role))
        elif not isinstance(item, Unanswered):
            session.record(item)
    has = f"it has {calls}" if calls else "it has none"
    raise UsageError(f"there is no call {number} in this transcript, {has}", help="calls count from 1")


def _explained(session: Session, call: ToolCall, at: datetime, recorded: CallDecided | None) -> Explanation:
    decision, considered, changes = session.explain(call, at=at, facts=recorded.facts if recorded is not None else None)
    return Explanation(call, session.policy.policy, decision, tuple(considered), tuple(changes), recorded)


def _returned(state: State, tools: Iterable[str]) -> State:
    """The state after these tools were called and have returned, without counting against any limit."""
    before = state
    for index, tool in enumerate(tools):
        call_id = f"after_{index}"
        decided = CallDecided(step=0, call_id=call_id, tool=tool, arguments="{}", effect=Effect.ALLOW, code=Code.DEFAULT)
        state = evolve(evolve(state, decided), ToolReturned(call_id=call_id, executed=True, ok=True, content=""))
    return replace(before, returned=state.returned, results=state.results)
