"""Writes `policies/README.md` from what the code says about itself: `python -m tests.documentation`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from agentgate.core.conditions import OPERATORS, Operator
from agentgate.core.events import Code, Decision, ToolCall
from agentgate.core.findings import Severity
from agentgate.core.limits import OF_REQUESTS
from agentgate.core.redaction.detectors import DETECTORS
from agentgate.files.flat_schema import flat_schema
from agentgate.files.policy_file import load_policy, understand
from agentgate.files.policy_schema import LIMITS, native_schema
from agentgate.files.reading import Source
from agentgate.output.codes import Explained, explained
from agentgate.session import Session

ROOT = Path(__file__).parents[1]
POLICIES = ROOT / "policies"
TEMPLATE = ROOT / "tests" / "data" / "documentation" / "policies.md"
"""The hand-written part of the page."""
PAGE = POLICIES / "README.md"
COMMAND = "python -m tests.documentation"

FIRST = """\
# yaml-language-server: $schema=policy.schema.json
version: 1
name: refunds
description: Orders may be read and small refunds made; a person decides about larger ones.

rules:
  - id: read-orders
    allow: [get_order, "list_*"]       # these tools, whatever their arguments

  - id: refund
    allow: refund
    when:                              # all of this must hold
      amount: {min: 0.01}              # a number, at least this much
      currency: [EUR, USD]             # one of these

  - id: large-refund
    ask: refund                        # stricter than allow, so it wins
    unless: {amount: {max: 100}}       # the exception from this rule
    message: a person decides about refunds above 100

limits:
  steps: 10                            # how often the model is asked
  tool_calls: 20                       # how many calls are let through
"""
"""The policy that the page begins with."""

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_order", {"order": "A-1007"}),
    ("refund", {"amount": 20, "currency": "EUR"}),
    ("refund", {"amount": 500, "currency": "EUR"}),
    ("refund", {"amount": 20, "currency": "GBP"}),
    ("refund", {"amount": "20", "currency": "EUR"}),
    ("delete_order", {"order": "A-1007"}),
)
"""Calls that the first policy is tried with; the page shows what is decided."""

MEANINGS = {
    Code.MALFORMED_CALL: "The call has no usable id (missing, longer than 256 characters, used before in this run) or names no tool: "
    "a name is 1 to 64 letters, digits, `_`, `.` or `-`.",
    Code.DEFAULT: "No rule matched, or no rule allows or asks for this tool in this role; the default decided.",
    Code.UNKNOWN_TOOL: "There is no such tool.",
    Code.NOT_OFFERED: "The tool exists, but `tool_choice` did not offer it to the model.",
    Code.MALFORMED_ARGUMENTS: "The arguments are not one strict JSON object.",
    Code.INVALID_ARGUMENTS: "The arguments do not fit the tool's JSON Schema, or are not in it.",
    Code.LIMIT: "A limit is used up; `rule` is its id, such as `limits.tool_calls`.",
    Code.RULE: "A rule decided; `rule` is its id.",
    Code.APPROVAL_REJECTED: "A person was asked and said no.",
    Code.APPROVAL_UNAVAILABLE: "A person should have been asked, and nobody could answer.",
    Code.KILLED: "The kill switch was set.",
    Code.DUPLICATE: "The policy says `once`, and the same call was executed before, or may have been; the model gets the earlier result.",
    Code.RESULT_BLOCKED: "The call was executed, and a rule under `results` kept what it returned from the model.",
    Code.RESULT_CUT: "The call was executed, and a rule under `results` shortened what it returned.",
    Code.INTERNAL_ERROR: "Something went wrong while judging, so the call was blocked.",
}
"""Code of a decision → what it means, in the order in which a call can get it."""


def page() -> str:
    """The whole page."""
    native = native_schema()
    definitions = native["definitions"]
    found = explained()
    return Template(TEMPLATE.read_text()).substitute(
        command=COMMAND,
        first=FIRST,
        decisions=table(("call", "decision", "reason"), decisions()),
        shipped=table(("file", "what it is for"), shipped()),
        codes=table(("code", "what it means"), ((f"`{code}`", meaning) for code, meaning in MEANINGS.items())),
        top=keys(native, native),
        rule=keys(definitions["rule"], native),
        result_rule=keys(definitions["result_rule"], native),
        redaction=keys(definitions["redaction"], native),
        detectors="\n".join(f"| `{one.name}` | {one.summary} |" for one in DETECTORS.values()),
        limits=keys(definitions["limits"], native, prefix="limits."),
        example=keys(definitions["example"], native),
        given=keys(definitions["given"], native),
        operators=table(("operator", "holds when the argument"), ((link(key), one.summary) for key, one in OPERATORS.items())),
        optional="optional: true",
        operands="\n".join(section(one, native) for one in OPERATORS.values()),
        entries="\n\n".join(entries()),
        ending=words(kind for kind in LIMITS if kind in OF_REQUESTS),
        lasting=words(kind for kind in LIMITS if kind not in OF_REQUESTS),
        errors=table(("code", "what it means"), ((f"`{one.code}`", one.summary) for one in found if one.severity is Severity.ERROR)),
        warnings="\n".join(audit(one) for one in found if one.severity is not Severity.ERROR),
    )


def words(keys: Iterable[str]) -> str:
    """Keys in a sentence, after `when`."""
    *most, last = (f"`{key}`" for key in keys)
    return f"{', '.join(most)} or {last}" if most else last


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    lines.extend("| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in row) + " |" for row in rows)
    return "\n".join(lines)


def link(key: str) -> str:
    """A key that leads to the section of the same name."""
    return f"[`{key}`](#{key})"


def decisions() -> Iterator[tuple[str, str, str]]:
    """What the first policy decides about the calls."""
    policy = understand([Source("first.yaml", FIRST.encode(), "")]).policy
    assert policy is not None
    session = Session(policy)
    for number, (tool, arguments) in enumerate(CALLS):
        decision = session.propose(ToolCall(f"call_{number}", tool, json.dumps(arguments)))
        shown = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
        yield f"`{tool}({shown})`", _decided(decision), decision.reason


def _decided(decision: Decision) -> str:
    return f"{decision.effect} by `{decision.rule}`" if decision.rule else f"{decision.effect} by default"


def shipped() -> Iterator[tuple[str, str]]:
    """The policies in this folder, with their tests."""
    for file in sorted(POLICIES.glob("*.yaml")):
        if file.name.endswith(".test.yaml"):
            continue
        policy = load_policy(str(file))
        tests = file.with_suffix(".test.yaml")
        more = f" ([tests]({tests.name}))" if tests.exists() else ""
        yield f"[{policy.name}]({file.name}){more}", policy.description or ""


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with its references followed; what it says itself wins."""
    for part in (schema, *schema.get("allOf", ())):
        if "$ref" in part:
            target = root["definitions"][part["$ref"].removeprefix("#/definitions/")]
            return {**resolved(target, root), **{key: value for key, value in schema.items() if key not in ("$ref", "allOf")}}
    return dict(schema)


def keys(schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str = "") -> str:
    """The keys of a mapping: what each takes, and what it means."""
    return table(("key", "value", "meaning"), _keys(schema, root, prefix))


def _keys(schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for key, value in schema["properties"].items():
        found = resolved(value, root)
        needed = " **Required.**" if key in required else ""
        yield f"`{prefix}{key}`", kind(found), found.get("description", "") + needed
        for inner in found.get("patternProperties", {}).values():
            if "properties" in inner:
                yield from _keys(inner, root, f"{prefix}{key}.NAME.")


def kind(schema: Mapping[str, Any]) -> str:
    """What values a schema takes, in a few words."""
    if schema.get("enum"):
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "title" in schema:
        return str(schema["title"])
    return _kind_by_type(schema)


def _kind_by_type(schema: Mapping[str, Any]) -> str:
    match schema.get("type"):
        case "string":
            return "a text"
        case "integer":
            return f"a whole number from {schema['minimum']} on" if "minimum" in schema else "a whole number"
        case "number":
            return "a number"
        case "boolean":
            return "`true` or `false`"
        case "object":
            return "a mapping"
        case "array":
            return f"a list of {_many(schema['items'])}" if "items" in schema else "a list of values"
    return "a text or a list of texts" if "anyOf" in schema else "any value"


def _many(item: Mapping[str, Any]) -> str:
    if "enum" in item:
        return ", ".join(f"`{value}`" for value in item["enum"])
    return {"string": "texts", "integer": "whole numbers"}.get(item.get("type", ""), "values")


def section(operator: Operator, root: Mapping[str, Any]) -> str:
    """What there is to know about one operator."""
    key, operand = operator.key, operator.operand
    parts = [
        f"### {key}",
        f"Holds when the argument {operator.summary}.",
        f"```yaml\nwhen: {{argument: {{{key}: {as_yaml(operator.example)}}}}}\n```",
        f"Takes {kind(operand)}. {operand['description']}",
    ]
    if "properties" in operand:
        parts.append(keys(operand, root))
    if operator.details:
        parts.append(operator.details.strip())
    return "\n\n".join(parts) + "\n"


def as_yaml(value: Any) -> str:
    """A value in YAML's short form, with quotes where they help."""
    if isinstance(value, list):
        return "[" + ", ".join(as_yaml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {as_yaml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*", value):
        return "'" + value.replace("'", "''") + "'"
    return value if isinstance(value, str) else json.dumps(value)


def entries() -> Iterator[str]:
    """The types of entries of the flat form, with the keys of each beside those that all have."""
    schema = flat_schema()
    bodies = list(_bodies(schema["definitions"]["entry"]))
    shared = set.intersection(*(set(body["properties"]) for _, body in bodies))
    first = bodies[0][1]
    yield table(
        ("key of every entry", "meaning"),
        ((f"`{key}`", first["properties"][key]["description"]) for key in first["properties"] if key in shared),
    )
    rows = []
    for types, body in bodies:
        own = {key: resolved(value, schema)["description"] for key, value in body["properties"].items() if key not in shared}
        told = " ".join(f"`{key}`: {text[:1].lower()}{text[1:]}" for key, text in own.items())
        actions = ", ".join(f"`{action}`" for action in body["properties"]["action"]["enum"])
        rows.append((", ".join(f"`{one}`" for one in types), actions, told))
    yield table(("type", "action", "keys of its own"), rows)


def _bodies(entry: Mapping[str, Any]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    while "if" in entry:
        yield entry["if"]["properties"]["type"]["enum"], entry["then"]
        entry = entry["else"]


def audit(one: Explained) -> str:
    """One kind of warning."""
    note = " (a note)" if one.severity is Severity.NOTE else ""
    summary = one.summary.removesuffix(".")
    return f"#### {one.code}\n\n*{summary[:1].upper()}{summary[1:]}{note}.* {one.documentation}".rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
