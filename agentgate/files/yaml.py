"""The strict part of YAML in which policies and tasks are written, with the place of every key and value.

Works on libyaml's events: nothing is built that was not looked at, nothing recurses, and a reference cannot multiply anything.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, TypeAlias
from unicodedata import normalize

import yaml
from msgspec import Struct

from agentgate.core.events import Json
from agentgate.core.findings import Finding, Place
from agentgate.errors import FileError
from agentgate.files.collector import collector_paused
from agentgate.files.errors import error
from agentgate.files.scalars import CONTROL, Ambiguous, control_name, resolve
from agentgate.files.syntax import explain
from agentgate.files.words import tick

MAX_DEPTH = 32
_MANY = 100
"""Reading stops after this many errors."""
_BREAK = re.compile(r"\r\n|\r|\n")
_VISIBLE = bytes((*b"\t\n\r", *range(0x20, 0x7F)))
"""A file of nothing but these needs no closer look."""
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path: TypeAlias = Sequence[str | int]


class Document:
    """A file's value in plain Python, and where each part of it stands."""

    __slots__ = ("_marks", "_root", "file", "lines", "value")

    def __init__(self, file: str, lines: tuple[str, ...], value: Json, root: Any, marks: dict[int, Any]) -> None:
        self.file = file
        self.lines = lines
        """The file's lines, for frames."""
        self.value = value
        self._root = root
        self._marks = marks

    def key_place(self, path: Path) -> Place:
        """Where a key stands; for an item of a list, the item. Of a path that does not exist, the nearest part that does."""
        return self._place(path, 0)

    def value_place(self, path: Path) -> Place:
        """Where a value stands. Of a path that does not exist, the nearest part that does."""
        return self._place(path, 1)

    def _place(self, path: Path, which: int) -> Place:
        value, marks, missing = self.value, self._root, False
        for part in path:
            try:
                found = self._marks[id(value)][part]
                value = value[part]
            except (KeyError, IndexError, TypeError):
                missing = True
                break
            marks = found
        of_value = len(marks) > 2 and which and not missing
        return place_of(self.file, self.lines, marks[2 if of_value else 0], marks[3 if of_value else 1])


def place_of(file: str, lines: Sequence[str], start: Any, end: Any) -> Place:
    """The place between two of libyaml's marks; what goes on over several lines counts to the end of its first."""
    if end.line == start.line and end.column > start.column + 1:
        length = end.column - start.column
    else:
        line = lines[start.line] if start.line < len(lines) else ""
        length = 1 if end.column == start.column + 1 and end.line == start.line else len(line.rstrip()) - start.column
    return Place(file, start.line + 1, start.column + 1, max(length, 1))


class Parsed(Struct, frozen=True):
    """What came of reading a text."""

    document: Document | None
    """None where the text could not be read to its end."""
    findings: list[Finding]
    lines: tuple[str, ...]
    judged: frozenset[tuple[int, int]] = frozenset()
    """Line and column of every key and value that was found wanting: nothing more is to be said about them."""


def load(text: bytes, file: str, *, max_bytes: int) -> Document:
    """Reads a file's bytes strictly.

    Args:
        text: the bytes, UTF-8.
        file: what findings call it.
        max_bytes: the most that is read.

    Raises:
        FileError: it is not strict YAML; carries every finding.
    """
    parsed = parse(text, file, max_bytes=max_bytes)
    if parsed.document is None or parsed.findings:
        raise FileError(str(parsed.findings[0].message), parsed.findings, help=parsed.findings[0].help)
    return parsed.document


def parse(text: bytes, file: str, *, max_bytes: int) -> Parsed:
    """Like `load`, but gives findings back, and the document too where the rest could be read in spite of them."""
    if len(text) > max_bytes:
        return _failed(file, "too-large", f"larger than {max_bytes // (1024 * 1024)} MiB", None)
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _failed(file, "encoding", "the file is UTF-16", "save it as UTF-8")
    text = text.removeprefix(BOM_UTF8)
    try:
        content = text.decode()
    except UnicodeDecodeError as problem:
        before = _BREAK.split(text[: problem.start].decode())
        place = Place(file, len(before), len(before[-1]) + 1)
        return _failed(file, "encoding", f"byte 0x{text[problem.start]:02x} is not UTF-8", "save the file as UTF-8", place)
    lines = tuple(content.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    hidden = _control_characters(file, content) if text.translate(None, _VISIBLE) else []
    if hidden:
        return Parsed(None, hidden, lines)
    reader = _Reader(file, lines)
    with collector_paused():
        document = reader.read(content)
    judged = {(finding.place.line, finding.place.column) for finding in reader.findings} | reader.replaced
    return Parsed(document, reader.findings, lines, frozenset(judged))


def _failed(file: str, code: str, message: str, help: str | None, place: Place | None = None) -> Parsed:
    return Parsed(None, [error(code, place or Place(file), message, help)], ())


def _control_characters(file: str, content: str) -> list[Finding]:
    findings = []
    for found in CONTROL.finditer(content):
        before = _BREAK.split(content[: found.start()])
        place = Place(file, len(before), len(before[-1]) + 1)
        message = f"the file contains {control_name(found[0])}"
        findings.append(error("control-character", place, message, "remove it"))
        if len(findings) == 10:
            break
    return findings


class _Stop(Exception):
    """Nothing sensible can be read from here on."""


class _Open:
    """A list or mapping whose end has not come yet."""

    __slots__ = ("key", "marks", "seen", "value")

    def __init__(self, value: Any, marks: Any) -> None:
        self.value = value
        self.marks = marks
        self.key: Any = None
        """The event of the key whose value comes next."""
        self.seen: set[str] | None = None
        """The keys in normal form, once one of them is not plain ASCII."""


class _Reader:
    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.file = file
        self.lines = lines
        self.findings: list[Finding] = []
        self.marks: dict[int, Any] = {}
        """Identity of a list or mapping → for each part where it begins and ends, in a mapping before that the same of its key."""
        self.stack: list[_Open] = []
        self.once: set[str] = set()
        self.usual: set[str] = set()
        """Keys without quotes in which nothing was found, in ASCII: most come many times."""
        self.replaced: set[tuple[int, int]] = set()
        self.root: Any = None
        self.value: Json = None

    def read(self, content: str) -> Document | None:
        parser = _PARSER(content)
        next_event, scalar = parser.get_event, yaml.ScalarEvent
        try:
            while (event := next_event()) is not None:
                if type(event) is scalar:
                    self.scalar(event)
                else:
                    self.event(event)
        except yaml.YAMLError as problem:
            self.findings.append(explain(self.file, self.lines, problem))
            return None
        except _Stop:
            return None
        if self.root is None:
            self.findings.append(error("empty-file", Place(self.file), "the file is empty"))
            return None
        return Document(self.file, self.lines, self.value, self.root, self.marks)

    def event(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.MappingStartEvent:
            self.open(event, {}, {})
        elif kind is yaml.SequenceStartEvent:
            self.open(event, [], [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self.stack.pop()
        elif kind is yaml.AliasEvent:
            name = tick(f"*{event.anchor}")
            self.refuse_once("alias", event, f"{name} is a YAML alias", "write out what is meant; a pattern needs quotes")
            self.put(event, self.placeholder(event))
        elif kind is yaml.DocumentStartEvent:
            self.document_start(event)

    def document_start(self, event: Any) -> None:
        if event.version or event.tags:
            self.refuse("directive", event, "YAML directives are not read", "remove the line")
        if self.root is not None:
            self.refuse("second-document", event, "a second document begins here", "put it into a file of its own")
            raise _Stop

    def open(self, event: Any, value: Any, marks: Any) -> None:
        self.decoration(event)
        if len(self.stack) == MAX_DEPTH:
            self.refuse("too-deep", event, f"nested deeper than {MAX_DEPTH} levels")
            raise _Stop
        self.put(event, value)
        self.marks[id(value)] = marks
        self.stack.append(_Open(value, marks))

    def scalar(self, event: Any) -> None:
        if event.anchor is not None or event.tag is not None:
            self.decoration(event)
        text = event.value
        top = self.stack[-1] if self.stack else None
        if top is not None and top.key is None and type(top.value) is dict:
            if text in self.usual and top.seen is None and text not in top.value:
                top.key = event
            else:
                self.key(top, event)
            return
        if event.style:
            value = text
        elif not text:
            value = self.empty(top, event)
        else:
            value = self.plain(event)
        if type(value) is str and not value.isprintable():
            self.control(event, value)
        self.put(event, value)

    def empty(self, top: _Open | None, event: Any) -> str:
        if top is not None and top.key is not None:
            name = tick(top.key.value)
            self.refuse("empty-value", top.key, f"{name} has no value", "write the value, or remove the key")
        else:
            self.refuse("empty-value", event, "nothing stands here")
        return self.placeholder(event)

    def placeholder(self, event: Any) -> str:
        """In place of a value that was refused, so that the rest of the file can be checked too."""
        self.replaced.add((event.start_mark.line + 1, event.start_mark.column + 1))
        return ""

    def plain(self, event: Any) -> Json:
        text = event.value
        if (" " in text or "\n" in text) and event.end_mark.line != event.start_mark.line:
            help = "a dash or colon may be missing; put text over several lines in quotes or after `|`"
            self.refuse("multi-line-plain", event, f"{tick(text)} goes on over several lines without quotes", help)
            return text
        try:
            return resolve(text)
        except Ambiguous as problem:
            self.refuse("ambiguous-scalar", event, f"{tick(text)} is ambiguous: {problem}", problem.help)
            return text

    def key(self, top: _Open, event: Any) -> None:
        text, before = event.value, len(self.findings)
        top.key = event
        if not event.style:
            self.plain_key(event)
        if not text.isprintable() and CONTROL.search(text):
            self.control(event, text)
        if not text.isascii() or top.seen is not None:
            if top.seen is None:
                top.seen = {normalize("NFC", key) for key in top.value}
            text = normalize("NFC", text)
        elif not event.style and len(self.findings) == before:
            self.usual.add(text)
        if text in (top.value if top.seen is None else top.seen):
            first = next(marks for key, marks in top.marks.items() if normalize("NFC", key) == normalize("NFC", text))
            related = ((place_of(self.file, self.lines, first[0], first[1]), "first here"),)
            self.refuse("duplicate-key", event, f"the key {tick(event.value)} stands here twice", "remove one of them", related)

    def plain_key(self, event: Any) -> None:
        text = event.value
        if text == "<<":
            self.refuse("merge-key", event, "`<<` is a YAML merge key", "write out what is meant")
            return
        if not text:
            self.refuse("non-string-key", event, "a key is missing before the colon")
            return
        try:
            clear = type(resolve(text)) is str
        except Ambiguous:
            clear = False
        if not clear:
            self.refuse("non-string-key", event, f"YAML does not read the key {tick(text)} as text", f"put it in quotes: `'{text[:40]}'`")

    def control(self, event: Any, text: str) -> None:
        found = CONTROL.search(text)
        if found is None:
            return
        help = r"in double quotes `\b` is a backspace; in single quotes a pattern stays as it is written" if found[0] == "\b" else None
        self.refuse("control-character", event, f"the text contains {control_name(found[0])}", help)

    def put(self, event: Any, value: Json) -> None:
        if not self.stack:
            self.root, self.value = (event.start_mark, event.end_mark), value
            return
        top = self.stack[-1]
        if type(top.value) is list:
            top.value.append(value)
            top.marks.append((event.start_mark, event.end_mark))
            return
        if top.key is None:
            self.refuse("non-string-key", event, "a key must be text")
            raise _Stop
        key, top.key = top.key, None
        name = key.value
        if name not in top.value:
            top.value[name] = value
            top.marks[name] = (key.start_mark, key.end_mark, event.start_mark, event.end_mark)
            if top.seen is not None:
                top.seen.add(normalize("NFC", name))

    def decoration(self, event: Any) -> None:
        if event.anchor is not None:
            name = tick(f"&{event.anchor}")
            self.refuse_once("anchor", event, f"{name} is a YAML anchor", "write things out where they are used")
        if event.tag is not None:
            self.refuse_once("tag", event, f"{tick(event.tag)} is a YAML tag", "remove it; put text that begins with `!` in quotes")

    def refuse_once(self, code: str, event: Any, message: str, help: str | None = None) -> None:
        """Where one is used there are mostly many, and all are mended in the same way."""
        if code not in self.once:
            self.once.add(code)
            self.refuse(code, event, message, help)

    def refuse(self, code: str, event: Any, message: str, help: str | None = None, related: tuple[tuple[Place, str], ...] = ()) -> None:
        place = place_of(self.file, self.lines, event.start_mark, event.end_mark)
        self.findings.append(error(code, place, message, help, related))
        if len(self.findings) >= _MANY:
            raise _Stop
