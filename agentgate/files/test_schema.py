"""The JSON Schema (draft-07) of test files. Made like that of policies: see `policy_schema`."""

from __future__ import annotations

from functools import cache

from agentgate.core.events import Code, Effect, Json, ResultEffect
from agentgate.files.policy_schema import DRAFT, NAME, TOOL_NAME, mapping, one_or_many, ref, text

MAX_PROMPT = 1_000_000
MAX_TIMES = 1000
"""How often one earlier call may have happened."""
_OF_WINDOW = r"^(limits\.(per_(hour|day)\..+|tools\..+\.per_(hour|day))|(?!(steps|tokens|seconds)$)[a-z0-9]+(-[a-z0-9]+)*)$"
"""What limits per hour and per day may be called: by where they stand, or by an id of their own."""
REQUEST = "request"
"""In place of a call: the wish to ask the model once more, which only limits decide about."""

_RESULT = "What the tool returns. Then it is this that is judged, by the rules under `results`, and not the call."


@cache
def schema_of_tests() -> dict[str, Json]:
    """The schema of test files. Do not change what it returns."""
    file = text("A file, relative to this one.", maxLength=1024)
    properties = {
        "version": {"title": "the version", "const": 1, "description": "The version of this form: 1."},
        "description": text("What these tests are about."),
        "policy": one_or_many(
            file,
            "The policy, relative to this file; several are merged. By default `strict.test.yaml` tests the `strict.yaml` beside it.",
            title="a file or a list of files",
        ),
        "task": text("A task: calls are judged with its tools, which are imported, and with its prompt.", maxLength=1024),
        "tools": {
            "title": "a list of tools in Chat Completions form, or a JSON file with one",
            "description": "The tools that exist, with their schemas; without them and a `task`, any arguments are judged.",
            "if": {"type": "string"},
            "then": file,
            "else": {"title": "a list of tools in Chat Completions form, or a JSON file with one", "type": "array", "items": _definition()},
        },
        "workdir": {
            "title": "an absolute path",
            "type": "string",
            "pattern": "^/",
            "description": "Where relative paths start; no such folder needs to exist. `/home/agent/project` by default.",
        },
        "links": {
            "title": "a mapping of links",
            "type": "object",
            "patternProperties": {"^.": {"title": "text", "type": "string", "minLength": 1, "description": "Where it leads."}},
            "additionalProperties": False,
            "description": "Symbolic links that are to exist, and where each of them leads. No file is looked at.",
        },
        "tests": {
            "title": "a list of tests",
            "type": "array",
            "minItems": 1,
            "items": ref("test"),
            "description": "The tests. Each is judged in a run of its own.",
        },
    }
    return {
        "$schema": DRAFT,
        "title": "policy tests",
        "description": "What a policy is expected to decide.",
        **mapping(properties, required=("version", "tests")),
        "definitions": _definitions(),
    }


def _definition() -> dict[str, Json]:
    function = {"title": "a mapping with `name` and `parameters`", "type": "object", "required": ["name"], "description": "The function."}
    form = {"type": "object", "required": ["type", "function"], "properties": {"function": function}}
    return {"title": "a tool: `{type: function, function: {name: …, parameters: {…}}}`", "description": "A tool.", **form}


def _definitions() -> dict[str, Json]:
    return {
        "tool": {"title": "a tool name", "type": "string", "pattern": f"^{TOOL_NAME}$", "description": "The exact name of a tool."},
        "given": _given(),
        "used": _used(),
        "when": {
            "title": "a call: `{tool: …, arguments: {…}}`, or `request`",
            "description": "The call to judge, or the word `request`: whether the model may be asked once more.",
            "if": {"type": "string"},
            "then": {"title": "a call: `{tool: …, arguments: {…}}`, or `request`", "const": REQUEST},
            "else": mapping(
                {"tool": {"title": "a tool name", "type": "string", "description": "The tool that is called."}, "arguments": _arguments()},
                title="a call: `{tool: …, arguments: {…}}`, or `request`",
            ),
        },
        "then": _then(),
        "test": _test(),
        "case": _case(),
    }


def _arguments() -> dict[str, Json]:
    return {
        "title": "a mapping of arguments, or the raw text of a model",
        "type": ["object", "string"],
        "description": "What it is called with: a mapping, or the text just as a model wrote it. None by default.",
    }


def _setting() -> dict[str, Json]:
    return {
        "role": {"title": "the name of a role", "type": "string", "pattern": NAME, "description": "The role of the run; none by default."},
        "prompt": text("What the user said.", maxLength=MAX_PROMPT),
        "given": {
            "title": "a list of calls",
            "type": "array",
            "items": ref("given"),
            "description": "Calls that were made before, the oldest first. They are taken as facts and not judged.",
        },
        "used": ref("used", "What the run has used up before."),
    }


def _test() -> dict[str, Json]:
    return mapping(
        {
            "name": text("What it shows, in a few words; unique in the file.", maxLength=200),
            "description": text("Why that matters."),
            **_setting(),
            "when": ref("when"),
            "result": {"description": _RESULT},
            "then": ref("then", "What is expected: an effect, or a mapping."),
            "cases": {
                "title": "a list of cases",
                "type": "array",
                "minItems": 1,
                "items": ref("case"),
                "description": "Variations of the test, one a line: each is judged by itself, and says only what is different in it.",
            },
        },
        required=("name", "when"),
        title="a test",
        description="Given what happened before, when this call comes, then this is decided.",
    )


def _case() -> dict[str, Json]:
    return mapping(
        {
            "name": text("What is special about it.", maxLength=200),
            **_setting(),
            "tool": {"title": "a tool name", "type": "string", "description": "In place of the test's tool."},
            "arguments": {**_arguments(), "description": "Laid over the test's arguments, name by name; a text replaces them all."},
            "without": one_or_many(text("An argument."), "Arguments of the test that are left out.", title="a name or a list of names"),
            "result": {"description": _RESULT},
            "then": ref("then", "In place of the test's `then`."),
        },
        title="a case such as `{arguments: {…}}`",
        description="What is different in this case.",
    )


def _given() -> dict[str, Json]:
    return mapping(
        {
            "tool": ref("tool", "The tool that was called."),
            "arguments": {"title": "a mapping of arguments", "type": "object", "description": "What it was called with."},
            "result": {"description": "What it returned."},
            "refused": {"title": "`true` or `false`", "type": "boolean", "description": "`true`: the call was refused, and never ran."},
            "times": {
                "title": f"a whole number from 1 to {MAX_TIMES}",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_TIMES,
                "description": "How often it was made; once by default.",
            },
        },
        required=("tool",),
        title="an earlier call: `{tool: …}`",
        description="A call that was made before in this run.",
    )


def _used() -> dict[str, Json]:
    def amount(what: str, *, whole: bool = True) -> dict[str, Json]:
        title = "a whole number from 0 on" if whole else "a number from 0 on"
        return {"title": title, "type": "integer" if whole else "number", "minimum": 0, "description": what}

    return mapping(
        {
            "steps": amount("Answers of the model."),
            "tokens": amount("Input and output tokens."),
            "cost_usd": amount("US dollars.", whole=False),
            "seconds": amount("Seconds since the run began.", whole=False),
        },
        patternProperties={
            _OF_WINDOW: amount(
                "What all runs together have used of this limit per hour or per day, by its id: calls, or US dollars.", whole=False
            )
        },
        minProperties=1,
        title="a mapping such as `{steps: 6}`",
        description="What was used up before: by the run, besides the calls under `given`, and of limits per hour and per day.",
    )


def _then() -> dict[str, Json]:
    effect = {"title": "an effect", "enum": [effect.value for effect in Effect], "description": "`allow`, `ask` or `block`."}
    return {
        "title": "an effect, or a mapping such as `{effect: block, rule: …}`",
        "description": "What is expected.",
        "if": {"type": "string"},
        "then": effect,
        "else": mapping(
            {
                "effect": effect,
                "result": {
                    "title": "what comes of a result",
                    "enum": [effect.value for effect in ResultEffect],
                    "description": "What comes of the `result` of this test: `allow`, `cut` or `block`.",
                },
                "rule": {
                    "title": "the id of a rule or limit",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 128,
                    "description": "The rule or limit that decides.",
                },
                "code": {
                    "title": "a code",
                    "enum": [code.value for code in Code],
                    "description": "Why it is decided so: `rule`, `default` …",
                },
                "reason": text("The whole reason, word by word."),
                "hint": text("The whole hint, word by word."),
            },
            minProperties=1,
            title="an effect, or a mapping such as `{effect: block, rule: …}`",
        ),
    }
