"""`agentgate resume`: goes on with a run from its transcript."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from agentgate.cli.options import (
    ASK_SECONDS,
    ApproveOption,
    ApproverOption,
    FailOnBlock,
    FormatOption,
    Quiet,
    SecretOption,
    State,
    TimeoutOption,
    Verbose,
)
from agentgate.cli.run import exit_code


class Change(StrEnum):
    """What may be another than when the run began, if that is accepted."""

    TASK = "task"
    POLICY = "policy"
    TOOLS = "tools"


_Run = Annotated[str, typer.Argument(metavar="RUN", show_default=False, help="A run: its id, the beginning of it, or its transcript.")]
_Task = Annotated[str | None, typer.Option("--task", help="Where the task file is now; by default where it was.", metavar="FILE")]
_Policy = Annotated[
    list[str], typer.Option("--policy", "-p", help="Where the policy is now; by default where it was.", metavar="FILE", show_default=False)
]
_Accept = Annotated[
    list[Change],
    typer.Option("--accept-changes", help="Go on although this has changed; calls that wait are then refused.", show_default=False),
]
_Retry = Annotated[bool, typer.Option("--retry-unknown", help="Run calls again that may have run, when the run was killed.")]
_Model = Annotated[str | None, typer.Option("--model", "-m", help="PROVIDER:NAME instead of the run's, or `recorded`.", metavar="MODEL")]


def resume(
    run: _Run,
    task: _Task = None,
    policy: _Policy = [],  # noqa: B006 - typer reads the default, nobody changes it
    accept_changes: _Accept = [],  # noqa: B006
    retry_unknown: _Retry = False,
    model: _Model = None,
    approve: ApproveOption = None,
    approver: ApproverOption = None,
    approver_secret_env: SecretOption = None,
    approval_timeout: TimeoutOption = ASK_SECONDS,
    state: State = None,
    format: FormatOption = None,
    fail_on_block: FailOnBlock = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Goes on with a run that waits, was interrupted, failed, or was killed.

    Task, policy and tools must be those of the run, to the byte; role, mode and working directory are those of the run. What was spent
    counts against the limits. A call that may have run before the run was killed is not run again, unless somebody says so.
    """
    from agentgate.cli.approving import Approving

    approving = Approving(approve=approve, approver=approver, secret_env=approver_secret_env, seconds=approval_timeout)
    approving.check(os.environ)
    from agentgate.cli.going_on import ToResume, resume_run
    from agentgate.interrupts import Interrupted

    wanted = ToResume(
        run=run,
        task=task,
        policy=tuple(policy),
        accepted=frozenset(change.value for change in accept_changes),
        retry_unknown=retry_unknown,
        model=model,
        approving=approving,
        state=state,
        format=format.value if format else None,
        verbosity=-1 if quiet else verbose,
    )
    try:
        ended = resume_run(wanted)
    except Interrupted:
        sys.stderr.write("interrupted before the run went on; nothing was recorded\n")
        raise typer.Exit(130) from None
    raise typer.Exit(exit_code(ended, fail_on_block=fail_on_block))
