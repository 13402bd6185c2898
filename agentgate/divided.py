"""A replay divided among processes. The parts are judged apart and put together in their order: the result is that of one process."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby, islice
from multiprocessing import get_context
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from agentgate.core.events import Effect, Json
from agentgate.core.policy import Policy
from agentgate.errors import OutsideError
from agentgate.files.transcript import Damage
from agentgate.files.transcript_parts import PART, Part, parts_of, read_piece
from agentgate.files.transcript_reader import Source
from agentgate.replay import Judged, Replay, Tally

Begun = TypeVar("Begun")

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
    rows: list[str | int] = field(default_factory=list)
    """Text, and in the midst of it numbers of lines."""
    lines: int = 0
    """How many it has, where others of the same file come after it."""
    begun: bool = False
    """Whether others of the same file came before it."""

    def further_down(self, lines: int) -> None:
        """Moves what names lines, so many of which come before."""
        self.flips = [(number, call.further_down(lines)) for number, call in self.flips]
        self.damaged = [replace(damage, line=damage.line + lines) for damage in self.damaged]
        self.rows = [chunk if isinstance(chunk, str) else chunk + lines for chunk in self.rows]


class _Noting(Tally):
    """Keeps every flip, so that they can be put together in the order in which one process would have met them."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[int, Judged]] = []

    def flip(self, call: Judged) -> None:
        self.flips += 1
        self.noted.append((self.transcripts, call))


def judge_part(task: Task, replay: Replay, part: Part, tool_files: dict[str, Json]) -> Counted:
    """Reads and judges one part. Where a file was cut, lines are numbered from the beginning of the part: see `in_order`."""
    tally, rows, lines = _Noting(), list[str | int](), list[int]()
    for piece in part:
        for found in read_piece(piece, tool_files, form=task.form, wanted=replay.wanted, ended=lines.append):
            if isinstance(found, Damage):
                tally.damaged.append(found)
            elif task.rows:
                for call in tally.run(replay.judge(found)):
                    rows.extend(_row(call) if piece.cut and call.unnamed else (call.as_line(),))
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
        rows=list(_together(rows)),
        lines=sum(lines),
        begun=any(piece.start for piece in part),
    )


def _row(call: Judged) -> tuple[str, int, str]:
    before, after = call.around_line()
    return before, call.line, after


def _together(rows: list[str | int]) -> Iterator[str | int]:
    """The same with as few texts as possible."""
    for number, chunks in groupby(rows, lambda chunk: isinstance(chunk, int)):
        if number:
            yield from chunks
        else:
            yield "".join(map(str, chunks))


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


def in_order(begun: Iterator[Begun], result: Callable[[Begun], Counted], most: int, waiting: deque[Begun]) -> Iterator[Counted]:
    """What parts come to, in their order, with lines that are numbered from the beginning of their file.

    Args:
        begun: begins to judge the next one whenever it is asked.
        result: waits for one.
        most: how many are begun at once.
        waiting: those that are not waited for yet.
    """
    waiting.extend(islice(begun, most))
    lines = 0
    while waiting:
        found = result(waiting.popleft())
        waiting.extend(islice(begun, 1))
        if found.begun:
            found.further_down(lines)
        lines = found.lines + (lines if found.begun else 0)
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
