"""The list `tools` of a task: each entry's kind, and what is wrong with it. Nothing is imported, executed, or looked up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.core.schemas import InvalidSchema, Schema, closed
from agentgate.files.command_tool import command_tool
from agentgate.files.errors import error
from agentgate.files.http_tool import VARIABLE, http_tool
from agentgate.files.python_source import NotInFolder, locate
from agentgate.files.templates import BadTemplate
from agentgate.files.tool_schema import KINDS, ONLY
from agentgate.files.validation import Path
from agentgate.files.words import tick
from agentgate.files.yaml import Document
from agentgate.task import CommandLine, HttpRequest, PythonFunction, ToolEffect, ToolSource


def task_tools(
    document: Document, entries: Json, folder: str, broken: set[Path], key_variable: str
) -> tuple[list[ToolSource], list[Finding]]:
    """The tools of a task.

    Args:
        document: the whole file.
        entries: its list `tools`.
        folder: the task's, absolute.
        broken: paths of what the schema refuses.
        key_variable: the variable with the model's key, which no tool may name.
    """
    tools: list[ToolSource] = []
    findings: list[Finding] = []
    first: dict[str, int] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        path: Path = ("tools", index)
        if path in broken:
            continue
        kind = next(kind for kind in KINDS if kind in entry)
        found = [*_misplaced(document, path, entry, kind), *_schema(document, path, entry.get("parameters"))]
        tool = None if found else _tool(document, path, entry, kind, folder, found)
        if tool is not None:
            found.extend(_variables(document, path, tool, key_variable))
            found.extend(_taken(document, path, tool, kind, first, entries))
            first.setdefault(tool.name, index)
            tools.append(tool)
        findings.extend(found)
    return tools, findings


def _tool(document: Document, path: Path, entry: dict[str, Any], kind: str, folder: str, found: list[Finding]) -> ToolSource | None:
    """One tool; None where it cannot be one, which is then found."""
    place = document.value_place((*path, kind))
    parameters, effect = entry.get("parameters"), ToolEffect.WRITE
    if kind != "python" and "name" not in entry:
        found.append(error("missing-key", document.value_place(path), "the key `name` is missing", f"a {kind} tool has no name of its own"))
        return None
    runs: PythonFunction | CommandLine | HttpRequest
    try:
        if kind == "python":
            runs = PythonFunction(*locate(entry["python"], folder))
        elif kind == "command":
            runs, parameters = command_tool(entry)
        else:
            runs, parameters, effect = http_tool(entry)
    except NotInFolder as problem:
        found.append(error(problem.code, place, str(problem), problem.help))
        return None
    except BadTemplate as problem:
        found.append(error("bad-template", place, str(problem), problem.help))
        return None
    return ToolSource(
        name=entry.get("name") or (runs.function if isinstance(runs, PythonFunction) else ""),
        runs=runs,
        description=entry.get("description"),
        parameters=parameters,
        timeout_seconds=float(entry.get("timeout_seconds", 30.0)),
        mock=entry.get("mock", UNSET),
        effect=ToolEffect(entry["effect"]) if "effect" in entry else effect,
        place=place,
    )


def _misplaced(document: Document, path: Path, entry: dict[str, Any], kind: str) -> Iterator[Finding]:
    for key, kinds in ONLY.items():
        if key in entry and kind not in kinds:
            help = " or ".join(f"`{other}`" for other in kinds)
            yield error(
                "unknown-key", document.key_place((*path, key)), f"`{key}` means nothing for a {kind} tool", f"it belongs to {help}"
            )


def _schema(document: Document, path: Path, parameters: Json) -> Iterator[Finding]:
    if parameters is None:
        return
    place = document.key_place((*path, "parameters"))
    if parameters.get("type") != "object":
        help = "write `type: object` and list the `properties`"
        yield error("bad-schema", place, "the schema of a tool's arguments has another type than `object`", help)
        return
    try:
        Schema(closed(parameters), strict_formats=False)
    except InvalidSchema as invalid:
        yield error("bad-schema", place, f"not a usable JSON Schema: {invalid}")


def _variables(document: Document, path: Path, tool: ToolSource, key_variable: str) -> Iterator[Finding]:
    """Tools never get the model's key, nor what agentgate keeps for itself."""
    if isinstance(tool.runs, CommandLine):
        place, names = document.value_place((*path, "env")) if tool.runs.env else None, list(tool.runs.env)
    elif isinstance(tool.runs, HttpRequest):
        place = document.value_place((*path, "http", "headers")) if tool.runs.headers else None
        names = [name for _, value in tool.runs.headers for name in VARIABLE.findall(value)]
    else:
        return
    for name in names:
        if place is not None and (name in (key_variable, "OPENAI_API_KEY") or name.startswith("AGENTGATE_")):
            what = "belongs to agentgate" if name.startswith("AGENTGATE_") else "holds the model's key"
            yield error("bad-variable", place, f"`{name}` {what}, which no tool gets", "keep what the tool needs in another variable")


def _taken(
    document: Document, path: Path, tool: ToolSource, kind: str, first: dict[str, int], entries: list[dict[str, Any]]
) -> Iterator[Finding]:
    if tool.name not in first:
        return
    other = first[tool.name]
    there = document.value_place(("tools", other, next(kind for kind in KINDS if kind in entries[other])))
    message, help = f"two tools are called {tick(tool.name)}", "give one of them a `name`"
    yield error("duplicate-tool", document.value_place((*path, kind)), message, help, ((there, "first here"),))
