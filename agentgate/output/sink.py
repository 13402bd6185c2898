"""The stream that a screen writes to: it knows what the stream can carry, and goes silent when nobody reads any more."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from agentgate.errors import OutsideError

_ERASE_LINE = "\r\x1b[2K"


class Sink:
    """Writes text and never fails.

    When a write fails (the reader of a pipe went away, the disk is full), the sink stays silent from then on: a run must not die, or
    lose records, of not being watched. The file descriptor is then pointed at the null device, as Python's documentation advises for
    closed pipes, because the interpreter would otherwise complain about unwritten text when it exits.
    """

    def __init__(self, stream: TextIO, *, environ: Mapping[str, str] | None = None) -> None:
        """Writes nothing yet.

        Args:
            stream: where to write.
            environ: the process's environment by default; only `TERM` is looked at.
        """
        self.stream = stream
        self.silenced = False
        self._error: OSError | None = None
        encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("_", "-")
        self.ascii = not encoding.startswith("utf")
        """Whether the stream's encoding lacks most characters."""
        term = (os.environ if environ is None else environ).get("TERM", "")
        self.can_erase = _is_terminal(stream) and term not in ("dumb", "unknown", "")
        """Whether a line can be taken back."""
        self._status = ""

    def write(self, text: str) -> None:
        """Writes text and flushes it; a line that `status` left there goes away first and comes back after."""
        if self._status:
            text = f"{_ERASE_LINE}{text}{self._status}"
        self._put(text)

    def status(self, line: str) -> None:
        """Puts a line without an end where the next text will stand, on a terminal; an empty one takes it away."""
        if not self.can_erase:
            return
        had, self._status = self._status, line
        self._put((_ERASE_LINE if had else "") + line)

    def check(self) -> None:
        """For text that somebody asked for: whether it got to where it should.

        Raises:
            OutsideError: it did not, and not only because nobody reads any more.
        """
        if self._error is not None and not isinstance(self._error, BrokenPipeError):
            reason = (self._error.strerror or str(self._error)).lower()
            raise OutsideError(f"the result cannot be written: {reason}")

    def _put(self, text: str) -> None:
        if self.silenced or not text:
            return
        if self.ascii:
            text = text.encode("ascii", "backslashreplace").decode("ascii")
        try:
            if self.stream.closed:
                raise OSError("closed")
            self.stream.write(text)
            self.stream.flush()
        except OSError as error:
            self._error = error
            self._go_silent()

    def _go_silent(self) -> None:
        self.silenced = True
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, self.stream.fileno())
            finally:
                os.close(nowhere)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (ValueError, AttributeError):
        return False
