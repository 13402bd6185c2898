"""Mends what is safe to mend in a policy or task, at its place in the text, so that comments and layout stay as they are."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from agentgate.core.events import Json
from agentgate.core.findings import Finding, Place
from agentgate.errors import OutsideError
from agentgate.files.reading import POLICY_BYTES
from agentgate.files.yaml import Document, parse

_MOST = 50
"""Findings that are mended in one go."""
_MEANT = re.compile(r"(?:did you mean|agentgate says) `([A-Za-z_]+)`\??")
_WRITTEN = re.compile(r"`([^`]+)`")
_NAMES = frozenset(("unknown-key", "unknown-effect", "unknown-operator"))
_FLAGS = {"case-sensitive": "(?i)", "flat-case-sensitive": "(?i)", "dot-misses-newline": "(?s)"}
"""Code of a finding about a pattern that stops something → what in front of the pattern lets it stop more."""
_BREAK = re.compile(r"\r\n|\r|\n")

Examine = Callable[[bytes], Sequence[Finding]]


class _Edit(Struct, frozen=True):
    """Characters of one line to be replaced."""

    place: Place
    text: str


def mend(data: bytes, findings: Sequence[Finding], examine: Examine) -> tuple[bytes, list[Finding]]:
    """The text with as much mended as can be, and the findings that are gone by that.

    Each change is tried by itself, and kept only when its finding is gone afterwards.

    Args:
        data: the file.
        findings: what was found in it.
        examine: what is found in a changed file.
    """
    mended: list[Finding] = []
    tried: set[tuple[str, str]] = set()
    while len(mended) < _MOST:
        finding = next((one for one in findings if one.code in (*_NAMES, *_FLAGS) and (one.code, str(one.place)) not in tried), None)
        if finding is None:
            break
        tried.add((finding.code, str(finding.place)))
        edit = _edit(data, finding)
        if edit is None:
            continue
        changed = _applied(data, edit)
        after = examine(changed)
        if _better(after, findings, finding):
            data, findings = changed, after
            mended.append(finding)
    return data, mended


def _better(after: Sequence[Finding], before: Sequence[Finding], finding: Finding) -> bool:
    """Whether the finding is gone, and the change did not make a second key of the same name."""
    gone = not any((one.code, one.message, one.place.line) == (finding.code, finding.message, finding.place.line) for one in after)
    return gone and _count(after, "duplicate-key") <= _count(before, "duplicate-key")


def _count(findings: Sequence[Finding], code: str) -> int:
    return sum(finding.code == code for finding in findings)


def _edit(data: bytes, finding: Finding) -> _Edit | None:
    if finding.code in _FLAGS:
        return _with_flag(data, finding)
    meant, written = _MEANT.fullmatch(finding.help or ""), _WRITTEN.search(finding.message)
    if meant is None or written is None or meant[1] == "allow":
        # What lets something through is for a person to write.
        return None
    return _Edit(finding.place, meant[1]) if _text_at(data, finding.place) == written[1] else None


def _with_flag(data: bytes, finding: Finding) -> _Edit | None:
    """A flag in front of the pattern that a finding is about."""
    document = parse(data, finding.place.file, max_bytes=POLICY_BYTES).document
    if document is None:
        return None
    flat = isinstance(document.value, dict) and "policies" in document.value
    place = finding.place if flat else _pattern_place(document, finding.place)
    written = _text_at(data, place) if place is not None else ""
    if place is None or not written or written[0] in "|>":
        return None
    at = 1 if written[0] in "'\"" else 0
    return _Edit(Place(place.file, place.line, place.column + at, 0), _FLAGS[finding.code])


def _pattern_place(document: Document, condition: Place) -> Place | None:
    """Where the pattern of a condition stands, by the place of the condition's argument."""
    value: Json = document.value
    for index, rule in enumerate(value.get("rules", ())):
        for key in ("when", "unless"):
            for argument, test in (rule.get(key) or {}).items():
                if document.key_place(("rules", index, key, argument)) != condition or not isinstance(test, dict):
                    continue
                patterns = [operator for operator in ("search", "matches") if operator in test]
                if len(patterns) == 1:
                    return document.value_place(("rules", index, key, argument, patterns[0]))
    return None


def _text_at(data: bytes, place: Place) -> str:
    lines = _BREAK.split(data.decode("utf-8-sig"))
    return lines[place.line - 1][place.column - 1 : place.column - 1 + place.length] if place.line <= len(lines) else ""


def _applied(data: bytes, edit: _Edit) -> bytes:
    text = data.decode("utf-8")
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    breaks = [0, *(found.end() for found in _BREAK.finditer(text))]
    start = breaks[edit.place.line - 1] + edit.place.column - 1
    return (mark + text[:start] + edit.text + text[start + edit.place.length :]).encode()


def replace_file(path: str, data: bytes) -> None:
    """Writes a file anew, all of it or nothing; its mode stays as it is, and a link still leads to it.

    Raises:
        OutsideError: it cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                shutil.copymode(target, file.name)
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as problem:
        raise OutsideError(f"cannot write `{path}`: {(problem.strerror or str(problem)).lower()}") from None
