"""Everything that going on with a run needs, brought together; whether it is still the same run is looked at before anything starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from agentgate.approvers.fixed import RETRY
from agentgate.approvers.messages import About
from agentgate.approvers.port import Approver
from agentgate.approvers.terminal import TerminalApprover
from agentgate.cli.approving import Approving, has_terminal
from agentgate.cli.opening import (
    Shown,
    absolute,
    absolute_all,
    check_role,
    chosen_model,
    code,
    folder,
    open_accounts,
    open_switch,
    opened_model,
    opened_screen,
    opened_toolbox,
    policy_digest,
    secrets_of,
)
from agentgate.cli.options import Approve
from agentgate.clock import steady_clock
from agentgate.core.arguments import digest
from agentgate.core.events import Effect, Event, Mode, RunEnded, RunResumed, Sources
from agentgate.core.policy import Policy
from agentgate.errors import FileError, UsageError
from agentgate.files.links import resolve
from agentgate.files.policy_file import load_policy
from agentgate.files.state_folder import DEFAULT, StateFolder, find_run
from agentgate.files.task_file import load_task
from agentgate.files.transcript import Item, Proposed, Unanswered
from agentgate.files.transcript_continued import continue_transcript
from agentgate.interrupts import Interrupts
from agentgate.loop import DEFAULT_MAX_STEPS, Loop
from agentgate.models.estimate import estimating
from agentgate.models.prices import require_price
from agentgate.output.policy_view import limits_text
from agentgate.output.port import Screen
from agentgate.output.sink import Sink
from agentgate.session import Session
from agentgate.task import ModelSettings, Task
from agentgate.tools.toolbox import TaskToolbox
from agentgate.unfinished import Past

_SHOWN = 12
"""Characters of a hash in a message."""


class ToResume(Struct, frozen=True, kw_only=True):
    """What the command line says about going on."""

    run: str
    task: str | None
    """In place of where it was."""
    policy: tuple[str, ...]
    """In place of where it was."""
    accepted: frozenset[str]
    """`task`, `policy`, `tools`: what may have changed."""
    retry_unknown: bool
    model: str | None
    approving: Approving
    state: str | None
    format: str | None
    verbosity: int


def resume_run(wanted: ToResume) -> RunEnded:
    """Goes on with a run, and gives everything back that it needed.

    Raises:
        AgentgateError: it cannot go on, something is missing, or an event could not be recorded.
        Interrupted: somebody wanted to stop before it went on.
    """
    path = find_run(wanted.run, StateFolder(wanted.state or DEFAULT))
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        continued = continue_transcript(path)
        writer = stack.enter_context(continued.writer)
        past = Past(continued.items)
        _check_unfinished(past)
        task, policy, sources = _loaded(wanted, past)
        check_role(policy, past.started.role)
        settings = _settings(task, wanted.model, past)
        require_price(policy, settings, os.environ)
        model = opened_model(task, settings, policy, played=len(past.turns))
        stack.callback(model.close)
        toolbox = opened_toolbox(task, folder(past.started.workdir), interrupts, wanted.approving.secret_env)
        stack.callback(toolbox.close)
        events = [_event(item) for item in continued.items]
        clock = steady_clock(events[-1].at)
        resumed = _resumed(wanted, past, task, policy, sources, toolbox, clock())
        _check_limits(past, policy, [*events, resumed])
        screen = opened_screen(wanted.format, wanted.verbosity, policy, writer)
        folder_of_state = StateFolder(sources.state or DEFAULT)
        session = Session(
            policy,
            role=past.started.role,
            mode=past.started.mode,
            accounts=open_accounts(folder_of_state, policy, sources.scope, stack),
            recorder=Shown(writer, screen, limits_text(policy, past.started.max_steps or DEFAULT_MAX_STEPS)),
            clock=clock,
            resolve=resolve,
            switch=open_switch(folder_of_state, past.started.run_id, toolbox),
            secrets=secrets_of(task, settings, wanted.approving.secret_env),
        )
        approver, doubts = _approvers(wanted, past, policy, settings, task)
        _remember(session, screen, events, torn=continued.torn)
        if resumed.overrides:
            past.renew()
        loop = Loop(session, model, toolbox, approver, screen, interrupts, doubts, estimating(policy, settings, os.environ))
        ended = loop.resume(resumed, past)
        screen.check()
        return ended


def _check_unfinished(past: Past) -> None:
    if past.status == "done":
        raise UsageError(f"the run `{past.started.run_id}` is done; there is nothing to go on with", help="run its task again")
    if past.started.imported:
        raise UsageError("only a run of agentgate can be gone on with")


def _loaded(wanted: ToResume, past: Past) -> tuple[Task, Policy, Sources]:
    """Task and policy, from where they were or where the user says they are now."""
    were = past.sources or Sources()
    task_file = wanted.task or were.task
    policy_files = wanted.policy or were.policy
    if task_file is None:
        raise UsageError("nobody knows where the task of this run is", help="name it with --task FILE")
    if not policy_files:
        raise UsageError("nobody knows where the policy of this run is", help="name it with --policy FILE")
    for option, named, files in (("--task", wanted.task, [task_file]), ("--policy", wanted.policy, policy_files)):
        gone = [file for file in files if not named and not os.path.lexists(file)]
        if gone:
            raise FileError(f"`{gone[0]}` is not there any more", help=f"{option} FILE names where it is now")
    task = load_task(task_file)
    policy = load_policy(*policy_files)
    state = str(Path(wanted.state or were.state or DEFAULT).absolute())
    return task, policy, Sources(task=absolute(task_file), policy=absolute_all(policy_files), state=state, scope=were.scope)


def _settings(task: Task, model: str | None, past: Past) -> ModelSettings:
    """The model of the run, unless another one is named."""
    was = past.started.model
    return chosen_model(task, model or (None if was == str(task.model) else was))


def _resumed(wanted: ToResume, past: Past, task: Task, policy: Policy, sources: Sources, toolbox: TaskToolbox, at: datetime) -> RunResumed:
    """What is recorded about going on.

    Raises:
        FileError: something has changed, and nobody accepted that.
    """
    tools = tuple(tool.definition for tool in toolbox.tools)
    sources = replace(sources, code=code(toolbox.sources))
    now = {"task": task.digest.sha256, "policy": policy.sha256, "tools": _tools_digest(tools, sources)}
    then = {
        "task": past.task.sha256 if past.task is not None else None,
        "policy": past.policy.sha256 if past.policy is not None else None,
        "tools": _tools_digest(past.tools or (), past.sources),
    }
    changed = [name for name in now if now[name] != then[name]]
    if past.sources is None and past.tools is not None and digest(list(tools)) == digest(list(past.tools)):
        changed = [name for name in changed if name != "tools"]  # an older version did not record what their code was
    refused = [name for name in changed if name not in wanted.accepted]
    if refused:
        whats = "; ".join(f"the {name}: {(then[name] or 'unknown')[:_SHOWN]} then, {now[name][:_SHOWN]} now" for name in refused)
        accept = " ".join(f"--accept-changes {name}" for name in refused)
        help = f"put it back as it was, or go on with {accept}; calls that wait are then refused"
        raise FileError(f"something has changed since the run was recorded: {whats}", help=help)
    return RunResumed(
        at=at,
        task=task.digest,
        policy=policy_digest(policy),
        tools=tools if "tools" in changed else None,
        max_steps=(task.max_steps or DEFAULT_MAX_STEPS) if "task" in changed else None,
        overrides=tuple(changed),
        retry_unknown=wanted.retry_unknown,
        sources=sources,
    )


def _tools_digest(tools: Sequence[object], sources: Sources | None) -> str:
    files = [[file.name, file.sha256] for file in sources.code] if sources is not None else []
    return digest([list(tools), files])


def _check_limits(past: Past, policy: Policy, events: Iterable[Event]) -> None:
    """A run whose limits leave no room for another request would stop at once, unless it has calls to see to first."""
    waits = past.last is not None and any(proposal.returned is None for proposal in past.last.calls)
    if waits or past.started.mode is Mode.OBSERVE:
        return
    session = Session(policy, role=past.started.role, mode=past.started.mode)
    session.remember(events)
    permit = session.request()
    if permit.effect is not Effect.ALLOW:
        help = (
            "raise the limit, or take it away, in the task or the policy, and go on with --accept-changes task or --accept-changes policy"
        )
        raise UsageError(f"the run would stop again at once: {permit.reason} ({permit.rule or permit.code.value})", help=help)


def _approvers(wanted: ToResume, past: Past, policy: Policy, settings: ModelSettings, task: Task) -> tuple[Approver, Approver | None]:
    """Who is asked where the policy asks, and who about calls that may have run."""
    started = past.started
    about = About(started.run_id, started.role, policy.name, policy.sha256, task.name)
    terminal = has_terminal()
    default = Approve.PROMPT if terminal else Approve.LATER
    approver = wanted.approving.open(about, os.environ, settings.api_key_env, default=default)
    if started.mode is Mode.ENFORCE:
        wanted.approving.warn()
    if wanted.retry_unknown:
        return approver, RETRY
    return approver, approver if terminal and isinstance(approver, TerminalApprover) else None


def _remember(session: Session, screen: Screen, events: Sequence[Event], *, torn: int) -> None:
    session.remember(events)
    for event in events:
        screen.remember(event)
    if torn:
        Sink(sys.stderr).write(f"note: the last {torn} bytes of the transcript were never finished; they are cut off\n")


def _event(item: Item) -> Event:
    if isinstance(item, Proposed):
        assert item.recorded is not None
        return item.recorded
    assert not isinstance(item, Unanswered)
    return item
