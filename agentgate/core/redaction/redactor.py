"""Redacts texts and JSON: what the record keeps, what the model gets, what is shown to those who approve.

Whatever was valid JSON stays so: strings, keys and numbers are looked at one by one, also in JSON within a string. Redacting twice changes
nothing: what stands in place of something found is never looked into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from agentgate.core.events import Json
from agentgate.core.policy import Redaction
from agentgate.core.redaction.detectors import DETECTORS
from agentgate.core.redaction.finding import Finder, Span, label
from agentgate.core.redaction.secrets import Secrets

ARGUMENTS, RESULTS, TEXT, OURS = "arguments", "results", "text", "ours"
"""What a text is: of a call, of a tool, anything else that somebody said, or words of our own and of the operator (known secrets alone)."""
_MOST_ROUNDS = 8
"""How often a text is looked at again because of what stands around something found; then all of it is replaced."""
_MARK = "\ufffc"
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"(?=[ \t\r\n]*(:)|)|-?[0-9][0-9.eE+-]*')
_DEEP_ESCAPE = re.compile(r"\\\\|\\u")
_KEYS = frozenset(
    (
        *("role", "content", "tool_calls", "id", "type", "function", "name", "arguments", "refusal", "tool_call_id", "text", "items"),
        *("ok", "tool", "result", "error", "code", "rule", "hint", "truncated", "description", "parameters"),
    )
)
"""Keys of ours and of the protocols. They hold nothing, and without them nothing could be read again."""


class _Token(NamedTuple):
    """A string or number within a JSON text."""

    start: int
    end: int
    text: str
    is_key: bool


class Redactor:
    """What a policy redacts, and the known secrets. Pure, but for what it remembers to be quick."""

    def __init__(self, redactions: Iterable[Redaction] = (), secrets: Mapping[str, str] | None = None) -> None:
        """Takes the entries of a policy, and secret environment variables: name → value."""
        self._redactions = tuple(redactions)
        self._secrets = Secrets(secrets or {})
        self._names = tuple(secrets or {})
        self._finders: dict[tuple[Redaction, ...], Finder] = {}
        self._marks: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        return bool(self._redactions) or bool(self._secrets)

    def record(self, text: str, kind: str = TEXT) -> str:
        """A text as it is recorded and shown."""
        return self._text(text, self._finder(kind))

    def record_value(self, value: Json, kind: str = TEXT) -> Json:
        """The same for a JSON value, with everything in it."""
        return self._value(value, self._finder(kind), kind)

    def for_model(self, content: str) -> str:
        """A result as the model gets it."""
        return self._text(content, self._finder(RESULTS, to_model=True))

    def for_approver(self, value: Json) -> Json:
        """A call's arguments as those see them who approve: whole, but for what opens something."""
        return self._value(value, self._finder(ARGUMENTS, secret=True), ARGUMENTS)

    def before(self, text: str, place: int) -> int:
        """Where to cut a text so that nothing that is redacted is cut in two: `place`, or the beginning of what lies across it."""
        for span in self._finder(RESULTS).spans(_encodable(text)) if self else ():
            if span.start < place < span.end:
                return self.before(text, span.start)
        return place

    def _finder(self, kind: str, *, to_model: bool = False, secret: bool = False) -> Finder:
        entries = [redaction for redaction in self._redactions if kind in (redaction.where, TEXT) or redaction.where == "both"]
        kept = tuple(redaction for redaction in entries if kind != OURS and not (to_model and redaction.original))
        if secret:
            kept = tuple(_opening(redaction) for redaction in kept)
        finder = self._finders.get(kept)
        if finder is None:
            finder = self._finders[kept] = Finder(kept, self._secrets)
        return finder

    def _value(self, value: Json, finder: Finder, kind: str) -> Json:
        if not finder or value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return self._text(value, finder)
        if isinstance(value, int | float):
            text = json.dumps(value)
            found = self._string(text, finder)
            return value if found == text else found
        if isinstance(value, Mapping):
            return self._object(value, finder, kind)
        if isinstance(value, list | tuple):
            items = [self._value(item, finder, kind) for item in value]
            return items if isinstance(value, list) else tuple(items)
        raise TypeError(f"{type(value).__name__} is no JSON")

    def _object(self, value: Mapping[str, Json], finder: Finder, kind: str) -> dict[str, Json]:
        names = self._keys(value, finder)
        made: dict[str, Json] = {}
        for key, item in value.items():
            field = finder.of_field(key) if isinstance(item, str | int | float) else None
            inner = finder
            if kind == TEXT and key == "arguments":
                inner = self._finder(ARGUMENTS)
            if field is not None and item is not True and item is not False:
                made[names[key]] = item if isinstance(item, str) and self._is_mark(item) else field
            elif kind == TEXT and key in ("role", "type"):
                made[key] = self._value(item, self._finder(OURS), OURS)
            else:
                made[names[key]] = self._value(item, inner, kind)
        return made

    def _text(self, text: str, finder: Finder) -> str:
        """A text that may be JSON."""
        if not finder or not text:
            return text
        sound = _encodable(text)
        beyond = finder.whole or _DEEP_ESCAPE.search(sound) is not None
        if not beyond and not finder.anything(sound):
            return text
        if _is_json(text):
            return self._json(text, finder)
        found = self._string(text, finder)
        return self._json(found, finder) if found != text and _is_json(found) else found

    def _json(self, text: str, finder: Finder) -> str:
        """A JSON text, token by token; all else in it stays as it is."""
        tokens = [_token(text, match) for match in _TOKEN.finditer(text)]
        keys = self._keys([token.text for token in tokens if token.is_key], finder)
        parts: list[str] = []
        copied = 0
        field: str | None = None
        for index, token in enumerate(tokens):
            if token.is_key:
                new = keys[token.text]
                following = tokens[index + 1] if index + 1 < len(tokens) else None
                direct = following is not None and not text[token.end : following.start].strip(" \t\r\n:")
                field = finder.of_field(token.text) if direct else None
            else:
                new = self._text(token.text, finder) if text[token.start] == '"' else self._string(token.text, finder)
                new = new if field is None or self._is_mark(token.text) else field
                field = None
            if new != token.text:
                parts += (text[copied : token.start], _quoted(new))
                copied = token.end
        return "".join(parts) + text[copied:] if parts else text

    def _keys(self, keys: Iterable[str], finder: Finder) -> dict[str, str]:
        """Key → what it becomes. Different keys stay different, so that no object has a key twice."""
        found = {key: key if key in _KEYS else self._string(key, finder) for key in keys}
        used = {key for key, new in found.items() if new == key}
        for key, new in found.items():
            if new != key:
                number, name = 1, new
                while name in used:
                    number += 1
                    name = f"{new} {number}"
                used.add(name)
                found[key] = name
        return found

    def _string(self, text: str, finder: Finder) -> str:
        """A text that is taken as it stands."""
        for _ in range(_MOST_ROUNDS):
            masked, marks = self._masked(text)
            spans = [span for span in finder.spans(masked) if masked[span.start : span.end].strip(_MARK)]
            if not spans:
                return text
            text, last = _replaced(text, marks, spans)
        return last

    def _masked(self, text: str) -> tuple[str, list[tuple[int, int]]]:
        """The text with a mark for each replacement made earlier, and where those stand."""
        sound = _encodable(text)
        if "[" not in sound:
            return sound, []
        found = [match.span() for match in self._replacements().finditer(sound)]
        return (self._replacements().sub(_MARK, sound) if found else sound), found

    def _is_mark(self, text: str) -> bool:
        return self._replacements().fullmatch(text) is not None

    def _replacements(self) -> re.Pattern[str]:
        """Matches everything that is ever written in place of something."""
        if self._marks is None:
            labels = {label(redaction, name) for redaction in self._redactions for name in redaction.detect or (None,)}
            labels |= {f"[redacted:${name}]" for name in self._names}
            self._marks = re.compile("|".join(map(re.escape, sorted(labels, key=lambda one: (-len(one), one)))) or r"(?!)")
        return self._marks


def _opening(redaction: Redaction) -> Redaction:
    """The entry with only those of its detectors that find what opens something."""
    return replace(redaction, pattern=None, detect=tuple(name for name in redaction.detect if DETECTORS[name].secret))


def _replaced(text: str, marks: list[tuple[int, int]], spans: Iterable[Span]) -> tuple[str, str]:
    """The text with every span replaced, those that overlap or touch with the same label as one; and the label written last."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end, span.label)):
        before = merged[-1] if merged else None
        if before is not None and (span.start < before.end or (span.start == before.end and span.label == before.label)):
            merged[-1] = Span(before.start, max(before.end, span.end), before.label)
        else:
            merged.append(span)
    place = _unmasking(marks)
    parts: list[str] = []
    copied = 0
    for span in merged:
        start = place(span.start)
        parts += (text[copied:start], span.label)
        copied = place(span.end)
    return "".join(parts) + text[copied:], merged[-1].label


def _unmasking(marks: list[tuple[int, int]]) -> Callable[[int], int]:
    """Tells where a place in the masked text stands in the text itself. To be asked in order."""
    rest = list(reversed(marks))
    shift = 0

    def place(masked_place: int) -> int:
        nonlocal shift
        while rest and rest[-1][0] + shift < masked_place:
            start, end = rest.pop()
            shift += 1 - (end - start)
        return masked_place - shift

    return place


def _encodable(text: str) -> str:
    """The text with `?` in place of each lone surrogate, which no pattern can look at."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _is_json(text: str) -> bool:
    """Whether it is an object, a list or a string of JSON. Any other text is one string."""
    if text.lstrip(" \t\r\n")[:1] not in ("{", "[", '"'):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _token(text: str, match: re.Match[str]) -> _Token:
    start, end = match.span()
    if text[start] != '"':
        return _Token(start, end, match.group(), False)
    return _Token(start, end, json.loads(match.group()), match.group(1) is not None)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=text.isascii() or _encodable(text) != text)
