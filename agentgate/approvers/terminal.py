"""Asks the person at the terminal, on `/dev/tty`, so that neither a pipe nor a tool can answer."""

from __future__ import annotations

import locale
import os
import select
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from agentgate.approvers.port import ASK_SECONDS, Answer, Question
from agentgate.core.events import Scope
from agentgate.output.calls import call_text
from agentgate.output.safe import safe

_LOOK_EVERY = 0.1
_LINE_ENDS_WITHIN = 2.0
_MOST_BYTES = 4096
_LONGEST_REASON = 500
"""Characters of a reason for the model; what is longer is cut."""


class TerminalApprover:
    """Shows the whole call and waits for a clear yes. No terminal, no answer in time, anything else: no."""

    def __init__(self, *, open_terminal: Callable[[], int] | None = None, seconds: float = ASK_SECONDS) -> None:
        """Opens nothing yet.

        Args:
            open_terminal: gives a file descriptor to read from and write to; `/dev/tty` by default.
            seconds: how long an answer is waited for.
        """
        self._open = open_terminal or (lambda: os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        self._seconds = seconds
        self._closed = False
        self._asking = threading.Lock()

    def ask(self, question: Question) -> Answer:
        """Waits for an answer to this one call."""
        with self._asking:
            return self._ask(question)

    def close(self) -> None:
        """Ends a waiting question as a no, and waits until its line on the terminal is ended, so that what is shown next begins its own."""
        self._closed = True
        if self._asking.acquire(timeout=_LINE_ENDS_WITHIN):
            self._asking.release()

    def _ask(self, question: Question) -> Answer:
        try:
            terminal = self._open()
        except OSError:  # also where there is one, but not for this process
            return Answer(approved=False, by="nobody", note="there is no terminal to ask on", unavailable=True)
        try:
            return self._asked(terminal, question)
        except (OSError, termios.error) as error:
            return Answer(approved=False, by="nobody", note=f"the terminal failed: {error.args[-1]}", unavailable=True)
        finally:
            with suppress(OSError):
                os.close(terminal)

    def _asked(self, terminal: int, question: Question) -> Answer:
        until = time.monotonic() + self._seconds
        _write(terminal, _case(question))
        _forget_typed(terminal)
        _write(terminal, _question(question, self._seconds))
        line, missing = self._line(terminal, until)
        if missing:
            _write(terminal, "\n")
            return Answer(approved=False, by="nobody", note=missing, unavailable=True)
        match line.strip().lower():
            case "y" | "yes":
                return Answer(approved=True, by="terminal")
            case "s" if not question.may_have_run:
                return Answer(approved=True, by="terminal", scope=Scope.RUN)
            case "r":
                return Answer(approved=False, by="terminal", note=self._reason(terminal, until))
            case "x":
                return Answer(approved=False, by="terminal", stop=True)
        return Answer(approved=False, by="terminal")

    def _reason(self, terminal: int, until: float) -> str | None:
        """A line for the model. It is a no already, with or without one."""
        _write(terminal, "  Reason for the model: ")
        line, missing = self._line(terminal, until)
        if missing:
            _write(terminal, "\n")
        return "".join(character for character in line.strip() if character.isprintable())[:_LONGEST_REASON] or None

    def _line(self, terminal: int, until: float) -> tuple[str, str]:
        """One line that somebody typed, or why there is none. One that never ends is as good as empty."""
        typed = b""
        poll = select.poll()
        poll.register(terminal, select.POLLIN)
        while not typed.endswith((b"\n", b"\r")):
            if len(typed) >= _MOST_BYTES:
                return "", ""
            if self._closed:
                return "", "interrupted"
            if time.monotonic() >= until:
                return "", "no answer in time"
            if poll.poll(_LOOK_EVERY * 1000):
                more = os.read(terminal, _MOST_BYTES)
                if not more:
                    return "", "the terminal was closed"
                typed += more
        return typed.decode("utf-8", "replace"), ""


def _case(question: Question) -> str:
    """The whole call, and why somebody is asked about it."""
    ascii = not locale.getencoding().lower().startswith("utf")
    decision = question.decision
    reason = safe(f"{decision.reason} ({decision.rule or decision.code})", ascii=ascii)
    if question.may_have_run:
        reason = "was let through before the run broke off, and may have run"
    return f"\n  {call_text(question.call.name, decision.arguments, ascii=ascii)}\n  {reason}\n\n"


def _question(question: Question, seconds: float) -> str:
    """Comes last, so that no call can scroll it away."""
    minutes, rest = divmod(int(seconds), 60)
    asked = "Run this call, perhaps for the second time?" if question.may_have_run else "Approve this call?"
    standing = "" if question.may_have_run else "    s  yes, for the rest of this run, with exactly these arguments\n"
    return (
        f"  {asked}   (no answer in {minutes}:{rest:02} = no)\n"
        "    y  yes, once\n"
        f"{standing}"
        "    n  no, and tell the model [default]\n"
        "    r  no, with a reason for the model\n"
        "    x  no, and stop the run\n"
        "  > "
    )


def _forget_typed(terminal: int) -> None:
    """What was typed before the question was there is no answer to it, nor is the beginning of a line."""
    termios.tcflush(terminal, termios.TCIFLUSH)


def _write(terminal: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(terminal, data) :]
