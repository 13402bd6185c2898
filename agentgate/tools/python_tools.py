"""The Python tools of one task: imported and executed in a worker process.

A worker that was killed, or ended by itself, is replaced before the next call. What the tools kept in memory is gone then; their code is
the same to the byte, or the call fails.
"""

from __future__ import annotations

import os
import site
import time
from collections.abc import Callable, Mapping, Sequence

from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.core.schemas import InvalidSchema
from agentgate.errors import FileError, OutsideError
from agentgate.task import PythonFunction, Task, ToolSource
from agentgate.tools.entries import described, finding, raise_all
from agentgate.tools.port import Ran, Tool
from agentgate.tools.process import Lost, TimedOut, WorkerProcess


class PythonTools:
    """The functions, and the one process that has them."""

    def __init__(
        self,
        task: Task,
        sources: Sequence[ToolSource],
        environ: Mapping[str, str],
        *,
        paths: Mapping[str, str],
        workdir: str | None = None,
        start_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Imports them.

        Args:
            task: whose tools these are.
            sources: its Python functions.
            environ: the whole environment of the worker.
            paths: the operator's environment, which says where modules are.
            workdir: the folder that the tools run in; the current one by default.
            start_seconds: how long importing one tool file may take.
            clock: seconds, from any moment on.

        Raises:
            FileError: with a finding for every tool that cannot be used.
            OutsideError: the process could not be started.
        """
        self._task = task
        self._environ = environ
        self._paths = _search_paths(paths)
        self._workdir = workdir
        self._start_seconds = start_seconds
        self._clock = clock
        self._sources = {source.name: source for source in sources}
        self._digests: dict[str, str] = {}
        self._worker: WorkerProcess | None = None
        self._abandoned = False
        try:
            self.tools = self._describe() if sources else ()
        except BaseException:
            self.close()
            raise

    @property
    def printed(self) -> str:
        """The end of what the tools printed since the worker started: at most 64 KiB of untrusted text."""
        return self._worker.printed.decode(errors="replace") if self._worker is not None else ""

    @property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of every source file in the task's folder that importing the tools read, by path."""
        return dict(self._digests)

    def run(self, tool: Tool, arguments: dict[str, Json], key: str | None) -> Ran:
        """Calls a function; see `agentgate.tools.port.Source`."""
        try:
            worker = self._ready()
        except (Lost, OutsideError, FileError) as error:
            return Ran(error=f"it could not be started: {error}", reached=False)
        try:
            answer = worker.ask({"do": "call", "name": tool.name, "arguments": arguments, "key": key}, tool.timeout_seconds)
        except TimedOut as error:
            return Ran(error=f"{error}, may have run")
        except Lost as error:
            return Ran(error=str(error))
        if answer["ok"]:
            return Ran(result=answer["result"], truncated=bool(answer["truncated"]))
        return Ran(error=answer["error"], reached=answer.get("reached", True))

    def abandon(self) -> None:
        """Kills the running call, and lets no later one start. Returns at once; safe in other threads and in signal handlers."""
        self._abandoned = True
        worker = self._worker
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """Ends the worker process with everything that tools started in its group. Safe to call twice, and not while a call runs."""
        self.abandon()
        if self._worker is not None:
            self._worker.close()

    def _ready(self) -> WorkerProcess:
        """A worker that waits for a call.

        Raises:
            Lost: there may be none any more, or it ended while starting.
            OutsideError: the system does not start one.
            FileError: a tool could not be imported again.
        """
        if not self._abandoned and self._worker is not None and self._worker.usable:
            return self._worker
        worker = self._fresh()
        try:
            for name, source in self._sources.items():
                answer = self._load(worker, name, source)
                if not answer["ok"]:
                    raise FileError(answer["error"])
        except BaseException:
            worker.kill()  # one that knows half of the tools must not be taken for ready
            raise
        return worker

    def _fresh(self) -> WorkerProcess:
        if self._worker is not None:
            self._worker.close()
        if self._abandoned:
            raise Lost("the run is being ended")
        self._worker = worker = WorkerProcess(self._environ, self._workdir, self._clock)
        if self._abandoned:  # `abandon` may have come before there was something to kill
            worker.kill()
        opening = {"do": "open", "folder": self._task.folder, "paths": self._paths, "known": self._digests}
        worker.ask(opening, self._start_seconds)
        return worker

    def _load(self, worker: WorkerProcess, name: str, source: ToolSource) -> dict[str, Json]:
        assert isinstance(source.runs, PythonFunction)
        message = {"do": "load", "name": name, "parameters": source.parameters, "file": source.runs.file, "function": source.runs.function}
        return worker.ask(message, self._start_seconds)

    def _describe(self) -> tuple[Tool, ...]:
        """Imports all tools for the first time.

        Raises:
            FileError: with a finding for every tool that cannot be used.
        """
        try:
            worker = self._fresh()
        except Lost as error:
            raise OutsideError(f"the process for the tools could not be started: {error}") from None
        tools: list[Tool] = []
        findings: list[Finding] = []
        for name, source in self._sources.items():
            try:
                answer = self._load(worker, name, source)
            except Lost as error:
                findings.append(finding(self._task, source, "tool-import", f"it cannot be imported: {error}"))
                break
            if not answer["ok"]:
                findings.append(finding(self._task, source, "tool-import", answer["error"]))
                continue
            self._digests.update(answer["sources"])
            try:
                tools.append(described(source, answer["parameters"], answer["description"]))
            except InvalidSchema as error:
                findings.append(finding(self._task, source, "tool-schema", f"its parameters cannot be used: {error}"))
        raise_all(findings)
        return tuple(tools)


def _search_paths(environ: Mapping[str, str]) -> list[str]:
    """Where the operator keeps modules besides the interpreter's own places. The worker starts isolated, so it does not look by itself."""
    paths = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path.startswith("/")]
    if site.ENABLE_USER_SITE:
        paths.append(site.getusersitepackages())
    return paths
