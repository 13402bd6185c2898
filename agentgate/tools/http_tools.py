"""HTTP tools: one request to a fixed server, made in a process of its own, so that its time limit is a real one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, unquote, urlencode

from msgspec import UNSET, Struct

from agentgate import __version__
from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.core.schemas import InvalidSchema
from agentgate.errors import OutsideError
from agentgate.files.http_tool import VARIABLE
from agentgate.task import HttpRequest, Task, Template, ToolEffect, ToolSource
from agentgate.tools.entries import described, finding
from agentgate.tools.port import Ran, Tool
from agentgate.tools.process import Lost, TimedOut, WorkerProcess
from agentgate.tools.rendering import Unrenderable, text_of, texts

MAX_TARGET = 64 * 1024
"""Bytes of path and query."""
_LONG_ENOUGH = 8
"""Characters from which on a secret is looked for in what a server answers; a shorter one would be found by chance."""
_SENDABLE = re.compile(r"[\t\x20-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_STEPS = re.compile(r"(?:^|[/\\])\.{1,2}(?:$|[/\\;])")


class _Request(Struct, frozen=True):
    """A request that can be made."""

    template: HttpRequest
    headers: list[tuple[str, str]]
    """With the values of variables in them."""


class HttpTools:
    """The HTTP tools of a task, and the one process that makes their requests."""

    def __init__(
        self,
        task: Task,
        sources: Sequence[ToolSource],
        environ: Mapping[str, str],
        *,
        start_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Looks up the variables; starts nothing.

        Args:
            task: whose tools these are.
            sources: its HTTP tools.
            environ: the operator's environment without the model's key.
            start_seconds: how long the process may take to get ready.
            clock: seconds, from any moment on.
        """
        self._start_seconds = start_seconds
        self._clock = clock
        self._requests: dict[str, _Request] = {}
        self._secrets: dict[str, str] = {}
        self._worker: WorkerProcess | None = None
        self._abandoned = False
        self.findings: list[Finding] = []
        """What is wrong with them; there are tools only where nothing is."""
        tools: list[Tool] = []
        for source in sources:
            request = source.runs
            assert isinstance(request, HttpRequest)
            headers = [(name, self._header(task, source, value, environ)) for name, value in request.headers]
            self._requests[source.name] = _Request(request, headers)
            try:
                tools.append(described(source, {}))
            except InvalidSchema as error:
                self.findings.append(finding(task, source, "tool-schema", f"its parameters cannot be used: {error}"))
        self.tools = tuple(tools)

    def _header(self, task: Task, source: ToolSource, value: str, environ: Mapping[str, str]) -> str:
        """The value of a header; what is wrong with its variables is found, and never shown."""

        def looked_up(match: re.Match[str]) -> str:
            name = match[1]
            found = environ.get(name)
            if not found:
                help = "set it; one that holds the model's key is passed to no tool"
                self.findings.append(finding(task, source, "tool-variable", f"the environment variable `{name}` is not set", help))
            elif _SENDABLE.fullmatch(found) is None:
                help = "a header holds ASCII without line breaks"
                self.findings.append(finding(task, source, "tool-variable", f"the value of `{name}` cannot stand in a header", help))
            elif len(found) >= _LONG_ENOUGH:
                self._secrets[found] = f"[{name}]"
            return found or ""

        return VARIABLE.sub(looked_up, value)

    def start(self) -> None:
        """Gets the process ready, where there are tools for it.

        Raises:
            OutsideError: it could not be started.
        """
        if not self._requests:
            return
        try:
            self._ready()
        except Lost as error:
            raise OutsideError(f"the process for HTTP requests could not be started: {error}") from None

    def run(self, tool: Tool, arguments: dict[str, Json], key: str | None) -> Ran:
        """Makes a request; see `agentgate.tools.port.Source`."""
        request = self._requests[tool.name]
        try:
            message = _message(request, arguments, key if tool.effect is ToolEffect.WRITE else None)
        except Unrenderable as error:
            return Ran(error=f"invalid arguments: {error}", reached=False)
        try:
            worker = self._ready()
        except (Lost, OutsideError) as error:
            return Ran(error=f"it could not be started: {error}", reached=False)
        try:
            answer = worker.ask({**message, "do": "call"}, tool.timeout_seconds)
        except TimedOut as error:
            return Ran(error=f"{error}, may have run")
        except Lost as error:
            return Ran(error=str(error))
        if not answer["ok"]:
            return Ran(error=answer["error"], reached=answer["reached"])
        return Ran(result=self._without_secrets(answer["result"]), truncated=answer["truncated"])

    def abandon(self) -> None:
        """Kills what runs, and lets nothing later start. Returns at once; safe in other threads and in signal handlers."""
        self._abandoned = True
        worker = self._worker
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """Ends the process. Safe to call twice, and not while a request is made."""
        self.abandon()
        if self._worker is not None:
            self._worker.close()

    def _ready(self) -> WorkerProcess:
        """A process that waits for a request: a killed one is replaced.

        Raises:
            Lost: there may be none any more, or it ended while starting.
            OutsideError: the system does not start one.
        """
        if not self._abandoned and self._worker is not None and self._worker.usable:
            return self._worker
        if self._worker is not None:
            self._worker.close()
        if self._abandoned:
            raise Lost("the run is being ended")
        self._worker = worker = WorkerProcess({}, "/", self._clock, module="agentgate.tools.http_worker")
        if self._abandoned:  # `abandon` may have come before there was something to kill
            worker.kill()
        worker.ask({"do": "open"}, self._start_seconds)
        return worker

    def _without_secrets(self, value: Json) -> Json:
        """What a server answers, with the secrets that it was sent taken out of it again."""
        if isinstance(value, str):
            for secret, name in self._secrets.items():
                value = value.replace(secret, name)
            return value
        if isinstance(value, list):
            return [self._without_secrets(item) for item in value]
        if isinstance(value, dict):
            return {self._without_secrets(key): self._without_secrets(item) for key, item in value.items()}
        return value


def _message(request: _Request, arguments: Mapping[str, Json], key: str | None) -> dict[str, Json]:
    """The request as the process gets it.

    Raises:
        Unrenderable: an argument cannot stand where its placeholder is.
    """
    template = request.template
    target = "/" + "/".join(_segment(segment, arguments) for segment in template.path)
    pairs = _pairs(template.query, arguments)
    if pairs:
        target += "?" + urlencode(pairs, quote_via=quote, safe="")
    if len(target) > MAX_TARGET:
        raise Unrenderable(f"path and query come to more than {MAX_TARGET} bytes")
    headers = [("User-Agent", f"agentgate/{__version__}"), ("Accept", "*/*"), *request.headers]
    if key is not None:
        headers.append(("Idempotency-Key", key))
    body: dict[str, Json] = {}
    if template.form is not None:
        body = {"form": urlencode(_pairs(template.form, arguments))}
    elif template.json is not UNSET:
        body = {"json": _filled(template.json, arguments)}
    message = {"method": template.method, "origin": template.origin, "target": target, "headers": headers, "cap": template.max_output_bytes}
    return {**message, **body}


def _segment(template: Template, arguments: Mapping[str, Json]) -> str:
    """One segment of the path: a value neither ends it, nor makes a step out of it, nor leaves it empty."""
    made = ""
    for part in template:
        if isinstance(part, str):
            made += part
            continue
        value = text_of(part.name, arguments.get(part.name))
        if not value or _CONTROL.search(value):
            raise Unrenderable(f"{part.name}: is empty, or has control characters, and stands in a path")
        made += quote(value, safe="")
    plain = made
    for _ in range(3):  # servers and proxies decode more than once
        plain = unquote(plain)
        if _STEPS.search(plain):
            raise Unrenderable("a path with `.` or `..` as one of its parts")
    return made


def _pairs(entries: Sequence[tuple[str, Template]], arguments: Mapping[str, Json]) -> list[tuple[str, str]]:
    return [(name, text) for name, template in entries for text in texts(template, arguments)]


def _filled(value: Json, arguments: Mapping[str, Json]) -> Json:
    """A JSON body: a placeholder that stands alone becomes the argument itself, and takes its key along where there is none."""
    if isinstance(value, tuple):
        only = value[0]
        return arguments[only.name] if len(value) == 1 and not isinstance(only, str) else texts(value, arguments)[0]
    if isinstance(value, list):
        return [_filled(item, arguments) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, arguments) for key, item in value.items() if not _left_out(item, arguments)}
    return value


def _left_out(value: Json, arguments: Mapping[str, Json]) -> bool:
    return isinstance(value, tuple) and len(value) == 1 and not isinstance(value[0], str) and value[0].name not in arguments
