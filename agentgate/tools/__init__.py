"""What is executed: the tools of a task, in processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgate.task import Task
    from agentgate.tools.toolbox import TaskToolbox


def open_toolbox(task: Task, *, environ: Mapping[str, str], workdir: str | None = None, start_seconds: float = 30.0) -> TaskToolbox:
    """Gets the tools of a task ready: Python tools are imported, programs and variables looked up. To be closed; a context manager, too.

    Args:
        task: whose tools these are.
        environ: the environment of this process; no tool gets the model's key of it (`agentgate.tools.environment`).
        workdir: the folder that the tools run in; the current one by default.
        start_seconds: how long importing one tool file may take.

    Raises:
        FileError: tools that cannot be used, each with the place of its entry.
        OutsideError: a process could not be started.
    """
    from agentgate.tools.toolbox import TaskToolbox

    return TaskToolbox(task, environ=environ, workdir=workdir, start_seconds=start_seconds)
