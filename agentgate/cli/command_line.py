"""The command line as typer reads it: every subcommand by its name."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from agentgate import __version__
from agentgate.cli.commands import Command, Group
from agentgate.cli.main import check_folder

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
    check_folder()
