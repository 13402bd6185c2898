"""One line an event, for pipes and logs: fields separated by two spaces, no colours, nothing broken, nothing taken back.

The first word of a line is ours, always; what a model or a tool said never begins one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Effect,
    Event,
    ModelReplied,
    RunEnded,
    RunResumed,
    RunStarted,
    ToolReturned,
)
from agentgate.output.calls import call_text, error_text, result_text
from agentgate.output.plural import plural
from agentgate.output.port import View
from agentgate.output.safe import safe
from agentgate.output.seen import Seen
from agentgate.output.sink import Sink
from agentgate.output.summary import (
    counts,
    decision_word,
    label,
    money_text,
    outcome,
    policy_text,
    resumed_text,
    rule_label,
    scope_text,
    size_text,
    time_text,
    title,
    tokens_text,
    ways_on,
)

_LONGEST_VALUE = (200, 2000, None)
"""Characters of a value before its middle is left out, by verbosity."""


class PlainScreen:
    """Shows a run as lines."""

    def __init__(self, stream: TextIO, view: View) -> None:
        self._sink = Sink(stream)
        self._ascii = self._sink.ascii
        self._view = view
        self._longest = _LONGEST_VALUE[min(max(view.verbosity, 0), 2)]
        self._seen = Seen()
        self._began = self._ended = False

    @property
    def silenced(self) -> bool:
        """Whether the stream stopped taking what was written."""
        return self._sink.silenced

    def check(self) -> None:
        self._sink.check()

    def started(self, event: RunStarted, *, policy: str | None = None, limits: str | None = None) -> None:
        """Writes what runs, in which mode, under which policy."""
        if self._began:
            return
        self._began = True
        self._seen.take(event)
        named = {"policy": policy_text(event, policy), "role": event.role, "limits": limits}
        fields = [title(event), event.model, event.mode.value, *(f"{name} {text}" for name, text in named.items() if text)]
        self._line("start", *(self._safe(field) for field in fields if field))

    def show(self, event: Event) -> None:
        """Writes one line."""
        match event:
            case RunStarted():
                self.started(event)
            case RunEnded():
                self.finished(event)
            case CallDecided():
                self._seen.take(event)
                self._decided(event)
            case ToolReturned():
                self._seen.take(event)
                self._returned(event)
            case ApprovalAnswered():
                self._seen.take(event)
                self._approval(event)
            case ModelReplied():
                self._seen.take(event)
                self._replied(event)
            case RunResumed():
                self._began, self._ended = True, False
                self._resumed(event)

    def remember(self, event: Event) -> None:
        """Writes nothing."""
        self._seen.take(event)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Writes nothing."""
        yield

    def note(self, text: str) -> None:
        """Writes a line about the run."""
        self._line("note", self._safe(text))

    def finished(self, event: RunEnded, *, transcript: Path | None = None) -> None:
        """Writes the final answer, a line of it each, what the run came to, and where to look further."""
        if self._ended:
            return
        self._ended = True
        if self._seen.answer is not None:
            for line in safe(self._seen.answer.strip("\n"), newlines=True, ascii=self._ascii).split("\n"):
                self._line("answer", line)
        self._line("end", outcome(event, self._seen, self._view.places, ascii=self._ascii), *counts(event, self._seen, ascii=self._ascii))
        for name, text in ways_on(event, self._seen, transcript, ascii=self._ascii):
            self._line(name, text)

    def _decided(self, event: CallDecided) -> None:
        first = self._view.deciding(event) if self._view.deciding is not None else ()
        call = call_text(event.tool, event.arguments, first=first, longest=self._longest, ascii=self._ascii)
        rule = self._safe(label(event, self._view.places))
        reason = "" if event.effect is Effect.ALLOW else self._safe(event.reason)
        trials = (f"on trial {self._safe(rule_label(trial.rule, self._view.places))} would {trial.effect.value}" for trial in event.trials)
        self._line(decision_word(event).replace(" ", "-"), f"step {event.step}", call, rule, *trials, reason)

    def _returned(self, event: ToolReturned) -> None:
        size = f"{size_text(event.content)}{', truncated' if event.truncated else ''}"
        ran = ("executed", "ok" if event.ok else "failed", size, time_text(event.seconds))
        state = ran if event.executed else ("not executed", size)
        error = None if event.executed or event.ok else error_text(event.content)
        text = result_text(event.content, longest=self._longest, ascii=self._ascii) if error is None else self._safe(error)
        self._line("result", *self._whose(event), *state, text)

    def _resumed(self, event: RunResumed) -> None:
        self._line("resume", *(self._safe(field) for field in resumed_text(event, self._seen.started, loud=False)))
        for waiting in self._seen.open.values():
            call = call_text(waiting.tool, waiting.arguments, longest=self._longest, ascii=self._ascii)
            self._line("open", f"step {waiting.step}", call, self._safe(label(waiting, self._view.places)))

    def _approval(self, event: ApprovalAnswered) -> None:
        note = f"note {self._safe(event.note)}" if event.note else ""
        far = scope_text(event)
        self._line("approve" if event.answer == "approve" else "reject", *self._whose(event), f"by {self._safe(event.by)}", far, note)

    def _replied(self, event: ModelReplied) -> None:
        calls = event.message.get("tool_calls")
        fields = [f"step {event.step}", plural(len(calls) if isinstance(calls, list | tuple) else 0, "call")]
        if event.usage is not None:
            fields.append(tokens_text(event.usage.input_tokens + event.usage.output_tokens, event.usage.cached_tokens))
        if event.cost_usd is not None:
            fields.append(money_text(event.cost_usd))
        if event.finish_reason not in (None, "stop", "tool_calls"):
            fields.append(self._safe(f"finished by {event.finish_reason}"))
        if event.unusable:
            fields.append(f"not used: {self._safe(event.unusable)}")
        self._line("model", *fields)

    def _whose(self, event: ToolReturned | ApprovalAnswered) -> tuple[str, str]:
        """Step and tool of the call that an answer belongs to."""
        decided = self._seen.decision(event)
        if decided is None:
            return ("step ?", "?")
        return (f"step {decided.step}", call_text(decided.tool, {}, longest=self._longest, ascii=self._ascii).removesuffix("()"))

    def _line(self, *fields: str) -> None:
        self._sink.write("  ".join(field for field in fields if field) + "\n")

    def _safe(self, text: str) -> str:
        return safe(text, ascii=self._ascii)


def open_screen(stream: TextIO, talk: TextIO, view: View) -> PlainScreen:
    """Lines on `stream`."""
    return PlainScreen(stream, view)
