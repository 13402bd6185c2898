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
    from agentgate.output.sink import Sink
    from agentgate.replay import Judged, Replay, Tally


_NARROWEST = 40
_ROWS = 64
"""How many rows of JSON are written at once."""


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
    from agentgate.output.sink import Sink
    from agentgate.replay import Replay, Tally

    other = load_policy(*against) if against else None
    judging = Replay(load_policy(*policy), other, role=role, resolve=resolve, workdir=os.getcwd())  # noqa: PTH109
    known = {**judging.policy.policy.roles, **(judging.against.policy.roles if judging.against else {})}
    if role is not None and role not in known:
        raise UsageError(f"the policy has no role `{role}`", help=f"one of {', '.join(known)}" if known else None)
    tally, began = Tally(), time.perf_counter()
    out = Sink(sys.stdout)
    calls = _judged(judging, tally, transcripts, bar=format is not Format.JSONL or not out.can_erase)
    if format is Format.JSONL:
        _print_calls(calls, out)
    else:
        for _ in calls:
            pass
        out.write(_result(format, tally, judging, time.perf_counter() - began, out))
    out.check()
    raise typer.Exit(1 if tally.damaged or (fail_on_flip and tally.flips) else 0)


def _judged(judging: Replay, tally: Tally, paths: list[str], *, bar: bool) -> Iterator[Judged]:
    """Every call of every transcript; what cannot be read is named on the way."""
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import find_transcripts, read_sources
    from agentgate.output.progress import Progress, total_size
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    sources = find_transcripts(paths)
    err = Sink(sys.stderr)
    progress = Progress(err, lambda: total_size(source.file for source in sources))
    for found in read_sources(sources, progress.advance if bar else None):
        if isinstance(found, Damage):
            tally.damaged.append(found)
            err.write(f"damaged: {safe(str(found))}\n")
        else:
            yield from tally.run(judging.judge(found))
    progress.close()


def _print_calls(calls: Iterator[Judged], out: Sink) -> None:
    """One object a line, many lines at a time."""
    import json

    rows: list[str] = []
    for call in calls:
        rows.append(json.dumps(call.as_object()) + "\n")
        if len(rows) == _ROWS:
            out.write("".join(rows))
            rows.clear()
    out.write("".join(rows))


def _result(format: Format, tally: Tally, judging: Replay, seconds: float, out: Sink) -> str:
    if format is Format.JSON:
        import json

        return json.dumps(tally.result(seconds), indent=2) + "\n"
    import shutil

    from agentgate.output.replay_table import ReplayTable

    width = max(shutil.get_terminal_size().columns - 1, _NARROWEST) if out.can_erase else None
    table = ReplayTable(tally, judging, width=width, ascii=out.ascii)
    return "".join(f"{line}\n" for line in table.lines(seconds))
