"""Reads rules of the native form, those about calls and those about results."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from agentgate.core.conditions import OPERATORS
from agentgate.core.events import Effect, Json
from agentgate.core.findings import Finding
from agentgate.core.policy import Condition, Example, Rule
from agentgate.files.errors import error
from agentgate.files.parts import RESERVED, Part, checked_condition, names, note_groups, note_roles
from agentgate.files.validation import Path
from agentgate.files.words import tick
from agentgate.files.yaml import Document

_NAMING_TOOLS = (*(effect.value for effect in Effect), "cut", "except", "after", "before")
OTHER_USE = "decisions use this word for something else"


def read_rule(
    document: Document, part: Part, path: Path, entry: dict[str, Any], key: str, effect: Effect
) -> Generator[Finding, None, Rule]:
    """The rule at a path whose tools stand under `key`; yields what is wrong with it."""
    place = document.value_place((*path, "id"))
    if entry["id"] in RESERVED:
        yield error("bad-id", place, f"{tick(entry['id'])} cannot be the id of a rule", OTHER_USE)
    note_names(part, document, path, entry)
    conditions: dict[str, tuple[Condition, ...]] = {"when": (), "unless": ()}
    for group in conditions:
        if group in entry:
            made = list(_conditions(document, (*path, group), entry[group]))
            yield from (item for item in made if isinstance(item, Finding))
            conditions[group] = tuple(item for item in made if isinstance(item, Condition))
            _note_operands(part, document, (*path, group), conditions[group])
    examples = entry.get("examples", {})
    return Rule(
        id=entry["id"],
        effect=effect,
        tools=names(entry[key]),
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


def note_names(part: Part, document: Document, path: Path, entry: dict[str, Any]) -> None:
    """Remembers the roles and `@groups` that a rule names outside of its conditions."""
    for key in _NAMING_TOOLS:
        if key in entry:
            note_groups(part, document, (*path, key), entry[key])
    for key in ("roles", "except_roles"):
        if key in entry:
            note_roles(part, document, (*path, key), entry[key])


def sound_keys(document: Document, part: Part, path: Path, entry: dict[str, Any], bad: set[Path]) -> Iterator[Finding]:
    """What is wrong with the sound keys of a rule that is refused for another reason."""
    touched = {item[: len(path) + 1] for item in bad}
    sound = {key: value for key, value in entry.items() if (*path, key) not in touched}
    if "id" in sound:
        part.refused_ids.append((sound["id"], document.value_place((*path, "id"))))
    note_names(part, document, path, sound)
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
                arguments=call.get("arguments", {}) if "result" not in call else {"result": call["result"]},
                given=tuple(call.get("given", ())),
                role=call.get("role"),
                prompt=call.get("prompt"),
                matches=key == "match",
                place=document.value_place(inner),
            )
