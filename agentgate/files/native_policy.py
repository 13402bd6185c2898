"""The native form of a policy: `version: 1`, `rules`, `limits`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from agentgate.core.conditions import OPERATORS
from agentgate.core.events import Effect, Json
from agentgate.core.findings import Finding
from agentgate.core.policy import WINDOWS, Condition, Example, Limit, Rule
from agentgate.files.errors import error
from agentgate.files.parts import RESERVED, Part, checked_condition, names, note_extends, note_groups, note_roles, whole, whole_at
from agentgate.files.policy_schema import FRACTIONAL
from agentgate.files.validation import Path
from agentgate.files.words import tick
from agentgate.files.yaml import Document

SCOPES = (
    ((), "policy"),
    (("rules", None), "rule"),
    (("rules", None, "when", None), "operators"),
    (("rules", None, "unless", None), "operators"),
    (("limits",), "limits"),
    (("limits", "tools", None), "tool limit"),
    (("limits", "tools", None, None), "limit"),
    *((("limits", window), "window") for window in WINDOWS),
    *((("limits", window, None), "limit") for window in WINDOWS),
    (("limits", None), "limit"),
)
"""Where in a file which keys stand, for other tools' words."""
_OTHER_USE = "decisions use this word for something else"


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
                findings.extend(_sound_keys(document, part, ("rules", index), entry, bad))
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
    path = ("rules", index)
    place = document.value_place((*path, "id"))
    if entry["id"] in RESERVED:
        yield error("bad-id", place, f"{tick(entry['id'])} cannot be the id of a rule", _OTHER_USE)
    effect = next(effect for effect in Effect if effect.value in entry)
    _note_names(part, document, path, entry)
    conditions: dict[str, tuple[Condition, ...]] = {"when": (), "unless": ()}
    for key in conditions:
        if key in entry:
            made = list(_conditions(document, (*path, key), entry[key]))
            yield from (item for item in made if isinstance(item, Finding))
            conditions[key] = tuple(item for item in made if isinstance(item, Condition))
            _note_operands(part, document, (*path, key), conditions[key])
    examples = entry.get("examples", {})
    part.rules.append(
        Rule(
            id=entry["id"],
            effect=effect,
            tools=names(entry[effect.value]),
            except_tools=names(entry.get("except", ())),
            roles=names(entry["roles"]) if "roles" in entry else None,
            except_roles=names(entry.get("except_roles", ())),
            when=conditions["when"],
            unless=conditions["unless"],
            after=names(entry["after"]) if "after" in entry else None,
            before=names(entry["before"]) if "before" in entry else None,
            message=entry.get("message"),
            hint=entry.get("hint"),
            observe=entry.get("observe", False),
            examples=tuple(_examples(document, part, path, examples)) if examples else (),
            place=place,
        )
    )


def _conditions(document: Document, path: Path, entries: dict[str, Json]) -> Iterator[Finding | Condition]:
    for argument, test in entries.items():
        inner = (*path, argument)
        if isinstance(test, dict):
            operators = [(key, operand) for key, operand in test.items() if key != "optional"]
            yield from checked_condition(document, inner, argument, operators, optional=test.get("optional", False))
        else:
            yield from checked_condition(document, inner, argument, [("in" if isinstance(test, list) else "equals", test)])


def _note_operands(part: Part, document: Document, path: Path, conditions: tuple[Condition, ...]) -> None:
    for condition in conditions:
        for key, operand in condition.operators:
            if OPERATORS[key].names_tools:
                note_groups(part, document, (*path, condition.argument, key), operand)


def _note_names(part: Part, document: Document, path: Path, entry: dict[str, Any]) -> None:
    """Remembers the roles and `@groups` that a rule names outside of its conditions."""
    for key in (*(effect.value for effect in Effect), "except", "after", "before"):
        if key in entry:
            note_groups(part, document, (*path, key), entry[key])
    for key in ("roles", "except_roles"):
        if key in entry:
            note_roles(part, document, (*path, key), entry[key])


def _sound_keys(document: Document, part: Part, path: Path, entry: dict[str, Any], bad: set[Path]) -> Iterator[Finding]:
    """What is wrong with the sound keys of a rule that is refused for another reason."""
    touched = {item[: len(path) + 1] for item in bad}
    sound = {key: value for key, value in entry.items() if (*path, key) not in touched}
    if "id" in sound:
        part.refused_ids.append((sound["id"], document.value_place((*path, "id"))))
    _note_names(part, document, path, sound)
    yield from _sound_conditions(document, path, entry, bad)


def _sound_conditions(document: Document, path: Path, entry: dict[str, Any], bad: set[Path]) -> Iterator[Finding]:
    for key in ("when", "unless"):
        conditions = entry.get(key)
        if isinstance(conditions, dict):
            inner = (*path, key)
            touched = {item[:4] for item in bad if item[:3] == inner}
            sound = {argument: test for argument, test in conditions.items() if inner not in bad and (*inner, argument) not in touched}
            yield from (item for item in _conditions(document, inner, sound) if isinstance(item, Finding))


def _examples(document: Document, part: Part, path: Path, examples: dict[str, list[dict[str, Any]]]) -> Iterator[Example]:
    for key, calls in examples.items():
        for index, call in enumerate(calls):
            inner = (*path, "examples", key, index)
            if "role" in call:
                part.named_roles.append((call["role"], document.value_place((*inner, "role"))))
            yield Example(
                tool=call["tool"],
                arguments=call.get("arguments", {}),
                given=tuple(call.get("given", ())),
                role=call.get("role"),
                prompt=call.get("prompt"),
                matches=key == "match",
                place=document.value_place(inner),
            )


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
        yield error("bad-id", document.value_place((*path, "id")), f"{tick(id)} cannot be the id of a limit", _OTHER_USE)
    part.limits.append(replace(limit, value=entry["max"], message=entry.get("message"), id=id, place=document.key_place(path)))
