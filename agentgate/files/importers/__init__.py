"""Transcripts that others write. Each form is one module: `recognises` tells it by its content, `read` makes items of it."""

from __future__ import annotations

from typing import Protocol

from agentgate.core.events import Json
from agentgate.files.importers import chat, responses
from agentgate.files.transcript import Item


class Importer(Protocol):
    """What a module of this folder holds."""

    def recognises(self, value: Json) -> bool:
        """Whether a JSON value has this form."""
        ...

    def read(self, value: Json, run_id: str, tools: Json) -> tuple[Item, ...]:
        """The items of a value that was recognised.

        Args:
            value: the parsed line, or the parsed file.
            run_id: what its `run_started` is called.
            tools: the tools that were offered, from `tools_of` or the file that it names; None where nobody says.

        Raises:
            InvalidTranscript: it is of this form, and yet cannot be understood completely.
        """
        ...


IMPORTERS: tuple[Importer, ...] = (responses, chat)
"""The first that recognises a value reads it."""


def importer_of(value: Json) -> Importer | None:
    """Who can read this value; None where nobody can."""
    return next((importer for importer in IMPORTERS if importer.recognises(value)), None)
