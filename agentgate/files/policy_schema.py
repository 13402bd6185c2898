"""The JSON Schemas (draft-07) of policy files: what editors complete from, and what loading checks first.

Alternatives are told apart with `if` rather than `anyOf`, so that an error is about the one that was meant. Every `title` is a noun phrase
that says what is expected; error messages use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from agentgate.core.conditions import OPERATORS
from agentgate.core.events import Json

DRAFT = "http://json-schema.org/draft-07/schema#"
TOOL_NAME = "[A-Za-z0-9_.-]{1,64}"
SELECTOR = "^(@[A-Za-z0-9_-]{1,64}|[A-Za-z0-9_.*-]{1,64})$"
NAME = "^[A-Za-z0-9_-]{1,64}$"
RULE_ID = "^[a-z0-9]+(-[a-z0-9]+)*$"
ARGUMENT = r"^(\*|[^.\s]([^.]*[^.\s])?(\.[^.\s]([^.]*[^.\s])?)*)$"
MAX_TEXT = 10_000
EFFECTS = ("allow", "ask", "block")
LIMITS = {
    "steps": "Model requests in one run. 0 means none; leaving it out means no limit.",
    "tool_calls": "Tool calls let through in one run.",
    "tokens": "Input and output tokens of one run. A model that does not report its usage stops the run.",
    "cost_usd": "What the model may cost in one run, in US dollars. Needs the model's price; an answer of unknown cost stops the run.",
    "seconds": "How long a run may take.",
    "repeats": "How often the same tool may be called with the same arguments, refused calls included.",
    "refusals": "Refused calls in a row.",
}
"""Kind → what it limits."""
_WINDOWED = {
    "tool_calls": "Tool calls let through in this time, by all runs of the policy.",
    "cost_usd": "What the model may cost in this time, in US dollars, in all runs of the policy. Needs the model's price.",
}
"""What can be limited over time → what that limits."""
_TIMES = {"per_hour": "within an hour", "per_day": "within 24 hours"}
"""Window → when, in words."""
FRACTIONAL = {"cost_usd": "a number of US dollars from 0 on", "seconds": "a number of seconds from 0 on"}
"""Kinds that need not be whole numbers → what they are."""


def ref(name: str, description: str | None = None) -> dict[str, Json]:
    """A reference to a definition; draft-07 ignores what stands beside a `$ref`, so a description goes around it."""
    reference = {"$ref": f"#/definitions/{name}"}
    return {"description": description, "allOf": [reference]} if description else reference


def mapping(properties: dict[str, Json], *, required: Sequence[str] = (), **more: Any) -> dict[str, Json]:
    """An object with these keys and no others."""
    made: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        made["required"] = list(required)
    return {**made, **more}


def one_or_many(item: Json, description: str, *, title: str, empty: bool = False) -> dict[str, Json]:
    """One thing, or a list of them."""
    many = {"items": item} if empty else {"items": item, "minItems": 1}
    return {"title": title, "description": description, "if": {"type": "array"}, "then": many, "else": item}


def text(description: str, **more: Json) -> dict[str, Json]:
    """A text that says something."""
    made = {"title": "text", "type": "string", "minLength": 1, "maxLength": MAX_TEXT, "description": description, **more}
    return {key: value for key, value in made.items() if (key, value) != ("minLength", 0)}


def extends() -> dict[str, Json]:
    """The key by which a policy of either form builds on others."""
    file = text("A file, relative to this one.", title="the path of a file", maxLength=4096)
    return one_or_many(
        file,
        "Policy files that this one builds on, relative to it; all are merged, and no order matters.",
        title="a file or a list of files",
    )


@cache
def policy_schema() -> dict[str, Json]:
    """The schema of policy files in either vocabulary. Do not change what it returns."""
    from agentgate.files.flat_schema import flat_schema

    native = native_schema()
    flat = flat_schema()
    return {
        "$schema": DRAFT,
        "title": "agentgate policy",
        "description": "Which tool calls of a language model are allowed, asked about, or blocked.",
        "if": {"type": "object", "required": ["policies"]},
        "then": ref("flat"),
        "else": ref("native"),
        "definitions": {
            **native["definitions"],
            **flat["definitions"],
            "native": {key: value for key, value in native.items() if key not in ("definitions", "$schema")},
            "flat": {key: value for key, value in flat.items() if key not in ("definitions", "$schema")},
        },
    }


@cache
def native_schema() -> dict[str, Json]:
    """The schema of policy files with `rules`. Do not change what it returns."""
    return {
        "$schema": DRAFT,
        "title": "a policy",
        "description": "What tool calls are allowed, asked about, or blocked, and how much a run may use.",
        **mapping(_top(), required=("version",)),
        "definitions": _definitions(),
    }


def _top() -> dict[str, Json]:
    return {
        "version": {"title": "the version", "const": 1, "description": "The version of this form: 1."},
        "name": text("What the policy is called in transcripts and on the screen; the file's name by default.", maxLength=128),
        "description": text("What it is for, in a sentence or two."),
        "extends": extends(),
        "default": {
            "title": "an effect",
            "enum": list(EFFECTS),
            "description": "What happens when no rule matches: `block` (the default), `ask` or `allow`.",
        },
        "roles": {
            "title": "a mapping of roles",
            "type": "object",
            "patternProperties": {
                NAME: {"title": "a list of roles", "type": "array", "items": ref("role"), "description": "What it includes."}
            },
            "additionalProperties": False,
            "description": "Each role, and the roles that it includes: `operator: [viewer]`.",
        },
        "groups": {
            "title": "a mapping of groups",
            "type": "object",
            "patternProperties": {
                NAME: {"title": "a list of tools", "type": "array", "items": ref("selector"), "description": "The tools in this group."}
            },
            "additionalProperties": False,
            "description": "Names for sets of tools, used as `@name`.",
        },
        "rules": {
            "title": "a list of rules",
            "type": "array",
            "items": ref("rule"),
            "description": "The rules. Their order does not matter: block wins over ask, and ask over allow.",
        },
        "once": one_or_many(
            ref("selector"),
            "Tools whose calls are executed once for the same arguments: a repeat in the same run gets the earlier result instead. With "
            "`--idempotency-scope`, also across runs.",
            title="a tool or a list of tools",
        ),
        "limits": ref("limits", "How much may be used, by one run or over time. A limit that is reached blocks."),
        "results": {
            "title": "a list of rules about results",
            "type": "array",
            "items": ref("result_rule"),
            "description": "What the model does not get of what tools return. Block wins over cut, and the smallest cut over others.",
        },
        "redact": {
            "title": "a list of entries",
            "type": "array",
            "items": ref("redaction"),
            "description": "What is taken out of everything that is recorded and shown, and out of results. Tools get the original.",
        },
    }


def _definitions() -> dict[str, Json]:
    from agentgate.files.result_schema import definitions_of_results

    return {
        "selector": {
            "title": "a tool name, a pattern with `*`, or a `@group`",
            "type": "string",
            "pattern": SELECTOR,
            "description": "A tool name, a pattern with `*`, or a `@group`.",
        },
        "tool": {"title": "a tool name", "type": "string", "pattern": f"^{TOOL_NAME}$", "description": "The exact name of a tool."},
        "role": {"title": "the name of a role", "type": "string", "pattern": NAME, "description": "A role, defined under `roles`."},
        "id": {
            "title": "a rule id such as `read-customer`",
            "type": "string",
            "pattern": RULE_ID,
            "maxLength": 128,
            "description": "A name in decisions: lower case, words joined by dashes.",
        },
        "rule": _rule(),
        **definitions_of_results(),
        "conditions": {
            "title": "a mapping of conditions",
            "type": "object",
            "minProperties": 1,
            "patternProperties": {ARGUMENT: ref("condition")},
            "additionalProperties": False,
            "description": "Argument (dotted for nested objects, `*` for every string anywhere) and what it must be; all must hold.",
        },
        "condition": {
            "title": "a value, a list of values, or a mapping of operators",
            "description": "A plain value means equal to it, a list means one of them, a mapping holds operators.",
            "if": {"type": "object"},
            "then": ref("operators"),
            "else": {"title": "a value, a list of values, or a mapping of operators", "type": ["string", "number", "boolean", "array"]},
        },
        "operators": _operators(),
        "example": _example(),
        "given": mapping(
            {
                "tool": ref("tool", "The tool that returned."),
                "arguments": {"title": "a mapping of arguments", "type": "object", "description": "What it was called with."},
                "result": {"description": "What it returned."},
            },
            required=("tool",),
            title="an earlier call: `{tool: …}`",
            description="A call that has returned in this run.",
        ),
        "limits": _limits(),
    }


def _rule() -> dict[str, Json]:
    effects = {
        "allow": "Tools whose calls are executed.",
        "ask": "Tools whose calls a person decides about.",
        "block": "Tools whose calls are refused. Block wins over ask and allow.",
    }
    return mapping(
        keys_of_rules(effects, what="calls", example="example"),
        required=("id",),
        oneOf=[{"required": [effect]} for effect in EFFECTS],
        title="a rule",
        description="Which tools, for whom, when, and what then: exactly one of `allow`, `ask` and `block`.",
    )


def keys_of_rules(effects: dict[str, str], *, what: str, example: str) -> dict[str, Json]:
    """The keys that rules about calls and about results share, around those that say what they do."""

    def tools(description: str) -> dict[str, Json]:
        return one_or_many(ref("selector"), description, title="a tool or a list of tools")

    def roles(description: str) -> dict[str, Json]:
        return one_or_many(ref("role"), description, title="a role or a list of roles")

    def examples(description: str) -> dict[str, Json]:
        return {"title": f"a list of {what}", "type": "array", "items": ref(example), "description": description}

    return {
        "id": ref("id", "The rule's name in decisions: unique, lower case, words joined by dashes."),
        **{effect: tools(description) for effect, description in effects.items()},
        "except": tools("Tools that are taken out again."),
        "roles": roles("Only for these roles, and the roles that include them."),
        "except_roles": roles("Not for these roles, nor for the roles that include them."),
        "when": ref("conditions", "The rule applies only where all of these conditions hold."),
        "unless": ref("conditions", "The rule does not apply where all of these conditions hold."),
        "after": tools("Only once one of these tools has returned in this run."),
        "before": tools("Only until one of these tools has returned in this run."),
        "message": text("The reason that people and the model are told."),
        "hint": text("What the model could do instead."),
        "observe": {
            "title": "`true` or `false`",
            "type": "boolean",
            "description": "On trial: judged and recorded, never enforced.",
        },
        "examples": mapping(
            {
                "match": examples(f"{what.capitalize()} that this rule must match."),
                "no_match": examples(f"{what.capitalize()} that it must not match."),
            },
            title="a mapping with `match` and `no_match`",
            description=f"{what.capitalize()} that are tried whenever the file is loaded.",
        ),
    }


def _operators() -> dict[str, Json]:
    properties: dict[str, Json] = {key: _operand(key, operator.operand) for key, operator in OPERATORS.items()}
    properties["optional"] = {
        "title": "`true` or `false`",
        "type": "boolean",
        "description": "`true`, beside other operators: holds too when the argument is absent.",
    }
    closed = mapping(
        properties,
        title="a mapping of operators",
        description="Operators; all of them must hold.",
    )
    return {**closed, "if": {"required": ["optional"]}, "then": {"minProperties": 2}, "else": {"minProperties": 1}}


def _operand(key: str, operand: dict[str, Json]) -> dict[str, Json]:
    """An operator's own schema; with a title where none follows from its type."""
    return dict(operand) if isinstance(operand.get("type"), str) else {"title": f"a value that `{key}` takes", **operand}


def _example() -> dict[str, Json]:
    return mapping(
        {
            "tool": ref("tool", "The tool that is called."),
            "arguments": {"title": "a mapping of arguments", "type": "object", "description": "What it is called with."},
            "given": {
                "title": "a list of calls",
                "type": "array",
                "items": ref("given"),
                "description": "Calls that returned before.",
            },
            "role": ref("role", "The role that the run has; none by default."),
            "prompt": text("What the user said."),
        },
        required=("tool",),
        title="a call: `{tool: …, arguments: {…}}`",
        description="A call to try the rule with.",
    )


def _limits() -> dict[str, Json]:
    def ceiling(kind: str, description: str) -> dict[str, Json]:
        title = FRACTIONAL.get(kind, "a whole number from 0 on")
        return {"title": title, "type": "number" if kind in FRACTIONAL else "integer", "minimum": 0, "description": description}

    def limit(kind: str, description: str) -> dict[str, Json]:
        full = mapping({"max": ceiling(kind, description), **named}, required=("max",), title="a mapping such as `{max: 10, message: …}`")
        return {"description": description, "if": {"type": "object"}, "then": full, "else": ceiling(kind, description)}

    named = {
        "id": ref("id", "Its name in decisions, in place of `limits.…`."),
        "message": text("The reason that people and the model are told."),
    }
    of_tool = {
        window: limit("calls", f"Calls of this tool let through {when}, by all runs of the policy.") for window, when in _TIMES.items()
    }
    properties = {kind: limit(kind, description) for kind, description in LIMITS.items()}
    for window, when in _TIMES.items():
        properties[window] = mapping(
            {kind: limit(kind, description) for kind, description in _WINDOWED.items()},
            minProperties=1,
            title="a mapping such as `{tool_calls: 100}`",
            description=f"How much may be used {when}, by all runs of the policy together. Kept in the state folder.",
        )
    properties["tools"] = {
        "title": "a mapping of tools",
        "type": "object",
        "patternProperties": {
            SELECTOR: mapping(
                {"calls": ceiling("calls", "Calls of this tool let through in one run."), **of_tool, **named},
                anyOf=[{"required": [key]} for key in ("calls", *_TIMES)],
                title="a mapping such as `{calls: 1}`",
                description="Limits of one tool, of a pattern with `*`, or of a `@group`.",
            )
        },
        "additionalProperties": False,
        "description": "Limits of single tools.",
    }
    return mapping(properties, title="a mapping of limits", description="How much may be used, by one run or over time.")
