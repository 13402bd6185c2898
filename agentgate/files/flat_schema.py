"""The JSON Schema of policy files in the flat form: a list of named entries under `policies`."""

from __future__ import annotations

from functools import cache

from agentgate.core.events import Json
from agentgate.files.policy_schema import DRAFT, FRACTIONAL, SELECTOR, extends, mapping, ref, text

FILTERS = ("tool_filter", "tool_allow_list", "tool_block_list")
ARGUMENT_FILTERS = ("tool_argument_filter", "argument_filter")
BUDGETS = ("budget", "budget_limit")
TYPES = (*FILTERS, *ARGUMENT_FILTERS, *BUDGETS, "observe")
BUDGET_KINDS = {"max_tool_calls": "tool_calls", "max_tokens": "tokens", "max_cost_per_session_usd": "cost_usd"}
"""Key of a budget → kind of limit."""
TRIAL_ACTIONS = ("observe", "log")


@cache
def flat_schema() -> dict[str, Json]:
    """The schema of policy files with `policies`. Do not change what it returns."""
    entries = {
        "title": "a list of entries",
        "type": "array",
        "items": ref("entry"),
        "description": "The entries, in any order.",
    }
    properties = {
        "version": {"title": "the version", "const": 1, "description": "The version of this form: 1."},
        "name": text("What the policy is called; the file's name by default.", maxLength=128),
        "description": text("What it is for."),
        "extends": extends(),
        "policies": {
            "title": "a list of entries",
            "description": "The entries, or a mapping that has them under `output`.",
            "if": {"type": "object"},
            "then": mapping({"output": entries}, required=("output",)),
            "else": entries,
        },
    }
    return {
        "$schema": DRAFT,
        "title": "a policy",
        "description": "A policy in the flat form. What no entry blocks is allowed.",
        **mapping(properties, required=("policies",)),
        "definitions": {"entry": _entry(), "tools": _tools(), "flat_selector": _selector()},
    }


def _selector() -> dict[str, Json]:
    pattern = SELECTOR.replace("@[A-Za-z0-9_-]{1,64}|", "")
    return {"title": "a tool name, or a pattern with `*`", "type": "string", "pattern": pattern, "description": "A tool."}


def _tools() -> dict[str, Json]:
    return {"title": "a list of tools", "type": "array", "items": ref("flat_selector"), "description": "Tools, by name."}


def _entry() -> dict[str, Json]:
    """An entry, closed for its own type: a chain of `if`, so that an error is about the type that it has."""
    unknown = {
        "title": "an entry",
        "type": "object",
        "required": ["name", "type"],
        "properties": {"type": {"title": "a type of entry", "enum": list(TYPES), "description": "What the entry does."}},
    }
    made: dict[str, Json] = unknown
    for types, body in reversed(_bodies()):
        made = {"if": {"required": ["type"], "properties": {"type": {"enum": list(types)}}}, "then": body, "else": made}
    return {"title": "an entry", "description": "One filter, budget or observation.", **made}


def _bodies() -> list[tuple[tuple[str, ...], dict[str, Json]]]:
    enforced = ["block", "allow", *TRIAL_ACTIONS]
    blocking = ["block", *TRIAL_ACTIONS]
    number = {"title": "a whole number from 0 on", "type": "integer", "minimum": 0}
    both = {
        "allowed_tools": ref("tools", "Every other tool is blocked."),
        "blocked_tools": ref("tools", "These tools are blocked."),
    }
    arguments = {
        "tool_name": ref("flat_selector", "The tool whose arguments are looked at; every tool by default."),
        "argument": text("The argument that is looked at; every string anywhere by default.", maxLength=256),
        "pattern": text("An RE2 pattern; a call in whose argument it occurs is blocked."),
    }
    match = {"title": "`tool_call`", "const": "tool_call", "description": "What is observed."}
    budget = {
        "max_tool_calls": {**number, "description": "Tool calls let through."},
        "max_tokens": {**number, "description": "Input and output tokens."},
        "max_cost_per_session_usd": {
            "title": FRACTIONAL["cost_usd"],
            "type": "number",
            "minimum": 0,
            "description": "What the model may cost, in US dollars.",
        },
    }
    return [
        (("tool_filter",), _body("a tool filter", both, enforced, one_of=("allowed_tools", "blocked_tools"))),
        (("tool_allow_list",), _body("a tool filter", {"allowed_tools": both["allowed_tools"]}, enforced, ("allowed_tools",))),
        (("tool_block_list",), _body("a tool filter", {"blocked_tools": both["blocked_tools"]}, blocking, ("blocked_tools",))),
        (ARGUMENT_FILTERS, _body("an argument filter", arguments, blocking, ("pattern",))),
        (BUDGETS, _body("a budget", budget, blocking, one_of=tuple(budget))),
        (
            ("observe",),
            _body("an observation", {"match": match}, list(TRIAL_ACTIONS)),
        ),
    ]


def _body(
    kind: str, own: dict[str, Json], actions: list[str], required: tuple[str, ...] = (), one_of: tuple[str, ...] = ()
) -> dict[str, Json]:
    properties = {
        "name": text("The entry's name in decisions; unique.", maxLength=128),
        "type": {"title": "a type of entry", "enum": list(TYPES), "description": "What the entry does."},
        "action": {
            "title": f"an action of {kind}",
            "enum": actions,
            "description": "`block` or `allow` enforce; `observe` and `log` only record.",
        },
        "message": text("The reason that people and the model are told."),
        **own,
    }
    more = {"anyOf": [{"required": [key]} for key in one_of]} if one_of else {}
    return mapping(properties, required=("name", "type", *required), title="an entry", **more)
