"""`agentgate explain`: why a call is decided as it is, and what would change it."""

from __future__ import annotations

import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import Role
from agentgate.errors import FileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentgate.core.events import RunStarted
    from agentgate.core.policy import Policy
    from agentgate.explain import Explanation
    from agentgate.files.transcript import Transcript

_CALL_OF_RUN = re.compile(r"(?P<file>.+)#(?P<number>[0-9]{1,9})")


class Format(StrEnum):
    """How an explanation is shown."""

    TEXT = "text"
    JSON = "json"


def explain(
    files: Annotated[list[str], typer.Argument(help="The policy (several are merged), or RUN.jsonl#N for call N.", metavar="POLICY|RUN#N")],
    tool: Annotated[str | None, typer.Option("--tool", "-t", help="The tool that is called.", metavar="NAME")] = None,
    arguments: Annotated[str, typer.Option("--arguments", "-a", help="Its arguments; `-` is standard input.", metavar="JSON")] = "{}",
    role: Role = None,
    after: Annotated[list[str], typer.Option("--after", help="A tool that has returned before.", metavar="TOOL")] = [],  # noqa: B006
    prompt: Annotated[str | None, typer.Option("--prompt", help="What the user asked for.", metavar="TEXT")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Judge with this task's tools and prompt too.", metavar="TASK")] = None,
    policy: Annotated[list[str], typer.Option("--policy", "-p", help="For RUN#N: judge by this policy.", metavar="FILE")] = [],  # noqa: B006
    format: Annotated[Format, typer.Option("--format", "-f", help="text, or json as one object.")] = Format.TEXT,
    fail_on_block: Annotated[bool, typer.Option("--fail-on-block", help="Exit 1 where the call is blocked.")] = False,
) -> None:
    """Says how a call is decided, with every rule that has a say, and what would change it.

    The call is given by --tool and --arguments, or taken from a transcript: RUN.jsonl#2 is its second call.
    """
    found = _CALL_OF_RUN.fullmatch(files[0]) if len(files) == 1 and tool is None else None
    if found is not None:
        explanation = _of_run(found["file"], int(found["number"]), policy, role)
    else:
        explanation = _of_call(files, tool, arguments, role, after, prompt, task)
    _print(explanation, format)
    raise typer.Exit(1 if fail_on_block and explanation.decision.effect == "block" else 0)


def _of_call(
    files: list[str], tool: str | None, arguments: str, role: str | None, after: Sequence[str], prompt: str | None, task: str | None
) -> Explanation:
    from agentgate.core.events import ToolCall
    from agentgate.explain import explain_call
    from agentgate.files.policy_file import load_policy

    if tool is None:
        raise UsageError("no call is given", help="add --tool NAME and --arguments JSON, or name a call of a transcript: RUN.jsonl#2")
    policy = load_policy(*files)
    _check_role(policy, role)
    text = sys.stdin.read() if arguments == "-" else arguments
    started = _setting(role, prompt, task)
    return explain_call(policy, ToolCall("call_1", tool, text), started, after=after, resolve=_resolve(), workdir=os.getcwd())  # noqa: PTH109


def _setting(role: str | None, prompt: str | None, task_file: str | None) -> RunStarted:
    from agentgate.core.events import RunStarted

    definitions = None
    if task_file is not None:
        from agentgate.files.task_file import load_task
        from agentgate.tools import open_toolbox

        task = load_task(task_file)
        prompt = prompt if prompt is not None else task.prompt
        with open_toolbox(task, environ=os.environ) as toolbox:
            definitions = tuple(tool.definition for tool in toolbox.tools)
    messages = () if prompt is None else ({"role": "user", "content": prompt},)
    return RunStarted(run_id="explain", role=role, messages=messages, tools=definitions)


def _of_run(file: str, number: int, policies: list[str], role: str | None) -> Explanation:
    from agentgate.explain import explain_recorded
    from agentgate.files.policy_file import load_policy

    transcript = _transcript(file)
    policy = load_policy(*(policies or _recorded_policies(transcript)))
    _check_role(policy, role)
    return explain_recorded(policy, transcript, number, role=role, resolve=_resolve())


def _transcript(file: str) -> Transcript:
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import read_transcripts

    damages: list[str] = []
    for found in read_transcripts([file]):
        if isinstance(found, Damage):
            damages.append(str(found))
        else:
            return found
    raise FileError(damages[0] if damages else f"`{file}` holds no run")


def _recorded_policies(transcript: Transcript) -> list[str]:
    """The files that the run was judged by, if they are still the same."""
    from hashlib import sha256

    recorded = transcript.started.policy
    if recorded is None or not recorded.files:
        raise UsageError("the transcript does not say by which policy it was judged", help="name one with --policy")
    for file in recorded.files:
        path = Path(file.name)
        if not path.is_file():
            raise UsageError(f"the policy `{file.name}` of this run is not there", help="name one with --policy")
        if sha256(path.read_bytes()).hexdigest() != file.sha256:
            sys.stderr.write("note: the policy has changed since this run; it is judged by what the policy says now\n")
    return [file.name for file in recorded.files]


def _check_role(policy: Policy, role: str | None) -> None:
    if role is not None and role not in policy.roles:
        raise UsageError(f"the policy has no role `{role}`", help=f"one of {', '.join(policy.roles)}" if policy.roles else None)


def _resolve() -> Callable[[str], str]:
    from agentgate.files.links import resolve

    return resolve


def _print(explanation: Explanation, format: Format) -> None:
    from agentgate.output.explanation import explanation_json, explanation_lines

    if format is Format.JSON:
        import json

        sys.stdout.write(json.dumps(explanation_json(explanation), indent=2) + "\n")
        return
    from agentgate.output.sink import Sink

    sink = Sink(sys.stdout)
    for line in explanation_lines(explanation, ascii=sink.ascii):
        sink.write(line + "\n")
