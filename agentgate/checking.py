"""What `agentgate check` finds out: loading errors and lint for each file, against the tools of a task where one is given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.conditions import World
from agentgate.core.events import Effect, Json
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint import Protected, lint
from agentgate.core.policy import Policy
from agentgate.errors import AgentgateError, FileError, OutsideError
from agentgate.files.kinds import understand
from agentgate.files.policy_file import PolicyReading
from agentgate.files.reading import Source, in_order, read_source

if TYPE_CHECKING:
    from agentgate.task import Task

TRANSCRIPTS = ".agentgate/runs"
"""Where transcripts are kept unless something else is said."""
STOPS = ".agentgate/stops"
"""The same for the kill switch."""


class Checked(Struct, frozen=True):
    """What was found in one file."""

    file: str
    findings: Sequence[Finding]
    """In file order."""
    sources: Mapping[str, Sequence[str]]
    """File → its lines, for frames."""
    mended: Sequence[Finding] = ()
    """What was found, too, but is mended now."""

    def failed(self, *, strict: bool) -> bool:
        """Whether there are errors, or with `strict` warnings."""
        bad = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
        return any(finding.severity in bad for finding in self.findings)


class Checks(Struct, frozen=True):
    """What was found in all files."""

    files: list[Checked]
    """In the order in which they were given, the task last."""
    errors: list[AgentgateError]
    """Files that could not be read, and what failed outside."""


def check_files(
    files: Sequence[str],
    *,
    task: str | None = None,
    fix: bool = False,
    environ: Mapping[str, str] | None = None,
    stdin: BinaryIO | None = None,
) -> Checks:
    """Checks each file by itself.

    Args:
        files: policies and tasks; `-` is standard input.
        task: a task against whose tools the policies are checked; its tools are imported, in a process of their own.
        fix: first mend what is safe to mend, in the files themselves.
        environ: the environment for those tools; this process's by default.
        stdin: in place of standard input.
    """
    found = Checks([], [])
    given, definitions = _task(task, found, environ, stdin) if task is not None else (None, None)
    about_task = found.files.copy()
    found.files.clear()
    for file in dict.fromkeys(files):
        if task is not None and file == task:
            continue
        try:
            source = read_source(file, stdin=stdin)
            checked = _checked(source, given, definitions)
            if fix:
                checked = _mended(source, checked, given, definitions)
        except (FileError, OutsideError) as error:
            found.errors.append(error)
            continue
        found.files.append(checked)
    found.files[:] = _once(found.files)
    found.files.extend(about_task)
    return found


def _once(checks: Sequence[Checked]) -> Iterator[Checked]:
    """The same, but what is found in a file that others extend is said once: with that file, or else with the first that extends it."""
    own = {os.path.realpath(one.file): set(map(_key, one.findings)) for one in checks}
    said: set[_Key] = set()
    for one in checks:
        kept = []
        for finding in one.findings:
            file, key = os.path.realpath(finding.place.file), _key(finding)
            elsewhere = file != os.path.realpath(one.file) and key in own.get(file, ())
            if not elsewhere and key not in said:
                kept.append(finding)
                said.add(key)
        yield replace(one, findings=kept)


_Key: TypeAlias = tuple[str, int, int, str, str]


def _key(finding: Finding) -> _Key:
    place = finding.place
    return os.path.realpath(place.file), place.line, place.column, finding.code, finding.message


def _checked(source: Source, task: Task | None, tools: Sequence[Mapping[str, Json]] | None) -> Checked:
    reading = understand(source)
    findings = list(reading.findings)
    if isinstance(reading, PolicyReading) and reading.policy is not None:
        world = World(workdir=str(Path.cwd()), resolve=os.path.realpath)
        protected = tuple(_protected([name for name, _ in reading.policy.files], task))
        findings += lint(reading.policy, tools, protected=protected, flat=_is_flat(reading.policy, reading), world=world)
    return Checked(source.name, in_order(findings, [source.name]), reading.sources)


def _mended(source: Source, checked: Checked, task: Task | None, tools: Sequence[Mapping[str, Json]] | None) -> Checked:
    """The same after everything is mended that can be; the file is written anew where that is anything."""
    from agentgate.fixing import mend, replace_file

    if source.name == "<stdin>":
        raise FileError("standard input cannot be mended", help="write it to a file first")
    data, mended = mend(source.data, _own(checked), lambda data: _own(_checked(_with(source, data), task, tools)))
    if not mended:
        return checked
    replace_file(source.name, data)
    again = _checked(_with(source, data), task, tools)
    return replace(again, mended=mended)


def _own(checked: Checked) -> list[Finding]:
    """What was found in the file itself, not in one that it extends."""
    return [finding for finding in checked.findings if finding.place.file == checked.file]


def _with(source: Source, data: bytes) -> Source:
    return Source(source.name, data, sha256(data).hexdigest())


def _is_flat(policy: Policy, reading: PolicyReading) -> bool:
    """Whether the default is that of the flat form: it then stands at the key `policies`."""
    place = policy.place
    if policy.default is not Effect.ALLOW or place is None or place.file not in reading.sources:
        return False
    line = reading.sources[place.file][place.line - 1]
    return line[place.column - 1 :].lstrip("'\"").startswith("policies")


def _protected(policy: Sequence[str], task: Task | None) -> Iterator[Protected]:
    """What no tool of the agent may rewrite, as paths from the working directory."""
    yield from (Protected(_from_here(file), "the policy") for file in policy if file != "<stdin>")
    yield Protected(f"{TRANSCRIPTS}/run.jsonl", "the transcripts")
    yield Protected(f"{STOPS}/stop.json", "the kill switch")
    if task is not None:
        from agentgate.task import PythonFunction

        files = dict.fromkeys(tool.runs.file for tool in task.tools if isinstance(tool.runs, PythonFunction))
        yield from (Protected(_from_here(path), "the code of its own tools") for path in (*files, *_programs(task)))
        if task.source != "<stdin>":
            yield Protected(_from_here(task.source), "the task")


def _programs(task: Task) -> Iterator[str]:
    """The programs of its commands that are named by a path."""
    from agentgate.task import CommandLine

    for tool in task.tools:
        if isinstance(tool.runs, CommandLine) and "/" in (program := str(tool.runs.argv[0][0])):
            yield str(Path(task.folder, program))


def _from_here(path: str) -> str:
    absolute = os.path.realpath(path)
    here = os.path.relpath(absolute)
    return absolute if here.startswith("..") else here


def _task(
    file: str, found: Checks, environ: Mapping[str, str] | None, stdin: BinaryIO | None
) -> tuple[Task | None, list[Mapping[str, Json]] | None]:
    """The task and its tools in Chat Completions form, None where they cannot be had."""
    from agentgate.files.task_file import read_task

    try:
        reading = read_task(file, stdin=stdin)
    except FileError as error:
        found.errors.append(error)
        return None, None
    findings, definitions = list(reading.findings), None
    if reading.task is not None:
        try:
            definitions = _definitions(reading.task, os.environ if environ is None else environ)
        except FileError as error:
            findings += error.findings
            if not error.findings:
                found.errors.append(error)
        except AgentgateError as error:
            found.errors.append(error)
    name = "<stdin>" if file == "-" else file
    found.files.append(Checked(name, in_order(findings, [name]), reading.sources))
    return reading.task, definitions


def _definitions(task: Task, environ: Mapping[str, str]) -> list[Mapping[str, Json]]:
    from agentgate.tools import open_toolbox

    with open_toolbox(task, environ=environ) as toolbox:
        return [tool.definition for tool in toolbox.tools]
