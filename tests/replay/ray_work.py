"""Work for a cluster of two, in a process of its own: Ray leaves warnings behind in the one that it ran in.

`python -m tests.replay.ray_work FILE` reads pickled tasks from FILE, each with a folder, and writes what the cluster makes of
them to FILE.done.
`python -m tests.replay.ray_work FILE --talk` prints a line for each part of the first one.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

from agentgate.divided import Counted, Task
from agentgate.errors import AgentgateError
from agentgate.files.transcript_reader import find_transcripts
from agentgate.on_ray import LOCAL, cluster, judge_on_ray

SIZE = 5_000
"""Bytes of a part: small, so that every file is cut."""


def dies_once(path: str) -> str:
    """Resolves a path; the first process that tries is killed."""
    mark = Path(path)
    if mark.is_dir() or not mark.exists():
        return path
    mark.unlink()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def dies(path: str) -> str:
    """Kills whoever resolves a path."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def work(name: str, *, talk: bool) -> None:
    """What the cluster makes of each task: parts, or the words of an error."""
    tasks: list[tuple[Task, str]] = pickle.loads(Path(name).read_bytes())
    done: list[list[Counted] | str] = []
    with cluster(LOCAL, 2):
        for task, folder in tasks:
            try:
                parts = judge_on_ray(task, find_transcripts([folder]), size=SIZE)
                if talk:
                    for part in parts:
                        sys.stderr.write(f"{part.calls} calls\n")
                        sys.stderr.flush()
                done.append(list(parts))
            except AgentgateError as error:
                done.append(error.message)
    Path(f"{name}.done").write_bytes(pickle.dumps(done))


if __name__ == "__main__":
    work(sys.argv[1], talk="--talk" in sys.argv)
