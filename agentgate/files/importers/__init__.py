"""Transcripts that others write. Each form is one module: it tells the form by its content, and makes items of it.

Most forms hold one transcript in one JSON value (`Importer`). In others it takes the lines of a whole file (`FileImporter`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from agentgate.core.events import Json
from agentgate.errors import UsageError
from agentgate.files.importers import anthropic, chat, claude_code, codex, inspect_log, otlp, responses
from agentgate.files.transcript import Damage, Item, Transcript


class Importer(Protocol):
    """What a module of this folder holds, where one value is one transcript."""

    def recognises(self, value: Json) -> bool:
        """Whether a JSON value has this form."""
        ...

    def read(self, value: Json, run_id: str, tools: Json) -> tuple[Item, ...]:
        """The items of a value, which was recognised, or of which somebody says that it has this form.

        Args:
            value: the parsed line, or the parsed file.
            run_id: what its `run_started` is called.
            tools: the tools that were offered, from the value's `tools` or the file that it names; None where nobody says.

        Raises:
            InvalidTranscript: it is not of this form, or is, and yet cannot be understood completely.
        """
        ...


class FileImporter(Protocol):
    """What a module of this folder holds, where a file is one transcript of many lines, or one value is many transcripts."""

    def recognises(self, value: Json) -> bool:
        """Whether a JSON value is a line of this form."""
        ...

    def read_lines(self, lines: Iterable[tuple[int, bytes]], file: str) -> Iterator[Transcript | Damage]:
        """The transcripts of a file, and what of it cannot be understood.

        Args:
            lines: with their numbers.
            file: what it is called.
        """
        ...


NATIVE = "native"
"""What `--from` calls transcripts of agentgate."""

IMPORTERS: dict[str, Importer] = {"responses": responses, "anthropic": anthropic, "chat": chat}
"""By the name that `--from` takes. The first that recognises a value reads it."""

FILE_IMPORTERS: dict[str, FileImporter] = {"claude-code": claude_code, "codex": codex, "inspect": inspect_log, "otlp": otlp}
"""The same for those that take a whole file."""

FORMS = (NATIVE, *sorted([*IMPORTERS, *FILE_IMPORTERS]))
"""All that `--from` takes."""


def importer_of(value: Json) -> Importer | None:
    """Who can read this value; None where nobody can."""
    return next((importer for importer in IMPORTERS.values() if importer.recognises(value)), None)


def file_importer_of(value: Json) -> FileImporter | None:
    """Who can read the file in which this value stands first; None where nobody can."""
    return next((importer for importer in FILE_IMPORTERS.values() if importer.recognises(value)), None)


def known_form(name: str) -> str:
    """The name of a form.

    Raises:
        UsageError: there is no such form.
    """
    if name not in FORMS:
        raise UsageError(f"`{name}` is not a form of transcripts", help=f"one of {', '.join(FORMS)}")
    return name
