"""The events themselves, one JSON object a line, as the transcript keeps them. What is said about the run goes elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import msgspec

from agentgate.core.events import Event, Json, RunEnded, RunStarted
from agentgate.output.port import View
from agentgate.output.safe import safe
from agentgate.output.seen import Seen
from agentgate.output.sink import Sink
from agentgate.output.summary import counts, outcome, ways_on


class JsonlScreen:
    """Writes events to one stream, and notes and the summary to another."""

    def __init__(self, stream: TextIO, talk: TextIO, view: View) -> None:
        self._sink = Sink(stream)
        self._talk = Sink(talk)
        self._view = view
        self._seen = Seen()
        self._ended = False

    @property
    def silenced(self) -> bool:
        """Whether the stream of events stopped taking what was written."""
        return self._sink.silenced

    def check(self) -> None:
        self._sink.check()

    def started(self, event: RunStarted, *, policy: str | None = None, limits: str | None = None) -> None:
        """Writes the event."""
        self._event(event)

    def remember(self, event: Event) -> None:
        """Writes nothing: that event was written before."""
        self._seen.take(event)

    def show(self, event: Event) -> None:
        """Writes the event."""
        if isinstance(event, RunEnded):
            self.finished(event)
        else:
            self._ended = False
            self._event(event)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Writes nothing."""
        yield

    def note(self, text: str) -> None:
        """Says it beside the events."""
        self._say(f"note: {safe(text, ascii=self._talk.ascii)}")

    def finished(self, event: RunEnded, *, transcript: Path | None = None) -> None:
        """Writes the event, and says what the run came to beside the events."""
        if self._ended:
            return
        self._ended = True
        self._event(event)
        ascii = self._talk.ascii
        if self._view.verbosity >= 0:
            self._say("  ".join([outcome(event, self._seen, self._view.places, ascii=ascii), *counts(event, self._seen, ascii=ascii)]))
            for name, text in ways_on(event, self._seen, transcript, ascii=ascii):
                self._say(f"  {name:<5}  {text}")

    def _event(self, event: Event) -> None:
        self._seen.take(event)
        stored = self._view.stored(event) if self._view.stored is not None else None
        self._sink.write(event_line(event if stored is None else stored))

    def _say(self, line: str) -> None:
        self._talk.write(line + "\n")


def event_line(event: Event | Mapping[str, Json] | bytes) -> str:
    """An event, or what the transcript keeps of one, as one line of JSON in visible ASCII, so DEL too is an escape here."""
    if isinstance(event, bytes):
        text = event.decode("ascii").rstrip("\n")
    else:
        text = json.dumps(event if isinstance(event, Mapping) else msgspec.to_builtins(event), ensure_ascii=True, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f") + "\n"


def open_screen(stream: TextIO, talk: TextIO, view: View) -> JsonlScreen:
    """Events on `stream`, everything else on `talk`."""
    return JsonlScreen(stream, talk, view)
