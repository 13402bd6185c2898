"""`agentgate run`: runs a task under a policy."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import Policies, Role
from agentgate.errors import FileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgate.approvers.port import Approver
    from agentgate.core.events import Event, Json, Mode, RunEnded, RunStarted
    from agentgate.core.policy import Policy
    from agentgate.files.transcript_writer import TranscriptWriter
    from agentgate.interrupts import Interrupts
    from agentgate.loop import Loop
    from agentgate.models.port import Model
    from agentgate.output.port import Screen
    from agentgate.task import ModelSettings, Task
    from agentgate.tools.port import Toolbox


class Format(StrEnum):
    """How a run is shown."""

    TABLE = "table"
    PLAIN = "plain"
    JSONL = "jsonl"


class Approve(StrEnum):
    """Who answers when the policy asks."""

    PROMPT = "prompt"
    NEVER = "never"
    ALWAYS = "always"


def run(
    task: Annotated[str, typer.Argument(help="The task file.", metavar="TASK")],
    policy: Policies = [],  # noqa: B006 - typer reads the default, nobody changes it
    observe: Annotated[bool, typer.Option("--observe", help="Record decisions, enforce none: calls are executed as if allowed.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide as usual, execute nothing; allowed calls answer with their `mock`.")
    ] = False,
    role: Role = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="PROVIDER:NAME instead of the task's, or `recorded`.", envvar="AGENTGATE_MODEL", metavar="MODEL"
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option("--max-steps", min=0, help="Model requests at most; can only tighten.", envvar="AGENTGATE_MAX_STEPS", metavar="N"),
    ] = None,
    transcript: Annotated[
        str | None,
        typer.Option("--transcript", help="Where to record the run.", envvar="AGENTGATE_TRANSCRIPT", metavar="FILE"),
    ] = None,
    format: Annotated[
        Format | None, typer.Option("--format", "-f", help="table on a terminal, plain in a pipe.", envvar="AGENTGATE_FORMAT")
    ] = None,
    approve: Annotated[Approve, typer.Option("--approve", help="Who answers when the policy asks.")] = Approve.PROMPT,
    fail_on_block: Annotated[bool, typer.Option("--fail-on-block", help="Exit 1 where a call was blocked; told at the end.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the final answer.")] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="More of results and long values; twice for all.")] = 0,
) -> None:
    """Runs a task under a policy.

    Every tool call of the model is decided by the policy, recorded, and only then executed, refused or asked about.
    """
    if observe and dry_run:
        raise UsageError("--observe executes everything, --dry-run nothing", help="choose one of them")
    if not policy:
        raise UsageError("no policy is given", help="name one with --policy, for instance --policy policies/strict.yaml")
    from agentgate.core.events import Mode
    from agentgate.files.policy_file import load_policy
    from agentgate.files.task_file import load_task

    mode = Mode.OBSERVE if observe else Mode.DRY_RUN if dry_run else Mode.ENFORCE
    loaded_task = load_task(task)
    loaded_policy = load_policy(*policy)
    if role is not None and role not in loaded_policy.roles:
        raise UsageError(
            f"the policy has no role `{role}`", help=f"one of {', '.join(loaded_policy.roles)}" if loaded_policy.roles else None
        )
    opening = _Opening(loaded_task, loaded_policy, mode, role, model, max_steps, transcript)
    ended = opening.run(format.value if format else None, approve, -1 if quiet else verbose)
    raise typer.Exit(_exit_code(ended, fail_on_block))


def _exit_code(ended: RunEnded, fail_on_block: bool) -> int:
    if ended.status == "done":
        return 1 if fail_on_block and ended.totals.blocked else 0
    return {"stopped": 1, "failed": 3, "interrupted": 130}[ended.status]


class _Opening:
    """Everything that a run needs, brought together; what is missing is said before anything starts."""

    def __init__(
        self,
        task: Task,
        policy: Policy,
        mode: Mode,
        role: str | None,
        model: str | None,
        max_steps: int | None,
        transcript: str | None,
    ) -> None:
        from agentgate.loop import DEFAULT_MAX_STEPS

        self.task = task
        self.policy = policy
        self.mode = mode
        self.role = role
        self.settings = chosen_model(task, model)
        steps = [limit for limit in (task.max_steps, max_steps) if limit is not None]
        self.max_steps = min(steps, default=DEFAULT_MAX_STEPS)
        self.transcript = transcript

    def run(self, format: str | None, approve: Approve, verbosity: int) -> RunEnded:
        from agentgate.files.transcript_writer import TranscriptWriter, default_path, new_run_id
        from agentgate.interrupts import Interrupts
        from agentgate.output import open_screen
        from agentgate.output.policy_view import deciding, limits_text, places
        from agentgate.output.port import View

        with ExitStack() as stack:
            interrupts = stack.enter_context(Interrupts())
            model = self._model()
            stack.callback(model.close)
            toolbox = self._toolbox()
            stack.callback(toolbox.close)
            run_id = new_run_id()
            writer = stack.enter_context(TranscriptWriter(self.transcript or default_path(".", run_id)))
            view = View(verbosity=verbosity, places=places(self.policy), deciding=deciding(self.policy), stored=writer.stored)
            screen = open_screen(format, sys.stdout, sys.stderr, view)
            started = self._started(run_id, toolbox)
            limits = limits_text(self.policy, self.max_steps)
            shown = _Shown(writer, screen, limits, writer.path)
            return self._loop(shown, model, toolbox, approve, screen, interrupts).run(started)

    def _loop(self, recorder: _Shown, model: Model, toolbox: Toolbox, approve: Approve, screen: Screen, interrupts: Interrupts) -> Loop:
        from agentgate.files.links import resolve
        from agentgate.loop import Loop
        from agentgate.session import Session

        session = Session(self.policy, role=self.role, mode=self.mode, recorder=recorder, resolve=resolve)
        return Loop(session, model, toolbox, _approver(approve), screen, interrupts)

    def _model(self) -> Model:
        from agentgate.models import open_model

        recording = None
        if self.settings.provider == "recorded":
            recording = _recording(self.task)
        return open_model(self.settings, environ=os.environ, recording=recording)

    def _toolbox(self) -> Toolbox:
        from agentgate.tools import open_toolbox

        return open_toolbox(self.task, environ=os.environ)

    def _started(self, run_id: str, toolbox: Toolbox) -> RunStarted:
        from datetime import UTC, datetime

        from agentgate import __version__
        from agentgate.core.events import Digest, PolicyDigest, RunStarted

        definitions = tuple(tool.definition for tool in toolbox.tools)
        messages = [{"role": "system", "content": self.task.system}] if self.task.system else []
        return RunStarted(
            at=datetime.now(UTC),
            run_id=run_id,
            agentgate=__version__,
            task=self.task.digest,
            policy=PolicyDigest(self.policy.name, self.policy.sha256, tuple(Digest(name, sha256) for name, sha256 in self.policy.files)),
            mode=self.mode,
            role=self.role,
            model=str(self.settings),
            messages=(*messages, {"role": "user", "content": self.task.prompt}),
            tools=definitions,
            tool_choice=self._tool_choice([tool.name for tool in toolbox.tools]),
            max_steps=self.max_steps,
            workdir=os.getcwd(),  # noqa: PTH109
        )

    def _tool_choice(self, names: Sequence[str]) -> Json:
        """The task's, with the names that the word `policy` stands for."""
        choice = self.task.tool_choice
        if isinstance(choice, dict) and choice.get("allowed_tools") == "policy":
            from agentgate.session import offered_tools

            return {**choice, "allowed_tools": offered_tools(self.policy, self.role, names)}
        return choice


class _Shown:
    """Records every event, and shows it once it is on disk."""

    def __init__(self, writer: TranscriptWriter, screen: Screen, limits: str, path: str) -> None:
        self._writer = writer
        self._screen = screen
        self._limits = limits
        self._path = path

    def __call__(self, event: Event) -> None:
        from pathlib import Path

        from agentgate.core.events import RunEnded, RunStarted

        self._writer(event)
        if isinstance(event, RunStarted):
            self._screen.started(event, limits=self._limits or None)
        elif isinstance(event, RunEnded):
            self._screen.finished(event, transcript=Path(self._path))
        else:
            self._screen.show(event)


def chosen_model(task: Task, model: str | None) -> ModelSettings:
    """The task's model, with provider and name replaced by `--model`."""
    from msgspec.structs import replace

    if model is None:
        return task.model
    provider, _, name = model.partition(":")
    if provider == "recorded":
        return replace(task.model, provider=provider, name=name)
    if not name:
        raise UsageError(f"`{model}` is not a model", help="write PROVIDER:NAME, for instance openai:gpt-4.1-mini, or recorded")
    return replace(task.model, provider=provider, name=name)


def _recording(task: Task) -> list[Event]:
    """What `recorded` plays: the answers in the first transcript of the task's recording."""
    from agentgate.core.events import ModelReplied
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import read_transcripts

    if task.recording is None:
        raise FileError(f"the task `{task.source}` names no recording", help="add `recording: FILE`, or choose another --model")
    for found in read_transcripts([task.recording]):
        if isinstance(found, Damage):
            raise FileError(f"the recording is damaged: {found}")
        return [item for item in found.items if isinstance(item, ModelReplied)]
    raise FileError(f"the recording `{task.recording}` holds no run")


def _approver(approve: Approve) -> Approver:
    from agentgate.approvers.fixed import ALWAYS, NEVER
    from agentgate.approvers.terminal import TerminalApprover

    match approve:
        case Approve.NEVER:
            return NEVER
        case Approve.ALWAYS:
            return ALWAYS
        case Approve.PROMPT:
            return TerminalApprover()
