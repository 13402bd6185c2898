"""A replay divided among processes. The parts are judged apart and put together in their order: the result is that of one process."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from msgspec import Struct, field

from agentgate.core.events import Effect, Json
from agentgate.core.policy import Policy
from agentgate.errors import OutsideError
from agentgate.files.transcript import Damage
from agentgate.files.transcript_parts import PART, Part, parts_of, read_piece
from agentgate.files.transcript_reader import Source
from agentgate.replay import Judged, Replay, Tally

Begun = TypeVar("Begun")
Result = TypeVar("Result")

WORTH_DIVIDING = 4 * PART
"""Bytes below which starting processes takes longer than what it saves."""
AHEAD = 2
"""Parts that wait for each process, at most: what is in memory does not grow with what there is to read."""


class Task(Struct, frozen=True):
    """What is judged, and by what: all that a process has to be told."""

    policy: Policy
    against: Policy | None = None
    role: str | None = None
    workdir: str = "/"
    resolve: Callable[[str], str] | None = None
    """A function of a module: it has to be found again in another process."""
    form: str | None = None
    rows: bool = False
    """Whether every call is wanted as a line of JSON."""

    def replay(self) -> Replay:
        """The policies, ready to judge."""
        return Replay(self.policy, self.against, role=self.role, resolve=self.resolve, workdir=self.workdir)


class Counted(Struct):
    """What one part comes to."""

    size: int = 0
    """Bytes that were read for it."""
    transcripts: int = 0
    calls: int = 0
    effects: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    matrix: dict[tuple[Effect, Effect], int] = field(default_factory=dict)
    redacted: int = 0
    flipped_runs: int = 0
    flips: list[tuple[int, Judged]] = field(default_factory=list)
    """Each with the number of its transcript within the part, from 1."""
    damaged: list[Damage] = field(default_factory=list)
    rows: str = ""


class _Noting(Tally):
    """Keeps every flip, so that they can be put together in the order in which one process would have met them."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[int, Judged]] = []

    def flip(self, call: Judged) -> None:
        self.flips += 1
        self.noted.append((self.transcripts, call))


def judge_part(task: Task, replay: Replay, part: Part, tool_files: dict[str, Json]) -> Counted:
    """Reads and judges one part."""
    tally, rows = _Noting(), list[str]()
    for piece in part:
        for found in read_piece(piece, tool_files, form=task.form, wanted=replay.wanted):
            if isinstance(found, Damage):
                tally.damaged.append(found)
            elif task.rows:
                rows.extend(call.as_line() for call in tally.run(replay.judge(found)))
            else:
                replay.count(found, tally)
    return Counted(
        size=sum(piece.size for piece in part),
        transcripts=tally.transcripts,
        calls=tally.calls,
        effects={effect.value: count for effect, count in tally.effects.items()},
        rules=dict(tally.rules),
        matrix=dict(tally.matrix),
        redacted=tally.redacted,
        flipped_runs=tally.flipped_runs,
        flips=tally.noted,
        damaged=tally.damaged,
        rows="".join(rows),
    )


def add(tally: Tally, counted: Counted) -> None:
    """Adds the next part to what those before it came to."""
    before = tally.transcripts
    for number, call in counted.flips:
        tally.transcripts = before + number
        tally.flip(call)
    tally.transcripts = before + counted.transcripts
    tally.calls += counted.calls
    tally.count_effects(counted.effects)
    tally.rules.update(counted.rules)
    tally.matrix.update(counted.matrix)
    tally.redacted += counted.redacted
    tally.flipped_runs += counted.flipped_runs
    tally.damaged.extend(counted.damaged)


def judge_divided(task: Task, sources: list[Source], jobs: int, *, size: int = PART) -> Generator[Counted]:
    """Every part of the sources, in order.

    Args:
        task: what is judged, and by what.
        sources: the files.
        jobs: how many processes judge.
        size: of a part, in bytes, about.

    Raises:
        OutsideError: a process died.
    """
    method = "fork" if hasattr(os, "fork") else "spawn"
    parts = parts_of(sources, form=task.form, size=size)
    with ProcessPoolExecutor(jobs, mp_context=get_context(method), initializer=_begin, initargs=(task,)) as pool:
        waiting: deque[Future[Counted]] = deque()
        try:
            yield from in_order((pool.submit(_judge, part) for part in parts), Future.result, jobs * AHEAD, waiting)
        except BrokenProcessPool:
            raise OutsideError("one of the processes that replayed was killed", help="try again with --jobs 1") from None
        finally:
            for future in waiting:
                future.cancel()


def in_order(begun: Iterator[Begun], result: Callable[[Begun], Result], most: int, waiting: deque[Begun]) -> Iterator[Result]:
    """What pieces of work come to, in the order in which they are begun.

    Args:
        begun: begins the next one whenever it is asked.
        result: waits for one.
        most: how many are begun at once.
        waiting: those that are not waited for yet.
    """
    waiting.extend(islice(begun, most))
    while waiting:
        found = result(waiting.popleft())
        waiting.extend(islice(begun, 1))
        yield found


class _Process:
    """What one of the processes keeps from part to part."""

    task: Task
    replay: Replay
    tool_files: dict[str, Json]


def _begin(task: Task) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that shows the result is the one to be interrupted
    _Process.task, _Process.replay, _Process.tool_files = task, task.replay(), {}


def _judge(part: Part) -> Counted:
    return judge_part(_Process.task, _Process.replay, part, _Process.tool_files)
