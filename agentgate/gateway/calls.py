"""The parts of answers that both APIs, and streams as well as whole answers, read alike."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agentgate.core.events import Json, ToolCall, Usage
from agentgate.core.state import CUT_OFF
from agentgate.errors import ModelError
from agentgate.gateway.shapes import Asked, Broken
from agentgate.models.replies import Doubts, present, quoted
from agentgate.models.usage import parse_usage

WHOLE = ("stop", "tool_calls", "function_call")
"""The finish reasons of an answer of Chat Completions that is complete."""


def proposed_call(proposed: Json, doubts: Doubts) -> tuple[ToolCall, dict[str, Json]] | None:
    """One entry of `tool_calls`: as it is judged, and as it goes out. None where it is no call at all, which is a doubt."""
    if type(proposed) is not dict:
        doubts.add("a tool call is not an object")
        return None
    kind, id = proposed.get("type"), proposed.get("id")
    function, custom = proposed.get("function"), proposed.get("custom")
    if present(custom) and present(function):
        doubts.add("a tool call has the body of a function and of a custom tool")
    elif kind == "function" and type(function) is dict:
        made = {"name": function.get("name"), "arguments": function.get("arguments")}
        return ToolCall(id, made["name"], made["arguments"]), {"id": id, "type": "function", "function": made}
    elif kind == "custom" and type(custom) is dict:
        made = {"name": custom.get("name"), "input": custom.get("input")}
        return ToolCall(id, made["name"], custom_arguments(made["input"])), {"id": id, "type": "custom", "custom": made}
    elif kind in ("function", "custom"):
        doubts.add(f"a tool call has no {kind}")
    else:
        doubts.add(f"a tool call has the type {quoted(kind)}, not `function`")
    return ToolCall(id, None, None), {}


def custom_arguments(input: Json) -> Json:
    """The free text of a custom tool as arguments, so that policies can speak of it: one argument, `input`."""
    return json.dumps({"input": input}) if isinstance(input, str) else None


def custom_input(call: ToolCall, asked: Asked) -> str | None:
    """The free text of a call of one of the request's custom tools, as the model said it; None for a call of a function."""
    custom = [tool for tool in asked.body.get("tools") or () if tool.get("type") == "custom"]
    if not any(_named(tool) == call.name for tool in custom) or not isinstance(call.arguments, str):
        return None
    try:
        said = json.loads(call.arguments)
    except ValueError:
        return None
    return text_or_none(said.get("input")) if isinstance(said, dict) and len(said) == 1 else None


def _named(tool: Mapping[str, Json]) -> Json:
    """The name of a custom tool, in the form of either API."""
    inner = tool.get("custom", tool)
    return inner.get("name") if isinstance(inner, Mapping) else None


def custom_tool(tool: Mapping[str, Json]) -> dict[str, Json]:
    """A custom tool as a function with the one argument `input`."""
    parameters = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    return {"type": "function", "function": {"name": tool.get("name"), "parameters": parameters}}


def check_finish(reason: Json, calls: bool, doubts: Doubts) -> None:
    """Whether a choice is complete; that matters only where it proposes something, or says so."""
    if calls and (not isinstance(reason, str) or reason not in WHOLE):
        cut_off = CUT_OFF.get(reason) if isinstance(reason, str) else None
        doubts.add(cut_off or f"the answer ended for a reason that is not known, {quoted(reason)}")
    elif reason in ("tool_calls", "function_call") and not calls:
        doubts.add("the answer announces tool calls and has none")


def usage_of(said: Json) -> Usage | None:
    """The usage of an answer.

    Raises:
        Broken: it cannot be.
    """
    try:
        return parse_usage(said)
    except ModelError as error:
        raise Broken(error.message) from None


def text_or_none(value: Json) -> str | None:
    """A text, and nothing else."""
    return value if isinstance(value, str) else None
