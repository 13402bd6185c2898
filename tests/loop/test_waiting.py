"""Runs that wait for somebody: what is put off and what is not, what comes of the answers, and that an answer counts once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate.approvers.fixed import NEVER
from agentgate.approvers.port import Answer
from agentgate.core.events import ApprovalAnswered, CallDecided, PolicyDigest, Scope, ToolReturned
from agentgate.errors import FileError
from agentgate.files.transcript_continued import continue_transcript
from agentgate.files.transcript_verify import verify
from agentgate.files.transcript_writer import TranscriptWriter
from agentgate.unfinished import Past
from tests.loop.going_on import LATER, approve, begin, events_in, go_on, past_of

RULES = [{"id": "read", "allow": "read"}, {"id": "big", "ask": ["pay", "mail"]}, {"id": "never", "block": "drop"}]
TOOLS: dict[str, Any] = {"read": {}, "pay": {"takes": {"to": "string"}}, "mail": {}, "drop": {}}
ORDER: dict[str, Any] = {
    "policy": {"rules": RULES},
    "tools": TOOLS,
    "model": [["read", 'pay {"to": "x"}', "drop", "read", "mail", "nonsense"], "all is done"],
}


def returned(events: list[Any]) -> list[tuple[str, bool]]:
    return [(event.call_id, event.executed) for event in events if isinstance(event, ToolReturned)]


def test_nothing_is_executed_after_a_call_that_waits(tmp_path: Path) -> None:
    """Calls before it are, refusals are told, what is allowed is decided and held, what needs approval waits as well."""
    play, ended = begin(ORDER, tmp_path, approver=LATER)
    assert ended is not None
    assert (ended.status, ended.reason) == ("waiting", "2 calls to be approved")
    assert play.tools.executed == ["call_1"]
    assert returned(events_in(tmp_path)) == [("call_1", True), ("call_3", False), ("call_6", False)]
    past = past_of(tmp_path)
    assert [proposal.call.id for proposal in past.asking] == ["call_2", "call_5"]
    assert not any(proposal.may_have_run for turn in past.turns for proposal in turn.calls)


def test_going_on_without_an_answer_waits_on(tmp_path: Path) -> None:
    """As often as one likes; nothing is decided or executed twice."""
    begin(ORDER, tmp_path, approver=LATER)
    before = len(events_in(tmp_path))
    for _ in range(2):
        play, ended = go_on(ORDER, tmp_path, approver=LATER)
        assert ended is not None
        assert ended.status == "waiting"
        assert play.tools.executed == []
    assert len(events_in(tmp_path)) == before + 4


def test_answers_that_were_given_meanwhile(tmp_path: Path) -> None:
    """Approved calls and the held ones are executed in the order of the answer, a rejected one is told; then the model is asked again."""
    begin(ORDER, tmp_path, approver=LATER)
    approve(tmp_path, "call_2")
    approve(tmp_path, "call_5", "reject", note="wrong address")
    play, ended = go_on(ORDER, tmp_path, people=())
    assert ended is not None
    assert ended.status == "done"
    assert play.tools.executed == ["call_2", "call_4"]
    answers = {message["tool_call_id"]: message["content"] for message in play.model.asked[0] if message["role"] == "tool"}
    assert list(answers) == [f"call_{number}" for number in range(1, 7)]
    assert "a person rejected it (wrong address)" in answers["call_5"]
    assert '"result": "fine"' in answers["call_2"]
    assert ended.totals == play.session.state.totals


def test_only_the_later_one_is_approved(tmp_path: Path) -> None:
    """It waits for the one before it, and so does what is allowed after that."""
    begin(ORDER, tmp_path, approver=LATER)
    approve(tmp_path, "call_5")
    play, ended = go_on(ORDER, tmp_path, approver=LATER)
    assert ended is not None
    assert (ended.status, ended.reason) == ("waiting", "1 call to be approved")
    assert play.tools.executed == []
    approve(tmp_path, "call_2")
    play, ended = go_on(ORDER, tmp_path, people=())
    assert play.tools.executed == ["call_2", "call_4", "call_5"]


def test_somebody_at_hand_is_asked_when_it_goes_on(tmp_path: Path) -> None:
    """For the calls that nobody answered meanwhile."""
    begin(ORDER, tmp_path, approver=LATER)
    play, ended = go_on(ORDER, tmp_path, people=["approve", "nobody"])
    assert ended is not None
    assert ended.status == "done"
    assert play.tools.executed == ["call_2", "call_4"]


def test_limits_hold_for_calls_that_are_approved_together(tmp_path: Path) -> None:
    """Each was within the limit when it was decided; the first takes the room, the second is refused."""
    story = {**ORDER, "policy": {"rules": RULES, "limits": {"tool_calls": 1}}, "model": [['pay {"to": "x"}', "mail"], "done"]}
    begin(story, tmp_path, approver=LATER)
    approve(tmp_path, "call_1")
    approve(tmp_path, "call_2")
    play, ended = go_on(story, tmp_path)
    assert ended is not None
    assert play.tools.executed == ["call_1"]
    assert "limit of 1 tool call reached" in events_content(tmp_path, "call_2")


def events_content(folder: Path, call: str) -> str:
    return next(event.content for event in events_in(folder) if isinstance(event, ToolReturned) and event.call_id == call)


def test_another_policy_takes_back_what_waits(tmp_path: Path) -> None:
    """Also what was approved: that was for the policy that asked."""
    begin(ORDER, tmp_path, approver=LATER)
    approve(tmp_path, "call_2")
    play, ended = go_on(ORDER, tmp_path, policy=PolicyDigest("new", "1" * 64))
    assert ended is not None
    assert ended.status == "done"
    assert play.tools.executed == []
    assert "were changed while this call waited" in events_content(tmp_path, "call_2")
    events_in(tmp_path)


def test_what_another_policy_took_back_stays_so(tmp_path: Path) -> None:
    """Also where the run was killed right after that, and goes on once more."""
    begin(ORDER, tmp_path, approver=LATER)
    approve(tmp_path, "call_2")
    _, ended = go_on(ORDER, tmp_path, policy=PolicyDigest("new", "1" * 64), killed_at=1)
    assert ended is None
    play, ended = go_on(ORDER, tmp_path)
    assert ended is not None
    assert play.tools.executed == []
    events_in(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [{"tool": "mail"}, {"args_hash": "0" * 64}, {"run_id": "another"}, {"policy": "0" * 64}, {"scope": Scope.RETRY}],
    ids=lambda fields: next(iter(fields)),
)
def test_an_answer_that_names_something_else_is_found(tmp_path: Path, fields: dict[str, str]) -> None:
    """The audit says so, and the run does not go on."""
    begin(ORDER, tmp_path, approver=LATER)
    approve(tmp_path, "call_2", **fields)
    problems = verify(tmp_path / "run.jsonl").problems
    assert [problem.what for problem in problems] == ["an approval that nothing asked for, of the call `call_2`"]
    with pytest.raises(FileError, match="damaged"):
        go_on(ORDER, tmp_path)


def test_leave_to_try_again_approves_nothing(tmp_path: Path) -> None:
    """It is about a call that may have run; one that waits for approval waits on."""
    begin(ORDER, tmp_path, approver=LATER)
    leave = ApprovalAnswered(call_id="call_2", args_hash="", answer="approve", by="ann", scope=Scope.RETRY)
    continued = continue_transcript(tmp_path / "run.jsonl")
    continued.writer.close()
    assert [proposal.call.id for proposal in Past([*continued.items, leave]).asking] == ["call_2", "call_5"]


OTHER = '{"to": "somebody else"}'
CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "arguments": ({"arguments": OTHER}, True),
    "hash": ({"args_hash": "0" * 64}, True),
    "no hash": ({"args_hash": ""}, False),
    "redacted": ({"redacted": True}, False),
    "arguments, no hash": ({"arguments": OTHER, "args_hash": ""}, True),
    "arguments, redacted": ({"arguments": OTHER, "redacted": True}, False),
}
"""What is changed of a decision, and whether the audit finds it."""


@pytest.mark.parametrize(("change", "found"), CHANGES.values(), ids=list(CHANGES))
def test_what_was_changed_while_it_waited_is_not_executed(tmp_path: Path, change: dict[str, Any], found: bool) -> None:
    """Also where whoever wrote the record anew made its chain whole: a decision holds for the arguments that it has the hash of."""
    begin(ORDER, tmp_path, approver=LATER)
    events = events_in(tmp_path)
    (tmp_path / "run.jsonl").unlink()
    with TranscriptWriter(tmp_path / "run.jsonl") as writer:
        for event in events:
            mine = isinstance(event, CallDecided) and event.call_id == "call_2"
            writer(replace(event, **change) if mine else event)
    if found:
        with pytest.raises(FileError, match="damaged"):
            go_on(ORDER, tmp_path, people=["approve", "approve"])
        return
    approve(tmp_path, "call_2")
    play, ended = go_on(ORDER, tmp_path, people=["approve"])
    assert ended is not None
    assert play.tools.executed == ["call_4", "call_5"]
    assert "parts of its arguments were taken out of the record" in events_content(tmp_path, "call_2")


SAME: dict[str, Any] = {
    "policy": {"rules": RULES},
    "tools": TOOLS,
    "model": [['pay {"to": "x"}'], ['pay { "to" : "x" }', 'pay {"to": "y"}'], "done"],
}
FOR_THE_RUN = Answer(approved=True, by="terminal", scope=Scope.RUN)


def test_an_approval_for_the_run(tmp_path: Path) -> None:
    """Stands for the same tool with the same arguments, however they are written, and for nothing else; each use is on record."""
    play, ended = begin({**SAME, "people": [FOR_THE_RUN, "reject"]}, tmp_path)
    assert ended is not None
    assert play.tools.executed == ["call_1", "call_2"]
    approvals = [event for event in events_in(tmp_path) if isinstance(event, ApprovalAnswered)]
    assert [(event.call_id, event.answer, event.scope, event.by) for event in approvals] == [
        ("call_1", "approve", "run", "terminal"),
        ("call_2", "approve", "call", "the standing approval of call_1"),
        ("call_3", "reject", "call", "terminal"),
    ]
    assert play.session.state.asked == 3


def test_an_approval_for_the_run_stands_after_a_crash(tmp_path: Path) -> None:
    """It is kept in the state, which is made of the events."""
    killed = 6
    begin({**SAME, "people": [FOR_THE_RUN]}, tmp_path, killed_at=killed)
    assert len((tmp_path / "run.jsonl").read_bytes().splitlines()) == killed
    play, ended = go_on(SAME, tmp_path, people=["reject"])
    assert ended is not None
    assert play.tools.executed == ["call_2"]


def test_an_approval_for_the_run_ends_where_nothing_is_to_be_approved(tmp_path: Path) -> None:
    """`resume --approve never` means it; without it, the approval would still stand afterwards."""
    begin({**SAME, "people": [FOR_THE_RUN]}, tmp_path, killed_at=6)
    play, ended = go_on(SAME, tmp_path, approver=NEVER)
    assert ended is not None
    assert play.tools.executed == []
    assert play.session.state.standing


def test_another_policy_ends_an_approval_for_the_run(tmp_path: Path) -> None:
    """It was given under the policy that asked."""
    begin({**SAME, "people": [FOR_THE_RUN]}, tmp_path, killed_at=6)
    play, ended = go_on(SAME, tmp_path, people=["reject", "reject"], policy=PolicyDigest("new", "1" * 64))
    assert ended is not None
    assert play.tools.executed == []


def test_the_time_while_it_waits_does_not_count(tmp_path: Path) -> None:
    """The limit of seconds is about running."""
    story = {**ORDER, "policy": {"rules": RULES, "limits": {"seconds": 60}}, "model": [['pay {"to": "x"}'], "done"]}
    begin(story, tmp_path, approver=LATER)
    before = past_of(tmp_path)
    assert before.status == "waiting"
    approve(tmp_path, "call_1")
    _, ended = go_on(story, tmp_path, later=3600)
    assert ended is not None
    assert ended.status == "done"
    assert ended.totals.seconds < 60
