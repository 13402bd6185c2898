"""The Python tools of one task: described at the start, executed one call at a time, each under its time limit.

A worker that was killed, or ended by itself, is replaced before the next call. What the tools kept in memory is gone then; their code is
the same to the byte, or the call fails.
"""

from __future__ import annotations

import json
import os
import site
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from agentgate.core.arguments import InvalidJson, digest, parse_arguments
from agentgate.core.events import Code, Decision, Effect, Json, ToolCall
from agentgate.core.findings import Finding
from agentgate.core.schemas import InvalidSchema, Schema, closed
from agentgate.errors import FileError, OutsideError, UsageError
from agentgate.task import Task, ToolSource
from agentgate.tools.entries import check_entries, finding, raise_all, tool_name
from agentgate.tools.environment import tool_environment
from agentgate.tools.port import Outcome, Tool
from agentgate.tools.process import Lost, WorkerProcess
from agentgate.tools.results import failure_content, success_content

_SETTLE_SECONDS = 10.0
"""How long `close` waits for a call in another thread, which has just been killed, to notice it."""


class PythonToolbox:
    """The tools of one run, and the only place that executes them. A context manager."""

    def __init__(
        self,
        task: Task,
        *,
        environ: Mapping[str, str],
        workdir: str | None = None,
        start_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """See `agentgate.tools.open_toolbox`."""
        self._task = task
        self._environ = tool_environment(environ, task.model.api_key_env)
        self._paths = _search_paths(environ)
        self._workdir = workdir
        self._start_seconds = start_seconds
        self._clock = clock
        self._sources = {tool_name(source): source for source in task.tools}
        self._digests: dict[str, str] = {}
        self._worker: WorkerProcess | None = None
        self._turn = threading.Lock()
        self._abandoned = False
        self._executed: set[str] = set()
        check_entries(task)
        try:
            self.tools = self._describe() if task.tools else ()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def printed(self) -> str:
        """The end of what the tools printed since the worker started: at most 64 KiB of untrusted text."""
        return self._worker.printed.decode(errors="replace") if self._worker is not None else ""

    @property
    def sources(self) -> Mapping[str, str]:
        """The SHA-256 of every source file in the task's folder that importing the tools read, by path."""
        return dict(self._digests)

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False, idempotency_key: str | None = None) -> Outcome:
        """Executes a call that was decided; see `agentgate.tools.port.Toolbox`."""
        arguments = _permitted(call, decision, approved)
        source = self._sources.get(call.name) if isinstance(call.name, str) else None
        if source is None:
            raise UsageError(f"there is no tool `{call.name}`")
        with self._turn:
            if call.id in self._executed:
                raise UsageError(f"call `{call.id}` was executed before")
            self._executed.add(call.id)
            began = self._clock()
            ok, executed, truncated, content = self._answer(call.name, source, arguments, idempotency_key)
            return Outcome(ok=ok, content=content, seconds=self._clock() - began, truncated=truncated, executed=executed)

    def _answer(self, name: str, source: ToolSource, arguments: Json, key: str | None) -> tuple[bool, bool, bool, str]:
        """Whether it went well, whether the tool was reached, whether its result was cut, and the text for the model."""
        try:
            worker = self._ready()
        except (Lost, OutsideError, FileError) as error:
            return False, False, False, failure_content(name, f"it could not be started: {error}")
        try:
            request = {"do": "call", "name": name, "arguments": arguments, "key": key}
            answer = worker.ask(request, source.timeout_seconds)
        except Lost as error:
            return False, True, False, failure_content(name, str(error))
        if answer["ok"]:
            cut = bool(answer["truncated"])
            return True, True, cut, success_content(name, answer["result"], truncated=cut)
        return False, answer.get("reached", True), False, failure_content(name, answer["error"])

    def abandon(self) -> None:
        """Kills the running call, and lets no later one start. Returns at once; safe in other threads and in signal handlers."""
        self._abandoned = True
        worker = self._worker
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """Ends the worker process with everything that tools started in its group. Safe to call twice."""
        self.abandon()
        free = self._turn.acquire(timeout=_SETTLE_SECONDS)
        try:
            if free and self._worker is not None:
                self._worker.close()
        finally:
            if free:
                self._turn.release()

    # The worker

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
        message = {"do": "load", "name": name, "file": source.file, "function": source.function, "parameters": source.parameters}
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
                tools.append(_tool(name, source, answer))
            except InvalidSchema as error:
                findings.append(finding(self._task, source, "tool-schema", f"its parameters cannot be used: {error}"))
        raise_all(findings)
        return tuple(tools)


def _permitted(call: ToolCall, decision: Decision, approved: bool) -> dict[str, Json]:
    """A copy of the arguments that were decided on, which nobody else holds.

    Raises:
        UsageError: the decision does not let this call run.
    """
    if decision.arguments is None:
        raise UsageError("a call without judged arguments cannot be executed")
    allowed = decision.effect is Effect.ALLOW or decision.enforced is False or (decision.effect is Effect.ASK and approved is True)
    if not allowed or (decision.code is Code.KILLED and decision.effect is not Effect.ALLOW):
        raise UsageError(f"the decision `{decision.effect}` does not let this call be executed")
    try:
        arguments: dict[str, Json] = json.loads(json.dumps(dict(decision.arguments), allow_nan=False))
        if digest(arguments) == digest(parse_arguments(call.arguments)):
            return arguments
    except (InvalidJson, TypeError, ValueError, RecursionError):
        pass
    raise UsageError("the arguments to execute are not those of the call")


def _tool(name: str, source: ToolSource, answer: Mapping[str, Json]) -> Tool:
    """The tool as the model is told about it.

    Raises:
        InvalidSchema: its parameters cannot be judged.
    """
    parameters = answer["parameters"] if source.parameters is None else closed(source.parameters)  # from hints, they are closed
    Schema(parameters, strict_formats=False)
    function: dict[str, Json] = {"name": name, "parameters": parameters}
    description = answer["description"] if source.description is None else source.description
    if description:
        function = {"name": name, "description": description, "parameters": parameters}
    return Tool(name, {"type": "function", "function": function}, source.timeout_seconds, source.mock, source.effect)


def _search_paths(environ: Mapping[str, str]) -> list[str]:
    """Where the operator keeps modules besides the interpreter's own places. The worker starts isolated, so it does not look by itself."""
    paths = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path.startswith("/")]
    if site.ENABLE_USER_SITE:
        paths.append(site.getusersitepackages())
    return paths
