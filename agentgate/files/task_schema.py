"""The JSON Schema (draft-07) of task files. Made like that of policies: see `policy_schema`."""

from __future__ import annotations

from functools import cache

from agentgate.core.events import Json
from agentgate.files.policy_schema import DRAFT, mapping, ref, text
from agentgate.files.tool_schema import tool_name_schema, tool_schema

PROVIDERS = ("openai", "openai-responses", "recorded")
MODEL = "^(recorded|(openai|openai-responses|recorded):\\S+)$"
MODES = ("auto", "required", "none")
MAX_PROMPT = 1_000_000


@cache
def task_schema() -> dict[str, Json]:
    """The schema of task files. Do not change what it returns."""
    properties = {
        "version": {"title": "the version", "const": 1, "description": "The version of this form: 1."},
        "name": text("What the task is called; the file's name by default.", maxLength=128),
        "prompt": text("What the model is asked to do.", minLength=0, maxLength=MAX_PROMPT, pattern="\\S"),
        "system": text("What the model is told before the prompt.", maxLength=MAX_PROMPT),
        "model": ref("model", "Which model to ask: `PROVIDER:NAME`, or a mapping."),
        "recording": text("The transcript that `--model recorded` plays; a file beside or below this one.", maxLength=1024),
        "tools": {
            "title": "a list of tools",
            "type": "array",
            "items": ref("tool"),
            "description": "The tools that the model is offered, in this order.",
        },
        "tool_choice": ref("tool_choice", "Whether the model must call a tool, and which ones it may."),
        "max_steps": {
            "title": "a whole number from 0 on",
            "type": "integer",
            "minimum": 0,
            "description": "The most model requests in one run, whatever the policy.",
        },
    }
    return {
        "$schema": DRAFT,
        "title": "a task",
        "description": "A job for a model: a prompt, tools, and how to ask.",
        **mapping(properties, required=("version", "prompt")),
        "definitions": {
            "model": _model(),
            "tool": tool_schema(),
            "tool_choice": _tool_choice(),
            "name": tool_name_schema("The name of a tool."),
        },
    }


def _model() -> dict[str, Json]:
    def price(what: str) -> dict[str, Json]:
        return {"title": "a price", "type": "number", "minimum": 0, "description": f"USD per million {what} tokens."}

    settings = {
        "provider": {
            "title": "a provider",
            "enum": list(PROVIDERS),
            "description": "`openai` (Chat Completions), `openai-responses` (Responses), or `recorded`.",
        },
        "name": text("What the provider calls the model.", minLength=0, maxLength=256, pattern="^\\S+$"),
        "base_url": text("Where the server is, for instance `http://localhost:11434/v1`.", maxLength=2048),
        "api_key_env": {
            "title": "the name of an environment variable",
            "type": "string",
            "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
            "maxLength": 128,
            "description": "The variable that holds the key; `OPENAI_API_KEY` by default.",
        },
        "temperature": {
            "title": "a number from 0 to 2",
            "type": "number",
            "minimum": 0,
            "maximum": 2,
            "description": "How freely the model chooses its words.",
        },
        "max_output_tokens": {
            "title": "a whole number from 1 on",
            "type": "integer",
            "minimum": 1,
            "description": "The most tokens in one answer.",
        },
        "price": mapping(
            {"input": price("input"), "cached_input": price("cached input"), "output": price("output")},
            required=("input", "output"),
            title="a mapping with `input` and `output`",
            description="What the model costs, in USD per million tokens.",
        ),
    }
    title = "a model such as `openai:gpt-4.1-mini`"
    return {
        "title": title,
        "description": "`PROVIDER:NAME`, or a mapping.",
        "if": {"type": "object"},
        "then": mapping(settings, required=("provider",), title="a model"),
        "else": {"title": title, "type": "string", "pattern": MODEL},
    }


def _tool_choice() -> dict[str, Json]:
    choices = {
        "mode": {"title": "a mode", "enum": list(MODES), "description": "`auto`: the model decides. `required`: it must call a tool."},
        "allowed_tools": {
            "description": "The tools that may be called, or the word `policy` for those that the policy lets through.",
            "if": {"type": "array"},
            "then": {"items": ref("name")},
            "else": {"title": "a list of tools, or the word `policy`", "const": "policy"},
        },
        "required_function_name": tool_name_schema("The one tool that must be called."),
    }
    return {
        "title": "a choice",
        "description": "`auto`, `required`, `none`, or a mapping.",
        "if": {"type": "object"},
        "then": mapping(choices, required=("mode",), title="a choice"),
        "else": {"title": "a choice", "enum": list(MODES)},
    }
