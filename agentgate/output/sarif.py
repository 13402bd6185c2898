"""Findings as SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from agentgate import __version__
from agentgate.core.events import Json
from agentgate.core.findings import Finding, Place
from agentgate.output.safe import safe

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Sequence[Finding], summaries: Mapping[str, str]) -> str:
    """One run with a result for each finding.

    Args:
        findings: in the order in which they are shown.
        summaries: code → one line on what it means.
    """
    codes = sorted({finding.code for finding in findings})
    driver: dict[str, Json] = {
        "name": "agentgate",
        "version": __version__,
        "rules": [{"id": code, "shortDescription": {"text": summaries.get(code, code)}} for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes.index(finding.code)) for finding in findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(finding: Finding, index: int) -> dict[str, Json]:
    message = safe(finding.message) + (f"\nhelp: {safe(finding.help)}" if finding.help else "")
    made: dict[str, Json] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.severity.value,
        "message": {"text": message},
        "locations": [_location(finding.place)],
    }
    if finding.related:
        made["relatedLocations"] = [
            {"id": number, **_location(place), "message": {"text": safe(label)}}
            for number, (place, label) in enumerate(finding.related, start=1)
        ]
    return made


def _location(place: Place) -> dict[str, Json]:
    region = {"startLine": place.line, "startColumn": place.column, "endColumn": place.column + place.length}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(place.file)}, "region": region}}


def _uri(file: str) -> str:
    """A relative path as a relative reference, an absolute one as a `file:` URI."""
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="surrogateescape")
