"""`agentgate convert TRANSCRIPT... --to FORM`: recorded runs in another form."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import typer

from agentgate.errors import OutsideError, UsageError

if TYPE_CHECKING:
    from agentgate.files.exporters import Exporter
    from agentgate.files.transcript import Transcript
    from agentgate.output.sink import Sink


class _Work:
    """One conversion: what was written, what was lost, and what could not be read or written."""

    def __init__(self, err: Sink) -> None:
        self._err = err
        self.runs = 0
        self.damaged = 0
        self.losses: Counter[str] = Counter()

    def damage(self, what: str) -> None:
        """Names something that could not be converted."""
        from agentgate.output.safe import safe

        self.damaged += 1
        self._err.write(f"damaged: {safe(what)}\n")


def export(files: list[str], to: str, form: str | None, output: str | None) -> NoReturn:
    """Converts the transcripts, and exits: 1 where something could not be read or written.

    Raises:
        UsageError: there is no such form, the output exists, or many runs do not go where they should.
    """
    from agentgate.files.exporters import EXPORTERS
    from agentgate.files.importers import known_form
    from agentgate.output.sink import Sink

    exporter = EXPORTERS.get(to)
    if exporter is None:
        raise UsageError(f"`{to}` is not a form to convert to", help=f"one of {', '.join(EXPORTERS)}")
    if form is not None:
        known_form(form)
    err = Sink(sys.stderr)
    work = _Work(err)
    runs = _runs(files, form, work)
    first = list(islice(runs, 2))
    several = exporter.ONE_A_FILE and len(first) > 1
    if several and output in (None, "-"):
        raise UsageError(f"a file of the form `{to}` holds one run, and these are several", help="name a new folder with --output")
    if several and output is not None:
        _write_folder(chain(first, runs), exporter, output, work)
    else:
        _write_file(chain(first, runs), exporter, output, work)
    err.write(_said(work, to, output))
    raise typer.Exit(1 if work.damaged else 0)


def _runs(files: list[str], form: str | None, work: _Work) -> Iterator[Transcript]:
    from agentgate.files.transcript import Damage
    from agentgate.files.transcript_reader import find_transcripts, read_sources

    for found in read_sources(find_transcripts(files), form=form):
        if isinstance(found, Damage):
            work.damage(str(found))
        else:
            yield found


def _written(runs: Iterator[Transcript], exporter: Exporter, work: _Work) -> Iterator[bytes]:
    from agentgate.files.transcript import InvalidTranscript

    for run in runs:
        own: Counter[str] = Counter()
        try:
            data = exporter.write(run, own)
        except InvalidTranscript as error:
            work.damage(f"{run.file}:{run.line}: {error}")
            continue
        work.runs += 1
        work.losses.update(own)
        yield data


def _write_file(runs: Iterator[Transcript], exporter: Exporter, output: str | None, work: _Work) -> None:
    with ExitStack() as stack:
        stream = sys.stdout.buffer if output in (None, "-") else stack.enter_context(_new(str(output)))
        try:
            for data in _written(runs, exporter, work):
                stream.write(data)
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter would complain about unwritten text
        except OSError as problem:
            raise _cannot_write(output or "-", problem) from None


def _write_folder(runs: Iterator[Transcript], exporter: Exporter, folder: str, work: _Work) -> None:
    """A file for each run, by its number: what a run is called was made up by anybody, and names no file."""
    try:
        Path(folder).mkdir(mode=0o700)
    except FileExistsError:
        raise UsageError(f"`{folder}` exists already", help="choose another name, or remove it first") from None
    except (OSError, ValueError) as problem:
        raise _cannot_write(folder, problem) from None
    for number, data in enumerate(_written(runs, exporter, work), 1):
        with _new(str(Path(folder, f"{number:06}.jsonl"))) as stream:
            try:
                stream.write(data)
            except OSError as problem:
                raise _cannot_write(folder, problem) from None


def _new(path: str) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except FileExistsError:
        raise UsageError(f"`{path}` exists already", help="choose another name, or remove it first") from None
    except (OSError, ValueError) as problem:
        raise _cannot_write(path, problem) from None


def _cannot_write(path: str, problem: OSError | ValueError) -> OutsideError:
    return OutsideError(f"cannot write `{path}`: {(getattr(problem, 'strerror', None) or str(problem)).lower()}")


def _said(work: _Work, to: str, output: str | None) -> str:
    from agentgate.output.plural import plural
    from agentgate.output.safe import safe

    lines = [f"not kept: {count:,} × {what}" for what, count in work.losses.items()]
    where = "" if output in (None, "-") else f" to {output}"
    lines.append(f"wrote {plural(work.runs, 'run')} as {to}{where}")
    if work.damaged:
        lines.append(f"could not be read or written: {plural(work.damaged, 'line')}")
    return "".join(f"{safe(line)}\n" for line in lines)
