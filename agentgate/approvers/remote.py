"""An approver outside of this process: asked in JSON over some line, with a deadline; whatever goes wrong is a no."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from agentgate.approvers.messages import About, Unclear, answer, request
from agentgate.approvers.port import ASK_SECONDS, Answer, Question


class Failed(Exception):
    """The line gave no answer. The message says why, in lower case, and quotes nothing that came over it."""


class Line(Protocol):
    """A way to an approver: a program, a server."""

    def exchange(self, data: bytes, seconds: float) -> bytes:
        """Sends a question and waits for what comes back, no longer than `seconds`.

        Raises:
            Failed: nothing came, or too much, or not in the way it must.
        """
        ...

    def close(self) -> None:
        """Cuts a waiting question short. Safe in other threads."""
        ...


class RemoteApprover:
    """Asks over a line."""

    def __init__(
        self,
        line: Line,
        who: str,
        about: About,
        *,
        secret: bytes | None = None,
        seconds: float = ASK_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Asks nothing yet.

        Args:
            line: how to reach it.
            who: what it is called in the record.
            about: the run.
            secret: signs questions, and must sign answers.
            seconds: how long an answer is waited for.
            clock: the time, in UTC.
            random: gives that many random bytes.
        """
        self._line = line
        self._who = who
        self._about = about
        self._secret = secret
        self._seconds = seconds
        self._clock = clock
        self._random = random

    def ask(self, question: Question) -> Answer:
        """Waits for an answer to this one call."""
        if question.may_have_run:
            return self._no("only a person at the terminal is asked about a call that may have run")
        asked = request(question, self._about, now=self._clock(), seconds=self._seconds, random=self._random, secret=self._secret)
        try:
            data = self._line.exchange(asked.data, self._seconds)
            return answer(data, asked, now=self._clock(), who=self._who, secret=self._secret)
        except (Failed, Unclear) as error:
            return self._no(str(error))

    def close(self) -> None:
        """Ends a waiting question as a no."""
        self._line.close()

    def _no(self, why: str) -> Answer:
        return Answer(approved=False, by=self._who, note=why, unavailable=True)
