"""What a task may say under `tool_choice`, as far as its schema cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentgate.core.events import Json
from agentgate.core.findings import Finding
from agentgate.files.errors import error
from agentgate.files.validation import Path
from agentgate.files.words import did_you_mean, tick
from agentgate.files.yaml import Document


def choice_findings(document: Document, choice: Json, names: Sequence[str] | None) -> Iterator[Finding]:
    """What the schema cannot say about `tool_choice`; `names` are the task's tools, None where they are not known."""
    path: Path = ("tool_choice",)
    mode = choice["mode"] if isinstance(choice, dict) else choice
    allowed = choice.get("allowed_tools") if isinstance(choice, dict) else None
    required = choice.get("required_function_name") if isinstance(choice, dict) else None
    if mode == "required" and names is not None and not names:
        yield error("bad-value", document.value_place(path), "a tool must be called, but the task has none")
    if allowed is not None:
        where = (*path, "allowed_tools")
        if mode == "none":
            help = "say `mode: auto`, or leave the list out"
            yield error("bad-value", document.key_place(where), "`allowed_tools` beside mode `none`", help)
        if mode == "required" and allowed == []:
            yield error("bad-value", document.value_place(where), "a tool must be called, but none may be")
        if isinstance(allowed, list):
            yield from _known(document, where, allowed, names)
    if required is not None:
        where = (*path, "required_function_name")
        if mode != "required":
            message = f"`required_function_name` beside mode {tick(mode)}"
            yield error("bad-value", document.key_place(where), message, "say `mode: required`")
        if allowed is not None:
            yield error("bad-value", document.key_place(where), "`required_function_name` beside `allowed_tools`", "leave one of them out")
        yield from _known(document, where, required, names)


def _known(document: Document, path: Path, wanted: Json, names: Sequence[str] | None) -> Iterator[Finding]:
    for index, name in enumerate([wanted] if isinstance(wanted, str) else wanted):
        if names is not None and name not in names:
            place = document.value_place(path if isinstance(wanted, str) else (*path, index))
            yield error("unknown-tool", place, f"the task has no tool {tick(name)}", did_you_mean(name, names) or "list it under `tools`")
