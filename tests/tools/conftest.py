"""Toolboxes and witnesses that are given back after each test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from agentgate.tools.toolbox import TaskToolbox
from tests.tools.running import DATA, Opener, Run, Witness, make_task


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens toolboxes that are closed after the test."""
    with ExitStack() as stack:

        def opening(
            *entries: str,
            folder: Path = DATA,
            environ: Mapping[str, str] = os.environ,
            clock: Callable[[], float] = time.monotonic,
            workdir: str | None = None,
            **changes: Any,
        ) -> Run:
            task = make_task(folder, *entries, **changes)
            return Run(stack.enter_context(TaskToolbox(task, environ=environ, clock=clock, workdir=workdir)))

        yield opening


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    pipe = Witness(tmp_path / "witness")
    yield pipe
    pipe.close()
