"""The `agentgate` command: every subcommand by its name, and every failure as one message and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from importlib import import_module
from typing import Annotated

import typer

from agentgate import __version__
from agentgate.cli.commands import Command, Group
from agentgate.errors import AgentgateError, OutsideError, UsageError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a disk says that takes no more; pages of help are printed by a library that does not expect it."""

COMMANDS = {
    "run": "run",
    "resume": "resume",
    "approve": "approve",
    "check": "check",
    "replay": "replay",
    "explain": "explain",
    "test": "run_tests",
    "stop": "stop",
    "serve": "serve",
    "convert": "convert",
    "learn": "learn",
    "approvals": "app",
    "audit": "app",
    "events": "app",
    "report": "report",
    "schema": "schema",
}
"""Command → what it is called in its file, which is named like the command; `app` where it has commands of its own."""


def command_line(only: str | None = None) -> typer.Typer:
    """The commands, or only one of them: importing and preparing all of them takes longer than most of them run.

    Args:
        only: the command that is wanted, one of COMMANDS; all of them by default.
    """
    app = typer.Typer(
        name="agentgate",
        cls=Group,
        help="Runs language-model agents behind a policy: the model proposes, the gate decides.",
        epilog="Exit codes: 0 finished · 1 stopped by the policy, or findings · 2 wrong usage or a bad file · 3 something outside failed"
        " · 130 interrupted",
        no_args_is_help=True,
        add_completion=only is None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in COMMANDS if only is None else (only,):
        made = getattr(import_module(f"agentgate.cli.{name}"), COMMANDS[name])
        if isinstance(made, typer.Typer):
            app.add_typer(made, name=name)
        else:
            app.command(name, cls=Command)(made)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        print(f"agentgate {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        raise UsageError("the folder that this runs in does not exist any more", help="change into one that does") from None


def main() -> None:
    """The `agentgate` command: runs, and turns every failure that a user can mend into one message and an exit code."""
    _fill_streams()
    try:
        named = sys.argv[1] if len(sys.argv) > 1 else None
        command_line(named if named in COMMANDS else None)()
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


def _fill_streams() -> None:
    """Puts the null device where a standard stream is closed, so that no pipe or file of ours gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - it stays open
