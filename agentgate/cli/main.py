"""The `agentgate` command: every subcommand by its name, and every failure as one message and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Annotated

import typer

from agentgate import __version__
from agentgate.cli import (
    approvals,
    approve,
    audit,
    check,
    convert,
    events,
    explain,
    learn,
    replay,
    report,
    resume,
    run,
    schema,
    serve,
    stop,
    test,
)
from agentgate.errors import AgentgateError, OutsideError, UsageError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a disk says that takes no more; pages of help are printed by a library that does not expect it."""

app = typer.Typer(
    name="agentgate",
    help="Runs language-model agents behind a policy: the model proposes, the gate decides.",
    epilog="Exit codes: 0 finished · 1 stopped by the policy, or findings · 2 wrong usage or a bad file · 3 something outside failed"
    " · 130 interrupted",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("resume")(resume.resume)
app.command("approve")(approve.approve)
app.command("check")(check.check)
app.command("replay")(replay.replay)
app.command("explain")(explain.explain)
app.command("test")(test.run_tests)
app.command("stop")(stop.stop)
app.command("serve")(serve.serve)
app.command("convert")(convert.convert)
app.command("learn")(learn.learn)
app.add_typer(approvals.app, name="approvals")
app.add_typer(audit.app, name="audit")
app.add_typer(events.app, name="events")
app.command("report")(report.report)
app.command("schema")(schema.schema)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"agentgate {__version__}")
        raise typer.Exit


@app.callback()
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
        app()
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
