"""Only the final answer (`--quiet`); and, beside it, how a run ended that did not come to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from agentgate.core.events import Event, RunEnded, RunStarted
from agentgate.output.port import View
from agentgate.output.safe import safe
from agentgate.output.seen import Seen
from agentgate.output.sink import Sink
from agentgate.output.summary import outcome


class QuietScreen:
    """Writes the answer when the run is over."""

    def __init__(self, stream: TextIO, talk: TextIO, view: View) -> None:
        self._sink = Sink(stream)
        self._talk = Sink(talk)
        self._view = view
        self._seen = Seen()
        self._ended = False

    @property
    def silenced(self) -> bool:
        """Whether the stream stopped taking what was written."""
        return self._sink.silenced

    def check(self) -> None:
        self._sink.check()

    def started(self, event: RunStarted, *, policy: str | None = None, limits: str | None = None) -> None:
        """Writes nothing."""
        self._seen.take(event)

    def remember(self, event: Event) -> None:
        """Writes nothing."""
        self._seen.take(event)

    def show(self, event: Event) -> None:
        """Writes nothing before the end."""
        if isinstance(event, RunEnded):
            self.finished(event)
        else:
            self._ended = False
            self._seen.take(event)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Writes nothing."""
        yield

    def note(self, text: str) -> None:
        """Writes nothing."""

    def finished(self, event: RunEnded, *, transcript: Path | None = None) -> None:
        """Writes the answer, or says elsewhere how the run ended without one."""
        if self._ended:
            return
        self._ended = True
        if self._seen.answer is not None:
            self._sink.write(safe(self._seen.answer.rstrip("\n"), newlines=True, ascii=self._sink.ascii) + "\n")
        if event.status != "done" or event.reason:
            self._talk.write(outcome(event, self._seen, self._view.places, ascii=self._talk.ascii) + "\n")


def open_screen(stream: TextIO, talk: TextIO, view: View) -> QuietScreen:
    """The answer on `stream`, bad ends on `talk`."""
    return QuietScreen(stream, talk, view)
