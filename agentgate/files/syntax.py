"""What libyaml's errors mean for somebody who writes a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentgate.core.findings import Finding, Place
from agentgate.files.errors import error

_KNOWN = (
    ("mapping values are not allowed", "a second colon in one line", "put a value that contains `: ` in quotes"),
    (
        "found unknown escape character",
        r"unknown escape after `\` in double quotes",
        "use single quotes, in which a pattern stays as it is",
    ),
    ("found invalid Unicode character escape code", "an escape that stands for no character", None),
    ("could not find expected ':'", "a key without a colon", "write `key: value`"),
    ("did not find expected ',' or ']'", "a list in `[ ]` is not closed", "close it with `]`, or put a comma between its items"),
    ("did not find expected ',' or '}'", "a mapping in `{ }` is not closed", "close it with `}`, or put a comma between its entries"),
    ("did not find expected '-' indicator", "an item of a list is expected here", "begin it with `- `, in line with the others"),
    ("did not find expected key", "a key is expected here", "look at the indentation, and at quotes that close too early"),
    ("block sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own"),
    ("did not find expected node content", "a value is expected here", None),
)


def explain(file: str, lines: Sequence[str], problem: Exception) -> Finding:
    """A finding about a text that is not YAML."""
    mark = getattr(problem, "problem_mark", None)
    start = getattr(problem, "context_mark", None)
    words = str(getattr(problem, "problem", None) or "the text is not YAML")
    if mark is None:
        return error("syntax", Place(file), words)
    place = _place(file, lines, mark)
    doing = str(getattr(problem, "context", None) or "")
    message, help = _meaning(words, doing, lines, mark)
    related: tuple[tuple[Place, str], ...] = ()
    if start is not None and ("flow" in doing or "quoted" in doing):
        related = ((_place(file, lines, start), "begins here"),)
    return error("syntax", place, message, help, related)


def _place(file: str, lines: Sequence[str], mark: Any) -> Place:
    """The mark's place; libyaml puts an unexpected end behind the last line, where nothing can be shown."""
    if mark.line < len(lines) and (lines[mark.line] or mark.column):
        return Place(file, mark.line + 1, mark.column + 1)
    last = min(mark.line, len(lines) - 1)
    while last > 0 and not lines[last].strip():
        last -= 1
    return Place(file, last + 1, len(lines[last]) + 1 if last < mark.line else 1)


def _meaning(problem: str, doing: str, lines: Sequence[str], mark: Any) -> tuple[str, str | None]:
    line = lines[mark.line] if mark.line < len(lines) else ""
    character = line[mark.column : mark.column + 1]
    if "\t" in line[: mark.column + 1]:
        return "a tab character", "YAML indents with spaces"
    if "cannot start any token" in problem:
        return f"a value cannot begin with `{character}`", "put it in quotes"
    if "alphabetic or numeric" in problem:
        return (
            "`*` without quotes begins a YAML alias" if "alias" in doing else "`&` without quotes begins a YAML anchor",
            "put it in quotes",
        )
    if "unexpected end of stream" in problem and "quoted" in doing:
        return "a quote is not closed", None
    for words, message, help in _KNOWN:
        if words in problem:
            return message, help
    return problem, None
