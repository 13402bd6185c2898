"""Text with `{placeholders}` in the tools of a task: read once, and held against the parameters that fill them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from agentgate.core.events import Json
from agentgate.files.words import tick
from agentgate.task import Placeholder, Template

_PARTS = re.compile(r"\{\{|\}\}|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<spread>\.\.\.)?\}|[{}]|[^{}]+", re.ASCII)


class BadTemplate(ValueError):
    """A text that is no template, or one that these parameters cannot fill. The message says why."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


def template(text: str) -> Template:
    """Reads `--max-count={count}`; `{{` and `}}` stand for the braces themselves.

    Raises:
        BadTemplate: a brace that belongs to no placeholder, or a NUL.
    """
    if "\0" in text:
        raise BadTemplate("a NUL cannot be written here")
    parts: list[str | Placeholder] = []
    for match in _PARTS.finditer(text):
        if match["name"] is not None:
            parts.append(Placeholder(match["name"], spread=match["spread"] is not None))
            continue
        if match[0] in ("{", "}"):
            raise BadTemplate(f"{tick(text)} has a brace that belongs to no placeholder", "write `{name}`, or `{{` for a brace")
        plain = match[0].replace("{{", "{").replace("}}", "}")
        parts[-1:] = [parts[-1] + plain] if parts and isinstance(parts[-1], str) else [*parts[-1:], plain]
    if len(parts) > 1 and any(isinstance(part, Placeholder) and part.spread for part in parts):
        raise BadTemplate(f"{tick(text)} has a list in the midst of text", "`{names...}` stands alone")
    return tuple(parts) or ("",)


def placeholders(templates: Iterable[Template]) -> list[Placeholder]:
    """All placeholders, in order, each as often as it stands there."""
    return [part for one in templates for part in one if isinstance(part, Placeholder)]


def parameters_for(found: Iterable[Placeholder]) -> dict[str, Json]:
    """The JSON Schema where the task gives none: every placeholder is a text, or a list of texts, and needed."""
    properties: dict[str, Json] = {}
    for one in found:
        properties[one.name] = {"type": "array", "items": {"type": "string"}} if one.spread else {"type": "string"}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def check_parameters(
    found: Iterable[Placeholder], optional: set[str], schema: Mapping[str, Json], *, anything: Collection[str] = ()
) -> None:
    """Whether a schema of arguments can fill these placeholders.

    Args:
        found: all of them.
        optional: the names of those that may be left out, because what they stand in goes with them.
        schema: the task's.
        anything: the names of those that may be of any type.

    Raises:
        BadTemplate: an argument is missing, may be missing where it must not, or is of a type that cannot be written there.
    """
    properties = schema.get("properties")
    required = schema.get("required")
    for one in found:
        written = "{" + one.name + ("..." if one.spread else "") + "}"
        if not isinstance(properties, Mapping) or one.name not in properties:
            raise BadTemplate(f"`{written}` is none of the `parameters`", "list it under `properties`")
        if one.name not in optional and not (isinstance(required, list) and one.name in required):
            raise BadTemplate(f"`{written}` could be missing, and what stands around it would remain", "list it under `required`")
        if one.name in anything:
            continue
        types = _types(properties[one.name])
        if one.spread and types - {"array"}:
            raise BadTemplate(f"`{written}` is not a list in `parameters`", "its type is `array`, or write it without dots")
        if not one.spread and types & {"array", "object", "null"}:
            raise BadTemplate(f"`{written}` could be a list, a mapping or null", "a text, number or boolean; `{names...}` takes a list")


def _types(schema: Json) -> set[str]:
    """The types that a property names itself."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return {kind} if isinstance(kind, str) else {item for item in kind if isinstance(item, str)} if isinstance(kind, list) else set()
