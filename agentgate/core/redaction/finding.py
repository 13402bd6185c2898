"""Finds what is to be redacted in a text: where, and what stands there afterwards. Clean text costs one pass of a pattern set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import re2
from msgspec import Struct

from agentgate.core.patterns import PatternSet, compile_pattern
from agentgate.core.policy import Redaction
from agentgate.core.redaction.detectors import DETECTORS, FIELD_NAME
from agentgate.core.redaction.readings import Reading, readings
from agentgate.core.redaction.secrets import Secrets

_ANCHORS = re.compile(r"\^|\$|\\[AzZbB]")


class Span(Struct, frozen=True, order=True):
    """Something that was found."""

    start: int
    end: int
    label: str
    """What is written in its place."""


class _Wanted(Struct, frozen=True):
    """A pattern, and what is written in place of what it finds."""

    pattern: str
    label: str
    grouped: bool = False
    """Whether group 1 is what is replaced, where there is one. In patterns of a policy it is always the whole match."""
    check: Callable[[str], bool] | None = None


def label(redaction: Redaction, detector: str | None = None) -> str:
    """What an entry of the policy writes in place of what it finds, or what one of its detectors does."""
    return redaction.replace or f"[redacted:{redaction.id or detector}]"


class Finder:
    """Some entries of `redact:` and the known secrets, ready to be looked for."""

    def __init__(self, redactions: Iterable[Redaction], secrets: Secrets) -> None:
        self._secrets = secrets
        wanted: dict[tuple[str, str], _Wanted] = {}
        self._named: str | None = None
        self.whole = False
        """Whether some pattern asks where a text begins or ends, so that a string must be looked at by itself."""
        for redaction in redactions:
            for one in _wanted(redaction):
                wanted[one.pattern, one.label] = one
            if "named_secrets" in redaction.detect:
                self._named = min(self._named or "~", label(redaction, "named_secrets"))
            self.whole = self.whole or (redaction.pattern is not None and _ANCHORS.search(redaction.pattern) is not None)
        self._wanted: Sequence[_Wanted] = sorted(wanted.values(), key=lambda one: (one.label, one.pattern))
        self._regexps = [compile_pattern(one.pattern) for one in self._wanted]
        self._set = PatternSet([one.pattern for one in self._wanted], "search") if self._wanted else None
        self._name = compile_pattern(f"(?i){FIELD_NAME}$") if self._named else None
        self._field = PatternSet([f'(?i){FIELD_NAME}\\\\?"\\s*:'], "search") if self._named else None

    def __bool__(self) -> bool:
        return self._set is not None or bool(self._secrets)

    def of_field(self, name: str) -> str | None:
        """What is written in place of the value of a field, where the field's name says that it is a secret."""
        return self._named if self._name is not None and self._name.search(name.encode("utf-8", "replace")) is not None else None

    def anything(self, text: str) -> bool:
        """Whether there may be something; False is certain for what needs no look at single strings."""
        if self._field is not None and self._field.matches(text):
            return True
        return self._hit(text) or any(self._hit(reading.text) for reading in readings(text))

    def spans(self, text: str) -> list[Span]:
        """Everything that was found, in whatever way the text is read. May overlap. The text holds no lone surrogates."""
        found = list(self._within(text)) if self._hit(text) else []
        for reading in readings(text):
            if self._hit(reading.text):
                found.extend(_back(reading, span) for span in self._within(reading.text))
        return found

    def _hit(self, text: str) -> bool:
        return (self._set is not None and bool(self._set.matches(text))) or self._secrets.within(text)

    def _within(self, text: str) -> Iterator[Span]:
        yield from (Span(start, end, f"[redacted:${name}]") for start, end, name in self._secrets.spans(text))
        matching = sorted(self._set.matches(text)) if self._set is not None else ()
        data = text.encode()
        plain = len(data) == len(text)
        for index in matching:
            wanted = self._wanted[index]
            spans = _matches(wanted, self._regexps[index], data)
            yield from (Span(*span, wanted.label) for span in (spans if plain else _in_characters(data, spans)))


def _wanted(redaction: Redaction) -> Iterator[_Wanted]:
    if redaction.pattern is not None:
        yield _Wanted(redaction.pattern, label(redaction))
    for name in redaction.detect:
        detector = DETECTORS[name]
        for pattern in detector.patterns:
            yield _Wanted(pattern, label(redaction, name), True, detector.check)


def _matches(wanted: _Wanted, regexp: re2._Regexp, data: bytes) -> Iterator[tuple[int, int]]:
    """Where a pattern matches, in bytes. After a match of nothing, or one that fails the check, it is looked for one byte further on."""
    group = 1 if wanted.grouped and regexp.groups else 0
    place = 0
    while place <= len(data):
        match = regexp.search(data, place)
        if match is None:
            return
        start, end = match.span(group)
        if end > start and (wanted.check is None or wanted.check(data[start:end].decode())):
            yield start, end
            place = end
        else:
            place = start + 1


def _in_characters(data: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans counted in characters; they come in order."""
    place = count = 0
    for start, end in spans:
        first = count + len(data[place:start].decode())
        count = first + len(data[start:end].decode())
        place = end
        yield first, count


def _back(reading: Reading, span: Span) -> Span:
    return Span(*reading.origin(span.start, span.end), span.label)
