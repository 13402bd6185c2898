"""The tools of one task: described at the start, executed one call at a time, each under its time limit."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

from agentgate.core.arguments import InvalidJson, digest, parse_arguments
from agentgate.core.events import Code, Decision, Effect, Json, ToolCall
from agentgate.errors import UsageError
from agentgate.task import CommandLine, HttpRequest, PythonFunction, Task, ToolSource
from agentgate.tools.command_tools import CommandTools
from agentgate.tools.entries import check_entries, raise_all
from agentgate.tools.environment import tool_environment
from agentgate.tools.http_tools import HttpTools
from agentgate.tools.port import Outcome, Ran, Source, Tool
from agentgate.tools.python_tools import PythonTools
from agentgate.tools.results import failure_content, success_content

_SETTLE_SECONDS = 10.0
"""How long `close` waits for a call in another thread, which has just been killed, to notice it."""


class TaskToolbox:
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
        self._clock = clock
        self._turn = threading.Lock()
        self._executed: set[str] = set()
        self._opened = ExitStack()
        check_entries(task)
        cleaned = tool_environment(environ, task.model.api_key_env)
        commands = CommandTools(task, _kind(task, CommandLine), cleaned, workdir=workdir, clock=clock)
        requests = HttpTools(task, _kind(task, HttpRequest), cleaned, start_seconds=start_seconds, clock=clock)
        raise_all([*commands.findings, *requests.findings])
        with ExitStack() as opening:
            opening.callback(commands.close)
            opening.callback(requests.close)
            requests.start()
            self._python = PythonTools(
                task, _kind(task, PythonFunction), cleaned, paths=environ, workdir=workdir, start_seconds=start_seconds, clock=clock
            )
            opening.callback(self._python.close)
            self._opened = opening.pop_all()
        self._kinds: tuple[Source, ...] = (self._python, commands, requests)
        found: dict[str, tuple[Tool, Source]] = {tool.name: (tool, kind) for kind in self._kinds for tool in kind.tools}
        self._found = {source.name: found[source.name] for source in task.tools}
        self.tools = tuple(tool for tool, _ in self._found.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def printed(self) -> str:
        """The end of what the Python tools printed since their process started: at most 64 KiB of untrusted text."""
        return self._python.printed

    @property
    def sources(self) -> Mapping[str, str]:
        """The SHA-256 of every source file in the task's folder that importing the tools read, by path."""
        return self._python.digests

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False, idempotency_key: str | None = None) -> Outcome:
        """Executes a call that was decided; see `agentgate.tools.port.Toolbox`."""
        arguments = _permitted(call, decision, approved)
        if not isinstance(call.name, str) or call.name not in self._found:
            raise UsageError(f"there is no tool `{call.name}`")
        tool, source = self._found[call.name]
        with self._turn:
            if call.id in self._executed:
                raise UsageError(f"call `{call.id}` was executed before")
            self._executed.add(call.id)
            began = self._clock()
            return _outcome(tool.name, source.run(tool, arguments, idempotency_key), self._clock() - began)

    def abandon(self) -> None:
        """Kills the running call, and lets no later one start. Returns at once; safe in other threads and in signal handlers."""
        for kind in self._kinds:
            kind.abandon()

    def close(self) -> None:
        """Ends everything that tools started. Safe to call twice."""
        self.abandon()
        free = self._turn.acquire(timeout=_SETTLE_SECONDS)
        try:
            if free:
                self._opened.close()
        finally:
            if free:
                self._turn.release()


T = TypeVar("T", PythonFunction, CommandLine, HttpRequest)


def _kind(task: Task, kind: type[T]) -> list[ToolSource]:
    return [source for source in task.tools if isinstance(source.runs, kind)]


def _outcome(name: str, ran: Ran, seconds: float) -> Outcome:
    if ran.error is not None:
        return Outcome(ok=False, content=failure_content(name, ran.error), seconds=seconds, executed=ran.reached)
    content = success_content(name, ran.result, truncated=ran.truncated)
    return Outcome(ok=True, content=content, seconds=seconds, truncated=ran.truncated)


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
