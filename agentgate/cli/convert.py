"""`agentgate convert`: the same policy in the native form, or recorded runs in another form."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.errors import UsageError

if TYPE_CHECKING:
    from agentgate.converting import Converted


def convert(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="A policy (several are merged), or transcripts; - is standard input.")
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="A new file to write to; standard output by default.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="FORM", help="The files are transcripts: write their runs as chat, native or otlp.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--from", metavar="FORM", help="What the transcripts are. By default their content tells.")
    ] = None,
) -> None:
    """Writes a policy of either form as one file in the native form, or with --to recorded runs in another form.

    The written policy is loaded again and judges near-miss calls beside the original; where one decision differs, nothing is written.
    Comments of the original are not kept.

    With --to, what the form cannot say is counted on standard error. A native file holds one run: several go into a new folder.

    Exit codes: 0 written, 1 the native form would decide otherwise or a run could not be converted, 2 a bad file or the output exists.
    """
    if to is not None:
        from agentgate.cli.exporting import export

        export(files, to, form, output)
    _tell_apart(files, form)
    from agentgate.converting import convert as converted
    from agentgate.files.policy_file import read_policy
    from agentgate.files.reading import file_error
    from agentgate.output.sink import Sink

    reading = read_policy(*files)
    if reading.policy is None:
        raise file_error(reading.findings, reading.sources)
    notes = [finding.message for finding in reading.findings if finding.code == "observe-only"]
    made = converted(reading.policy, remarks=[f"Left out: {note}." for note in notes])
    if output is None or output == "-":
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # a policy file is UTF-8 wherever it is written
        out = Sink(sys.stdout)
        out.write(made.text)
        out.check()
    else:
        _write_new(output, made.text)
    Sink(sys.stderr).write(_said(made, notes, output))


def _tell_apart(files: list[str], form: str | None) -> None:
    """Raises UsageError where somebody means transcripts."""
    transcript = next((file for file in files if file.endswith((".jsonl", ".gz", ".zst"))), None)
    if transcript is not None or form is not None:
        what = f"`{transcript}` is a transcript" if transcript is not None else "--from is about transcripts"
        raise UsageError(f"{what}, and nobody says what to convert it to", help="add --to chat, --to native or --to otlp")


def _said(made: Converted, notes: list[str], output: str | None) -> str:
    from agentgate.output.plural import plural
    from agentgate.output.safe import safe

    lines = [f"left out: {note}" for note in notes]
    lines += [line.rstrip(".").replace("Left out", "left out", 1) for line in made.dropped]
    lines += [f"renamed: `{old}` is now `{new}`" for old, new in made.renamed.items()]
    lines.append(f"{plural(made.compared, 'call')} and model requests were judged by both: every decision is the same")
    if output not in (None, "-"):
        lines.append(f"wrote {output}")
    return "".join(f"{safe(line)}\n" for line in lines)


def _write_new(path: str, text: str) -> None:
    """Writes a file that does not exist yet, all of it or nothing.

    Raises:
        UsageError: it exists.
        OutsideError: it cannot be written.
    """
    from agentgate.errors import OutsideError

    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"`{path}` exists already", help="choose another name, or remove it first") from None
    except (OSError, ValueError) as problem:
        raise OutsideError(f"cannot write `{path}`: {_reason(problem)}") from None
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - it is open already
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except OSError as problem:
        Path(path).unlink(missing_ok=True)
        raise OutsideError(f"cannot write `{path}`: {_reason(problem)}") from None


def _reason(problem: OSError | ValueError) -> str:
    return (getattr(problem, "strerror", None) or str(problem)).lower()
