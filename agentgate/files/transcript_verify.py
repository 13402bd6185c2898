"""Audits a transcript: follows its hash chain, and looks whether what it says can have happened.

What it finds: every change of an event, every line that was removed, inserted, repeated, moved or taken from another run, torn ends, and
events that contradict each other. What no look at the file alone can find is said in `notes`.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from agentgate.core.events import CallDecided, Event, Json, RunEnded, RunResumed, RunStarted
from agentgate.errors import FileError
from agentgate.files.transcript_calls import Calls
from agentgate.files.transcript_chain import Chain, is_event, is_verbatim
from agentgate.files.transcript_reader import lines_of
from agentgate.files.transcript_story import Progress, Proposals
from agentgate.files.transcript_streams import open_regular

UNENDED = "there is no `run_ended`: the run was killed, is still going, or its end was cut off; the file alone cannot tell which"
UNPROVEN = (
    "a file that was rewritten as a whole is not found by its own hashes; compare the head with one that was kept elsewhere (`--head`)"
)
RESPELLED = "{} not byte for byte as agentgate writes (spaces, spellings, line ends); the events in them are unchanged"
IMPORTED = "somebody else recorded this run: nothing in it was decided or executed by agentgate"
REDACTED = "arguments of {} calls are redacted: that they are those that were decided on cannot be shown by `args_hash`"

_BEGINNING = b'{"type":"run_started",'
"""How the first line of every transcript begins: a file that was cut off within it is known by that."""
_ONLY_OURS = "only what agentgate itself recorded has hashes to verify; `agentgate replay` reads other transcripts too"


class Problem(Struct, frozen=True):
    """Something that is wrong with a transcript."""

    line: int
    """Counts from 1; the last line for what is missing at the end."""
    what: str
    """In lower case, without a full stop. May quote the file: make it safe before showing it."""


class Verification(Struct, frozen=True):
    """What an audit came to."""

    file: str
    events: int
    """Events that are whole and stand where they were written."""
    problems: tuple[Problem, ...]
    head: str | None
    """The hash of the last event that is whole. Kept elsewhere, it proves that nothing was cut off or rewritten."""
    run_id: str | None = None
    status: str | None = None
    """How the run ended, from `run_ended`; None without it."""
    notes: tuple[str, ...] = ()
    """What cannot be proven, and what was seen without being a problem."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, which a run without an end never is."""
        return not self.problems

    @property
    def ended(self) -> bool:
        """Whether the run has its `run_ended`."""
        return self.status is not None


def verify(path: str | Path, *, head: str | None = None) -> Verification:
    """Audits one transcript.

    Args:
        path: the file.
        head: the hash that its last event must have, kept elsewhere when the run was over.

    Raises:
        FileError: the file is missing, cannot be read, or is no transcript with hashes.
    """
    file = str(path)
    try:
        with open_regular(file) as stream:
            return verify_stream(stream, file, head=head)
    except FileNotFoundError:
        raise FileError(f"no transcript at `{file}`") from None
    except OSError as error:
        raise FileError(f"`{file}` cannot be read: {(error.strerror or str(error)).lower()}") from None


def verify_stream(stream: BinaryIO, file: str, *, head: str | None = None) -> Verification:
    """The same for a file that is open, called `file`.

    Raises:
        FileError: it is no transcript with hashes.
    """
    audit = Audit(file, head)
    for number, line in lines_of(stream):
        audit.take(number, line)
    return audit.verdict()


class Audit:
    """One transcript being audited, line by line."""

    def __init__(self, file: str, head: str | None = None) -> None:
        self._file = file
        self._wanted = head
        self._wanted_at = 0
        self._chain = Chain()
        self._calls = Calls()
        self._proposals = Proposals()
        self._progress = Progress()
        self._problems: list[Problem] = []
        self._events = 0
        self._head: str | None = None
        self._recognised = self._torn = False
        self._damaged = False
        """Whether some line cannot be believed: what follows from its absence is then not told as well."""
        self._without_hashes = False
        self._respelled = 0
        self._line = 0
        self._started: RunStarted | None = None
        self._ended: RunEnded | None = None

    def take(self, number: int, line: bytes) -> Event | None:
        """Looks at the next line, and gives the event in it if that is whole."""
        self._line = number
        if not line.strip():
            self._problem("an empty line")
            return None
        link = self._chain.follow(line)
        if not (self._recognised and self._without_hashes):
            self._recognise(link.raw, line)
        if link.problem is not None:
            self._damaged = True
            self._problem(link.problem)
        event = link.event
        if event is None:
            return None
        self._events += 1
        self._head = link.raw["hash"]
        if self._head == self._wanted:
            self._wanted_at = self._events
        self._respelled += not is_verbatim(link, line)
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, RunEnded):
            self._ended = event
        elif isinstance(event, RunResumed):
            self._ended = None
        whole = not self._damaged
        findings = [*self._progress.take(event, whole=whole)]
        if self._started is None or not self._started.imported:
            findings += [*self._calls.take(event), *(self._proposals.take(event) if whole else ())]
        elif isinstance(event, CallDecided):
            findings.append("a decision in a run that somebody else recorded")
        for what in findings:
            self._problem(what)
        return event

    def verdict(self) -> Verification:
        """What it came to, after the last line."""
        if not self._recognised and not self._torn and self._line > 0:
            raise self._not_ours()
        notes = [RESPELLED.format(f"{self._respelled} lines are" if self._respelled > 1 else "1 line is")] if self._respelled else []
        notes += self._progress.notes
        if self._started is not None and self._started.imported:
            notes.append(IMPORTED)
        if self._calls.redacted:
            notes.append(REDACTED.format(self._calls.redacted))
        if self._ended is None:
            self._problem(UNENDED)
        if self._wanted is None:
            notes.append(UNPROVEN)
        else:
            self._compare_heads()
        return Verification(
            file=self._file,
            events=self._events,
            problems=tuple(self._problems),
            head=self._head,
            run_id=self._started.run_id if self._started else None,
            status=self._ended.status if self._ended else None,
            notes=tuple(notes),
        )

    def _problem(self, what: str) -> None:
        self._problems.append(Problem(max(self._line, 1), what))

    def _recognise(self, raw: Json, line: bytes) -> None:
        if is_event(raw):
            self._recognised = self._recognised or "hash" in raw or "prev" in raw
            self._without_hashes = True
        elif raw is None and self._line == 1:
            self._torn = line.startswith(_BEGINNING[: len(line)])

    def _not_ours(self) -> FileError:
        what = "holds events without hashes" if self._without_hashes else "is no transcript of agentgate"
        return FileError(f"`{self._file}` {what}", help=_ONLY_OURS)

    def _compare_heads(self) -> None:
        place = self._wanted_at
        if not place:
            self._problem("the head is not that of this transcript: it was cut off, rewritten, or is another one")
        elif place < self._events:
            self._problem(f"the head is that of event {place} of {self._events}: what follows was written later, or by somebody else")
