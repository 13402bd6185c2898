"""`agentgate learn`: from transcripts to the least policy that allows what they did."""

from __future__ import annotations

import sys
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agentgate.files.transcript import Transcript
    from agentgate.learn import Learned
    from agentgate.output.sink import Sink

_NARROWEST = 40


class Untried(StrEnum):
    """What becomes of tools that were offered and never called."""

    BLOCK = "block"
    ASK = "ask"
    ALLOW = "allow"


class Format(StrEnum):
    """How the outcome is told."""

    TABLE = "table"
    JSON = "json"


def learn(
    transcripts: Annotated[
        list[str], typer.Argument(help="Recordings of what shall be allowed: files, folders, globs, -.", metavar="TRANSCRIPT...")
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="A new file for the policy; standard output by default.")
    ] = None,
    bad: Annotated[list[str], typer.Option("--bad", metavar="FILE", help="Recordings of what shall be kept out.")] = [],  # noqa: B006
    extend: Annotated[
        str | None, typer.Option("--extend", metavar="POLICY", help="Learn only what this policy does not allow; the new file extends it.")
    ] = None,
    enough: Annotated[
        int, typer.Option("--enough", min=1, metavar="RUNS", help="Runs that make a habit; what fewer did is asked about.")
    ] = 3,
    untried: Annotated[
        Untried, typer.Option("--untried", help="Tools that no run called: block, or let what the user named be asked about or allowed.")
    ] = Untried.BLOCK,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of the policy.")] = "learned",
    form: Annotated[str | None, typer.Option("--from", metavar="FORM", help="What the transcripts are; their content tells.")] = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="How the outcome is told, on standard error.")] = Format.TABLE,
) -> None:
    """Writes the least policy that allows what recorded runs did, with its evidence, and scores it on runs that it was not learned from.

    Nothing is applied: read the rules, change them, test them. Runs whose `meta` says `attack_succeeded: true` count as bad.
    """
    import os

    from agentgate.core.events import Effect
    from agentgate.errors import UsageError
    from agentgate.files.policy_file import load_policy
    from agentgate.files.test_writer import write_new
    from agentgate.learn import learn as learned_from
    from agentgate.output.sink import Sink

    if output not in (None, "-") and os.path.lexists(str(output)):
        raise UsageError(f"`{output}` exists already", help="name another file, or remove it first")
    if extend == "-":
        raise UsageError("a policy from standard input has no name to extend it by", help="write it to a file")
    base = None if extend is None else load_policy(extend)
    err = Sink(sys.stderr)
    damaged: list[str] = []
    learned = learned_from(
        _read(transcripts, form, err, damaged),
        _read(bad, form, err, damaged) if bad else [],
        enough=enough,
        untried=Effect(untried.value),
        name=name,
        extend=base,
        extended_file=None if extend is None else _beside(extend, output),
    )
    if output in (None, "-"):
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # a policy file is UTF-8 wherever it is written
        out = Sink(sys.stdout)
        out.write(learned.text)
        out.check()
    else:
        write_new(str(output), learned.text)
    err.write(_told(learned, format, err, output))
    raise typer.Exit(1 if damaged else 0)


def _read(paths: list[str], form: str | None, err: Sink, damaged: list[str]) -> list[Transcript]:
    """Every transcript; what cannot be read is named on the way."""
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import find_transcripts, read_sources
    from agentgate.output.progress import Progress, total_size
    from agentgate.output.safe import safe

    sources = find_transcripts(paths)
    if form is not None:
        from agentgate.files.importers import known_form

        known_form(form)
    found = []
    with closing(Progress(err, lambda: total_size(sources))) as progress:
        for item in read_sources(sources, progress.advance, form=form):
            if isinstance(item, Damage):
                damaged.append(str(item))
                err.write(f"damaged: {safe(str(item))}\n")
            else:
                found.append(item)
    return found


def _beside(policy: str, output: str | None) -> str:
    """The policy's file as a file beside the new one names it."""
    import os

    folder = os.path.dirname(output) if output not in (None, "-") and output else ""  # noqa: PTH120
    return os.path.relpath(policy, folder or ".")


def _told(learned: Learned, format: Format, err: Sink, output: str | None) -> str:
    if format is Format.JSON:
        import json

        return json.dumps(learned.as_object(), indent=2) + "\n"
    import shutil

    from agentgate.output.learn_table import learned_lines
    from agentgate.output.safe import safe

    width = max(shutil.get_terminal_size().columns - 1, _NARROWEST) if err.can_erase else None
    lines = list(learned_lines(learned, width=width))
    if output not in (None, "-"):
        lines.append(f"Wrote {safe(str(output))}. Look at it with `agentgate check`, and replay the recordings with it.")
    return "".join(f"{line}\n" for line in lines)
