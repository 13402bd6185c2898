"""An error as the user sees it: what is wrong, where, and the way on; on standard error."""

from __future__ import annotations

import sys

from agentgate.errors import AgentgateError, FileError
from agentgate.output.safe import safe
from agentgate.output.sink import Sink


def print_error(error: AgentgateError) -> None:
    """Prints an error, with every finding that a bad file has."""
    if isinstance(error, FileError) and error.findings:
        from agentgate.output.findings import print_findings

        print_findings(error.findings, error.sources)
        return
    text = f"error: {safe(error.message)}\n"
    if error.help:
        text += f"help: {safe(error.help)}\n"
    Sink(sys.stderr).write(text)
