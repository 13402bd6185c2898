from __future__ import annotations

from typing import Any

import pytest

from agentgate.errors import UsageError
from agentgate.models.tool_choice import allowed_names, cut_down, for_chat, for_responses

CHOICES: list[tuple[Any, Any, Any]] = [
    ("auto", "auto", "auto"),
    ("required", "required", "required"),
    ("none", "none", "none"),
    ({"mode": "auto"}, "auto", "auto"),
    (
        {"mode": "auto", "allowed_tools": ["a", "b"]},
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "auto",
                "tools": [{"type": "function", "function": {"name": "a"}}, {"type": "function", "function": {"name": "b"}}],
            },
        },
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}, {"type": "function", "name": "b"}]},
    ),
    (
        {"mode": "required", "allowed_tools": ["a"]},
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "a"}}]}},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "a"}]},
    ),
    (
        {"mode": "auto", "allowed_tools": ("a", "a")},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "a"}}]}},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}]},
    ),
    ({"mode": "auto", "allowed_tools": []}, "none", "none"),
    ({"mode": "auto", "allowed_tools": ()}, "none", "none"),
    (
        {"mode": "required", "required_function_name": "a"},
        {"type": "function", "function": {"name": "a"}},
        {"type": "function", "name": "a"},
    ),
]


@pytest.mark.parametrize(("choice", "chat", "responses"), CHOICES)
def test_wire_forms(choice: Any, chat: Any, responses: Any) -> None:
    """Each form of a task file has one form on each wire."""
    assert for_chat(choice) == chat
    assert for_responses(choice) == responses


@pytest.mark.parametrize(
    "choice",
    ["any", None, 1, {"mode": "any"}, {"mode": None}, {"allowed_tools": "policy"}, {"allowed_tools": [1]}, {"required_function_name": 1}],
)
def test_a_choice_that_is_none_of_the_forms_is_not_sent(choice: Any) -> None:
    """What is not understood never becomes `auto`."""
    with pytest.raises(UsageError):
        for_chat(choice)
    with pytest.raises(UsageError):
        for_responses(choice)


def test_a_restriction_can_be_said_by_leaving_tools_out() -> None:
    """For a server without `allowed_tools`, only those tools are offered; with none of them left, no tool may be called."""
    tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b")]
    assert cut_down({"mode": "required", "allowed_tools": ["b"]}, tools) == ("required", tools[1:])
    assert cut_down({"mode": "auto", "allowed_tools": []}, tools) == ("none", tools)
    assert cut_down("auto", tools) == ("auto", tools)
    assert allowed_names("auto") is None
