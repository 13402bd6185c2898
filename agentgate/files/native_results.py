"""Reads what the native form says about results: `results`, which block or cut them, and `redact`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentgate.core.events import Effect
from agentgate.core.findings import Finding
from agentgate.core.patterns import InvalidPattern, compile_pattern
from agentgate.core.policy import Condition, Redaction, ResultRule
from agentgate.core.results import ERROR, RESULT
from agentgate.core.rules import EVERYTHING
from agentgate.files.errors import error
from agentgate.files.native_rules import OTHER_USE, read_rule, sound_keys
from agentgate.files.parts import RESERVED, Part, names, whole
from agentgate.files.validation import Path
from agentgate.files.words import tick
from agentgate.files.yaml import Document

_JSON_WORDS = ("[true]", "[false]", "[null]", "[NaN]", "[Infinity]")
"""What would not be a text any more, where it stands in JSON."""


def results_and_redactions(document: Document, part: Part, broken: set[Path], bad: set[Path]) -> Iterator[Finding]:
    """Reads both lists, as far as no finding is about them already."""
    for key, read in (("results", _result_rule), ("redact", _redaction)):
        entries = document.value.get(key, [])
        if not isinstance(entries, list):
            continue
        for index, entry in enumerate(entries):
            if (key,) not in broken and (key, index) not in broken:
                yield from read(document, part, (key, index), entry)
            elif key == "results" and isinstance(entry, dict):
                yield from sound_keys(document, part, (key, index), entry, bad)


def _result_rule(document: Document, part: Part, path: Path, entry: dict[str, Any]) -> Iterator[Finding]:
    cut = "cut" in entry
    rule = yield from read_rule(document, part, path, entry, "cut" if cut else "block", Effect.BLOCK)
    if cut and "max_bytes" not in entry:
        yield error("missing-key", document.value_place(path), "`cut` without the size that is left", "add `max_bytes`")
        return
    if "max_bytes" in entry:
        yield from whole(document, (*path, "max_bytes"), entry["max_bytes"])
    for condition in (*rule.when, *rule.unless):
        yield from _stray(condition)
    part.results.append(ResultRule(rule, entry.get("max_bytes"), cut))


def _stray(condition: Condition) -> Iterator[Finding]:
    """A finding for a condition about something else than a result."""
    assert condition.place is not None
    if condition.argument != EVERYTHING and condition.argument.split(".")[0] not in (RESULT, ERROR):
        message = f"{tick(condition.argument)} is not part of a result"
        help = f"write `result.{condition.argument}`; `result` is the whole of it, `error` what a tool failed with, `*` every string"
        yield error("bad-value", condition.place, message, help)


def _redaction(document: Document, part: Part, path: Path, entry: dict[str, Any]) -> Iterator[Finding]:
    place = document.value_place((*path, "id")) if "id" in entry else document.value_place(path)
    if entry.get("id") in RESERVED:
        yield error("bad-id", place, f"{tick(entry['id'])} cannot be the id of an entry", OTHER_USE)
    if "pattern" in entry:
        if "id" not in entry:
            yield error("missing-key", document.value_place(path), "a pattern without a name for what it finds", "add `id`")
        yield from _pattern(document, (*path, "pattern"), entry["pattern"])
    if entry.get("replace") in _JSON_WORDS:
        yield error("bad-value", document.value_place((*path, "replace")), f"{tick(entry['replace'])} reads as JSON", "choose another word")
    if entry.get("model") == "original" and entry.get("in") == "arguments":
        message = "`model: original` is about results, and this entry is about arguments"
        yield error("bad-value", document.value_place((*path, "model")), message, "leave one of them out")
    part.redactions.append(
        Redaction(
            id=entry.get("id"),
            detect=names(entry.get("detect", ())),
            pattern=entry.get("pattern"),
            where=entry.get("in", "both"),
            original=entry.get("model") == "original",
            replace=entry.get("replace"),
            place=place,
        )
    )


def _pattern(document: Document, path: Path, pattern: str) -> Iterator[Finding]:
    place = document.value_place(path)
    try:
        compiled = compile_pattern(pattern)
    except InvalidPattern as invalid:
        yield error("bad-pattern", place, f"RE2 cannot compile this pattern: {invalid}")
        return
    if pattern.endswith("\n"):
        yield error("bad-pattern", place, "the pattern ends in a line break", "write it on one line, in single quotes")
    elif compiled.search("") is not None:
        yield error(
            "bad-pattern", place, "the pattern matches the empty text, which is everywhere", "say what must be there: `+` in place of `*`"
        )
