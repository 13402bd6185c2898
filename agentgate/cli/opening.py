"""Everything that a run needs, brought together; what is missing is said before anything starts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from agentgate import __version__
from agentgate.accounts import Accounts
from agentgate.approvers.messages import About
from agentgate.cli.approving import Approving, without_secret
from agentgate.core.events import Digest, Event, Json, Mode, ModelReplied, PolicyDigest, RunEnded, RunStarted, Sources
from agentgate.core.policy import Policy
from agentgate.core.redaction.secrets import known_secrets
from agentgate.errors import FileError, UsageError
from agentgate.files.links import resolve
from agentgate.files.state_folder import StateFolder
from agentgate.files.stops import FileSwitch
from agentgate.files.transcript import Damage
from agentgate.files.transcript_reader import read_file
from agentgate.files.transcript_writer import TranscriptWriter, new_run_id
from agentgate.interrupts import Interrupts
from agentgate.loop import DEFAULT_MAX_STEPS, Loop
from agentgate.models import TIMEOUT_SECONDS, open_model
from agentgate.models.estimate import estimating
from agentgate.models.port import Model
from agentgate.models.prices import require_price
from agentgate.output import open_screen
from agentgate.output.policy_view import deciding, limits_text, places
from agentgate.output.port import Screen, View
from agentgate.session import Session, offered_tools
from agentgate.task import HttpRequest, ModelSettings, Task, ToolEffect
from agentgate.tools import open_toolbox
from agentgate.tools.port import Toolbox
from agentgate.tools.toolbox import TaskToolbox

_LONGEST_SCOPE = 200

_IN_HEADER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Wanted(Struct, frozen=True, kw_only=True):
    """What the command line says about a run."""

    task: Task
    policy: Policy
    policy_files: tuple[str, ...]
    """As they were named."""
    mode: Mode
    role: str | None
    model: str | None
    """In place of the task's."""
    max_steps: int | None
    transcript: str | None
    state: StateFolder
    scope: str | None
    """The key of runs that execute a call once together."""
    workdir: str | None
    format: str | None
    approving: Approving
    verbosity: int

    @property
    def most_steps(self) -> int:
        """The task's limit or the command line's, whichever is tighter."""
        return min((limit for limit in (self.task.max_steps, self.max_steps) if limit is not None), default=DEFAULT_MAX_STEPS)


def run_task(wanted: Wanted) -> RunEnded:
    """Runs it, and gives everything back that the run needed.

    Raises:
        AgentgateError: something is missing, or an event could not be recorded.
        Interrupted: somebody wanted to stop before the run began.
    """
    check_role(wanted.policy, wanted.role)
    settings = chosen_model(wanted.task, wanted.model)
    require_price(wanted.policy, settings, os.environ)
    workdir = folder(wanted.workdir)
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        model = opened_model(wanted.task, settings, wanted.policy)
        stack.callback(model.close)
        toolbox = opened_toolbox(wanted.task, workdir, interrupts, wanted.approving.secret_env)
        stack.callback(toolbox.close)
        choice = _tool_choice(wanted, [tool.name for tool in toolbox.tools])
        run_id = new_run_id()
        policy = policy_digest(wanted.policy)
        about = About(run_id, wanted.role, policy.name, policy.sha256, wanted.task.name)
        approver = wanted.approving.open(about, os.environ, settings.api_key_env)
        if wanted.mode is Mode.ENFORCE:
            wanted.approving.warn()
        writer = stack.enter_context(TranscriptWriter(wanted.transcript or wanted.state.transcript(run_id)))
        screen = opened_screen(wanted.format, wanted.verbosity, wanted.policy, writer)
        shown = Shown(writer, screen, limits_text(wanted.policy, wanted.most_steps))
        switch = open_switch(wanted.state, run_id, toolbox)
        session = Session(
            wanted.policy,
            role=wanted.role,
            mode=wanted.mode,
            recorder=shown,
            resolve=resolve,
            switch=switch,
            accounts=open_accounts(wanted.state, wanted.policy, wanted.scope, stack),
            secrets=secrets_of(wanted.task, settings, wanted.approving.secret_env),
        )
        estimate = estimating(wanted.policy, settings, os.environ)
        loop = Loop(session, model, toolbox, approver, screen, interrupts, estimate=estimate)
        sources = Sources(
            task=absolute(wanted.task.source),
            policy=absolute_all(wanted.policy_files),
            code=code(toolbox.sources),
            state=str(Path(wanted.state.path).absolute()),
            scope=wanted.scope,
        )
        ended = loop.run(_started(wanted, run_id, settings, toolbox, choice, workdir, session.now(), sources))
        screen.check()
        return ended


def open_switch(state: StateFolder, run_id: str, toolbox: Toolbox) -> FileSwitch:
    """The kill switch of a run."""
    reads = [tool.name for tool in toolbox.tools if tool.effect is ToolEffect.READ]
    return FileSwitch(state, run_id, reads=reads)


def open_accounts(state: StateFolder, policy: Policy, scope: str | None, stack: ExitStack) -> Accounts | None:
    """What runs share, where the policy counts over time or the run shares with others what is executed once.

    Args:
        state: where it is kept.
        policy: whose limits are counted.
        scope: the key of `--idempotency-scope`.
        stack: closes it.

    Raises:
        UsageError: the scope is none, or the policy executes nothing once.
        OutsideError: the state cannot be used.
    """
    if scope is not None:
        _check_scope(scope, policy)
    if scope is None and all(limit.window is None for limit in policy.limits):
        return None
    from agentgate.files.state_db import StateDatabase

    return stack.enter_context(StateDatabase(state, policy=policy.name, scope=scope))


def _check_scope(scope: str, policy: Policy) -> None:
    if not policy.once:
        raise UsageError(
            "`--idempotency-scope` is for tools under `once`, and the policy has none", help="add `once: [TOOL]` to the policy"
        )
    if not 0 < len(scope) <= _LONGEST_SCOPE or not scope.isprintable():
        raise UsageError(f"an idempotency scope is 1 to {_LONGEST_SCOPE} printable characters", help="for instance the number of an order")


def check_role(policy: Policy, role: str | None) -> None:
    """Whether the policy knows the role.

    Raises:
        UsageError: it does not.
    """
    if role is not None and role not in policy.roles:
        help = f"one of {', '.join(policy.roles)}" if policy.roles else "it defines no roles; leave `--role` out"
        raise UsageError(f"the policy has no role `{role}`", help=help)


def chosen_model(task: Task, model: str | None) -> ModelSettings:
    """The task's model, with provider and name replaced by `--model`."""
    if model is None:
        return task.model
    provider, _, name = model.partition(":")
    if not name and provider != "recorded":
        raise UsageError(f"`{model}` is not a model", help="write PROVIDER:NAME, for instance openai:gpt-4.1-mini, or recorded")
    return replace(task.model, provider=provider, name=name)


def opened_model(task: Task, settings: ModelSettings, policy: Policy, *, played: int = 0) -> Model:
    """The model, ready to be asked.

    Args:
        task: names the recording.
        settings: which model.
        policy: bounds the time.
        played: how many answers of the recording were played already.
    """
    recording = _recording(task)[played:] if settings.provider == "recorded" else None
    return open_model(settings, environ=os.environ, recording=recording, timeout=_patience(policy))


def _patience(policy: Policy) -> float:
    """Seconds that one request may take: no more than the policy gives the whole run."""
    seconds = [limit.value for limit in policy.limits if limit.kind == "seconds" and limit.value > 0]
    return min(TIMEOUT_SECONDS, *seconds) if seconds else TIMEOUT_SECONDS


def _recording(task: Task) -> list[Event]:
    """What `recorded` plays: the answers in the first transcript of the task's recording."""
    if task.recording is None:
        raise FileError(f"the task `{task.source}` names no recording", help="add `recording: FILE`, or choose another --model")
    help = "mend or remove `recording` in the task, or choose another --model"
    for found in read_file(task.recording):
        if isinstance(found, Damage):
            raise FileError(f"the recording cannot be played: {found}", help=help)
        answers: list[Event] = [item for item in found.items if isinstance(item, ModelReplied)]
        if answers:
            return answers
        break
    raise FileError(f"the recording `{task.recording}` holds no answer of a model", help=help)


def secrets_of(task: Task, settings: ModelSettings, secret_env: str | None) -> dict[str, str]:
    """The environment's secrets: those that look like it, and those that the run itself needs, for its model, its approver, and headers."""
    named = {settings.api_key_env, secret_env or settings.api_key_env}
    for tool in task.tools:
        headers = tool.runs.headers if isinstance(tool.runs, HttpRequest) else ()
        named.update(name for _, value in headers for name in _IN_HEADER.findall(value))
    return known_secrets(os.environ, named)


def opened_toolbox(task: Task, workdir: str, interrupts: Interrupts, secret_env: str | None) -> TaskToolbox:
    """Imports the tools. Code of theirs runs here already, which may hang."""
    environ = without_secret(os.environ, secret_env)
    return interrupts.wait_for(lambda: open_toolbox(task, environ=environ, workdir=workdir), grace=0.0, give_up=lambda: None)


def policy_digest(policy: Policy) -> PolicyDigest:
    """What a transcript says about a policy."""
    return PolicyDigest(policy.name, policy.sha256, tuple(Digest(name, sha256) for name, sha256 in policy.files))


def absolute(path: str) -> str | None:
    """Where a file is that a run was started with; None for standard input."""
    return None if path in ("-", "<stdin>") else os.path.abspath(path)  # noqa: PTH100 - links stay as they were named


def absolute_all(paths: Sequence[str]) -> tuple[str, ...]:
    """The same for several; none where one of them is standard input."""
    found = [absolute(path) for path in paths]
    return tuple(path for path in found if path is not None) if None not in found else ()


def code(sources: Mapping[str, str]) -> tuple[Digest, ...]:
    """The files that the tools were imported from."""
    return tuple(Digest(path, sha256) for path, sha256 in sorted(sources.items()))


def folder(workdir: str | None) -> str:
    """Where tools run and relative paths start, absolute."""
    try:
        folder = Path(workdir or ".").resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise UsageError(f"there is no folder `{workdir or '.'}` to work in", help="--workdir names where tools run") from None
    if not folder.is_dir():
        raise UsageError(f"`{workdir}` is not a folder", help="--workdir is where tools run and relative paths start")
    return str(folder)


def opened_screen(format: str | None, verbosity: int, policy: Policy, writer: TranscriptWriter) -> Screen:
    """Where a run is shown."""
    view = View(verbosity=verbosity, places=places(policy), deciding=deciding(policy), stored=writer.stored)
    return open_screen(format, sys.stdout, sys.stderr, view)


def _started(
    wanted: Wanted, run_id: str, settings: ModelSettings, toolbox: Toolbox, choice: Json, workdir: str, at: datetime, sources: Sources
) -> RunStarted:
    task, policy = wanted.task, wanted.policy
    system = [{"role": "system", "content": task.system}] if task.system else []
    return RunStarted(
        at=at,
        run_id=run_id,
        agentgate=__version__,
        task=task.digest,
        policy=policy_digest(policy),
        mode=wanted.mode,
        role=wanted.role,
        model=str(settings),
        messages=(*system, {"role": "user", "content": task.prompt}),
        tools=tuple(tool.definition for tool in toolbox.tools),
        tool_choice=choice,
        max_steps=wanted.most_steps,
        workdir=workdir,
        sources=sources,
    )


def _tool_choice(wanted: Wanted, names: Sequence[str]) -> Json:
    """The task's, with the names that the word `policy` stands for.

    Raises:
        UsageError: it stands for none, and one must be called.
    """
    choice = wanted.task.tool_choice
    if not isinstance(choice, dict) or choice.get("allowed_tools") != "policy":
        return choice
    offered = offered_tools(wanted.policy, wanted.role, names)
    if not offered and choice.get("mode") == "required":
        raise UsageError(
            "a tool must be called, but the policy lets none of the task's through in this role",
            help="say `mode: auto` under `tool_choice`, or allow a tool",
        )
    return {**choice, "allowed_tools": offered}


class Shown:
    """Records every event, and shows it once it is on disk."""

    def __init__(self, writer: TranscriptWriter, screen: Screen, limits: str) -> None:
        self._writer = writer
        self._screen = screen
        self._limits = limits

    def __call__(self, event: Event) -> None:
        self._writer(event)
        match event:
            case RunStarted():
                self._screen.started(event, limits=self._limits or None)
            case RunEnded():
                self._screen.finished(event, transcript=Path(self._writer.path))
            case _:
                self._screen.show(event)
