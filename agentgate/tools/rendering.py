"""Arguments of a call as text in the templates of its tool. A value is never split, and nothing in it is interpreted."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agentgate.core.events import Json
from agentgate.task import CommandLine, Placeholder, Template


class Unrenderable(ValueError):
    """An argument that cannot stand where its placeholder is. The message completes `invalid arguments: …`."""


def text_of(name: str, value: Json) -> str:
    """A text as it is; numbers and booleans as JSON.

    Raises:
        Unrenderable: it is a list, a mapping or null.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise Unrenderable(f"{name}: a list, a mapping or null cannot be written as text")


def texts(template: Template, arguments: Mapping[str, Json]) -> list[str]:
    """What a template comes to: one text, none where an argument is left out, one for each item of a list."""
    only = template[0]
    if isinstance(only, Placeholder) and only.spread:
        values = arguments.get(only.name, [])
        if not isinstance(values, list):
            raise Unrenderable(f"{only.name}: not a list")
        return [text_of(only.name, value) for value in values]
    if any(isinstance(part, Placeholder) and part.name not in arguments for part in template):
        return []
    return ["".join(part if isinstance(part, str) else text_of(part.name, arguments[part.name]) for part in template)]


def argument_list(line: CommandLine, arguments: Mapping[str, Json]) -> list[str]:
    """The program's name and its arguments.

    Raises:
        Unrenderable: a value with a NUL, or one that the program could take for an option: it would begin an argument with `-`, and no
            `--` stands before it.
    """
    made: list[str] = []
    options_over = False
    for element in line.argv:
        first = element[0]
        for text in texts(element, arguments):
            if "\0" in text:
                raise Unrenderable(f"{_names(element)}: contains a NUL")
            if isinstance(first, Placeholder) and text.startswith("-") and not options_over:
                raise Unrenderable(f"{_names(element)}: begins with `-`, so that it could be taken for an option")
            made.append(text)
        options_over = options_over or element == ("--",)
    return made


def _names(template: Template) -> str:
    return ", ".join(part.name for part in template if isinstance(part, Placeholder))
