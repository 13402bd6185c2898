"""A tool call, and what came of it, as text on one line: `customer_db(action="read", customer_id=101)`.

Values are JSON literals. What is left out of them is said outside of any quotes (`"Hi An"…1,203 characters…"regards"`), where no value
can write, so that mark cannot be forged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from agentgate.core.arguments import InvalidJson, parse_arguments, parse_json
from agentgate.core.events import Json
from agentgate.output.safe import literal, safe

if TYPE_CHECKING:
    from agentgate.spread import Calls

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_FIRST_ARGUMENTS, _LAST_ARGUMENTS = 20, 4
"""How many arguments are shown of a call that has more, where values may be cut."""
_SHORTEST = 16
_WORTH_CUTTING = 20
"""To leave out fewer characters than it takes to say so would make nothing shorter."""


def call_text(name: Json, arguments: Json, *, first: Iterable[str] = (), longest: int | None = None, ascii: bool = False) -> str:
    """A call on one line, safe to show. Two different calls never look the same unless something is left out, which is then said.

    Args:
        name: the tool's name, or whatever stands in its place.
        arguments: the parsed arguments, or the raw text; text that is not one strict JSON object is shown as it is, as malformed.
        first: names of arguments (dotted, or `*` for all) to show first and whole.
        longest: about how many characters of a value are shown before something is left out of it; of very many arguments some are
            then left out too. None to show everything.
        ascii: whether nothing beyond ASCII may be shown.
    """
    called = name if isinstance(name, str) and _NAME.fullmatch(name) else value_text(name, longest=longest, ascii=ascii)
    if isinstance(arguments, str):
        try:
            arguments = parse_arguments(arguments)
        except InvalidJson:
            return f"{called}(malformed: {value_text(arguments, longest=longest, ascii=ascii)})"
    if not isinstance(arguments, Mapping):
        return f"{called}(malformed: {value_text(arguments, longest=longest, ascii=ascii)})"
    return f"{called}({', '.join(_arguments(arguments, tuple(first), longest, ascii))})"


def calls_text(name: Json, calls: Calls, *, longest: int | None = None, ascii: bool = False) -> str:
    """Calls of one tool as one, on one line, safe to show: `db(action="read", id=900…903, [note="x" | "y"])`.

    Arguments that not all of them have stand in brackets. What is said about values rather than quoted stands outside of quotes.
    """
    called = name if isinstance(name, str) and _NAME.fullmatch(name) else value_text(name, longest=longest, ascii=ascii)
    dots = "..." if ascii else "…"
    parts = []
    for argument, spread in calls.arguments.items():
        if spread.numbers and spread.different > 1:
            values = f"{literal(spread.low, ascii=ascii)}{dots}{literal(spread.high, ascii=ascii)}"
        elif spread.different <= len(spread.values):
            values = " | ".join(value_text(value, longest=longest, ascii=ascii) for value in spread.values)
        else:
            values = f"{dots}{spread.different:,} values{dots}"
        part = f"{_argument(argument, longest, ascii)}={values}"
        parts.append(part if spread.calls == calls.count else f"[{part}]")
    if not calls.whole:
        parts.append(f"{dots}others{dots}")
    return f"{called}({', '.join(parts)})"


def _arguments(arguments: Mapping[str, Json], first: tuple[str, ...], longest: int | None, ascii: bool) -> Iterator[str]:
    whole = tuple(arguments) if "*" in first else tuple(dict.fromkeys(_top(name, arguments) for name in first))
    for name in whole:
        if name in arguments:
            yield f"{_argument(name, None, ascii)}={literal(arguments[name], ascii=ascii)}"
    others = [name for name in arguments if name not in whole]
    hidden = len(others) - _FIRST_ARGUMENTS - _LAST_ARGUMENTS
    for index, name in enumerate(others):
        if longest is None or hidden <= 0 or not _FIRST_ARGUMENTS <= index < _FIRST_ARGUMENTS + hidden:
            yield f"{_argument(name, longest, ascii)}={value_text(arguments[name], longest=longest, ascii=ascii)}"
        elif index == _FIRST_ARGUMENTS:
            yield _left_out(hidden, "more argument", ascii)


def _top(name: str, arguments: Mapping[str, Json]) -> str:
    """The argument of the call that a dotted name leads into."""
    return name if name in arguments else name.split(".", 1)[0]


def _argument(name: str, longest: int | None, ascii: bool) -> str:
    return name if _ARGUMENT.fullmatch(name) else value_text(name, longest=longest, ascii=ascii)


def value_text(value: Json, *, longest: int | None = None, ascii: bool = False) -> str:
    """A value as a JSON literal; where it takes more than about `longest` characters, with something left out and said so."""
    if longest is None or not _weighs_more(value, longest + _WORTH_CUTTING):
        return literal(value, ascii=ascii)
    if isinstance(value, str):
        tail = longest // 4
        head = longest - tail
        hidden = _left_out(len(value) - head - tail, "character", ascii)
        return f"{literal(value[:head], ascii=ascii)}{hidden}{literal(value[-tail:] if tail else '', ascii=ascii)}"
    inner = max(longest // 2, _SHORTEST)
    if isinstance(value, Mapping):
        pairs = (f"{value_text(k, longest=inner, ascii=ascii)}:{value_text(v, longest=inner, ascii=ascii)}" for k, v in value.items())
        return "{" + _beginning(pairs, len(value), longest, ascii) + "}"
    if isinstance(value, list | tuple):
        items = (value_text(item, longest=inner, ascii=ascii) for item in value)
        return "[" + _beginning(items, len(value), longest, ascii) + "]"
    return literal(value, ascii=ascii)


def _beginning(texts: Iterator[str], count: int, longest: int, ascii: bool) -> str:
    shown: list[str] = []
    room = longest
    for text in texts:
        shown.append(text)
        room -= len(text) + 1
        if room <= 0:
            break
    if len(shown) < count:
        shown.append(_left_out(count - len(shown), "more", ascii, plural=False))
    return ",".join(shown)


def _weighs_more(value: Json, longest: int) -> bool:
    """Whether a value's literal is longer than `longest`, without writing out a long one."""
    weight, pending = 0, [value]
    while pending and weight <= longest:
        item = pending.pop()
        if isinstance(item, str):
            weight += len(item)
        elif isinstance(item, Mapping):
            weight += 2 + 2 * len(item)
            if weight <= longest:
                pending.extend(item.keys())
                pending.extend(item.values())
        elif isinstance(item, list | tuple):
            weight += 2 + len(item)
            if weight <= longest:
                pending.extend(item)
        else:
            weight += len(repr(item))
    return weight > longest


def _left_out(count: int, what: str, ascii: bool, *, plural: bool = True) -> str:
    dots = "..." if ascii else "…"
    return f"{dots}{count:,} {what}{'s' if plural and count != 1 else ''}{dots}"


def result_text(content: Json, *, longest: int | None = None, ascii: bool = False) -> str:
    """The answer that a call got: a tool's result as a JSON literal, or `failed: …`."""
    value = content
    if isinstance(content, str):
        try:
            value = parse_json(content)
        except InvalidJson:
            return value_text(content, longest=longest, ascii=ascii)
    if isinstance(value, Mapping):
        if value.get("ok") is False and isinstance(value.get("error"), str):
            return f"failed: {shortened(value['error'], longest, ascii=ascii)}"
        if value.get("ok") is True and "result" in value and set(value) <= {"ok", "tool", "result"}:
            value = value["result"]
    return value_text(value, longest=longest, ascii=ascii)


def error_text(content: Json) -> str | None:
    """What an answer says went wrong, as it stands; None where it says nothing of the kind."""
    try:
        value = parse_json(content) if isinstance(content, str) else content
    except InvalidJson:
        return None
    error = value.get("error") if isinstance(value, Mapping) and value.get("ok") is False else None
    return error if isinstance(error, str) else None


def shortened(text: str, longest: int | None, *, ascii: bool = False) -> str:
    """Prose on one line, safe to show, with its middle left out where it is long."""
    if longest is None or len(text) <= longest + _WORTH_CUTTING:
        return safe(text, ascii=ascii)
    tail = longest // 4
    head = longest - tail
    hidden = _left_out(len(text) - head - tail, "character", ascii)
    return f"{safe(text[:head], ascii=ascii)}{hidden}{safe(text[len(text) - tail :], ascii=ascii)}"
