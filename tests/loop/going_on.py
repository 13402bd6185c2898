"""Stories that are broken off and gone on with: the transcript is all that the second part knows of the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentgate.approvers.fixed import LATER
from agentgate.approvers.port import Approver
from agentgate.core.events import ApprovalAnswered, Event, PolicyDigest, RunEnded, RunResumed, RunStarted
from agentgate.errors import RecordError
from agentgate.files.transcript import Proposed
from agentgate.files.transcript_continued import continue_transcript
from agentgate.files.transcript_verify import verify
from agentgate.files.transcript_writer import TranscriptWriter
from agentgate.interrupts import Interrupts
from agentgate.loop import Loop
from agentgate.unfinished import Past
from tests.loop.playing import PEOPLE, People, Play, Recorder

__all__ = ["LATER", "approve", "begin", "events_in", "go_on", "past_of"]


def begin(
    story: Mapping[str, Any], folder: Path, *, killed_at: int | None = None, approver: Approver | None = None, **parts: Any
) -> tuple[Play, RunEnded | None]:
    """Plays a story into `run.jsonl`. It can be killed when it is about to write its n-th event: what was done before that was done."""
    with TranscriptWriter(folder / "run.jsonl") as writer:
        play = Play(story, folder, Recorder(fails_at=killed_at, onward=writer), approver=approver, **parts)
        try:
            return play, play.run()
        except RecordError:
            return play, None


def go_on(
    story: Mapping[str, Any],
    folder: Path,
    *,
    people: Sequence[Any] = (),
    approver: Approver | None = None,
    doubts: Approver | None = None,
    retry: bool = False,
    policy: PolicyDigest | None = None,
    killed_at: int | None = None,
    interrupts: Interrupts | None = None,
    later: float = 0.0,
) -> tuple[Play, RunEnded | None]:
    """Goes on with what is in `run.jsonl`, as the command does."""
    continued = continue_transcript(folder / "run.jsonl")
    with continued.writer:
        past = Past(continued.items)
        events = events_of(continued.items)
        play = Play(story, folder, Recorder(fails_at=killed_at, onward=continued.writer), interrupts)
        play.clock.wait((events[-1].at - play.clock()).total_seconds() + later)
        play.recorder.events[:] = events
        play.model.skip(past)
        play.session.remember(events)
        asked = approver or People([PEOPLE[answer] if isinstance(answer, str) else answer for answer in people])
        loop = Loop(play.session, play.model, play.tools, asked, play.notes, interrupts or Interrupts(), doubts)
        overrides = () if policy is None else ("policy",)
        if overrides:
            past.renew()
        resumed = RunResumed(at=play.clock(), policy=policy, overrides=overrides, retry_unknown=retry)
        try:
            return play, loop.resume(resumed, past)
        except RecordError:
            return play, None


def approve(folder: Path, call: str, answer: str = "approve", **fields: Any) -> None:
    """Answers what a waiting run asked, as the command does."""
    continued = continue_transcript(folder / "run.jsonl")
    with continued.writer:
        past = Past(continued.items)
        proposal = next(proposal for proposal in past.asking if proposal.call.id == call)
        assert proposal.decided is not None
        named = {"run_id": past.started.run_id, "tool": proposal.call.name, "args_hash": proposal.decided.args_hash, **fields}
        at = events_of(continued.items)[-1].at
        continued.writer(ApprovalAnswered(at=at, call_id=call, answer=answer, by="ann", **named))


def past_of(folder: Path) -> Past:
    """What the transcript tells."""
    continued = continue_transcript(folder / "run.jsonl")
    continued.writer.close()
    return Past(continued.items)


def events_in(folder: Path) -> list[Event]:
    """The events of the transcript, which must pass the audit."""
    assert verify(folder / "run.jsonl").problems == ()
    continued = continue_transcript(folder / "run.jsonl")
    continued.writer.close()
    return events_of(continued.items)


def events_of(items: Sequence[Any]) -> list[Event]:
    """The events behind what was read."""
    assert isinstance(items[0], RunStarted)
    events: list[Event] = []
    for item in items:
        event = item.recorded if isinstance(item, Proposed) else item
        assert event is not None
        events.append(event)
    return events
