"""The `agentgate` command: every failure as one message and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys

from agentgate.cli.plain import plain_command
from agentgate.errors import AgentgateError, OutsideError, UsageError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a disk says that takes no more; pages of help are printed by a library that does not expect it."""


def main() -> None:
    """The `agentgate` command: runs, and turns every failure that a user can mend into one message and an exit code."""
    _fill_streams()
    try:
        sys.exit(_run(sys.argv[1:]))
    except AgentgateError as error:
        from agentgate.output.errors import print_error

        print_error(error)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        from agentgate.output.errors import print_error

        print_error(OutsideError(f"the result cannot be written: {(error.strerror or str(error)).lower()}"))
        sys.exit(OutsideError.exit_code)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done, and half a second of tidying up needs no traceback


def _run(line: list[str]) -> int:
    """Does what the command line says, and gives the exit code."""
    plain = plain_command(line)
    if plain is not None:
        check_folder()
        return plain()
    from agentgate.cli.command_line import COMMANDS, command_line

    command_line(line[0] if line and line[0] in COMMANDS else None)()
    return 0


def check_folder() -> None:
    """Refuses to go on where there is no way back.

    Raises:
        UsageError: somebody removed the working directory.
    """
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        raise UsageError("the folder that this runs in does not exist any more", help="change into one that does") from None


def _fill_streams() -> None:
    """Puts the null device where a standard stream is closed, so that no pipe or file of ours gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - it stays open
