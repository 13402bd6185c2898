"""Loads tasks: what a model is asked, with which tools. Nothing is imported, and nothing is taken from the environment."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path as FilePath
from typing import BinaryIO, NamedTuple

from agentgate.core.events import Digest
from agentgate.core.findings import Finding, Severity
from agentgate.files.errors import error
from agentgate.files.model_settings import key_variable, model_settings
from agentgate.files.parts import whole
from agentgate.files.reading import TASK_BYTES, Source, Sources, file_error, in_order, read_source
from agentgate.files.task_schema import task_schema
from agentgate.files.task_tools import task_tools
from agentgate.files.tool_choice import choice_findings
from agentgate.files.validation import Validator
from agentgate.files.yaml import Document, parse
from agentgate.task import Task

_SCOPES = (
    ((), "task"),
    (("model",), "model"),
    (("tools", None), "tool"),
    (("tools", None, "http"), "http"),
    (("tools", None, "http", "body"), "http body"),
)


class TaskReading(NamedTuple):
    """What came of reading a task file."""

    task: Task | None
    """None where a finding is an error."""
    findings: list[Finding]
    """In file order."""
    sources: Sources
    """File → its lines, for frames."""


def load_task(path: str, *, stdin: BinaryIO | None = None) -> Task:
    """Loads a task file.

    Args:
        path: its path; `-` is standard input, with the working directory as its folder.
        stdin: in place of standard input.

    Raises:
        FileError: it cannot be read, or something in it is wrong; carries every finding, in file order.
    """
    task, findings, sources = read_task(path, stdin=stdin)
    if task is None:
        raise file_error(findings, sources)
    return task


def read_task(path: str, *, stdin: BinaryIO | None = None) -> TaskReading:
    """Like `load_task`, but gives findings back.

    Raises:
        FileError: the file cannot be read at all.
    """
    return understand(read_source(str(path), max_bytes=TASK_BYTES, stdin=stdin))


def understand(source: Source) -> TaskReading:
    """What a task file says that was read already."""
    parsed = parse(source.data, source.name, max_bytes=TASK_BYTES)
    lines = {source.name: parsed.lines}
    findings, task = list(parsed.findings), None
    if parsed.document is not None:
        task, found = _task(parsed.document, source)
        findings.extend(finding for finding in found if (finding.place.line, finding.place.column) not in parsed.judged)
    usable = not any(finding.severity is Severity.ERROR for finding in findings)
    return TaskReading(task if usable else None, in_order(findings, [source.name]), lines)


@cache
def _validator() -> Validator:
    return Validator(task_schema(), _SCOPES)


def _task(document: Document, source: Source) -> tuple[Task | None, list[Finding]]:
    value = document.value
    if not isinstance(value, dict):
        return None, [error("wrong-type", document.value_place(()), "a task is a mapping with `version`, `prompt` and the like")]
    checked = _validator().check(document)
    if not checked.complete:
        return None, checked.findings
    bad = checked.bad
    broken = {path[:length] for path in bad for length in (1, 2)}
    findings = list(checked.findings)
    if ("version",) not in broken and type(value.get("version", 1)) is not int:
        findings.append(error("version", document.value_place(("version",)), "version `1.0` is not known", "write `version: 1`"))
    folder = os.path.realpath(FilePath.cwd() if source.name == "<stdin>" else FilePath(source.name).absolute().parent)
    tools, about_tools = task_tools(document, value.get("tools", []), folder, broken, key_variable(value.get("model")))
    findings.extend(about_tools)
    if ("tool_choice",) not in broken and "tool_choice" in value:
        names = None if about_tools or any(path[:1] == ("tools",) for path in bad) else [tool.name for tool in tools]
        findings.extend(choice_findings(document, value["tool_choice"], names))
    model, recording = None, None
    if ("model",) not in broken:
        model, about_model = model_settings(document, value)
        findings.extend(about_model)
    if ("recording",) not in broken and "recording" in value:
        recording = os.path.realpath(FilePath(folder) / value["recording"])
    if ("max_steps",) not in broken:
        findings.extend(whole(document, ("max_steps",), value.get("max_steps", 0)))
    if findings or model is None:
        return None, findings
    name = value.get("name", source.stem)
    task = Task(
        name=name,
        prompt=value["prompt"],
        model=model,
        digest=Digest(name, source.sha256),
        folder=folder,
        system=value.get("system"),
        recording=recording,
        tools=tuple(tools),
        tool_choice=value.get("tool_choice", "auto"),
        max_steps=value.get("max_steps"),
        place=document.value_place(()),
        source=source.name,
    )
    return task, []
