"""Replaces a file of ours as a whole, or makes it: never through a link, never over what somebody else wrote."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agentgate.errors import OutsideError, UsageError


def check_replaceable(path: str, beginning: str, *, force: bool = False) -> None:
    """Makes sure that a file may be written.

    Args:
        path: where.
        beginning: how an older one of the same kind begins, which may be replaced.
        force: whether any other regular file may be replaced too.

    Raises:
        UsageError: a link, something that is no file, or a file of another kind stands there.
        OutsideError: what stands there cannot be looked at.
    """
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            raise UsageError(f"`{path}` is a link; nothing is written through links", help="name the file itself, or another one")
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"`{path}` is not a regular file", help="name another one")
        if force:
            return
        wanted = beginning.encode()
        with open(path, "rb") as file:  # noqa: PTH123 - as it was given
            if found.st_size and file.read(len(wanted)) != wanted:
                raise UsageError(f"`{path}` exists already, and is no such file", help="name another file, or replace it with --force")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise OutsideError(f"cannot write `{path}`: {_reason(error)}") from None


def replace_file(path: str, pieces: Iterable[str]) -> None:
    """Writes a file, all of it or nothing, readable for its owner alone. What stood there before stays until the new one is complete.

    Raises:
        OutsideError: it cannot be written.
    """
    folder = os.path.dirname(path) or "."  # noqa: PTH120 - as it was given
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".agentgate-", dir=folder)
    except (OSError, ValueError) as error:
        raise OutsideError(f"cannot write `{path}`: {_reason(error)}") from None
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - as it was given
    except OSError as error:
        raise OutsideError(f"cannot write `{path}`: {_reason(error)}") from None
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
