"""Whatever breaks while judging is a block, and what an answer says of itself keeps its calls from running."""

from __future__ import annotations

from typing import NoReturn

import pytest

from agentgate.core.conditions import World
from agentgate.core.engine import decide, unrunnable
from agentgate.core.events import Code, Effect, ModelReplied, ModelRequest, RunStarted, ToolCall
from agentgate.core.schemas import Schema, ToolSet
from agentgate.core.state import State
from agentgate.session import Session, prepare

from .building import START, limit, policy, propose, rule, tool

CALL = ToolCall("c", "read", '{"path": "notes"}')
OPEN = policy(rule("allow", "*"))


class Broken(ToolSet):
    """Tools whose schemas cannot be had."""

    __slots__ = ()

    def schema(self, name: str) -> Schema:
        raise RuntimeError("the disk is gone: /secret")


class Gone(dict[str, str]):
    """Facts that cannot be had."""

    def get(self, key: str, default: object = None) -> NoReturn:
        raise RuntimeError(key)


def broken(path: str) -> NoReturn:
    """A way to resolve links that has a bug."""
    raise RuntimeError(path)


def test_a_bug_in_what_a_judgement_asks_is_a_block() -> None:
    """The reason names the kind of error, and nothing that only its author should read."""
    story = policy(rule("allow", "read", when={"path": {"path": ["notes"]}}))
    said = propose(Session(story, resolve=broken), "read", {"path": "notes"})
    assert (said.effect, said.code, said.rule) == (Effect.BLOCK, Code.INTERNAL_ERROR, None)
    assert said.reason == "internal error while judging: RuntimeError"


def test_a_bug_in_what_the_judgement_of_a_request_asks_is_a_block() -> None:
    """As for a call."""
    said = decide(prepare(policy(limit("tokens", 9, window="per_hour"))), State(), ModelRequest(), World(known=Gone({"a": "b"})))
    assert (said.effect, said.code, said.rule) == (Effect.BLOCK, Code.INTERNAL_ERROR, None)
    assert said.reason == "internal error while judging: RuntimeError"


def test_tools_that_cannot_be_had_let_nothing_run() -> None:
    """Neither by the policy nor without it, as in observe mode."""
    state = State(tools=Broken([tool("read")]))
    for said in (decide(prepare(OPEN), state, CALL), unrunnable(state, CALL)):
        assert (said.effect, said.code) == (Effect.BLOCK, Code.INTERNAL_ERROR)
        assert "secret" not in said.reason


@pytest.mark.parametrize("action", [CALL, ModelRequest()], ids=["call", "request"])
def test_a_policy_that_cannot_be_made_ready_lets_nothing_run(action: ToolCall | ModelRequest) -> None:
    """One that was written in Python and never checked."""
    said = decide(policy(rule("allow", "read", when={"path": {"search": "("}})), State(), action)
    assert (said.effect, said.code, said.reason) == (Effect.BLOCK, Code.INTERNAL_ERROR, "internal error while judging: InvalidOperand")


def test_without_a_world_no_path_is_allowed() -> None:
    """Who judges without saying how links resolve gets what cannot be judged."""
    allowing = prepare(policy(rule("allow", "read", when={"path": {"path": ["notes"]}})))
    blocking = prepare(policy(rule("block", "read", when={"path": {"path": ["notes"]}}), default="allow"))
    assert decide(allowing, State(), CALL).effect is Effect.BLOCK
    assert decide(blocking, State(), CALL).code is Code.RULE


@pytest.mark.parametrize(
    ("answer", "usable"),
    [
        (ModelReplied(step=1, message={}, finish_reason="tool_calls"), True),
        (ModelReplied(step=1, message={}, finish_reason="stop"), True),
        (ModelReplied(step=1, message={}), True),
        (ModelReplied(step=1, message={}, finish_reason="length"), False),
        (ModelReplied(step=1, message={}, finish_reason="content_filter"), False),
        (ModelReplied(step=1, message={}, unusable="two answers in one"), False),
    ],
)
def test_nothing_runs_from_an_answer_that_is_not_whole(answer: ModelReplied, usable: bool) -> None:
    """Each of its calls is malformed, with the reason; the next whole answer is judged again."""
    session = Session(OPEN)
    session.record(answer)
    said = propose(session, "read")
    assert (said.effect is Effect.ALLOW) is usable
    assert usable or said.code is Code.MALFORMED_CALL
    assert usable or said.reason == session.state.unusable
    session.record(ModelReplied(step=2, message={}, finish_reason="stop"))
    assert propose(session, "read").effect is Effect.ALLOW


@pytest.mark.parametrize(("most", "asked"), [(0, 0), (1, 1), (3, 3), (None, 5)])
def test_the_task_too_may_limit_the_steps(most: int | None, asked: int) -> None:
    """However many the policy would permit; the reason says which limit it was."""
    session = Session(OPEN)
    session.record(RunStarted(at=START, run_id="r", max_steps=most))
    steps = 0
    while steps < 5 and session.request().effect is Effect.ALLOW:
        steps += 1
        session.record(ModelReplied(step=steps, message={}))
    assert steps == asked
    last = decide(prepare(OPEN), session.state, ModelRequest())
    assert (last.code, last.rule) == ((Code.DEFAULT, None) if most is None else (Code.LIMIT, "max_steps"))
    assert most is None or last.reason == f"limit of {most} steps reached"
