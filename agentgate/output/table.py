"""The run as a table that grows by rows: step, decision, call, rule. Rows are printed once and never redrawn.

Widths are fixed when the run starts. A row begins with its step's number at the left edge; whatever a model or a tool said stands further
right, or behind a bar, so that it cannot pass for a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from rich.cells import cell_len
from rich.console import Console

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Effect,
    Event,
    Mode,
    ModelReplied,
    RunEnded,
    RunResumed,
    RunStarted,
    Scope,
    ToolReturned,
)
from agentgate.output.calls import call_text, error_text, result_text
from agentgate.output.columns import fit, hang, pad
from agentgate.output.marks import marks
from agentgate.output.paper import Paper, Piece
from agentgate.output.port import View
from agentgate.output.safe import safe
from agentgate.output.seen import Seen, said
from agentgate.output.sink import Sink
from agentgate.output.summary import (
    counts,
    decision_word,
    label,
    outcome,
    policy_text,
    resumed_text,
    rule_label,
    scope_text,
    size_text,
    time_text,
    ways_on,
)
from agentgate.output.summary import title as run_title

_STACKED_BELOW = 72
"""Cells; a narrower screen gets a list in place of columns."""
_NARROWEST = 24
_SHORTEST_LINE = 16
_SHORTEST_RULE = 5
_LONGEST_VALUE = (60, 600, None)
"""Characters of a value in a call before its middle is left out, by verbosity."""
_LONGEST_RESULT = (400, 1000, None)
_RULE_WIDTH = 19
"""Cells for the rule at least, where the screen has them: as much as the longest code takes."""
_NUMBER = 4
"""Cells of the step's number with the gap after it."""

_STYLES = {"allow": "green", "block": "bold red", "ask": "bold yellow", "would": "bold magenta"}
_WARNING = "bold yellow"


class TableScreen:
    """Shows a run as rows on a terminal, or on anything else that carries text."""

    def __init__(self, console: Console, view: View, sink: Sink | None = None) -> None:
        """Writes nothing yet.

        Args:
            console: decides on colours and width.
            view: how much to show.
            sink: takes what the console would print; one to the console's file by default.
        """
        self._view = view
        self._sink = sink or Sink(cast(TextIO, console.file))
        self._ascii = self._sink.ascii
        self._marks = marks(ascii=self._ascii)
        self._seen = Seen()
        self._verbosity = min(max(view.verbosity, 0), 2)
        width = view.width or console.width
        self._stacked = width < _STACKED_BELOW
        self._paper = Paper(console, self._sink, max(width - 1, _NARROWEST))
        self._lay_out(Mode.ENFORCE)
        self._began = self._ended = False

    @property
    def silenced(self) -> bool:
        """Whether the stream stopped taking what was written."""
        return self._sink.silenced

    def check(self) -> None:
        self._sink.check()

    def started(self, event: RunStarted, *, policy: str | None = None, limits: str | None = None) -> None:
        """Prints what runs under which policy, a warning where decisions do not bind, and the head of the table."""
        if self._began:
            return
        self._began = True
        self._seen.take(event)
        self._lay_out(event.mode)
        if event.mode is Mode.OBSERVE:
            self._paper.paragraph(
                f"{self._marks['would']} observe mode: decisions are recorded, not enforced; calls are executed", _WARNING
            )
        title = [self._safe(part) for part in (run_title(event), event.model) if part] + [event.mode.value.replace("-", " ").upper()]
        self._paper.listing([f"agentgate run  {title[0]}", *title[1:]], self._marks["dot"], "bold")
        shown = policy_text(event, policy)
        parts = [f"policy {self._safe(shown)}" if shown else None]
        parts.append(f"role {self._safe(event.role)}" if event.role else None)
        parts.append(f"limits {self._safe(limits)}" if limits else None)
        self._paper.listing([part for part in parts if part], self._marks["dot"])
        if event.mode is Mode.DRY_RUN:
            self._paper.paragraph("dry run: calls are decided, nothing is executed, nobody is asked", _WARNING)
        self._head()

    def _resumed(self, event: RunResumed) -> None:
        """Prints that the run goes on, and the head of the table once more."""
        self._began, self._ended = True, False
        self._lay_out(self._seen.mode)
        parts = [self._safe(part) for part in resumed_text(event, self._seen.started)]
        self._paper.listing([f"agentgate resume  {parts[0] if parts else ''}", *parts[1:]], self._marks["dot"], "bold")
        self._head()
        for waiting in self._seen.open.values():
            self._seen.latest = waiting
            self._proposal(waiting, (f"{self._marks['ask']} open", _STYLES["ask"]))

    def _head(self) -> None:
        if not self._stacked:
            self._rule_line()
            self._row(" #", ("decision", "bold"), ["call"], ["rule"], "bold")
        self._rule_line()

    def show(self, event: Event) -> None:
        """Prints what an event adds to the table; nothing for one that adds nothing."""
        match event:
            case RunStarted():
                return self.started(event)
            case RunEnded():
                return self.finished(event)
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
                self._resumed(event)
        return None

    def remember(self, event: Event) -> None:
        """Prints nothing."""
        self._seen.take(event)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Shows one line on a terminal for as long as it lasts."""
        self._sink.status(fit(f"{self._marks['wait']} {self._safe(text)}", self._paper.width, ascii=self._ascii))
        try:
            yield
        finally:
            self._sink.status("")

    def note(self, text: str) -> None:
        """Prints a line about the run."""
        self._paper.paragraph(f"note: {self._safe(text)}", "cyan")

    def finished(self, event: RunEnded, *, transcript: Path | None = None) -> None:
        """Prints the final answer, what the run came to, and where to look further."""
        if self._ended:
            return
        self._ended = True
        self._rule_line()
        if self._seen.answer is not None:
            text = safe(self._seen.answer.strip("\n"), newlines=True, ascii=self._ascii)
            self._paper.quoted(self._marks["bar"], text.split("\n"))
        self._paper.line()
        self._totals(event)
        for name, text in ways_on(event, self._seen, transcript, ascii=self._ascii):
            # never broken: these are for copying
            self._paper.line(("  " + pad(name, 7), "dim"), (text, ""))

    def _lay_out(self, mode: Mode) -> None:
        """Fixes the columns of the run."""
        self._words = 13 if mode is Mode.OBSERVE else 8
        self._indent = _NUMBER if self._stacked else _NUMBER + self._words + 2
        places, width = self._view.places, self._paper.width
        widest = max((cell_len(self._safe(rule_label(rule, places))) for rule in places), default=0)
        if self._stacked:
            self._rule_width = max(width - _NUMBER - self._words - 2, _SHORTEST_RULE)
            self._call_width = max(width - self._indent, _SHORTEST_LINE)
        else:
            self._rule_width = min(max(widest, _RULE_WIDTH), width // 4)
            self._call_width = width - self._indent - 2 - self._rule_width

    def _decided(self, event: CallDecided) -> None:
        kind = "would" if not event.enforced and event.effect is not Effect.ALLOW else event.effect.value
        style = _STYLES[kind]
        self._proposal(event, (f"{self._marks[kind]} {decision_word(event)}", style))
        if event.effect is not Effect.ALLOW:
            if event.reason:
                self._below(self._safe(event.reason), style.removeprefix("bold "))
            if event.hint:
                self._below(f"hint: {self._safe(event.hint)}", "dim")
        for trial in event.trials:
            where = self._safe(rule_label(trial.rule, self._view.places))
            self._below(f"on trial: {where} would {trial.effect.value}", "dim")

    def _proposal(self, event: CallDecided, word: Piece) -> None:
        first = self._view.deciding(event) if self._view.deciding is not None else ()
        call = call_text(event.tool, event.arguments, first=first, longest=_LONGEST_VALUE[self._verbosity], ascii=self._ascii)
        rule = self._safe(label(event, self._view.places))
        self._row(f"{event.step:>2}", word, hang(call, self._call_width), hang(rule, self._rule_width))

    def _row(self, number: str, word: Piece, call: list[str], rule: list[str], style: str = "") -> None:
        """A row of the table; in the list for narrow screens, the rule stands beside the decision and the call below."""
        lead = [(pad(number, max(_NUMBER, len(number) + 1)), style), (pad(word[0], self._words + 2), word[1])]
        if not self._stacked:
            self._paper.columns(lead, [(line, style) for line in call], self._call_width + 2, [(line, style) for line in rule])
            return
        self._paper.columns(lead, [(line, style) for line in rule], 0, [])
        for line in call:
            self._paper.line((" " * self._indent, ""), (line, style))

    def _returned(self, event: ToolReturned) -> None:
        decided = self._seen.decision(event)
        arrow = self._marks["arrow"]
        if self._seen.was_refused(event) and not event.executed:
            if self._verbosity > 0:
                self._below(f"{arrow} told the model: {self._result(event)}", "dim")
            return
        lead, style = f"{arrow} ", "dim" if event.ok else "red"
        if self._seen.is_elsewhere(event):
            lead += self._whose(event)
        if not event.executed:
            lead += "not executed: "
        elif decided is not None and not decided.enforced and decided.effect is not Effect.ALLOW:
            lead, style = f"{lead}EXECUTED  ", _STYLES["would"]
        size = f"{size_text(event.content)}{', truncated' if event.truncated else ''}" if event.executed or event.ok else ""
        self._outcome(f"{lead}{self._result(event)}", size, time_text(event.seconds) if event.executed else "", style, short=event.ok)

    def _result(self, event: ToolReturned) -> str:
        """The result as a literal; what is wrong as prose where the call never ran."""
        error = None if event.executed or event.ok else error_text(event.content)
        if error is not None:
            return self._safe(error)
        return result_text(event.content, longest=_LONGEST_RESULT[self._verbosity], ascii=self._ascii)

    def _outcome(self, text: str, size: str, took: str, style: str, *, short: bool) -> None:
        """What came of a call, with its size and how long it took: one line where it is `short` and nobody asked for more."""
        if self._stacked and took:
            size, took = f"{size}  {took}", ""
        size = f"  {size}" if size else ""
        room = self._call_width - cell_len(size)
        lines = [fit(text, room, ascii=self._ascii)] if short and self._verbosity == 0 else hang(text, self._call_width)
        if cell_len(lines[-1]) > room:
            lines.append(size)
        else:
            lines[-1] += size
        right = [("", "")] * (len(lines) - 1) + [(took, "dim")]
        self._paper.columns([(" " * self._indent, "")], [(line, style) for line in lines], self._call_width + 2, right)

    def _approval(self, event: ApprovalAnswered) -> None:
        approved = event.answer == "approve"
        note = f": {self._safe(event.note)}" if event.note else ""
        word = " ".join(part for part in ("approved" if approved else "rejected", scope_text(event)) if part)
        if event.scope is Scope.RETRY:
            word = "to be run again, said" if approved else "not to be run again, said"
        where = self._whose(event) if self._seen.is_elsewhere(event) else ""
        by = "" if event.scope is Scope.RETRY else "by "
        self._below(f"{where}{word} {by}{self._safe(event.by)}{note}", "green" if approved else "yellow")

    def _whose(self, event: ApprovalAnswered | ToolReturned) -> str:
        """The call that a remark is about, where it does not stand right below it."""
        decided = self._seen.decision(event)
        return "" if decided is None else f"{call_text(decided.tool, {}, longest=_SHORTEST_LINE, ascii=self._ascii)}: "

    def _replied(self, event: ModelReplied) -> None:
        if event.unusable:
            self._below(f"answer of step {event.step} not used: {self._safe(event.unusable)}", _WARNING)
        elif event.finish_reason in ("length", "content_filter"):
            self._below(f"answer of step {event.step} cut off: {event.finish_reason}", _WARNING)
        text = said(event.message)
        if text is not None and event.message.get("tool_calls") and self._verbosity > 0:
            self._below(f"model: {self._safe(text)}", "dim")

    def _totals(self, event: RunEnded) -> None:
        text = outcome(event, self._seen, self._view.places, ascii=self._ascii)
        style = "bold green" if event.status == "done" else "bold red"
        parts = counts(event, self._seen, ascii=self._ascii)
        numbers = self._marks["dot"].join(parts)
        if cell_len(text) + 3 + cell_len(numbers) <= self._paper.width:
            self._paper.line((text, style), (f"   {numbers}", ""))
            return
        self._paper.paragraph(text, style)
        self._paper.listing(parts, self._marks["dot"], first_indent=2)

    def _below(self, text: str, style: str) -> None:
        """A remark on the row above."""
        self._paper.inset(self._indent, text, style)

    def _rule_line(self) -> None:
        self._paper.line((self._marks["line"] * self._paper.width, "dim"))

    def _safe(self, text: str) -> str:
        return safe(text, ascii=self._ascii)


def open_screen(stream: TextIO, talk: TextIO, view: View) -> TableScreen:
    """The table on `stream`; colours and width as rich finds them (`NO_COLOR`, `FORCE_COLOR`, `TERM`, `COLUMNS`)."""
    console = Console(file=stream, width=view.width, markup=False, emoji=False, highlight=False, legacy_windows=False)
    return TableScreen(console, view)
