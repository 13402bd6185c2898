"""The strict reading of request bodies: one JSON object, nothing twice, and every field that matters of the type that it must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json

T = TypeVar("T")


class BadRequest(Exception):
    """The request cannot be judged, so it is not sent on. The message says why, in lower case."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def read_object(raw: bytes, limit: int) -> dict[str, Json]:
    """The object that a body is.

    Raises:
        BadRequest: it is not one strict JSON object: a key twice, NaN, half a character, trailing data, more than 64 levels.
    """
    try:
        value = parse_json(raw, limit=limit)
    except InvalidJson as error:
        raise BadRequest(f"the body is not strict JSON: {error}") from None
    if type(value) is not dict:
        raise BadRequest("the body is not a JSON object")
    return value


def field(body: Mapping[str, Json], name: str, kind: type[T], default: T) -> T:
    """A field that must be of a type where it is there and not null.

    Raises:
        BadRequest: it is of another one.
    """
    value = body.get(name)
    if value is None:
        return default
    if type(value) is not kind:
        raise BadRequest(f"`{name}` is not {_NAMES[kind]}", name)
    return value


_NAMES: dict[type, str] = {str: "a text", bool: "true or false", list: "a list", dict: "an object", int: "a whole number"}


def objects(body: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
    """A list of objects; an empty one where there is none.

    Raises:
        BadRequest: it is something else.
    """
    values: list[Json] = field(body, name, list, [])
    for value in values:
        if type(value) is not dict:
            raise BadRequest(f"`{name}` holds something that is not an object", name)
    return values


def chosen(choice: Json) -> Json:
    """`tool_choice` of either API as a task file says it: a word, or which tools it is restricted to.

    Raises:
        BadRequest: it is of no form that is known, so nobody could hold the model to it.
    """
    if choice is None:
        return "auto"
    if isinstance(choice, str):
        if choice not in ("auto", "required", "none", "any"):
            raise BadRequest(f"`tool_choice` is the unknown word `{choice[:40]}`", "tool_choice")
        return "required" if choice == "any" else choice
    if not isinstance(choice, Mapping):
        raise BadRequest("`tool_choice` is neither a word nor an object", "tool_choice")
    kind = choice.get("type")
    if kind == "allowed_tools":
        inner = choice.get("allowed_tools", choice)
        tools = inner.get("tools") if isinstance(inner, Mapping) else None
        mode = inner.get("mode", "auto") if isinstance(inner, Mapping) else None
        if not isinstance(tools, list) or mode not in ("auto", "required"):
            raise BadRequest("`tool_choice` is not a sound form of `allowed_tools`", "tool_choice")
        return {"mode": mode, "allowed_tools": [_name(tool) for tool in tools]}
    if kind in ("function", "custom"):
        return {"mode": "required", "required_function_name": _name(choice)}
    raise BadRequest("`tool_choice` is of a type that is not known", "tool_choice")


def _name(tool: Json) -> str:
    """The name in `{"type": "function", "function": {"name": …}}`, or in the flat form of Responses."""
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    if kind in ("function", "custom"):
        inner = tool.get(kind, tool)
        name = inner.get("name") if isinstance(inner, Mapping) else None
        if isinstance(name, str):
            return name
    raise BadRequest("`tool_choice` names something that is no function", "tool_choice")
