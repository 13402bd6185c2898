"""Approvers that need nobody: `--approve never`, `--approve always` and `--approve later`."""

from __future__ import annotations

from msgspec import Struct

from agentgate.approvers.port import Answer, Question


class Fixed(Struct, frozen=True):
    """Always the same answer."""

    answer: Answer

    def ask(self, question: Question) -> Answer:
        return self.answer

    def close(self) -> None:
        """Nothing to give back."""


NEVER = Fixed(Answer(approved=False, by="--approve never", note="nobody is asked in this run", unavailable=True))
ALWAYS = Fixed(Answer(approved=True, by="--approve always"))
RETRY = Fixed(Answer(approved=True, by="--retry-unknown"))
LATER = Fixed(Answer(approved=False, by="--approve later", later=True))
