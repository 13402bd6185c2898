"""The native form of a policy: `version: 1`, `rules`, `limits`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from agentgate.core.events import Effect, Json
from agentgate.core.findings import Finding
from agentgate.core.policy import WINDOWS, Limit
from agentgate.files.errors import error
from agentgate.files.native_results import results_and_redactions
from agentgate.files.native_rules import OTHER_USE, read_rule, sound_keys
from agentgate.files.parts import RESERVED, Part, names, note_extends, note_groups, note_roles, whole, whole_at
from agentgate.files.policy_schema import FRACTIONAL
from agentgate.files.validation import Path
from agentgate.files.words import tick
from agentgate.files.yaml import Document

_EFFECTS = tuple((effect.value, effect) for effect in Effect)
SCOPES = (
    ((), "policy"),
    (("rules", None), "rule"),
    (("rules", None, "when", None), "operators"),
    (("rules", None, "unless", None), "operators"),
    (("results", None), "result rule"),
    (("results", None, "when", None), "operators"),
    (("results", None, "unless", None), "operators"),
    (("redact", None), "redaction"),
    (("limits",), "limits"),
    (("limits", "tools", None), "tool limit"),
    (("limits", "tools", None, None), "limit"),
    *((("limits", window), "window") for window in WINDOWS),
    *((("limits", window, None), "limit") for window in WINDOWS),
    (("limits", None), "limit"),
)
"""Where in a file which keys stand, for other tools' words."""


def native_part(document: Document, bad: set[Path], part: Part) -> list[Finding]:
    """Reads a document that its schema has passed, or parts of one that it has not.

    Args:
        document: the file.
        bad: paths of values that findings are already about; what holds one of them is left out.
        part: is filled.
    """
    broken = {path[:length] for path in bad for length in (1, 2)}
    value: dict[str, Any] = document.value
    findings: list[Finding] = []
    if ("version",) not in broken:
        findings.extend(whole(document, ("version",), value.get("version")))
    if ("default",) not in broken and "default" in value:
        part.default = Effect(value["default"])
        part.place = document.value_place(("default",))
    if ("description",) not in broken:
        part.description = value.get("description")
    if ("name",) not in broken and "name" in value:
        part.name = value["name"]
    note_extends(part, document, broken)
    part.unread = {section for section in ("roles", "groups") if (section,) in broken}
    if "roles" not in part.unread:
        _roles(document, part, value.get("roles", {}))
    if "groups" not in part.unread:
        _groups(document, part, value.get("groups", {}))
    if isinstance(rules := value.get("rules", []), list):
        for index, entry in enumerate(rules):
            if ("rules", index) not in broken:
                findings.extend(_rule(document, part, index, entry))
            elif isinstance(entry, dict):
                findings.extend(sound_keys(document, part, ("rules", index), entry, bad))
    findings.extend(results_and_redactions(document, part, broken, bad))
    if ("once",) not in broken and "once" in value:
        part.once = names(value["once"])
        note_groups(part, document, ("once",), value["once"])
    if ("limits",) not in broken:
        findings.extend(_limits(document, part, value.get("limits", {})))
    return findings


def _roles(document: Document, part: Part, roles: dict[str, list[str]]) -> None:
    for role, includes in roles.items():
        part.roles[role] = tuple(includes)
        part.role_places[role] = document.key_place(("roles", role))
        note_roles(part, document, ("roles", role), includes)


def _groups(document: Document, part: Part, groups: dict[str, list[str]]) -> None:
    for group, tools in groups.items():
        part.groups[group] = tuple(tools)
        part.group_places[group] = document.key_place(("groups", group))
        note_groups(part, document, ("groups", group), tools)


def _rule(document: Document, part: Part, index: int, entry: dict[str, Any]) -> Iterator[Finding]:
    key, effect = next(found for found in _EFFECTS if found[0] in entry)
    rule = yield from read_rule(document, part, ("rules", index), entry, key, effect)
    part.rules.append(rule)


def _limits(document: Document, part: Part, limits: dict[str, Any]) -> Iterator[Finding]:
    for kind, value in limits.items():
        path = ("limits", kind)
        if kind == "tools":
            for tool, entry in value.items():
                yield from _tool_limits(document, part, (*path, tool), tool, entry)
        elif kind in WINDOWS:
            for inner, entry in value.items():
                yield from _limit(document, part, (*path, inner), Limit(inner, 0, window=kind), entry)
        else:
            yield from _limit(document, part, path, Limit(kind, 0), value)


def _tool_limits(document: Document, part: Part, path: Path, tool: str, entry: dict[str, Any]) -> Iterator[Finding]:
    """The limits of one tool: of its calls in a run, and in each window. An id and a message beside them are those of `calls`."""
    if tool.startswith("@"):
        part.named_groups.append((tool[1:], document.key_place(path)))
    if "calls" in entry:
        yield from _limit(document, part, path, Limit("calls", 0, tool), {**entry, "max": entry["calls"]}, number="calls")
    for key in ("id", "message"):
        if key in entry and "calls" not in entry:
            help = f"it belongs to `calls`; write it into the other limit: `per_hour: {{max: …, {key}: …}}`"
            yield error("bad-value", document.key_place((*path, key)), f"`{key}` is about no limit", help)
    for window in WINDOWS:
        if window in entry:
            yield from _limit(document, part, (*path, window), Limit("calls", 0, tool, window=window), entry[window])


def _limit(document: Document, part: Part, path: Path, limit: Limit, value: Json, *, number: str = "max") -> Iterator[Finding]:
    """A limit written as a number, or as a mapping that has the number under `max`; its key in the file may be another."""
    entry: dict[str, Any] = {"max": value}
    place = document.value_place(path)
    if isinstance(value, dict):
        entry, place = value, document.value_place((*path, number))
    if limit.kind not in FRACTIONAL:
        yield from whole_at(place, entry["max"])
    id = entry.get("id", ".".join(map(str, path)))
    if id in RESERVED:
        yield error("bad-id", document.value_place((*path, "id")), f"{tick(id)} cannot be the id of a limit", OTHER_USE)
    part.limits.append(replace(limit, value=entry["max"], message=entry.get("message"), id=id, place=document.key_place(path)))
