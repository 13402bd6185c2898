"""`tool_choice` as a task says it, in the forms that the two APIs understand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agentgate.core.events import Json
from agentgate.errors import UsageError

_WORDS = ("auto", "required", "none")

REFUSED = "the server does not know `allowed_tools`: it is offered only those tools instead"
"""What the user hears when a server refused the form."""


def for_chat(choice: Json) -> Json:
    """The wire form for Chat Completions.

    Raises:
        UsageError: `choice` is none of the forms of a task file.
    """
    allowed = allowed_names(choice)
    if allowed is not None:
        tools = [{"type": "function", "function": {"name": name}} for name in allowed]
        return {"type": "allowed_tools", "allowed_tools": {"mode": _mode(choice), "tools": tools}} if tools else "none"
    name = _required_name(choice)
    return _mode(choice) if name is None else {"type": "function", "function": {"name": name}}


def for_responses(choice: Json) -> Json:
    """The wire form for Responses.

    Raises:
        UsageError: `choice` is none of the forms of a task file.
    """
    allowed = allowed_names(choice)
    if allowed is not None:
        tools = [{"type": "function", "name": name} for name in allowed]
        return {"type": "allowed_tools", "mode": _mode(choice), "tools": tools} if tools else "none"
    name = _required_name(choice)
    return _mode(choice) if name is None else {"type": "function", "name": name}


def cut_down(choice: Json, tools: Sequence[Mapping[str, Json]]) -> tuple[Json, list[Mapping[str, Json]]]:
    """The same restriction for a server without `allowed_tools`: a plain word, and only the allowed ones of `tools` (in Chat form)."""
    allowed = allowed_names(choice)
    if allowed is None:
        return choice, list(tools)
    kept = [tool for tool in tools if tool["function"]["name"] in allowed]
    return (_mode(choice), kept) if kept else ("none", list(tools))


def restricts(wire: Json) -> bool:
    """Whether this is the wire form of `allowed_tools`, which not every server knows."""
    return isinstance(wire, Mapping) and wire.get("type") == "allowed_tools"


def allowed_names(choice: Json) -> tuple[str, ...] | None:
    """The names that a choice restricts calls to, each once; None where it does not list any.

    Raises:
        UsageError: they are not a list of names.
    """
    if not isinstance(choice, Mapping) or "allowed_tools" not in choice:
        return None
    names = choice["allowed_tools"]
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UsageError("`allowed_tools` is not a list of names")
    return tuple(dict.fromkeys(names))


def _required_name(choice: Json) -> str | None:
    name = choice.get("required_function_name") if isinstance(choice, Mapping) else None
    if name is not None and not isinstance(name, str):
        raise UsageError("`required_function_name` is not a name")
    return name


def _mode(choice: Json) -> str:
    word = choice.get("mode", "auto") if isinstance(choice, Mapping) else choice
    if not isinstance(word, str) or word not in _WORDS:
        raise UsageError(f"unknown `tool_choice` `{word}`", help="one of auto, required, none")
    return word
