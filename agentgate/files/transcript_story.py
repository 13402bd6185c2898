"""Whether the events of a transcript can have happened as they say: what was proposed, the totals, the time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime

from agentgate.core.events import ApprovalAnswered, CallDecided, Event, Json, ModelReplied, RunEnded, RunResumed, ToolCall, Totals
from agentgate.core.needs import counted_only
from agentgate.core.state import State, evolve

_ROUNDED = 2e-6
"""Seconds by which totals may be off: they are rounded to microseconds."""
_MANY = 1_000
"""Events, after which what no total depends on is forgotten, so that a long transcript takes no more memory than a short one."""
_BREAKS_OFF = ("waiting", "failed")
"""Ends of a run that can leave calls undecided: a person is to be asked first, or something broke."""


class Proposals:
    """Follows the calls in the model's answers to their decisions."""

    def __init__(self) -> None:
        self._waiting: deque[ToolCall] = deque()
        self._answered = False

    def take(self, event: Event) -> Iterator[str]:
        """What contradicts the answers of the model. A transcript without any (a gateway that sees only calls) contradicts nothing."""
        match event:
            case ModelReplied():
                yield from self._undecided(len(self._waiting))
                self._answered = True
                self._waiting = deque(_proposed(event.message))
            case CallDecided() if self._answered:
                yield from self._decided(event)
            case RunEnded() if event.status not in _BREAKS_OFF:
                yield from self._undecided(len(self._waiting))
            case _:
                pass

    def _decided(self, event: CallDecided) -> Iterator[str]:
        place = next((place for place, call in enumerate(self._waiting) if not _differences(call, event)), None)
        if place is not None:
            yield from self._undecided(place)
            self._waiting.popleft()
        elif not self._waiting:
            yield f"the call {call_name(event.call_id)} was decided, and the model did not propose it"
        else:
            others = " and ".join(_differences(self._waiting.popleft(), event))
            yield f"the call {call_name(event.call_id)} is not the one that the model proposed: {others} differ"

    def _undecided(self, count: int) -> Iterator[str]:
        for _ in range(count):
            yield f"the model proposed the call {call_name(self._waiting.popleft().id)}, and nothing was decided about it"


def _proposed(message: Mapping[str, Json]) -> Iterator[ToolCall]:
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        entry = call if isinstance(call, Mapping) else {}
        function = entry.get("function")
        function = function if isinstance(function, Mapping) else {}
        yield ToolCall(id=entry.get("id"), name=function.get("name"), arguments=function.get("arguments"))


def _differences(call: ToolCall, event: CallDecided) -> list[str]:
    pairs = {"ids": (call.id, event.call_id), "tools": (call.name, event.tool), "arguments": (call.arguments, event.arguments)}
    if getattr(event, "redacted", False):  # parts of the arguments were taken out when this was written
        del pairs["arguments"]
    return [what for what, (proposed, decided) in pairs.items() if proposed != decided]


class Progress:
    """Follows the time and what the run came to."""

    def __init__(self) -> None:
        self._state = State()
        self._latest: datetime | None = None
        self._taken = 0
        self._ended = False
        """Whether what comes now is written by another process, whose clock need not be the first one's."""
        self.notes: list[str] = []
        """What was seen without being a problem."""

    def take(self, event: Event, *, whole: bool) -> Iterator[str]:
        """What contradicts the events before.

        Args:
            event: the next one.
            whole: whether no event up to it is missing or damaged; else nothing is expected of it.
        """
        if whole and self._latest is not None and event.at < self._latest:
            back = f"the time goes back, from {_moment(self._latest)} to {_moment(event.at)}"
            if self._ended or isinstance(event, RunResumed):
                self.notes.append(f"{back}, where the run goes on: by the clock of another process")
            else:
                yield back
        self._latest = event.at
        self._ended = isinstance(event, RunEnded) or (self._ended and isinstance(event, ApprovalAnswered))
        before = self._state
        self._state = evolve(before, event)
        self._taken += 1
        if self._taken % _MANY == 0:
            self._state = counted_only(self._state)
        if isinstance(event, RunEnded) and whole:
            yield from _totals(event.totals, before.totals, self._state.totals)


def _totals(said: Totals, before: Totals, now: Totals) -> Iterator[str]:
    """Where the totals of `run_ended` are not what the events come to. Its seconds were taken at some moment between the two."""
    for field in Totals.__struct_fields__:
        is_said, is_true = getattr(said, field), getattr(now, field)
        within = field == "seconds" and before.seconds - _ROUNDED <= said.seconds <= now.seconds + _ROUNDED
        if is_said != is_true and not within:
            yield f"`run_ended` says {is_said} {field}, and its events come to {is_true}"


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def call_name(call_id: Json) -> str:
    """A call id as text: ids of malformed calls can be any JSON."""
    return f"`{call_id}`" if isinstance(call_id, str) else json.dumps(call_id, sort_keys=True)
