"""A replay by several processes, here or on a Ray cluster: which, and the way of its results to the screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.divided import Counted, Task
    from agentgate.files.transcript_lines import Source
    from agentgate.output.sink import Sink
    from agentgate.replay import Replay, Tally

Divide: TypeAlias = "Callable[[Task, list[Source]], Generator[Counted]]"
"""Judges all parts of the sources, and gives what they come to in their order."""


class Engine(StrEnum):
    """Where a replay takes place."""

    LOCAL = "local"
    RAY = "ray"


def check_engine(engine: Engine, address: str | None, *, apart: Mapping[str, str | None]) -> None:
    """Refuses options that do not go together.

    Args:
        engine: which.
        address: of a cluster.
        apart: options that a cluster does not know, with their values.
    """
    if engine is Engine.LOCAL:
        if address is not None:
            raise UsageError("--ray-address is for --engine ray", help="give both, or none of them")
        return
    for option, value in apart.items():
        if value is not None:
            raise UsageError(f"{option} does not go with --engine ray", help="leave out one of them")


def dividing(engine: Engine, jobs: int | None, address: str | None, paths: list[str]) -> Divide | None:
    """What judges in parts; None where one process is enough."""
    from agentgate.cli.stores import is_elsewhere

    database = any(map(is_elsewhere, paths))
    if engine is Engine.RAY:
        if database:
            raise UsageError("a cluster cannot read a store in a database", help="leave out --engine ray")
        from agentgate.on_ray import judge_on_ray

        return partial(judge_on_ray, address=address, jobs=jobs)
    processes = 1 if database else _processes(jobs, paths)
    if processes == 1:
        return None
    from agentgate.divided import judge_divided

    return partial(judge_divided, jobs=processes)


def _processes(jobs: int | None, paths: list[str]) -> int:
    """How many processes are worth it."""
    if jobs is not None:
        return jobs
    from agentgate.divided import WORTH_DIVIDING
    from agentgate.files.transcript_reader import find_transcripts
    from agentgate.output.progress import total_size

    enough = total_size(find_transcripts(paths)) >= WORTH_DIVIDING
    return len(os.sched_getaffinity(0)) if enough else 1


def task_of(judging: Replay, role: str | None, form: str | None, *, rows: bool) -> Task:
    """What other processes have to be told."""
    from agentgate.divided import Task
    from agentgate.files.links import resolve

    against = None if judging.against is None else judging.against.policy
    return Task(judging.policy.policy, against, role, os.getcwd(), resolve, form, rows)  # noqa: PTH109


def judge_parts(divide: Divide, task: Task, tally: Tally, paths: list[str], out: Sink, *, bar: bool) -> None:
    """Judges in parts. The result, and what is said on the way, are those of one process."""
    from agentgate.cli.stores import say_left_out
    from agentgate.divided import add
    from agentgate.files.importers import known_form
    from agentgate.files.transcript_reader import find_transcripts, nothing_found
    from agentgate.output.progress import Progress, total_size
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    if task.form is not None:
        known_form(task.form)
    sources = find_transcripts(paths)
    err = Sink(sys.stderr)
    say_left_out([source.file for source in sources], err)
    with (
        closing(Progress(err, lambda: total_size(sources), calls=lambda: tally.calls)) as progress,
        closing(divide(task, sources)) as parts,
    ):
        for counted in parts:
            add(tally, counted)
            out.write("".join(map(str, counted.rows)))
            err.write("".join(f"damaged: {safe(str(damage))}\n" for damage in counted.damaged))
            if bar:
                progress.advance(counted.size)
    if not (tally.transcripts or tally.damaged):
        raise nothing_found(sources)
