"""Finds the file of a Python tool without importing anything. Only files in the task's own folder, or below it, are found."""

from __future__ import annotations

import os
from keyword import iskeyword
from pathlib import Path

from agentgate.files.words import tick


class NotInFolder(ValueError):
    """The tool is not one that a task may name; the message says why."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        """The finding's code."""
        self.help = help


def locate(written: str, folder: str) -> tuple[str, str]:
    """The file and the function of a tool.

    Args:
        written: `support_tools.py:customer_db`, `lib/tools.py:fn`, or `package.module:fn`.
        folder: the task's folder, absolute, with links resolved.

    Returns:
        The file's absolute path with links resolved, and the function's name.

    Raises:
        NotInFolder: it is written otherwise, does not exist, or lies outside the folder.
    """
    where, colon, function = written.rpartition(":")
    if not colon or not where:
        raise NotInFolder("bad-value", f"{tick(written)} names no function of a file", "write `FILE.py:FUNCTION`")
    if not function.isidentifier() or not function.isascii() or iskeyword(function) or len(function) > 64:
        raise NotInFolder("bad-value", f"{tick(function)} cannot be the name of a function", "write `FILE.py:FUNCTION`")
    if where.endswith(".py"):
        return _within(where, (where,), folder, written), function
    parts = where.split(".")
    if not all(part.isidentifier() and part.isascii() for part in parts):
        raise NotInFolder("bad-value", f"{tick(where)} is neither a Python file nor a module", "write `FILE.py:FUNCTION`")
    path = "/".join(parts)
    return _within(where, (f"{path}.py", f"{path}/__init__.py"), folder, written), function


def _within(where: str, candidates: tuple[str, ...], folder: str, written: str) -> str:
    for candidate in candidates:
        path = os.path.realpath(Path(folder) / candidate)
        if os.path.commonpath((folder, path)) != folder:
            help = "tools come only from files beside the task, or in folders below it"
            raise NotInFolder("outside-folder", f"{tick(where)} is outside the task's folder", help)
        if os.path.isfile(path):  # noqa: PTH113 - unlike Path.is_file, it never raises
            return path
    help = f"tools come only from files beside the task, or in folders below it; looked for {tick(candidates[0])}"
    raise NotInFolder("missing-file", f"{tick(written)}: there is no such file in the task's folder", help)
