"""Asks the person at the terminal, on `/dev/tty`, so that neither a pipe nor a tool can answer."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress

from agentgate.approvers.port import Answer
from agentgate.core.events import Decision, ToolCall
from agentgate.output.calls import call_text
from agentgate.output.safe import safe

_ASK_SECONDS = 300.0
_LOOK_EVERY = 0.1
_MOST_BYTES = 4096


class TerminalApprover:
    """Shows the whole call and waits for a clear yes. No terminal, no answer in time, anything else: no."""

    def __init__(self, *, open_terminal: Callable[[], int] | None = None, seconds: float = _ASK_SECONDS) -> None:
        """Opens nothing yet.

        Args:
            open_terminal: gives a file descriptor to read from and write to; `/dev/tty` by default.
            seconds: how long an answer is waited for.
        """
        self._open = open_terminal or (lambda: os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        self._seconds = seconds
        self._closed = False

    def ask(self, call: ToolCall, decision: Decision) -> Answer:
        """Waits for an answer to this one call."""
        try:
            terminal = self._open()
        except OSError:
            return Answer(approved=False, by="nobody", note="there is no terminal to ask on", unavailable=True)
        try:
            return self._asked(terminal, call, decision)
        except OSError as error:
            return Answer(approved=False, by="nobody", note=f"the terminal failed: {error.strerror}", unavailable=True)
        finally:
            with suppress(OSError):
                os.close(terminal)

    def close(self) -> None:
        """Ends a waiting question as a no."""
        self._closed = True

    def _asked(self, terminal: int, call: ToolCall, decision: Decision) -> Answer:
        _drain(terminal)
        _write(terminal, _question(call, decision, self._seconds))
        line = self._line(terminal)
        if line is None:
            return Answer(approved=False, by="nobody", note="no answer in time", unavailable=True)
        match line.strip().lower():
            case "y" | "yes":
                return Answer(approved=True, by="terminal")
            case "x":
                return Answer(approved=False, by="terminal", stop=True)
        return Answer(approved=False, by="terminal")

    def _line(self, terminal: int) -> str | None:
        """One line that somebody typed; None where nobody did in time, or the input ended."""
        until, typed = time.monotonic() + self._seconds, b""
        while b"\n" not in typed:
            if self._closed or time.monotonic() >= until or len(typed) > _MOST_BYTES:
                return None
            if select.select([terminal], [], [], _LOOK_EVERY)[0]:
                more = os.read(terminal, _MOST_BYTES)
                if not more:
                    return None
                typed += more
        return typed.decode("utf-8", "replace")


def _question(call: ToolCall, decision: Decision, seconds: float) -> str:
    """The whole call, and the question last, so that the call cannot scroll it away."""
    minutes, rest = divmod(int(seconds), 60)
    return (
        f"\n  {call_text(call.name, decision.arguments)}\n"
        f"  {safe(decision.reason)} ({safe(decision.rule or decision.code)})\n\n"
        f"  Approve this call?   (no answer in {minutes}:{rest:02} = no)\n"
        "    y  yes, once        n  no, tell the model [default]        x  no, and stop the run\n"
        "  > "
    )


def _drain(terminal: int) -> None:
    """Forgets what was typed before the question was there."""
    while select.select([terminal], [], [], 0)[0] and os.read(terminal, _MOST_BYTES):
        pass


def _write(terminal: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(terminal, data) :]
