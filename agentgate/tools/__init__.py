"""What is executed: the tools of a task, in a process of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgate.task import Task
    from agentgate.tools.toolbox import PythonToolbox


def open_toolbox(task: Task, *, environ: Mapping[str, str], workdir: str | None = None, start_seconds: float = 30.0) -> PythonToolbox:
    """Starts the worker process of a task and imports its tools there. To be closed; a context manager, too.

    Args:
        task: whose tools these are.
        environ: the environment of this process; the worker gets it without the model's key (`agentgate.tools.environment`).
        workdir: the folder that the tools run in; the current one by default.
        start_seconds: how long importing one tool file may take.

    Raises:
        FileError: tools that cannot be used, each with the place of its entry.
        OutsideError: the process could not be started.
    """
    from agentgate.tools.toolbox import PythonToolbox

    return PythonToolbox(task, environ=environ, workdir=workdir, start_seconds=start_seconds)
