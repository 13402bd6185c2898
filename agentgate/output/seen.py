"""What a screen keeps of a run between its events, so that a result can be shown with its call and an end with its beginning."""

from __future__ import annotations

from collections.abc import Mapping

from agentgate.core.events import ApprovalAnswered, CallDecided, Effect, Event, Json, Mode, ModelReplied, RunStarted, ToolReturned


class Seen:
    """The memory of a screen. It grows by one entry a call and never looks at anything but events."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.mode = Mode.ENFORCE
        self.calls = 0
        """Calls decided so far."""
        self.first_refused: int | None = None
        """Which call (from 1) was the first with effect block, as `explain RUN.jsonl#N` counts."""
        self.latest: CallDecided | None = None
        """The decision shown last."""
        self.answer: str | None = None
        """What the model said in an answer without calls."""
        self.finish_reason: str | None = None
        """Why the latest answer ended, in Chat Completions' words."""
        self.held = 0
        """Calls that were refused although the mode enforces nothing: the kill switch binds in every mode."""
        self.cached_tokens = 0
        """How many tokens of input came from the provider's cache."""
        self._decided: dict[str, CallDecided] = {}
        self._rejected: set[str] = set()
        self.open: dict[str, CallDecided] = {}
        """Calls that were not refused and have no answer yet."""

    def take(self, event: Event) -> None:
        """Remembers what later events will need."""
        match event:
            case RunStarted():
                self.started, self.mode = event, event.mode
            case CallDecided():
                self.calls += 1
                self.latest = event
                self._decided[_key(event.call_id)] = event
                self._rejected.discard(_key(event.call_id))
                if event.effect is not Effect.BLOCK or not event.enforced:
                    self.open[_key(event.call_id)] = event
                self.held += event.effect is Effect.BLOCK and event.enforced and self.mode is Mode.OBSERVE
                if event.effect is Effect.BLOCK and self.first_refused is None:
                    self.first_refused = self.calls
            case ApprovalAnswered():
                if event.answer != "approve":
                    self._rejected.add(_key(event.call_id))
            case ToolReturned():
                self.open.pop(_key(event.call_id), None)
            case ModelReplied():
                self.answer = None if event.message.get("tool_calls") else said(event.message)
                self.finish_reason = event.finish_reason
                self.cached_tokens += 0 if event.usage is None else event.usage.cached_tokens
            case _:
                pass

    def decision(self, event: ToolReturned | ApprovalAnswered) -> CallDecided | None:
        """The decision that an answer belongs to; None where there was none."""
        return self._decided.get(_key(event.call_id))

    def was_refused(self, event: ToolReturned) -> bool:
        """Whether a row has said already why this call was not executed."""
        decided = self.decision(event)
        if decided is None or not decided.enforced:
            return False
        return decided.effect is Effect.BLOCK or _key(event.call_id) in self._rejected

    def is_elsewhere(self, event: ToolReturned | ApprovalAnswered) -> bool:
        """Whether the row shown last is that of another call."""
        return self.latest is None or _key(self.latest.call_id) != _key(event.call_id)


def said(message: Mapping[str, Json]) -> str | None:
    """The text of an assistant message in Chat Completions form; a refusal counts. None where there is none."""
    content = message.get("content")
    if isinstance(content, list | tuple):
        parts = [part.get("text") or part.get("refusal") for part in content if isinstance(part, Mapping)]
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str) or not content:
        content = message.get("refusal")
    return content if isinstance(content, str) and content else None


def _key(call_id: Json) -> str:
    return call_id if isinstance(call_id, str) else repr(call_id)
