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
    from collections.abc import Sequence

    from agentgate.core.events import Json, RunStarted
    from agentgate.core.policy import Policy
    from agentgate.explain import Explanation
    from agentgate.files.transcript import Transcript
    from agentgate.task import Task

_CALL_OF_RUN = re.compile(r"(?P<file>.+)#(?P<number>[0-9]{1,9})", re.DOTALL)
_LINE_OF_FILE = re.compile(r"(?P<file>.+):(?P<line>[0-9]{1,9})", re.DOTALL)
_MOST_ARGUMENTS = 4 * 1024 * 1024
"""Characters of standard input that are read: more than any call may have."""
_NARROWEST = 40


class Format(StrEnum):
    """How an explanation is shown."""

    TEXT = "text"
    JSON = "json"


def explain(
    files: Annotated[list[str], typer.Argument(help="The policy (several are merged), or RUN.jsonl#N for call N.", metavar="POLICY|RUN#N")],
    tool: Annotated[str | None, typer.Option("--tool", "-t", help="The tool that is called.", metavar="NAME")] = None,
    arguments: Annotated[
        str | None, typer.Option("--arguments", "-a", help="Its arguments; `-` is standard input. None by default.", metavar="JSON")
    ] = None,
    role: Role = None,
    after: Annotated[list[str], typer.Option("--after", help="A tool that has returned before.", metavar="TOOL")] = [],  # noqa: B006
    prompt: Annotated[str | None, typer.Option("--prompt", help="What the user asked for.", metavar="TEXT")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Judge with this task's tools and prompt too.", metavar="TASK")] = None,
    policy: Annotated[list[str], typer.Option("--policy", "-p", help="For RUN#N: judge by this policy.", metavar="FILE")] = [],  # noqa: B006
    format: Annotated[Format, typer.Option("--format", "-f", help="text, or json as one object.")] = Format.TEXT,
    fail_on_block: Annotated[bool, typer.Option("--fail-on-block", help="Exit 1 where the call is blocked.")] = False,
) -> None:
    """Says how a call is decided, with every rule that has a say, and what would change it.

    The call is given by --tool and --arguments, or taken from a transcript: RUN.jsonl#2 is its second call. Where a file holds many
    runs, FILE:LINE#2 names the one that begins on that line.
    """
    found = _CALL_OF_RUN.fullmatch(files[0]) if len(files) == 1 and tool is None else None
    if found is None:
        explanation = _of_call([*files, *policy], tool, arguments, role, after, prompt, task)
    elif arguments is not None or after or prompt is not None or task is not None:
        raise UsageError(
            "a call of a transcript comes with its own arguments, history, prompt and tools", help="leave the other options out"
        )
    else:
        explanation = _of_run(found["file"], int(found["number"]), policy, role)
    _print(explanation, format)
    raise typer.Exit(1 if fail_on_block and explanation.decision.effect == "block" else 0)


def _of_call(
    files: list[str],
    tool: str | None,
    arguments: str | None,
    role: str | None,
    after: Sequence[str],
    prompt: str | None,
    task_file: str | None,
) -> Explanation:
    from agentgate.core.events import ToolCall
    from agentgate.explain import explain_call
    from agentgate.files.links import resolve
    from agentgate.files.policy_file import load_policy
    from agentgate.files.task_file import load_task

    if tool is None:
        raise UsageError("no call is given", help="add --tool NAME and --arguments JSON, or name a call of a transcript: RUN.jsonl#2")
    if arguments == "-" and "-" in files:
        raise UsageError("standard input is either the policy or the arguments", help="give one of them in another way")
    _check_tools(after)
    policy = load_policy(*files)
    _check_role(policy, role)
    task = None if task_file is None else load_task(task_file)
    call = ToolCall("call_1", tool, _from_stdin() if arguments == "-" else arguments or "{}")
    started = _setting(policy, role, prompt, task)
    return explain_call(policy, call, started, after=after, resolve=resolve, workdir=os.getcwd())  # noqa: PTH109


def _from_stdin() -> str:
    """What comes is taken as it is: bytes that are no text stay what no gate takes for text."""
    return sys.stdin.buffer.read(_MOST_ARGUMENTS).decode("utf-8", "surrogateescape")


def _setting(policy: Policy, role: str | None, prompt: str | None, task: Task | None) -> RunStarted:
    """The beginning of the run that the call is imagined in."""
    from agentgate.core.events import RunStarted

    definitions: tuple[dict[str, Json], ...] | None = None
    choice: Json = "auto"
    if task is not None:
        from agentgate.session import offered_tools
        from agentgate.tools import open_toolbox

        prompt = task.prompt if prompt is None else prompt
        choice = task.tool_choice
        with open_toolbox(task, environ=os.environ) as toolbox:
            definitions = tuple(tool.definition for tool in toolbox.tools)
            names = [tool.name for tool in toolbox.tools]
        if isinstance(choice, dict) and choice.get("allowed_tools") == "policy":
            choice = {**choice, "allowed_tools": offered_tools(policy, role, names)}
    messages = () if prompt is None else ({"role": "user", "content": prompt},)
    return RunStarted(run_id="explain", role=role, messages=messages, tools=definitions, tool_choice=choice)


def _of_run(file: str, number: int, policies: list[str], role: str | None) -> Explanation:
    from agentgate.explain import explain_recorded
    from agentgate.files.links import resolve
    from agentgate.files.policy_file import load_policy

    transcript = _transcript(file)
    policy = load_policy(*policies) if policies else _recorded_policy(transcript)
    _check_role(policy, role)
    return explain_recorded(policy, transcript, number, role=role, resolve=resolve, workdir=os.getcwd())  # noqa: PTH109


def _transcript(named: str) -> Transcript:
    """The run that `FILE` or `FILE:LINE` means: the first one in the file, or the one on that line."""
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import find_transcripts, read_file

    on_line = None if os.path.lexists(named) else _LINE_OF_FILE.fullmatch(named)
    file, line = (named, None) if on_line is None else (on_line["file"], int(on_line["line"]))
    sources = find_transcripts([file])
    if len(sources) != 1:
        raise FileError(f"`{file}` means {len(sources)} files", help="name one of them")
    run: Transcript | None = None
    damages: list[str] = []
    for found in read_file(sources[0]):
        if isinstance(found, Damage):
            damages.append(str(found))
        elif run is not None:
            _say(f"note: the file holds several runs, and this is the first; {file}:{found.line}#1 is in the next")
            break
        elif line is None or found.line == line:
            run = found
            if line is not None:
                break
            for damage in damages:
                _say(f"damaged: {damage}")
    if run is None:
        raise FileError(f"no run begins on line {line} of `{file}`" if line else damages[0] if damages else f"`{file}` holds no run")
    return run


def _recorded_policy(transcript: Transcript) -> Policy:
    """The policy that the run was judged by, as its files are now."""
    from agentgate.files.policy_file import load_policy

    recorded = transcript.started.policy
    if recorded is None or not recorded.files:
        raise UsageError("the transcript does not say by which policy it was judged", help="name one with --policy")
    for file in recorded.files:
        if not Path(file.name).is_file():
            raise UsageError(f"the policy `{file.name}` of this run is not there", help="name one with --policy")
    policy = load_policy(*(file.name for file in recorded.files))
    if policy.sha256 != recorded.sha256:
        _say("note: the policy has changed since this run; it is judged by what the policy says now")
    return policy


def _check_role(policy: Policy, role: str | None) -> None:
    if role is not None and role not in policy.roles:
        raise UsageError(f"the policy has no role `{role}`", help=f"one of {', '.join(policy.roles)}" if policy.roles else None)


def _check_tools(after: Sequence[str]) -> None:
    from agentgate.files.policy_schema import TOOL_NAME

    for name in after:
        if re.fullmatch(TOOL_NAME, name) is None:
            help = "a name is 1 to 64 letters, digits, `_`, `.` or `-`"
            raise UsageError(f"`{name}` cannot have returned: it is not the name of a tool", help=help)


def _say(text: str) -> None:
    """Tells the user something beside the result."""
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    Sink(sys.stderr).write(f"{safe(text)}\n")


def _print(explanation: Explanation, format: Format) -> None:
    from agentgate.output.explanation import ExplanationText, explanation_json
    from agentgate.output.sink import Sink

    sink = Sink(sys.stdout)
    if format is Format.JSON:
        import json

        sink.write(json.dumps(explanation_json(explanation), indent=2) + "\n")
    else:
        import shutil

        width = max(shutil.get_terminal_size().columns - 1, _NARROWEST) if sink.can_erase else None
        text = ExplanationText(explanation, width=width, ascii=sink.ascii)
        sink.write("".join(f"{line}\n" for line in text.lines()))
    sink.check()
