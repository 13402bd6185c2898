"""`agentgate run`: runs a task under a policy."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import (
    ASK_SECONDS,
    ApproveOption,
    ApproverOption,
    FailOnBlock,
    FormatOption,
    Policies,
    Quiet,
    Role,
    SecretOption,
    State,
    TimeoutOption,
    Verbose,
)
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.core.events import RunEnded


# Options have variables, except those that weaken what is enforced (mode, role, approvals, the folder that paths are judged in).
_Observe = Annotated[bool, typer.Option("--observe", help="Record decisions, enforce none: calls are executed as if allowed.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide as usual, execute nothing; allowed calls answer with their `mock`.")]
_Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="PROVIDER:NAME instead of the task's, or `recorded`.", envvar="AGENTGATE_MODEL", metavar="MODEL"),
]
_MaxSteps = Annotated[
    int | None,
    typer.Option("--max-steps", min=0, help="Model requests at most; can only tighten.", envvar="AGENTGATE_MAX_STEPS", metavar="N"),
]
_Transcript = Annotated[
    str | None, typer.Option("--transcript", help="Where to record the run.", envvar="AGENTGATE_TRANSCRIPT", metavar="FILE")
]
_Scope = Annotated[
    str | None,
    typer.Option("--idempotency-scope", help="Tools under `once` execute a call once in all runs with this key.", metavar="KEY"),
]
_Workdir = Annotated[str | None, typer.Option("--workdir", help="Where tools run and relative paths start.", metavar="FOLDER")]


def run(
    task: Annotated[str, typer.Argument(help="The task file.", metavar="TASK")],
    policy: Policies = [],  # noqa: B006 - typer reads the default, nobody changes it
    observe: _Observe = False,
    dry_run: _DryRun = False,
    role: Role = None,
    model: _Model = None,
    max_steps: _MaxSteps = None,
    transcript: _Transcript = None,
    state: State = None,
    idempotency_scope: _Scope = None,
    workdir: _Workdir = None,
    format: FormatOption = None,
    approve: ApproveOption = None,
    approver: ApproverOption = None,
    approver_secret_env: SecretOption = None,
    approval_timeout: TimeoutOption = ASK_SECONDS,
    fail_on_block: FailOnBlock = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Runs a task under a policy.

    Every tool call of the model is decided by the policy, recorded, and only then executed, refused or asked about.
    """
    if observe and dry_run:
        raise UsageError("--observe executes everything, --dry-run nothing", help="choose one of them")
    if not policy:
        raise UsageError("no policy is given", help="name one with --policy, for instance --policy policies/strict.yaml")
    from agentgate.cli.approving import Approving

    approving = Approving(approve=approve, approver=approver, secret_env=approver_secret_env, seconds=approval_timeout)
    approving.check(os.environ)
    from agentgate.cli.opening import Wanted, run_task
    from agentgate.core.events import Mode
    from agentgate.files.policy_file import load_policy
    from agentgate.files.state_folder import DEFAULT, StateFolder
    from agentgate.files.task_file import load_task
    from agentgate.interrupts import Interrupted

    wanted = Wanted(
        task=load_task(task),
        policy=load_policy(*policy),
        policy_files=tuple(policy),
        mode=Mode.OBSERVE if observe else Mode.DRY_RUN if dry_run else Mode.ENFORCE,
        role=role,
        model=model,
        max_steps=max_steps,
        transcript=transcript,
        state=StateFolder(state or DEFAULT),
        scope=idempotency_scope,
        workdir=workdir,
        format=format.value if format else None,
        approving=approving,
        verbosity=-1 if quiet else verbose,
    )
    try:
        ended = run_task(wanted)
    except Interrupted:
        sys.stderr.write("interrupted before the run began; nothing was recorded\n")
        raise typer.Exit(130) from None
    raise typer.Exit(exit_code(ended, fail_on_block=fail_on_block))


def exit_code(ended: RunEnded, *, fail_on_block: bool) -> int:
    """What the end of a run is to a shell."""
    if ended.status == "done":
        return 1 if fail_on_block and ended.totals.blocked else 0
    return {"stopped": 1, "waiting": 1, "failed": 3, "interrupted": 130}[ended.status]
