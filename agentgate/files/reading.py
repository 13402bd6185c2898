"""Reads the bytes of a file, or of standard input, and orders what is said about them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, TypeAlias

from msgspec import Struct

from agentgate.core.findings import Finding, Severity
from agentgate.errors import FileError
from agentgate.files.errors import error
from agentgate.files.words import tick

STDIN = "-"
POLICY_BYTES = 8 * 1024 * 1024
TASK_BYTES = 1024 * 1024
_SHOWN = 200

Sources: TypeAlias = Mapping[str, tuple[str, ...]]
"""File → its lines, for frames."""


class Source(Struct, frozen=True):
    """A file's content."""

    name: str
    """The path as it was given; `<stdin>` for standard input."""
    data: bytes
    sha256: str

    @property
    def stem(self) -> str:
        """The file's name without folder and ending."""
        return Path(self.name).stem if self.name != "<stdin>" else "stdin"


def read_source(path: str, *, max_bytes: int = POLICY_BYTES, stdin: BinaryIO | None = None) -> Source:
    """Reads a file once, and of a larger one just so much that it is seen to be too large.

    Args:
        path: a path, or `-` for standard input.
        max_bytes: the most that is wanted.
        stdin: in place of standard input.

    Raises:
        FileError: it cannot be read.
    """
    try:
        if path == STDIN:
            name, data = "<stdin>", (stdin or sys.stdin.buffer).read(max_bytes + 1)
        else:
            name, data = path, _read(Path(path), max_bytes)
    except (OSError, ValueError) as problem:
        reason = (getattr(problem, "strerror", None) or str(problem)).lower()
        raise FileError(f"cannot read {tick(path)}: {reason}") from None
    return Source(name, data, sha256(data).hexdigest())


def _read(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(max_bytes + 1)


def in_order(findings: Sequence[Finding], files: Sequence[str]) -> list[Finding]:
    """Findings in file order, and no more of them than anybody reads."""
    rank = {file: index for index, file in reversed(list(enumerate(files)))}
    ordered = sorted(findings, key=lambda finding: (rank.get(finding.place.file, len(rank)), finding.place.line, finding.place.column))
    if len(ordered) > _SHOWN:
        more = error("too-many", ordered[_SHOWN].place, "there are more errors from here on", "mend the first ones")
        ordered = [*ordered[:_SHOWN], more]
    return ordered


def file_error(findings: Sequence[Finding], sources: Sources | None = None) -> FileError:
    """The exception that carries these findings; its message is the first of them."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    first = errors[0]
    others = len(errors) - 1
    more = f" (and {others} more {'error' if others == 1 else 'errors'})" if others else ""
    return FileError(f"{first.place}: error[{first.code}]: {first.message}{more}", findings, help=first.help, sources=sources)
