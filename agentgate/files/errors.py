"""Makes the findings that keep a file from being used, fit to be shown whatever the file holds."""

from __future__ import annotations

from agentgate.core.findings import Finding, Place, Severity
from agentgate.files.words import visible


def error(code: str, place: Place, message: str, help: str | None = None, related: tuple[tuple[Place, str], ...] = ()) -> Finding:
    """An error; what its words took over from the file is made visible."""
    return Finding(code, Severity.ERROR, place, visible(message), None if help is None else visible(help), related)
