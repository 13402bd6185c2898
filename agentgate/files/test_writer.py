"""Writes policy tests as a file that can be read, and changed, by people: a test a table, a case a line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from agentgate.core.arguments import InvalidJson, canonical, parse_arguments
from agentgate.core.events import Json
from agentgate.errors import OutsideError, UsageError
from agentgate.files.scalars import Ambiguous, resolve
from agentgate.files.yaml import parse
from agentgate.policy_tests import Case, Expected, Given, Used

LONGEST_ROW = 20_000
"""Characters of a case; a longer one helps nobody."""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(?: [A-Za-z0-9_./@-]+)*")
"""Text that needs no quotes, wherever it stands."""


class Table(Struct, frozen=True):
    """A test about one tool, with its cases written out."""

    name: str
    tool: str
    role: str | None
    expected: Expected
    rows: tuple[str, ...]


def row_text(case: Case) -> str | None:
    """A case as one line; None where YAML cannot hold it or the name of its tool, or nobody would read it."""
    tool: dict[str, Json] = {"tool": case.tool}
    if not _reads_back(flow(tool), tool):
        return None
    try:
        arguments: Json = parse_arguments(case.arguments)
        ascii = json.dumps(arguments).replace("\x7f", "\\u007f")
    except InvalidJson:
        arguments = ascii = case.arguments
    for written in (arguments, ascii):
        text = _row(case, written)
        if text is not None:
            return text
    return None


def _row(case: Case, arguments: Json) -> str | None:
    row: dict[str, Json] = {"arguments": arguments}
    if case.given:
        row["given"] = [_given(call) for call in case.given]
    if case.used != Used():
        used = {"steps": case.used.steps, "tokens": case.used.tokens, "cost_usd": case.used.cost_usd, "seconds": case.used.seconds}
        row["used"] = {key: value for key, value in {**used, **case.used.windows}.items() if value}
    if case.prompt is not None:
        row["prompt"] = case.prompt
    text = flow(row)
    return text if len(text) <= LONGEST_ROW and _reads_back(text, row) else None


def _given(call: Given) -> dict[str, Json]:
    given: dict[str, Json] = {"tool": call.tool}
    if call.arguments:
        given["arguments"] = call.arguments
    if call.result is not None:
        given["result"] = call.result
    if call.refused:
        given["refused"] = True
    if call.times != 1:
        given["times"] = call.times
    return given


def _reads_back(text: str, value: Json) -> bool:
    """Whether the strict reader of our files makes the same of it, as deep in a file as it will stand."""
    parsed = parse(f"- - - - {text}\n".encode("utf-8", "surrogatepass"), "", max_bytes=10 * LONGEST_ROW)
    if parsed.document is None or parsed.findings:
        return False
    return canonical(parsed.document.value) == canonical([[[[value]]]])


def flow(value: Json) -> str:
    """A value on one line, with no more quotes than it needs."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return json.dumps(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text):
        try:
            if type(resolve(text)) is str:
                return text
        except Ambiguous:
            pass
    if "\\" in text and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False)


def file_text(tables: Sequence[Table], *, policies: Sequence[str], path: str, workdir: str | None, about: str) -> str:
    """A whole test file.

    Args:
        tables: the tests.
        policies: the policy files, from the working directory.
        path: where the file will stand; policies are named from there.
        workdir: where relative paths start; None for the default.
        about: a sentence or two for its head.
    """
    folder = os.path.dirname(path) or "."  # noqa: PTH120 - a path is text here
    named = [os.path.relpath(policy, folder) for policy in policies]
    lines = [*(f"# {line}".rstrip() for line in about.splitlines()), "version: 1"]
    lines.append(f"policy: {flow(named[0] if len(named) == 1 else named)}")
    if workdir is not None:
        lines.append(f"workdir: {flow(workdir)}")
    lines += ["", "tests:"]
    for table in tables:
        lines += _table(table)
    return "\n".join(lines) + "\n"


def _table(table: Table) -> Iterator[str]:
    expected = {key: value for key in ("effect", "rule", "code") if (value := getattr(table.expected, key)) is not None}
    yield f"  - name: {flow(table.name)}"
    if table.role is not None:
        yield f"    role: {flow(table.role)}"
    yield f"    when: {flow({'tool': table.tool})}"
    yield f"    then: {flow({key: str(value) for key, value in expected.items()})}"
    yield "    cases:"
    yield from (f"      - {row}" for row in table.rows)
    yield ""


def write_new(path: str, text: str) -> None:
    """Writes a file that does not exist yet, for its owner's eyes: recorded calls may hold what is nobody else's business.

    Raises:
        UsageError: something stands there already.
        OutsideError: it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(text)
    except FileExistsError:
        raise UsageError(f"`{path}` exists already", help="name another file, or remove it first") from None
    except OSError as problem:
        raise OutsideError(f"cannot write `{path}`: {(problem.strerror or str(problem)).lower()}") from None
