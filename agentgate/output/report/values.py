"""Values in a report: short where they are read in passing, whole where somebody opens them, always visible character by character."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgate.core.arguments import InvalidJson, parse_json
from agentgate.core.events import Json
from agentgate.output.calls import result_text, shortened, value_text
from agentgate.output.safe import literal, safe
from agentgate.output.summary import size_text

if TYPE_CHECKING:
    from agentgate.report import Call

LONGEST = 300
"""Characters of a value that are shown in passing."""
LONGEST_TEXT = 1200
"""The same for what a model or a person said."""
WHOLE = 200_000
"""Characters that are shown of the longest value when it is opened; the rest stays in the transcript."""
_MOST_ARGUMENTS = 40


class Visible(str):
    """Text in which every character is visible already, escapes and all. It still has to be escaped for HTML."""

    __slots__ = ()


class Shown(Struct, frozen=True):
    """A value, short and, where that leaves something out, whole."""

    short: Visible
    whole: Visible | None = None
    size: str = ""
    rest: int = 0
    """Characters that even the whole one leaves out."""


def shown_value(value: Json) -> Shown:
    """A JSON value."""
    short, whole = Visible(value_text(value, longest=LONGEST)), literal(value)
    return Shown(short) if short == whole else _cut(short, whole, whole)


def shown_text(text: str) -> Shown:
    """Prose, with its line feeds."""
    if len(text) <= LONGEST_TEXT:
        return Shown(Visible(safe(text, newlines=True)))
    return _cut(Visible(safe(text[:LONGEST_TEXT], newlines=True) + "…"), safe(text[:WHOLE], newlines=True), text)


def shown_result(content: str) -> Shown:
    """What a call got for an answer: on one line, and as indented JSON where it is JSON."""
    short = Visible(result_text(content[: 4 * WHOLE], longest=LONGEST))
    if len(content) <= LONGEST:
        return Shown(short)
    return _cut(short, _indented(content) if len(content) <= WHOLE else safe(content[:WHOLE], newlines=True), content)


def shown_arguments(call: Call) -> Iterator[tuple[Visible, Shown]]:
    """Name and value of each argument; what is malformed as the one text that it is."""
    if call.arguments is None:
        yield Visible("malformed"), shown_value(call.raw)
        return
    names = list(call.arguments)
    for name in names[:_MOST_ARGUMENTS]:
        yield Visible(shortened(name, 80)), shown_value(call.arguments[name])
    if len(names) > _MOST_ARGUMENTS:
        others = {name: call.arguments[name] for name in names[_MOST_ARGUMENTS:]}
        yield Visible(f"… {len(others)} more"), shown_value(others)


def tool_name(name: Json) -> Visible:
    """The name of a tool, or whatever stands in its place."""
    return Visible(shortened(name, 80) if isinstance(name, str) else value_text(name, longest=80))


def _cut(short: Visible, whole: str, original: str) -> Shown:
    return Shown(short, Visible(whole[:WHOLE]), size_text(original), max(len(original), len(whole)) - min(len(whole), WHOLE))


def _indented(content: str) -> str:
    try:
        value = parse_json(content)
    except InvalidJson:
        return safe(content, newlines=True)
    if not isinstance(value, Mapping | list):
        return safe(content, newlines=True)
    return literal(value, indent=2)
