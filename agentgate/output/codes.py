"""Every code that a finding can have, explained."""

from __future__ import annotations

import json
import textwrap

from msgspec import Struct

from agentgate.core.findings import Severity
from agentgate.core.lint import AUDITS
from agentgate.files.codes import CODES

_NOTES = frozenset(("observe-only",))
"""The loading codes that are not errors."""
_WIDTH = 100


class Explained(Struct, frozen=True):
    """One code."""

    code: str
    severity: Severity
    summary: str
    """One line."""
    documentation: str
    """Why it matters and what to do; empty where the summary says all."""


def explained() -> list[Explained]:
    """All codes: what loading can say, then what lint can say."""
    loading = [Explained(code, Severity.NOTE if code in _NOTES else Severity.ERROR, text, "") for code, text in CODES.items()]
    return loading + [Explained(audit.code, audit.severity, audit.summary, audit.documentation) for audit in AUDITS.values()]


def summaries() -> dict[str, str]:
    """Code → one line."""
    return {one.code: one.summary for one in explained()}


def codes_as_text() -> str:
    """All codes for people."""
    return "\n".join(
        f"{one.code} ({one.severity.value})\n"
        + "".join(f"{line}\n" for text in (one.summary, one.documentation) for line in _indented(text))
        for one in explained()
    )


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def codes_as_json() -> str:
    """All codes for programs: a list of objects."""
    return (
        json.dumps(
            [
                {"code": one.code, "severity": one.severity.value, "summary": one.summary, "documentation": one.documentation}
                for one in explained()
            ],
            indent=2,
        )
        + "\n"
    )
