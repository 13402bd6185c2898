"""The JSON Schema of an entry under `tools` in a task: a Python function, a command, or an HTTP request."""

from __future__ import annotations

from agentgate.core.events import Json
from agentgate.files.http_tool import METHODS
from agentgate.files.policy_schema import TOOL_NAME, mapping, text

KINDS = ("python", "command", "http")
ONLY = {"workdir": ("command",), "env": ("command",), "max_output_bytes": ("command", "http")}
"""Key → the kinds of tools that have it."""
_VARIABLE = {"title": "the name of an environment variable", "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": 128}


def tool_name_schema(description: str) -> dict[str, Json]:
    """The name of a tool."""
    return {"title": "a tool name", "type": "string", "pattern": f"^{TOOL_NAME}$", "description": description}


def tool_schema() -> dict[str, Json]:
    """The schema of one entry."""
    properties = {
        "python": text("`FILE.py:FUNCTION`, a file beside or below this one; or `package.module:FUNCTION`.", maxLength=1024),
        "command": {
            "title": "a list: a program and its arguments",
            "type": "array",
            "minItems": 1,
            "maxItems": 256,
            "items": {"title": "text", "type": "string", "maxLength": 100_000},
            "description": 'A program and its arguments: `[git, log, "--max-count={count}", "--", "{path}"]`. No shell reads them.',
        },
        "http": _http(),
        "name": tool_name_schema("What the model calls it; a Python function has its own name by default."),
        "description": text("What the model is told about it; a Python function's docstring by default."),
        "parameters": {
            "title": "a JSON Schema",
            "type": "object",
            "description": "A JSON Schema of the arguments. By default it follows from type hints and docstring; of a command or an HTTP "
            "request, every placeholder is a text that is required.",
        },
        "timeout_seconds": {
            "title": "a number of seconds above 0",
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 86_400,
            "description": "How long one call may take; 30 by default.",
        },
        "mock": {"description": "What it answers in a dry run."},
        "effect": {
            "title": "what it does to the world",
            "enum": ["read", "write"],
            "description": "`read`: it only looks. `write`: it changes something, or nobody knows; the default, except for GET and HEAD.",
        },
        "workdir": text("Where a command runs: a folder in the run's working directory, relative to that.", maxLength=1024),
        "env": {
            "title": "a list of environment variables",
            "type": "array",
            "maxItems": 100,
            "items": _VARIABLE,
            "description": "The variables that a command gets besides PATH, HOME, LANG and the like.",
        },
        "max_output_bytes": {
            "title": "a whole number from 1 to 1,000,000",
            "type": "integer",
            "minimum": 1,
            "maximum": 1_000_000,
            "description": "How much is kept of what a command prints (65,536 of each stream), or of a server's answer (262,144).",
        },
    }
    return {
        **mapping(
            properties,
            title="a tool: `{python: …}`, `{command: …}` or `{http: …}`",
            description="A Python function, a command, or an HTTP request. Reading a task imports and executes nothing.",
        ),
        "oneOf": [{"required": [kind]} for kind in KINDS],
    }


def _http() -> dict[str, Json]:
    scalar = {"title": "text, a number or a boolean", "type": ["string", "number", "boolean"], "maxLength": 10_000}
    properties = {
        "method": {"title": "a method", "enum": list(METHODS), "description": "What is asked of the server."},
        "url": text("`https://host/path/{placeholder}`: the server is fixed, a value stays one segment of the path.", maxLength=4096),
        "query": {
            "title": "a mapping of names to values",
            "type": "object",
            "additionalProperties": scalar,
            "description": "The query. A value may have placeholders; `{names...}` repeats the name for each item of a list.",
        },
        "headers": {
            "title": "a mapping of names to values",
            "type": "object",
            "additionalProperties": {"title": "text", "type": "string", "maxLength": 10_000},
            "description": "Headers. `${NAME}` stands for an environment variable; arguments cannot stand here.",
        },
        "body": {
            "title": "`{json: …}` or `{form: …}`",
            "type": "object",
            "properties": {
                "json": {"description": 'Any value. A text that is only `"{name}"` becomes the argument itself, of whatever type.'},
                "form": {
                    "title": "a mapping of names to values",
                    "type": "object",
                    "additionalProperties": scalar,
                    "description": "The fields of a form.",
                },
            },
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "description": "What is sent: JSON or a form.",
        },
    }
    return mapping(
        properties, required=("method", "url"), title="an HTTP request", description="One request to a server that the task names."
    )
