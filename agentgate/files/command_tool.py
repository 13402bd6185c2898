"""Command tools in a task: `command: [git, log, "--max-count={count}", "--", "{path}"]`, an argument list and never a shell's text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from agentgate.files.templates import BadTemplate, check_parameters, parameters_for, placeholders, template
from agentgate.files.words import tick
from agentgate.task import CommandLine, Template

_SCRIPT_OPTIONS = {
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "ash", "fish"), "c"),
    **dict.fromkeys(("python", "python3"), "c"),
    **dict.fromkeys(("perl", "ruby", "node", "lua", "php"), "er"),
}
"""Program → the letters of options that are followed by code."""


def command_tool(entry: Mapping[str, Any]) -> tuple[CommandLine, dict[str, Any]]:
    """The command of an entry that follows the schema, and the JSON Schema of its arguments.

    Raises:
        BadTemplate: what would make it mean something else than it seems to.
    """
    argv = tuple(template(element) for element in entry["command"])
    _check_program(argv)
    for element in argv:
        _check_prefix(element)
    workdir = entry.get("workdir", ".")
    if workdir.startswith("/") or ".." in PurePosixPath(workdir).parts or "\0" in workdir:
        raise BadTemplate(f"the `workdir` {tick(workdir)} is not a folder in the run's own", "a relative path without `..`")
    line = CommandLine(argv, workdir, tuple(entry.get("env", ())), **_cap(entry))
    found = placeholders(argv)
    schema = entry.get("parameters") or parameters_for(found)
    bare = {one.name for element in argv if not str(element[0]).startswith("-") for one in placeholders([element]) if not one.spread}
    check_parameters(found, {one.name for one in found} - bare, schema)
    return line, schema


def _cap(entry: Mapping[str, Any]) -> dict[str, int]:
    return {"max_output_bytes": entry["max_output_bytes"]} if "max_output_bytes" in entry else {}


def _check_program(argv: tuple[Template, ...]) -> None:
    program = argv[0]
    if placeholders([program]):
        raise BadTemplate("the program itself cannot be an argument", "write its name")
    name = str(program[0])
    if not name or name.startswith("-") or name.endswith("/"):
        raise BadTemplate(f"{tick(name)} is not the name of a program")
    letters = _SCRIPT_OPTIONS.get(PurePosixPath(name).name)
    if letters is None:
        return
    for before, element in pairwise(argv):
        option = str(before[0])
        if placeholders([element]) and option.startswith("-") and not option.startswith("--") and option[-1:] in letters:
            help = 'give the value as an argument of its own, after the code: `[sh, -c, \'cat -- "$1"\', sh, "{path}"]`'
            raise BadTemplate(f"a value inside of code for `{name}` would be executed", help)


def _check_prefix(element: Template) -> None:
    first = element[0]
    if len(element) > 1 and isinstance(first, str) and first and not first.strip("-"):
        raise BadTemplate("the name of an option would be up to the model", "write the option: `--name={value}`")
