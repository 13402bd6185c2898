"""The JSON Schema of `results` and `redact` in a policy. Made like the rest of it: see `policy_schema`."""

from __future__ import annotations

from agentgate.core.events import Json
from agentgate.core.redaction.detectors import DETECTORS
from agentgate.files.policy_schema import keys_of_rules, mapping, one_or_many, ref, text

REPLACEMENT = r"^\[[A-Za-z][^\[\]\"\\\s]{1,62}\]$"


def definitions_of_results() -> dict[str, Json]:
    """The definitions that both keys need."""
    return {"result_rule": _result_rule(), "redaction": _redaction(), "result_example": _result_example()}


def _result_rule() -> dict[str, Json]:
    effects = {
        "block": "Tools whose results the model does not get. It is told that they were blocked.",
        "cut": "Tools whose results are shortened to `max_bytes`.",
    }
    keys = keys_of_rules(effects, what="results", example="result_example")
    keys["max_bytes"] = {
        "title": "a whole number from 0 on",
        "type": "integer",
        "minimum": 0,
        "description": "Only for results with more bytes of UTF-8 (of the text, or of its JSON); `cut` leaves as many, as a text.",
    }
    return mapping(
        keys,
        required=("id",),
        oneOf=[{"required": ["block"]}, {"required": ["cut"]}],
        title="a rule about results",
        description="Which results, and what then: exactly one of `block` and `cut`. Conditions name `result`, `result.…`, `error`, `*`.",
    )


def _redaction() -> dict[str, Json]:
    detector = {
        "title": "a detector",
        "enum": list(DETECTORS),
        "description": "What is to be found: one of the detectors that agentgate has.",
    }
    properties = {
        "id": ref("id", "What stands in place of what was found: `[redacted:ID]`. For detectors, their own names do by default."),
        "detect": one_or_many(detector, "Detectors by name.", title="a detector or a list of detectors"),
        "pattern": text("An RE2 pattern, in place of detectors. The whole of what it matches is replaced.", title="a pattern"),
        "in": {
            "title": "`arguments`, `results` or `both`",
            "enum": ["arguments", "results", "both"],
            "description": "Where to look: in arguments of calls, in results, or in both (the default); in all other recorded text anyway.",
        },
        "model": {
            "title": "`original` or `redacted`",
            "enum": ["original", "redacted"],
            "description": "Whether the model gets results as they are, or redacted (the default). Records are redacted in any case.",
        },
        "replace": {
            "title": "a word in square brackets",
            "type": "string",
            "pattern": REPLACEMENT,
            "description": "What stands in place of what was found, in square brackets: `[customer]`.",
        },
    }
    return mapping(
        properties,
        oneOf=[{"required": ["detect"]}, {"required": ["pattern"]}],
        title="an entry of `redact`",
        description="What is to be redacted: exactly one of `detect` and `pattern`.",
    )


def _result_example() -> dict[str, Json]:
    return mapping(
        {
            "tool": ref("tool", "The tool that returns."),
            "result": {"description": "What it returns."},
            "given": {"title": "a list of calls", "type": "array", "items": ref("given"), "description": "Calls that returned before."},
            "role": ref("role", "The role that the run has; none by default."),
            "prompt": text("What the user said."),
        },
        required=("tool", "result"),
        title="a result: `{tool: …, result: …}`",
        description="A result to try the rule with.",
    )
