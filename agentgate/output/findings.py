"""Findings as people and programs read them: text with the line of the file, JSON, GitHub annotations, SARIF."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TextIO

from agentgate.core.events import Json
from agentgate.core.findings import Finding, Severity
from agentgate.output.frames import Sources, frame
from agentgate.output.plural import plural
from agentgate.output.safe import safe
from agentgate.output.sink import Sink

_COLORS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.NOTE: "\x1b[1;36m"}
_PLAIN = "\x1b[0m"


def text(findings: Iterable[Finding], sources: Sources, *, color: bool = False) -> str:
    """Each finding with the line that it is about, a blank line after each."""
    return "".join(f"{line}\n" for finding in findings for line in (*_one(finding, sources, color), ""))


def _one(finding: Finding, sources: Sources, color: bool) -> Iterable[str]:
    head = f"{finding.severity.value}[{safe(finding.code)}]"
    yield f"{_COLORS[finding.severity]}{head}{_PLAIN}: {safe(finding.message)}" if color else f"{head}: {safe(finding.message)}"
    yield from frame(finding, sources)


def summary(file: str, findings: Iterable[Finding]) -> str:
    """`bad.yaml: 2 errors, 1 warning`, or `strict.yaml: no findings`."""
    counts = Counter(finding.severity for finding in findings)
    parts = [plural(counts[severity], severity.value) for severity in Severity if counts[severity]]
    return f"{safe(file)}: {', '.join(parts) or 'no findings'}"


def as_json(findings: Iterable[Finding]) -> str:
    """A list of objects. Their texts are safe to show."""
    return json.dumps([_object(finding) for finding in findings], indent=2) + "\n"


def _object(finding: Finding) -> dict[str, Json]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "message": safe(finding.message),
        "help": None if finding.help is None else safe(finding.help),
    }


def render(findings: Sequence[Finding], format: str, *, summaries: Mapping[str, str]) -> str:
    """All findings in one of the formats for programs.

    Args:
        findings: in the order in which they are shown.
        format: `json`, `github` or `sarif`.
        summaries: code → one line on what it means, for SARIF.
    """
    from agentgate.output.github import as_github
    from agentgate.output.sarif import sarif

    makers: dict[str, Callable[[], str]] = {
        "json": lambda: as_json(findings),
        "github": lambda: as_github(findings),
        "sarif": lambda: sarif(findings, summaries),
    }
    return makers[format]()


def print_findings(findings: Sequence[Finding], sources: Sources, *, stream: TextIO | None = None) -> None:
    """Prints findings for people, on standard error unless another stream is given."""
    out = Sink(stream or sys.stderr)
    out.write(text(findings, sources))
    for file in dict.fromkeys(finding.place.file for finding in findings):
        out.write(summary(file, [finding for finding in findings if finding.place.file == file]) + "\n")
