"""Command tools: a program with a list of arguments, started for each call, and killed with its whole group when its time is up."""

from __future__ import annotations

import os
import select
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.core.schemas import InvalidSchema
from agentgate.task import CommandLine, Task, ToolSource
from agentgate.tools.entries import described, finding
from agentgate.tools.group import Group
from agentgate.tools.port import IDEMPOTENCY_VARIABLE, Ran, Tool
from agentgate.tools.rendering import Unrenderable, argument_list
from agentgate.tools.results import fitted, sound

_ALWAYS = ("PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LOGNAME", "TERM", "TMPDIR", "TZ", "USER")
"""Variables that every command gets."""
_TERM_SECONDS = 2.0
"""How long a group may tidy up between SIGTERM and SIGKILL, once its time is over."""
_LOOK_EVERY = 0.02
"""Seconds between two looks at whether the program has ended."""
_CHUNK = 64 * 1024


class _Command(Struct, frozen=True):
    """A command that can be started."""

    line: CommandLine
    program: str
    """The file to execute, absolute."""
    environ: dict[str, str]


class CommandTools:
    """The commands of a task."""

    def __init__(
        self,
        task: Task,
        sources: Sequence[ToolSource],
        environ: Mapping[str, str],
        *,
        workdir: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Looks for the programs; starts nothing.

        Args:
            task: whose tools these are.
            sources: its commands.
            environ: the operator's environment without the model's key.
            workdir: the run's working directory; the current one by default.
            clock: seconds, from any moment on.
        """
        self._workdir = os.path.realpath(workdir or ".")
        self._clock = clock
        self._commands: dict[str, _Command] = {}
        self._running: Group | None = None
        self._abandoned = False
        self.findings: list[Finding] = []
        """What is wrong with them; there are tools only where nothing is."""
        tools: list[Tool] = []
        for source in sources:
            line = source.runs
            assert isinstance(line, CommandLine)
            program = _program(str(line.argv[0][0]), task.folder, environ)
            if program is None:
                help = "a name on PATH, or a path that starts at the task's folder; it must be executable"
                self.findings.append(finding(task, source, "tool-program", f"there is no program `{line.argv[0][0]}`", help))
                continue
            if self._folder(line) is None:
                help = "the folder must exist, and lie in the run's working directory"
                self.findings.append(finding(task, source, "tool-workdir", f"it cannot run in `{line.workdir}`", help))
            passed = {name: environ[name] for name in (*_ALWAYS, *line.env) if name in environ}
            self._commands[source.name] = _Command(line, program, passed)
            try:
                tools.append(described(source, {}))
            except InvalidSchema as error:
                self.findings.append(finding(task, source, "tool-schema", f"its parameters cannot be used: {error}"))
        self.tools = tuple(tools)

    def run(self, tool: Tool, arguments: dict[str, Json], key: str | None) -> Ran:
        """Executes one of them; see `agentgate.tools.port.Source`."""
        command = self._commands[tool.name]
        try:
            argv = argument_list(command.line, arguments)
        except Unrenderable as error:
            return Ran(error=f"invalid arguments: {error}", reached=False)
        folder = self._folder(command.line)
        if folder is None:
            return Ran(error=f"its folder `{command.line.workdir}` is no longer in the working directory", reached=False)
        environ = {**command.environ, IDEMPOTENCY_VARIABLE: key} if key is not None else command.environ
        try:
            running = _Running(argv, command, environ, folder, self._clock)
        except OSError as error:
            return Ran(error=sound(f"it could not be started: {(error.strerror or str(error)).lower()}"), reached=False)
        self._running = running.group
        try:
            if self._abandoned:  # `abandon` may have come before there was something to kill
                running.group.kill()
            return running.finish(tool.timeout_seconds)
        finally:
            self._running = None
            running.close()

    def abandon(self) -> None:
        """Kills what runs, and lets nothing later go on. Returns at once; safe in other threads and in signal handlers."""
        self._abandoned = True
        running = self._running
        if running is not None:
            running.kill()

    def close(self) -> None:
        """Nothing is left between calls."""
        self.abandon()

    def _folder(self, line: CommandLine) -> str | None:
        """Where a command runs, links resolved; None where that is not a folder in the working directory."""
        folder = os.path.realpath(Path(self._workdir, line.workdir))
        inside = os.path.commonpath((self._workdir, folder)) == self._workdir
        return folder if inside and Path(folder).is_dir() else None


def _program(name: str, folder: str, environ: Mapping[str, str]) -> str | None:
    """The file of a program: a path starts at the task's folder, a name is looked for on the absolute places of PATH."""
    if "/" in name:
        path = str(Path(folder, name))
        return path if os.path.isfile(path) and os.access(path, os.X_OK) else None  # noqa: PTH113 - never raises
    places = [place for place in environ.get("PATH", os.defpath).split(os.pathsep) if place.startswith("/")]
    return shutil.which(name, path=os.pathsep.join(places)) if places else None


class _Running:
    """One execution."""

    def __init__(self, argv: Sequence[str], command: _Command, environ: Mapping[str, str], folder: str, clock: Callable[[], float]) -> None:
        """Starts it.

        Raises:
            OSError: the system does not.
        """
        self._cap = command.line.max_output_bytes
        self._clock = clock
        self._open: dict[int, bytearray] = {}
        self._truncated = False
        self._stdout, theirs_stdout = os.pipe()
        self._stderr, theirs_stderr = os.pipe()
        try:
            self.group = Group(
                [text.encode() for text in argv],
                executable=command.program,
                environ=environ,
                workdir=folder,
                stdout=theirs_stdout,
                stderr=theirs_stderr,
            )
        except BaseException:
            os.close(self._stdout)
            os.close(self._stderr)
            raise
        finally:
            os.close(theirs_stdout)
            os.close(theirs_stderr)
        self._kept = {self._stdout: bytearray(), self._stderr: bytearray()}
        self._open = dict(self._kept)
        for descriptor in self._kept:
            os.set_blocking(descriptor, False)

    def finish(self, seconds: float) -> Ran:
        """Waits for its end, or brings it about."""
        ended = self._wait(self._clock() + seconds)
        if not ended and not self.group.killed:
            self.group.terminate()
            self._wait(self._clock() + _TERM_SECONDS)
        interrupted = self.group.killed
        self.group.kill()  # whatever it left running
        while self._open and self._take(0.0):
            pass
        code = self.group.reap()
        if interrupted:
            return Ran(error="interrupted, may have run")
        if not ended:
            return Ran(error=f"no end within {seconds:g} s, may have run")
        texts = {"stdout": self._kept[self._stdout], "stderr": self._kept[self._stderr]}
        result: dict[str, Json] = {"exit_code": code, **{name: data.decode(errors="replace") for name, data in texts.items()}}
        cut = fitted(result, ("stdout", "stderr")) or self._truncated
        return Ran(result={**result, "truncated": cut}, truncated=cut)

    def _wait(self, until: float) -> bool:
        """Takes what it prints. Whether it ended by itself."""
        while not self.group.ended:
            left = until - self._clock()
            if left <= 0 or self.group.killed:
                return False
            if self._open:
                self._take(min(left, _LOOK_EVERY))
            else:
                select.select([], [], [], min(left, _LOOK_EVERY))
        return not self.group.killed

    def _take(self, seconds: float) -> bool:
        """Takes off the pipes what is there within some seconds; what is beyond the cap is thrown away. Whether there was something."""
        ready = select.select(list(self._open), [], [], seconds)[0]
        for descriptor in ready:
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                del self._open[descriptor]
                continue
            kept = self._kept[descriptor]
            room = self._cap - len(kept)
            kept += chunk[:room]
            self._truncated = self._truncated or len(chunk) > room
        return bool(ready)

    def close(self) -> None:
        """Gives everything back."""
        self.group.close()
        os.close(self._stdout)
        os.close(self._stderr)
