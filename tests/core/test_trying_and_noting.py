"""What explanations and coverage make of what is not in the policy: a tool that cannot be used, a limit of the task."""

from __future__ import annotations

from agentgate.core.coverage import Coverage
from agentgate.core.events import Code, RunStarted, ToolCall
from agentgate.session import Session, prepare

from .building import limit, policy, rule, tool

STORY = policy(rule("allow", "read", when={"action": "read"}), limit("steps", 5))


def test_for_a_tool_that_cannot_be_used_nothing_changes_the_decision() -> None:
    """No other value of an argument is valid where no value is, and no example is made up from such a schema."""
    session = Session(STORY, tools=[tool("read", {"type": "object", "unknown-keyword": 1, "properties": {"action": {}}})])
    said, considered, changes = session.explain(ToolCall("c", "read", '{"action": "write"}'))
    assert said.code is Code.INTERNAL_ERROR
    assert [(one.rule, one.matched) for one in considered] == [("allow-read", False)]
    assert changes == []


def test_a_limit_of_the_task_is_no_part_of_the_policy() -> None:
    """That it was reached shows nothing about the policy's own limits."""
    session = Session(STORY)
    session.record(RunStarted(run_id="r", max_steps=0))
    covered = Coverage(prepare(STORY))
    before = covered.missing()
    covered.note_limit(session.request())
    assert covered.missing() == before
    assert "limits.steps" in {outcome.rule for outcome in before}
