"""Forms that transcripts are written in, one module each. What a form cannot say is counted, never left out silently."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from agentgate.files.exporters import chat, native, otlp
from agentgate.files.transcript import Transcript


class Exporter(Protocol):
    """What a module of this folder holds."""

    ONE_A_FILE: bool
    """Whether a file of this form holds one run only."""

    def write(self, transcript: Transcript, losses: Counter[str]) -> bytes:
        """The lines of a transcript.

        Args:
            transcript: any run.
            losses: is told what this form cannot say, in words → how often.

        Raises:
            InvalidTranscript: this form cannot hold the run.
        """
        ...


EXPORTERS: dict[str, Exporter] = {"chat": chat, "native": native, "otlp": otlp}
"""By the name that `--to` takes."""
