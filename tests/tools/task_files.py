"""Tasks as files, with tools of any kind, opened and ready to be called."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from agentgate.files.task_file import load_task
from agentgate.tools.toolbox import TaskToolbox
from tests.tools.running import Run

MINIMAL = {"PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8"}


class Starter(Protocol):
    """Opens the tools of a task that is written to a folder; see the fixture `tools`."""

    def __call__(self, *entries: Mapping[str, Any], environ: Mapping[str, str] = ..., clock: Callable[[], float] = ...) -> Run: ...


def write_task(folder: Path, *entries: Mapping[str, Any]) -> str:
    """A task with these tools; its path."""
    path = folder / "task.yaml"
    path.write_text(
        yaml.safe_dump({"version": 1, "prompt": "p", "model": "openai:x", "tools": list(entries)}, allow_unicode=True, sort_keys=False)
    )
    return str(path)


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Starter]:
    """Opens tasks in a folder of their own, which is the working directory of their runs, too; closed after the test."""
    with ExitStack() as stack:

        def start(*entries: Mapping[str, Any], environ: Mapping[str, str] = MINIMAL, clock: Callable[[], float] = time.monotonic) -> Run:
            task = load_task(write_task(tmp_path, *entries))
            return Run(stack.enter_context(TaskToolbox(task, environ=environ, workdir=str(tmp_path), clock=clock)))

        yield start
