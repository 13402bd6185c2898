"""Writes a policy in the native form, to be read by people and by `native_policy` again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from agentgate.core.events import Effect, Json
from agentgate.core.policy import WINDOWS, Condition, Example, Limit, Policy, Redaction, ResultRule, Rule
from agentgate.files.policy_schema import MAX_TEXT
from agentgate.files.words import visible
from agentgate.files.yaml_writer import entry, flow

_LONGEST_NAME = 128
_COMMENTS_AT = 17
_SCHEMA = "# yaml-language-server: $schema=policy.schema.json"
_DEFAULTS = {
    Effect.ALLOW: "what no rule matches is allowed; `block` would be safer",
    Effect.ASK: "what no rule matches, a person decides",
    Effect.BLOCK: "what no rule matches is blocked",
}
_LIMITS = {
    "steps": "model requests",
    "tool_calls": "calls let through",
    "tokens": "input and output together",
    "cost_usd": "US dollars",
    "seconds": "for the whole run",
    "repeats": "of the same call, refused ones included",
    "refusals": "refused calls in a row",
}
"""Kind → the words behind it, in the order in which they are written."""


def native_text(policy: Policy, *, about: Iterable[str] = (), remarks: Mapping[str, str] | None = None) -> str:
    """The policy as a file in the native form.

    Args:
        policy: its rule ids, and those ids of limits that are not the usual ones, are kebab-case; one limit of a kind at most, and every
            rule names tools.
        about: lines of comment for the head of the file.
        remarks: id of a rule or limit → a comment for it.
    """
    lines = [_SCHEMA, *("#" + (f" {visible(line)}" if line else "") for line in ("", *about)), "version: 1"]
    if 0 < len(policy.name) <= _LONGEST_NAME:
        lines += entry("name", policy.name)
    if policy.description and len(policy.description) <= MAX_TEXT:
        lines += entry("description", policy.description)
    for key, names in (("roles", policy.roles), ("groups", policy.groups)):
        if names:
            lines += ["", f"{key}:"]
            lines += (line for name, held in names.items() for line in entry(name, list(held), "  "))
    lines += ["", *entry("default", policy.default.value, comment=_DEFAULTS[policy.default])]
    if policy.once:
        lines += ["", *entry("once", _one_or_many(policy.once))]
    remarks = remarks or {}
    if policy.rules:
        lines += ["", "rules:", *_rules(policy.rules, remarks)]
    if policy.results:
        lines += ["", "results:", *_rules(policy.results, remarks)]
    if policy.redactions:
        lines += ["", "redact:", *_redactions(policy.redactions)]
    if policy.limits:
        lines += ["", "limits:", *_limits(policy.limits, remarks)]
    return "\n".join(lines) + "\n"


def _rules(rules: Sequence[Rule | ResultRule], remarks: Mapping[str, str]) -> Iterator[str]:
    """The rules, with a word on where they come from where that is more than one file."""
    bare = [rule.rule if isinstance(rule, ResultRule) else rule for rule in rules]
    several = len({rule.place.file for rule in bare if rule.place is not None}) > 1
    file: str | None = None
    for index, (rule, whole) in enumerate(zip(bare, rules, strict=True)):
        if index:
            yield ""
        if several and rule.place is not None and rule.place.file != file:
            file = rule.place.file
            yield f"  # from {visible(PurePath(file).name)}"
        if rule.id in remarks:
            yield f"  # {visible(remarks[rule.id])}"
        keys = _keys(rule) if whole is rule else _result_keys(whole)  # type: ignore[arg-type]
        yield from _item(keys)


def _item(keys: Mapping[str, Json]) -> Iterator[str]:
    lines = [line for key, value in keys.items() for line in entry(key, value, "    ")]
    yield f"  - {lines[0][4:]}"
    yield from lines[1:]


def _result_keys(rule: ResultRule) -> dict[str, Json]:
    """A rule about results as a file has it: what it does, and to which size, in place of the effect of its rule."""
    keys = _keys(rule.rule)
    effect = {"cut" if rule.cut else "block": keys.pop("block")}
    size: dict[str, Json] = {} if rule.max_bytes is None else {"max_bytes": rule.max_bytes}
    for calls in keys.get("examples", {}).values():
        for call in calls:
            call.update(call.pop("arguments"))
    return {"id": keys.pop("id"), **effect, **size, **keys}


def _redactions(redactions: Iterable[Redaction]) -> Iterator[str]:
    for redaction in redactions:
        keys: dict[str, Json] = {
            "id": redaction.id,
            "detect": _one_or_many(redaction.detect),
            "pattern": redaction.pattern,
            "in": None if redaction.where == "both" else redaction.where,
            "model": "original" if redaction.original else None,
            "replace": redaction.replace,
        }
        yield from _item({key: value for key, value in keys.items() if value not in (None, [])})


def _keys(rule: Rule) -> dict[str, Json]:
    """A rule as a file has it, in the order in which one reads it."""
    keys: dict[str, Json] = {
        "id": rule.id,
        rule.effect.value: _one_or_many(rule.tools),
        "except": _one_or_many(rule.except_tools),
        "roles": _one_or_many(rule.roles or ()),
        "except_roles": _one_or_many(rule.except_roles),
        "when": {condition.argument: _test(condition) for condition in rule.when},
        "unless": {condition.argument: _test(condition) for condition in rule.unless},
        "after": _one_or_many(rule.after or ()),
        "before": _one_or_many(rule.before or ()),
        "observe": rule.observe or None,
        "message": rule.message,
        "hint": rule.hint,
        "examples": _examples(rule.examples),
    }
    return {key: value for key, value in keys.items() if value not in (None, [], {})}


def _one_or_many(names: tuple[str, ...]) -> Json:
    return names[0] if len(names) == 1 else list(names)


def _test(condition: Condition) -> Json:
    """A plain value or a list where that says the same, else the operators."""
    if len(condition.operators) == 1 and not condition.optional:
        ((key, operand),) = condition.operators
        if key == "equals" and isinstance(operand, str | int | float):
            return operand
        if key == "in" and isinstance(operand, list | tuple):
            return list(operand)
    operators = dict(condition.operators)
    return {**operators, "optional": True} if condition.optional else operators


def _examples(examples: tuple[Example, ...]) -> dict[str, Json]:
    written: dict[str, Json] = {}
    for example in examples:
        call: dict[str, Any] = {
            "tool": example.tool,
            "arguments": dict(example.arguments),
            "given": [dict(earlier) for earlier in example.given],
            "role": example.role,
            "prompt": example.prompt,
        }
        kept = {key: value for key, value in call.items() if value not in (None, [], {})}
        written.setdefault("match" if example.matches else "no_match", []).append(kept)
    return written


def _limits(limits: tuple[Limit, ...], remarks: Mapping[str, str]) -> Iterator[str]:
    order = list(_LIMITS)
    for window in (None, *WINDOWS):
        of_runs = [limit for limit in limits if limit.tools is None and limit.window == window]
        if window is not None and of_runs:
            yield f"  {window}:"
        for limit in sorted(of_runs, key=lambda limit: order.index(limit.kind)):
            yield from _of_runs(limit, remarks, "  " if window is None else "    ")
    by_tool: dict[str, list[Limit]] = {}
    for limit in limits:
        if limit.tools is not None:
            by_tool.setdefault(limit.tools, []).append(limit)
    if by_tool:
        yield "  tools:"
    for tool, found in by_tool.items():
        yield from (f"    # {visible(remarks[limit.id])}" for limit in found if limit.id in remarks)
        yield from entry(tool, _of_tool(found), "    ")


def _of_runs(limit: Limit, remarks: Mapping[str, str], indent: str) -> Iterator[str]:
    if limit.id in remarks:
        yield f"{indent}# {visible(remarks[limit.id])}"
    first, *more = entry(limit.kind, _amount(limit), indent)
    if limit.kind == "cost_usd":
        first = _money(first, limit)
    yield f"{first:<{_COMMENTS_AT}}   # {_LIMITS[limit.kind] if limit.window is None else 'by all runs together'}"
    yield from more


def _of_tool(limits: list[Limit]) -> dict[str, Json]:
    """The limits of one tool: of its calls in a run, then over time."""
    keys: dict[str, Json] = {}
    for limit in limits:
        if limit.window is None:
            keys |= {"calls": limit.value, **_named(limit)}
        else:
            keys[limit.window] = _amount(limit)
    return keys


def _amount(limit: Limit) -> Json:
    named = _named(limit)
    return {"max": limit.value, **named} if named else limit.value


def _money(line: str, limit: Limit) -> str:
    """With two digits behind the point, as people write amounts."""
    written = f": {flow(limit.value)}"
    return line.replace(written, f": {limit.value:.2f}", 1) if "." in written and round(limit.value, 2) == limit.value else line


def usual_id(limit: Limit) -> str:
    """The id of a limit that has none of its own."""
    over = "" if limit.window is None else f".{limit.window}"
    return f"limits{over}.{limit.kind}" if limit.tools is None else f"limits.tools.{limit.tools}{over}"


def _named(limit: Limit) -> dict[str, Json]:
    keys = {"id": None if limit.id == usual_id(limit) else limit.id, "message": limit.message}
    return {key: value for key, value in keys.items() if value is not None}
