"""What explanations and coverage make of what is not in the policy: a tool that cannot be used, a limit of the task."""

from __future__ import annotations

from agentgate.core.coverage import Coverage
from agentgate.core.events import Code, RunStarted, ToolCall
from agentgate.session import Session, prepare

from .building import limit, policy, rule, tool

STORY = policy(rule("allow", "read", when={"action": "read"}), limit("steps", 5))


UNUSABLE = tool("read", {"type": "object", "unknown-keyword": 1, "properties": {"action": {}}})
CALL = ToolCall("c", "read", '{"action": "write"}')


def test_for_a_tool_that_cannot_be_used_nothing_changes_the_decision() -> None:
    """Every call of it is an error, whatever its arguments."""
    said, considered, changes = Session(STORY, tools=[UNUSABLE]).explain(CALL)
    assert said.code is Code.INTERNAL_ERROR
    assert [(one.rule, one.matched) for one in considered] == [("allow-read", False)]
    assert changes == []


def test_no_example_is_made_up_from_a_schema_that_cannot_be_used() -> None:
    """Where the role alone refuses the call, another role would only lead to the error."""
    story = policy(rule("allow", "read", when={"action": "read"}, roles=("viewer",)), roles={"viewer": ()})
    said, _, changes = Session(story, tools=[UNUSABLE]).explain(CALL)
    assert said.code is Code.DEFAULT
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
