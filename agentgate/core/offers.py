"""Which tools a model may call at all."""

from __future__ import annotations

from collections.abc import Mapping

from agentgate.core.events import Json


def names_offered(tool_choice: Json) -> frozenset[str] | None:
    """The tools that a `tool_choice` leaves callable, None for all: a word, or a mapping of the task file.

    Raises:
        ValueError: what should be names is something else.
    """
    if type(tool_choice) is str:
        return frozenset() if tool_choice == "none" else None
    if isinstance(tool_choice, Mapping):
        if "allowed_tools" in tool_choice:
            return name_set(tool_choice["allowed_tools"])
        if "required_function_name" in tool_choice:
            return name_set([tool_choice["required_function_name"]])
        if tool_choice.get("mode") == "none":
            return frozenset()
    return None


def name_set(names: Json) -> frozenset[str]:
    """The names in a list, a tuple or a set; none of them is not the same as no list.

    Raises:
        ValueError: it is something else. A text would be taken for a list of its letters.
    """
    if not isinstance(names, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in names):
        raise ValueError("`allowed_tools` is not a list of names")
    return frozenset(names)
