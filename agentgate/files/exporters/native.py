"""Runs as agentgate records them, chained by hashes. What others recorded stays marked as imported, and has no decisions."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from agentgate.core.events import EPOCH, Event, RunEnded, Totals
from agentgate.core.state import State, evolve
from agentgate.files.transcript import InvalidTranscript, Proposed, Transcript, Unanswered
from agentgate.files.transcript_chain import ZEROS, InvalidEvent, seal

ONE_A_FILE = True


def write(transcript: Transcript, losses: Counter[str]) -> bytes:
    """The lines of a run.

    Raises:
        InvalidTranscript: an event of it cannot be written.
    """
    if transcript.attacked:
        losses["word that an attack succeeded (`meta`)"] += 1
    elif transcript.meta:
        losses["`meta`"] += 1
    lines: list[bytes] = []
    prev = ZEROS
    for event in _events(transcript, losses):
        try:
            sealed = seal(event, len(lines) + 1, prev)
        except InvalidEvent as error:
            raise InvalidTranscript(f"event {len(lines) + 1} cannot be written: {error}") from None
        lines.append(sealed.line)
        prev = sealed.hash
    return b"".join(lines)


def _events(transcript: Transcript, losses: Counter[str]) -> list[Event]:
    """What happened. Calls of which nobody decided are in the model's messages, and read from there."""
    events: list[Event] = []
    for item in transcript.items:
        if isinstance(item, Unanswered):
            losses["message after the last answer"] += len(item.messages)
        elif not isinstance(item, Proposed):
            events.append(item)
        elif item.recorded is not None:
            events.append(item.recorded)
    if transcript.imported:
        events.append(RunEnded(at=_last(events), status="done", reason="imported", totals=_totals(events)))
    return events


def _last(events: list[Event]) -> datetime:
    return max((event.at for event in events), default=EPOCH)


def _totals(events: list[Event]) -> Totals:
    state = State()
    for event in events:
        state = evolve(state, event)
    return state.totals
