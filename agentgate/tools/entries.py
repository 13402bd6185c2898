"""The entries under `tools` of a task: their names, and what is said about those that cannot be used."""

from __future__ import annotations

import json
import os
import re
from pathlib import PurePath

from msgspec import UNSET

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json
from agentgate.core.findings import Finding, Place, Severity
from agentgate.core.schemas import Schema, closed
from agentgate.errors import FileError
from agentgate.task import PythonFunction, Task, ToolSource
from agentgate.tools.port import Tool

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def check_entries(task: Task) -> None:
    """Looks for what can be wrong before anything is started.

    Raises:
        FileError: names that are none or taken, files elsewhere, mocks that are not JSON.
    """
    findings: list[Finding] = []
    first: dict[str, ToolSource] = {}
    for source in task.tools:
        name = source.name
        if _NAME.fullmatch(name) is None:
            findings.append(finding(task, source, "tool-name", f"`{name}` is not a tool name", "1 to 64 letters, digits, `_`, `.` or `-`"))
        elif name in first:
            other = _place(task, first[name])
            findings.append(
                finding(task, source, "tool-name", f"two tools are called `{name}`", f"the other one is at {other}; add `name`")
            )
        if isinstance(source.runs, PythonFunction) and not _is_within(source.runs.file, task.folder):
            findings.append(finding(task, source, "tool-import", "its file is outside the task's folder"))
        if source.mock is not UNSET and not _is_json(source.mock):
            findings.append(finding(task, source, "tool-mock", "its `mock` is not JSON"))
        first.setdefault(name, source)
    raise_all(findings)


def _is_within(file: str, folder: str) -> bool:
    return os.path.realpath(file).startswith(os.path.realpath(folder).rstrip("/") + "/")


def _is_json(value: Json) -> bool:
    try:
        return bool(parse_json(json.dumps(value, allow_nan=False)) == value)
    except (InvalidJson, TypeError, ValueError, RecursionError):
        return False


def _place(task: Task, source: ToolSource) -> Place:
    return source.place or task.place or Place(task.source or task.name)


def finding(task: Task, source: ToolSource, code: str, message: str, help: str | None = None) -> Finding:
    """What is wrong with one entry, at its place in the task file."""
    runs = source.runs
    called = f"{PurePath(runs.file).name}:{runs.function}" if isinstance(runs, PythonFunction) else source.name
    return Finding(code, Severity.ERROR, _place(task, source), f"tool `{called}`: {message}", help)


def raise_all(findings: list[Finding]) -> None:
    """Raises FileError where there are findings."""
    if findings:
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise FileError(f"{first.place}: {first.message}{more}", findings, help=first.help)


def described(source: ToolSource, parameters: dict[str, Json], description: str = "") -> Tool:
    """The tool as the model is told about it.

    Args:
        source: the entry, whose own words go first.
        parameters: the JSON Schema where the entry has none; closed already.
        description: where the entry has none.

    Raises:
        InvalidSchema: its parameters cannot be judged.
    """
    schema = parameters if source.parameters is None else closed(source.parameters)
    Schema(schema, strict_formats=False)
    told = description if source.description is None else source.description
    function: dict[str, Json] = {"name": source.name, **({"description": told} if told else {}), "parameters": schema}
    definition = {"type": "function", "function": function}
    return Tool(source.name, definition, source.timeout_seconds, source.mock, source.effect)
