"""A run that goes on by single steps: whenever it wants something of the model, a person or a tool, it waits to be told what happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from agentgate.approvers.port import Answer, Question
from agentgate.core.events import Decision, Json, RunEnded, ToolCall
from agentgate.models.port import Reply
from agentgate.tools.port import Outcome
from tests.faults.breaking import Crash
from tests.faults.lives import World

_PATIENCE = 60.0
"""Seconds after which a run that says nothing is stuck."""


@dataclass(frozen=True)
class Wish:
    """What the run waits for."""

    kind: str
    """`model`, `ask`, `doubt` or `tool`."""
    about: Any
    """The messages, the question, the call."""
    reply: SimpleQueue[Any] = field(default_factory=SimpleQueue)


class Stage:
    """One process at a time, in a thread of its own."""

    def __init__(self) -> None:
        self.wish: Wish | None = None
        """None where nothing runs."""
        self._wishes: SimpleQueue[Any] = SimpleQueue()

    def start(self, process: Callable[[], RunEnded | None]) -> None:
        """Starts one, and waits until it wants something, or has ended.

        Raises:
            Exception: that of the process.
        """

        def living() -> None:
            try:
                process()
                self._wishes.put(None)
            except BaseException as error:
                self._wishes.put(error)

        threading.Thread(target=living, daemon=True).start()
        self._wait()

    def answer(self, answer: Any) -> None:
        """Gives the run what it wants (an exception is raised there), and waits until it wants something else, or has ended."""
        assert self.wish is not None
        self.wish.reply.put(answer)
        self._wait()

    def no_answer(self) -> None:
        """Waits until the run gives up what it waits for."""
        given_up = self.wish
        self._wait()
        assert given_up is not None
        given_up.reply.put(Crash())

    def wants(self, kind: str, about: Any) -> Any:
        """Said by the run: it waits for something."""
        wish = Wish(kind, about)
        self._wishes.put(wish)
        answer = wish.reply.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _wait(self) -> None:
        said = self._wishes.get(timeout=_PATIENCE)
        self.wish = said if isinstance(said, Wish) else None
        if isinstance(said, BaseException):
            raise said


class StagedModel:
    """Says what it is told to."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ask(
        self,
        messages: Sequence[Mapping[str, Json]],
        tools: Sequence[Mapping[str, Json]],
        tool_choice: Json,
        *,
        most: int | None = None,
    ) -> Reply:
        reply: Reply = self._stage.wants("model", messages)
        return reply

    def close(self) -> None:
        pass


class StagedPerson:
    """Answers what it is told to."""

    def __init__(self, stage: Stage, kind: str) -> None:
        self._stage, self._kind = stage, kind

    def ask(self, question: Question) -> Answer:
        answer: Answer = self._stage.wants(self._kind, question)
        return answer

    def close(self) -> None:
        pass


class StagedWorld(World):
    """Tools that do what they are told to; `effects` has what they did."""

    def __init__(self, tools: Sequence[str], stage: Stage, forbidden: Callable[[ToolCall], str | None]) -> None:
        """Nothing is done yet.

        Args:
            tools: their names.
            stage: tells.
            forbidden: why nothing may be executed right now, whatever was decided.
        """
        super().__init__(tools)
        self._stage = stage
        self._forbidden = forbidden

    def execute(self, call: ToolCall, decision: Decision, *, approved: bool = False, idempotency_key: str | None = None) -> Outcome:
        assert self._forbidden(call) is None, self._forbidden(call)
        self.behaves = lambda call: bool(self._stage.wants("tool", call))
        return super().execute(call, decision, approved=approved, idempotency_key=idempotency_key)
