"""The flat form of a policy: named entries under `policies`, as existing gateways use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from agentgate.core.events import Effect
from agentgate.core.findings import Finding, Place, Severity
from agentgate.core.policy import Condition, Limit, Rule
from agentgate.files.errors import error
from agentgate.files.flat_schema import ARGUMENT_FILTERS, BUDGET_KINDS, BUDGETS, FILTERS, TRIAL_ACTIONS
from agentgate.files.parts import OF_LIMITS, RESERVED, Part, checked_condition, note_extends, whole
from agentgate.files.policy_schema import FRACTIONAL
from agentgate.files.validation import Path
from agentgate.files.words import tick
from agentgate.files.yaml import Document

SCOPES = (
    ((), "flat policy"),
    (("policies", None), "flat entry"),
    (("policies", "output", None), "flat entry"),
)
"""Where in a file which keys stand, for other tools' words."""


def flat_part(document: Document, bad: set[Path], part: Part) -> list[Finding]:
    """Reads a document that its schema has passed, or parts of one that it has not; like `native_part`."""
    value: dict[str, Any] = document.value
    part.default = Effect.ALLOW
    part.place = document.key_place(("policies",))
    if isinstance(value.get("name"), str):
        part.name = value["name"]
    if isinstance(value.get("description"), str):
        part.description = value["description"]
    path: Path = ("policies",)
    entries = value["policies"]
    if isinstance(entries, dict):
        path, entries = ("policies", "output"), entries.get("output")
    note_extends(part, document, {item[:1] for item in bad})
    broken = {item[: len(path) + 1] for item in bad}
    if path in bad or not isinstance(entries, list):
        return []
    findings = [] if ("version",) in bad else list(whole(document, ("version",), value.get("version")))
    seen: dict[str, Place] = {}
    for index, entry in enumerate(entries):
        if (*path, index) not in broken:
            findings.extend(_entry(document, part, (*path, index), entry, seen))
    return findings


def _entry(document: Document, part: Part, path: Path, entry: dict[str, Any], seen: dict[str, Place]) -> Iterator[Finding]:
    name, place = entry["name"], document.value_place((*path, "name"))
    if name in seen:
        yield error("duplicate-id", place, f"two entries are called {tick(name)}", "give each its own name", ((seen[name], "first here"),))
        return
    seen[name] = place
    if name in RESERVED or name.startswith(OF_LIMITS):
        yield error("bad-id", place, f"{tick(name)} cannot be the name of an entry", "decisions use this word for something else")
    kind, trial = entry["type"], entry.get("action") in TRIAL_ACTIONS
    if kind in FILTERS:
        yield from _filter(document, part, path, entry, place)
    elif kind in ARGUMENT_FILTERS:
        for made in checked_condition(document, path, entry.get("argument", "*"), [("search", entry["pattern"])]):
            if isinstance(made, Condition):
                condition = replace(made, place=document.value_place((*path, "pattern")))
                part.rules.append(_rule(entry, place, (entry.get("tool_name", "*"),), when=(condition,)))
            else:
                yield Finding(made.code, made.severity, document.value_place((*path, "pattern")), made.message, made.help)
    elif kind in BUDGETS:
        if trial:
            message = f"{tick(name)} enforces nothing: its action is {tick(entry['action'])}"
            yield Finding("observe-only", Severity.NOTE, place, message, "say `action: block` to enforce it")
            return
        for key, limit in BUDGET_KINDS.items():
            if key in entry:
                yield from _budget(document, part, (*path, key), Limit(limit, entry[key], None, entry.get("message"), name, place))
    elif kind == "observe":
        yield Finding(
            "observe-only", Severity.NOTE, place, f"{tick(name)} blocks nothing: every call is recorded anyway, with its decision"
        )


def _filter(document: Document, part: Part, path: Path, entry: dict[str, Any], place: Place) -> Iterator[Finding]:
    """Blocks what is listed; with a list of allowed tools, everything but what is listed, so that several such lists narrow each other."""
    allowed, blocked = entry.get("allowed_tools"), entry.get("blocked_tools")
    if allowed is None:
        if entry.get("action") == "allow":
            help = "say `action: block`, or `allowed_tools`"
            yield error("not-allowed-value", document.value_place((*path, "action")), "`action: allow` beside `blocked_tools` alone", help)
            return
        part.rules.append(_rule(entry, place, tuple(blocked or ())))
        return
    if blocked and any("*" in name for name in (*allowed, *blocked)):
        help = "make it two entries: one with `allowed_tools`, one with `blocked_tools`"
        yield error("not-yet", document.key_place((*path, "blocked_tools")), "both lists in one entry with `*` are not understood", help)
        return
    kept = tuple(name for name in allowed if name not in (blocked or ()))
    part.rules.append(_rule(entry, place, ("*",), except_tools=kept))


def _rule(
    entry: dict[str, Any], place: Place, tools: tuple[str, ...], *, except_tools: tuple[str, ...] = (), when: tuple[Condition, ...] = ()
) -> Rule:
    return Rule(
        id=entry["name"],
        effect=Effect.BLOCK,
        tools=tools,
        except_tools=except_tools,
        when=when,
        message=entry.get("message"),
        observe=entry.get("action") in TRIAL_ACTIONS,
        place=place,
    )


def _budget(document: Document, part: Part, path: Path, limit: Limit) -> Iterator[Finding]:
    if limit.kind not in FRACTIONAL:
        yield from whole(document, path, limit.value)
    part.limits.append(limit)
