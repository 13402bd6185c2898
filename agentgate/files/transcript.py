"""What a transcript is once it has been read: the same list of items for runs of agentgate and for what others recorded.

Writing is `transcript_writer`, the hash chain `transcript_chain`, reading `transcript_reader`, auditing `transcript_verify`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from typing import TypeAlias

from msgspec import Struct

from agentgate.core.events import (
    EPOCH,
    ApprovalAnswered,
    CallDecided,
    Json,
    ModelReplied,
    RunEnded,
    RunResumed,
    RunStarted,
    ToolCall,
    ToolReturned,
)


class Proposed(Struct, frozen=True):
    """A call that the model proposed, with what was decided about it then. A replay judges it anew."""

    call: ToolCall
    index: int
    """Which call of the transcript it is, from 0."""
    at: datetime = EPOCH
    recorded: CallDecided | None = None
    """None in imported transcripts: nobody decided anything there."""


def proposed(event: CallDecided, index: int) -> Proposed:
    """The call that a decision is about, beside the decision."""
    original = event.args_hash if event.redacted else ""
    call = ToolCall(id=event.call_id, name=event.tool, arguments=event.arguments, args_hash=original)
    return Proposed(call, index, event.at, event)


class Unanswered(Struct, frozen=True):
    """What was said after the last answer of a run that others recorded. Nothing was judged after it."""

    messages: tuple[dict[str, Json], ...]
    """In Chat Completions form."""
    at: datetime = EPOCH


Item: TypeAlias = RunStarted | RunResumed | ModelReplied | Proposed | ApprovalAnswered | ToolReturned | RunEnded | Unanswered
"""What a session is fed with, in order: `propose` for a Proposed, nothing for an Unanswered, `record` for everything else."""


class Transcript(Struct, frozen=True):
    """One run, whoever recorded it."""

    id: str
    """The run's id, the `id` of an imported line, else FILE:LINE. Anybody can have written it: never a path, never shown as it stands."""
    items: tuple[Item, ...]
    """The first one is always a RunStarted. Where only the calls are known, there is no other: see `everything`."""
    file: str
    line: int = 1
    """Where it begins."""
    unnamed: bool = False
    """Whether its id is FILE:LINE for want of another. Nobody can tell by the id: anybody can have written one that looks so."""
    attacked: bool = False
    """Whether its `meta` says that an attack succeeded in it (`attack_succeeded: true`), so that nothing good can be learned from it."""
    meta: Json = None
    """What the line of others says about the run beside its messages, as it stands."""
    alone: Sequence[ToolCall] | None = None
    """Its calls, where nothing else was read after the first item, because nobody wanted more."""
    imported: bool = False
    """Whether somebody else recorded it: then nobody decided anything, and there are no hashes."""
    hashed: bool = False
    """Whether its events are chained by hashes. Only then an edit is found."""
    intact: bool = True
    """False where some of its lines were damaged; each of them was named by a Damage before."""
    complete: bool = True
    """False for a run of ours that has no `run_ended`: it was killed, is still going, or its end was cut off."""

    @property
    def started(self) -> RunStarted:
        """Its first item."""
        first = self.items[0]
        assert isinstance(first, RunStarted)
        return first

    def everything(self) -> Sequence[Item]:
        """All items, those that were not needed until now among them."""
        return self.items if self.alone is None else (*self.items, *map(Proposed, self.alone, count()))

    def calls_alone(self) -> Sequence[ToolCall] | None:
        """Its calls, where for a judgement that asks for no history nothing else in it makes a difference; None where something may."""
        if self.alone is not None:
            return self.alone
        if not self.imported:
            return None
        calls: list[ToolCall] = []
        for item in self.items[1:]:
            if type(item) is Proposed and item.recorded is None:
                calls.append(item.call)
            elif not isinstance(item, ToolReturned | Unanswered) and not (isinstance(item, ModelReplied) and _only_said(item)):
                return None
        return calls


def _only_said(reply: ModelReplied) -> bool:
    return reply.unusable is None and reply.finish_reason is None and reply.offered is None


class Wanted(Struct, frozen=True):
    """What somebody who only judges looks at: calls, and perhaps what was said and returned."""

    history: bool
    """Whether results, and what the user said, make a difference."""


class InvalidTranscript(ValueError):
    """Something that looks like a transcript cannot be understood completely. The message says why, in lower case."""


class Damage(Struct, frozen=True):
    """A line, or a whole file, that cannot be judged."""

    file: str
    line: int
    """Counts from 1."""
    why: str
    """In lower case, without a full stop. Quotes what stands in the file: make it safe before showing it."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"
