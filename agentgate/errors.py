"""What can go wrong, as types. The command line catches `AgentgateError` once and turns it into a message and an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentgate.core.findings import Finding


class AgentgateError(Exception):
    """A failure that a user can understand and mend. Anything else that is raised is a bug."""

    exit_code = 2
    """What the process exits with: 2 for wrong usage or a bad file, 3 for something outside."""

    def __init__(self, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        """One sentence in lower case, without a full stop."""
        self.help = help
        """The way on, where there is one."""


class UsageError(AgentgateError):
    """The command line, or a call of the Python API, asks for something that does not exist."""


class FileError(AgentgateError):
    """A policy, task or transcript that cannot be used. Carries every finding, not only the first."""

    def __init__(
        self,
        message: str,
        findings: Sequence[Finding] = (),
        *,
        help: str | None = None,
        sources: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message, help=help)
        self.findings = tuple(findings)
        self.sources = sources or {}
        """File → its lines, to show each finding's place."""


class OutsideError(AgentgateError):
    """Something outside agentgate failed: the model, the network, the disk."""

    exit_code = 3


class ModelError(OutsideError):
    """The model's provider failed, refused, or answered something that is not an answer."""


class RecordError(OutsideError):
    """An event could not be written to disk. Nothing may be executed after it."""


class StateError(OutsideError):
    """What several runs share cannot be read or written. No call that depends on it may be executed."""
