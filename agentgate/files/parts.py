"""One policy file, understood: what it says, and the places that matter when several files are put together."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TypeAlias

import msgspec

from agentgate.core.conditions import InvalidOperand, compiled_test
from agentgate.core.events import Effect, Json
from agentgate.core.findings import Finding, Place
from agentgate.core.policy import Condition, Limit, Redaction, ResultRule, Rule
from agentgate.files.errors import error
from agentgate.files.words import tick
from agentgate.files.yaml import Document

RESERVED = frozenset(("default", "limit", "limits", "rule", "killed", "duplicate", "once"))
"""Ids that would be taken for something else in a decision: its codes, and the ids of limits."""
Path: TypeAlias = tuple[str | int, ...]
OF_LIMITS = "limits."
"""What the ids of limits begin with that have none of their own."""
_TEXT_PATTERNS = ("matches", "search", "glob")


class Part(msgspec.Struct):
    """What one file contributes to a policy."""

    file: str
    sha256: str
    name: str
    default: Effect
    place: Place
    description: str | None = None
    extends: list[tuple[str, Place]] = []
    """The files that it builds on, as written."""
    rules: list[Rule] = []
    refused_ids: list[tuple[str, Place]] = []
    """The ids of rules in which something else is wrong."""
    limits: list[Limit] = []
    results: list[ResultRule] = []
    redactions: list[Redaction] = []
    roles: dict[str, tuple[str, ...]] = {}
    groups: dict[str, tuple[str, ...]] = {}
    once: tuple[str, ...] = ()
    role_places: dict[str, Place] = {}
    group_places: dict[str, Place] = {}
    named_groups: list[tuple[str, Place]] = []
    """Every `@group` that is used, without the `@`."""
    named_roles: list[tuple[str, Place]] = []
    """Every role that is used."""
    unread: set[str] = set()
    """`roles`, `groups`: what could not be read, so that nobody complains about what is defined there."""


def names(value: Json) -> tuple[str, ...]:
    """One name or a list of them, as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)


def note_groups(part: Part, document: Document, path: tuple[str | int, ...], value: Json) -> None:
    """Remembers the `@groups` that a list of tools names."""
    for index, name in enumerate(names(value)):
        if name.startswith("@"):
            group = name[1:].partition("#")[0]
            part.named_groups.append((group, document.value_place(path if isinstance(value, str) else (*path, index))))


def note_roles(part: Part, document: Document, path: tuple[str | int, ...], value: Json) -> None:
    """Remembers the roles that are named in one place."""
    for index, name in enumerate(names(value)):
        part.named_roles.append((name, document.value_place(path if isinstance(value, str) else (*path, index))))


def note_extends(part: Part, document: Document, broken: Container[Path]) -> None:
    """Remembers the files that the document extends."""
    entries = document.value.get("extends", ())
    if ("extends",) in broken:
        return
    for index, path in enumerate(names(entries)):
        part.extends.append((path, document.value_place(("extends",) if isinstance(entries, str) else ("extends", index))))


def checked_condition(
    document: Document, path: tuple[str | int, ...], argument: str, operators: Sequence[tuple[str, Json]], *, optional: bool = False
) -> Iterator[Finding | Condition]:
    """The condition; before it, a finding for each operand that its operator refuses.

    Args:
        document: where it stands.
        path: the operand's place, or that of the mapping of operators.
        argument: which argument it is about.
        operators: operator key and operand.
        optional: whether it holds too when the argument is absent.
    """
    for key, operand in operators:
        if key in _TEXT_PATTERNS and operand.endswith("\n"):
            place = document.value_place((*path, key))
            yield error("bad-pattern", place, "the pattern ends in a line break", "write it on one line, in single quotes")
            continue
        try:
            compiled_test(key, operand)
        except InvalidOperand as invalid:
            yield error(_code(key), document.value_place((*path, key)), str(invalid), _help(key, operand))
    yield Condition(argument, tuple(operators), optional, document.key_place(path))


def _code(key: str) -> str:
    return {"matches": "bad-pattern", "search": "bad-pattern", "glob": "bad-pattern", "schema": "bad-schema"}.get(key, "bad-value")


def _help(key: str, operand: Json) -> str | None:
    if key in ("matches", "search") and ("(?=" in operand or "(?!" in operand or "(?<" in operand):
        return "RE2 has no look-around; use a second condition, or `unless`"
    return None


def whole(document: Document, path: tuple[str | int, ...], value: Json) -> Iterator[Finding]:
    """A finding where a whole number is written with a fraction: to JSON Schema `1.0` is an integer too."""
    yield from whole_at(document.value_place(path), value)


def whole_at(place: Place, value: Json) -> Iterator[Finding]:
    """The same by the place of the value."""
    if type(value) is float:
        yield error("wrong-type", place, f"{tick(value)} where a whole number is expected", f"write `{value:.0f}`")
