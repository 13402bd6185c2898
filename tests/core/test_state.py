"""What a run has come to, as the fold of its events."""

from __future__ import annotations

from agentgate.core.events import ApprovalAnswered, ModelReplied, RunStarted, ToolReturned, Usage
from agentgate.core.state import State, evolve
from agentgate.session import Session

from .building import START, policy, propose, rule, tool

STORY = policy(rule("allow", "read"), rule("ask", "send"))


def test_totals_count_what_happened() -> None:
    """Calls by what was decided, executions by what was executed, tokens by what was said."""
    session = Session(STORY)
    session.record(ModelReplied(step=1, message={}, usage=Usage(10, 3, 4)))
    for name in ("read", "read", "send", "send", "nobody", "bad name", "read"):
        propose(session, name)
    session.record(ApprovalAnswered(call_id="call_2", args_hash="", answer="approve", by="ann"))
    session.record(ApprovalAnswered(call_id="call_3", args_hash="", answer="reject", by="ann"))
    for number, executed in enumerate((True, True, True, False, False, False, False)):
        session.record(ToolReturned(call_id=f"call_{number}", executed=executed, ok=executed, content="{}"))
    session.record(ModelReplied(step=2, message={}, usage=Usage(20, 2)))
    state = session.state
    assert (state.steps, state.calls, state.allowed, state.asked, state.blocked, state.executed) == (2, 7, 3, 2, 2, 3)
    assert (state.input_tokens, state.output_tokens, state.let_through) == (30, 5, 4)


def test_a_run_starts_with_nothing_and_its_setting() -> None:
    """`run_started` says everything that judging depends on besides the policy."""
    state = evolve(
        State(), RunStarted(at=START, run_id="r", role="viewer", tools=(tool("read"),), messages=({"role": "user", "content": "hello"},))
    )
    assert (state.role, state.calls, state.steps, state.started) == ("viewer", 0, 0, START)
    assert "hello" in state.prompt


def test_a_state_is_never_changed_by_what_follows() -> None:
    """Whoever holds an earlier state still holds it."""
    session = Session(STORY)
    propose(session, "read")
    earlier, kept = session.state, repr(session.state)
    for _ in range(5):
        propose(session, "read")
    assert repr(earlier) == kept
    assert session.state.calls == 6
