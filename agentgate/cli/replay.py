"""`agentgate replay`: judges recorded runs again, under another policy."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.cli.options import Policies, Role
from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.files.transcript import Damage, Transcript
    from agentgate.replay import Judged, Replay, Tally


class Format(StrEnum):
    """How a replay is shown."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


def replay(
    transcripts: Annotated[list[str], typer.Argument(help="Transcripts: files, folders, globs.", metavar="TRANSCRIPT...")],
    policy: Policies = [],  # noqa: B006 - typer reads the default, nobody changes it
    against: Annotated[
        list[str],
        typer.Option("--against", help="Compare with this policy rather than with the recorded decisions.", metavar="FILE"),
    ] = [],  # noqa: B006
    role: Role = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="json: one object; jsonl: one object a call.")] = Format.TABLE,
    fail_on_flip: Annotated[bool, typer.Option("--fail-on-flip", help="Exit 1 where a decision is another than before.")] = False,
) -> None:
    """Judges recorded runs again, and shows what is decided otherwise.

    No model is called and nothing is executed. Exits 1 where something could not be read or, with --fail-on-flip, flipped.
    """
    if not policy:
        raise UsageError("no policy is given", help="name one with --policy, for instance --policy policies/strict.yaml")
    from agentgate.files.links import resolve
    from agentgate.files.policy_file import load_policy
    from agentgate.replay import Replay, Tally

    other = load_policy(*against) if against else None
    judging = Replay(load_policy(*policy), other, role=role, resolve=resolve, workdir=os.getcwd())  # noqa: PTH109
    known = {**judging.policy.policy.roles, **(judging.against.policy.roles if judging.against else {})}
    if role is not None and role not in known:
        raise UsageError(f"the policy has no role `{role}`", help=f"one of {', '.join(known)}" if known else None)
    tally, began = Tally(), time.perf_counter()
    calls = _judged(judging, tally, transcripts)
    if format is Format.JSONL:
        _print_calls(calls)
    else:
        for _ in calls:
            pass
    seconds = time.perf_counter() - began
    _print_result(format, tally, judging, seconds)
    raise typer.Exit(1 if tally.damaged or (fail_on_flip and tally.flips) else 0)


def _judged(judging: Replay, tally: Tally, paths: list[str]) -> Iterator[Judged]:
    """Every call of every transcript; what cannot be read is named on the way."""
    from agentgate.files.transcript import Damage
    from agentgate.output.safe import safe

    for found in _with_progress(paths):
        if isinstance(found, Damage):
            tally.damaged.append(found)
            sys.stderr.write(f"damaged: {safe(str(found))}\n")
        else:
            yield from tally.run(judging.judge(found))


def _with_progress(paths: list[str]) -> Iterator[Transcript | Damage]:
    """The transcripts, with a bar on a terminal once it takes a while."""
    from agentgate.files.transcript_reader import read_transcripts

    if not sys.stderr.isatty():
        yield from read_transcripts(paths)
        return
    from agentgate.output.progress import shown_progress

    yield from shown_progress(paths)


def _print_calls(calls: Iterator[Judged]) -> None:
    import json

    from msgspec import to_builtins

    for call in calls:
        row = to_builtins(call)
        if row["against"] is None:
            del row["against"]
        sys.stdout.write(json.dumps(row) + "\n")


def _print_result(format: Format, tally: Tally, judging: Replay, seconds: float) -> None:
    if format is Format.JSON:
        import json

        sys.stdout.write(json.dumps(tally.result(seconds), indent=2) + "\n")
    elif format is Format.TABLE:
        from agentgate.output.replay_table import replay_lines

        sys.stdout.write("\n".join(replay_lines(tally, judging, seconds)) + "\n")
