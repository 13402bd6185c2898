"""What a transcript comes to in a few numbers, for listing many: who ran what, how it ended, what was decided how often."""

from __future__ import annotations

import fcntl
import os
from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.events import EPOCH, ApprovalAnswered, CallDecided, Json, ModelReplied, RunEnded, RunResumed, ToolReturned
from agentgate.files.transcript import Damage, Proposed, Transcript
from agentgate.files.transcript_reader import Source, read_file
from agentgate.files.transcript_streams import STDIN, open_regular

RUNNING = "running"
UNFINISHED = "unfinished"
IMPORTED = "imported"
STATUSES = ("done", "stopped", "failed", "interrupted", "waiting", RUNNING, UNFINISHED, IMPORTED)
"""How a run can stand: by its `run_ended`, else whether somebody still writes to it; transcripts of others say nothing about it."""

_MOST_DAMAGES = 20
"""Damages of one file that are kept; the rest is counted."""

_LONGEST_NAME = 200
MOST = 2**53
"""Tokens and dollars of one run, at most: what every reader of JSON can take."""


class Tally(Struct, frozen=True, array_like=True):
    """How often one tool was decided on in one way by one rule."""

    tool: str
    by: str
    """The rule's or limit's id, the code where none decided; empty where nobody decided anything."""
    effect: str
    """`allow`, `ask`, `block`, or empty."""
    calls: int
    executed: int


class Run(Struct, frozen=True):
    """One run as a list shows it. Texts come from the transcript: make them safe before showing them."""

    run_id: str
    line: int
    status: str
    """One of STATUSES, or what somebody else's `run_ended` says."""
    reason: str = ""
    started: datetime | None = None
    """None where nobody says."""
    seconds: float = 0.0
    """How long it was at work; from the first event to the last where it has no end."""
    task: str | None = None
    policy: str | None = None
    policy_sha256: str | None = None
    mode: str | None = None
    role: str | None = None
    model: str | None = None
    steps: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    """None where some answer came without its cost."""
    approved: int = 0
    tallies: tuple[Tally, ...] = ()
    file: str = ""
    damaged: bool = False

    @property
    def calls(self) -> int:
        """How many calls were proposed."""
        return sum(tally.calls for tally in self.tallies)

    @property
    def executed(self) -> int:
        """How many calls were executed."""
        return sum(tally.executed for tally in self.tallies)

    def count(self, effect: str) -> int:
        """How many calls were decided in this way."""
        return sum(tally.calls for tally in self.tallies if tally.effect == effect)


class FileHistory(Struct, frozen=True):
    """What one file holds."""

    runs: tuple[Run, ...] = ()
    damages: tuple[tuple[int, str], ...] = ()
    """Line and what is wrong with it; the first ones."""
    more_damages: int = 0
    """How many there are beyond those."""


def read_history(source: Source) -> FileHistory:
    """Reads one file as a whole, following the hash chains of what has them."""
    runs: list[Run] = []
    damages: list[tuple[int, str]] = []
    more = 0
    for found in read_file(source):
        if isinstance(found, Transcript):
            runs.append(summary(found))
        elif len(damages) < _MOST_DAMAGES:
            damages.append((found.line, _writable(found.why)))
        else:
            more += 1
    return FileHistory(tuple(runs), tuple(damages), more)


def presented(history: FileHistory, file: str) -> FileHistory:
    """The same under the file's name, with `running` where somebody is still writing; a line that is just being written is no damage."""
    unended = not history.runs or any(run.status == UNFINISHED for run in history.runs)
    running = unended and file != STDIN and _is_being_written(file)
    if running:
        damages = tuple(found for found in history.damages if not found[1].startswith(("cut off:", "the file is empty")))
        intact = not damages and not history.more_damages
        runs = tuple(replace(run, file=file, status=RUNNING, damaged=run.damaged and not intact) for run in history.runs)
        return replace(history, runs=runs, damages=damages)
    return replace(history, runs=tuple(replace(run, file=file) for run in history.runs))


def damages_of(history: FileHistory, file: str) -> Iterable[Damage]:
    """What is wrong with a file, as a reader would say it."""
    for line, why in history.damages:
        yield Damage(file, line, why)
    if history.more_damages:
        yield Damage(file, history.damages[-1][0], f"and {history.more_damages} more lines that cannot be read")


def summary(transcript: Transcript) -> Run:
    """One run in numbers."""
    started = transcript.started
    counting = _Counting()
    for item in transcript.items:
        counting.take(item.recorded or item if isinstance(item, Proposed) else item)
    latest = max((item.at for item in transcript.items), default=EPOCH)
    ended = counting.ended
    seconds = max((latest - started.at).total_seconds(), 0.0) if started.at != EPOCH else 0.0
    return Run(
        run_id=_writable(transcript.id),
        line=transcript.line,
        status=_writable(ended.status) if ended is not None else IMPORTED if transcript.imported else UNFINISHED,
        reason=_writable(ended.reason) if ended is not None else "",
        started=None if started.at == EPOCH else started.at,
        seconds=round(seconds if ended is None else min(max(ended.totals.seconds, 0.0), seconds), 6),
        task=_writable(started.task.name) if started.task else None,
        policy=_writable(started.policy.name) if started.policy else None,
        policy_sha256=_writable(started.policy.sha256) if started.policy else None,
        mode=None if transcript.imported else started.mode.value,
        role=_writable(started.role) if started.role is not None else None,
        model=_writable(started.model) if started.model is not None else None,
        steps=counting.steps,
        input_tokens=min(counting.input_tokens, MOST),
        output_tokens=min(counting.output_tokens, MOST),
        cached_tokens=min(counting.cached_tokens, MOST),
        cost_usd=round(counting.cost, 12) if counting.priced and not counting.unpriced and counting.cost <= MOST else None,
        approved=counting.approved,
        tallies=counting.tallies(),
        damaged=not transcript.intact,
    )


class _Counting:
    """Counts through one run."""

    def __init__(self) -> None:
        self.steps = self.input_tokens = self.output_tokens = self.cached_tokens = self.approved = 0
        self.cost = 0.0
        self.priced = self.unpriced = False
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._executed: Counter[tuple[str, str, str]] = Counter()
        self._open: dict[str, deque[tuple[str, str, str]]] = {}
        self._answered: dict[str, tuple[str, str, str]] = {}
        self.ended: RunEnded | None = None
        """The end, unless the run went on after it."""

    def take(self, item: object) -> None:
        match item:
            case ModelReplied():
                self._replied(item)
            case CallDecided():
                by = item.rule or item.code.value
                self._proposed(item.call_id, (_name(item.tool), _writable(by), item.effect.value))
            case Proposed():
                self._proposed(item.call.id, (_name(item.call.name), "", ""))
            case ApprovalAnswered():
                self.approved += item.answer == "approve"
            case ToolReturned():
                self._returned(item)
            case RunEnded():
                self.ended = item
            case RunResumed():
                self.ended = None
            case _:
                pass

    def _returned(self, item: ToolReturned) -> None:
        """An answer belongs to the oldest call of its id that waits for one; a second one to the call that was executed again."""
        call_id = repr(item.call_id)
        waiting = self._open.get(call_id)
        key = waiting.popleft() if waiting else self._answered.get(call_id)
        if key is not None:
            self._answered[call_id] = key
            self._executed[key] += item.executed

    def _replied(self, item: ModelReplied) -> None:
        self.steps += 1
        if item.usage is not None:
            self.input_tokens += item.usage.input_tokens
            self.output_tokens += item.usage.output_tokens
            self.cached_tokens += item.usage.cached_tokens
        if item.cost_usd is None:
            self.unpriced = True
        else:
            self.priced = True
            self.cost += item.cost_usd

    def _proposed(self, call_id: Json, key: tuple[str, str, str]) -> None:
        self._calls[key] += 1
        self._open.setdefault(repr(call_id), deque()).append(key)

    def tallies(self) -> tuple[Tally, ...]:
        return tuple(Tally(*key, calls, self._executed[key]) for key, calls in sorted(self._calls.items()))


def _name(name: Json) -> str:
    """A tool as it is counted; what no tool can be called is cut, so that a list stays one."""
    text = name if isinstance(name, str) else f"(malformed: {name!r})"
    return _writable(text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…")


def _writable(text: str) -> str:
    """The text without what UTF-8 cannot carry."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_being_written(file: str) -> bool:
    """Whether a run holds its lock. Asked only of files without an end: the question itself holds a lock for a moment."""
    try:
        with open_regular(file) as stream:
            try:
                fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except OSError:
        return False


def stamp_of(file: str) -> str | None:
    """What changes whenever the file does: size, times, and which file it is. None where it cannot be looked at.

    The time of the last change of its entry is among them, which nobody can set.
    """
    try:
        found = os.stat(file)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_dev}:{found.st_ino}"
