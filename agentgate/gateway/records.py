"""What the gateway keeps of each answer: one line, chained to the one before as the events of a transcript are."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import Struct

from agentgate.core.arguments import canonical, digest_text
from agentgate.core.events import CallDecided, Effect, Event, Json, Mode, ModelReplied, PolicyDigest
from agentgate.files.transcript_chain import ZEROS

KIND = "answer_judged"

RESULTS = {Effect.ALLOW: "allowed", Effect.BLOCK: "blocked", Effect.ASK: "asked"}
"""Effect → what the events API calls it."""


class Record(Struct, frozen=True, kw_only=True):
    """One answer of a model, with what was decided about it."""

    id: str
    at: datetime
    run: str
    """What the run is called that it belongs to: a session, or the conversation that one request tells."""
    session: str | None
    """As the client named it."""
    api: str
    model: str
    mode: Mode
    role: str | None
    policy: PolicyDigest
    answer_id: str | None
    """The provider's own name for the answer."""
    released: bool
    """Whether the client got it."""
    error: dict[str, Json] | None
    """What it got instead."""
    events: tuple[Event, ...]
    """What the session recorded since the answer before: of a fresh run, the whole conversation."""

    @property
    def decided(self) -> tuple[CallDecided, ...]:
        """The decisions on the calls of this answer, without those on the conversation's past."""
        replies = [place for place, event in enumerate(self.events) if isinstance(event, ModelReplied)]
        return tuple(event for event in self.events[replies[-1] :] if isinstance(event, CallDecided)) if replies else ()


class Line(Struct, frozen=True):
    """A record, sealed."""

    text: bytes
    """Canonical JSON, with `hash` at its end."""
    hash: str


def seal(record: Record, seq: int, prev: str) -> Line:
    """Chains a record to the one before.

    Raises:
        ValueError, TypeError: it holds what JSON cannot carry.
    """
    raw = msgspec.to_builtins(record, str_keys=True)
    text = canonical({"type": KIND, "seq": seq, **raw, "prev": prev})
    own = digest_text(text.decode("ascii"))
    return Line(text[:-1] + b',"hash":"' + own.encode() + b'"}', own)


def is_sound(text: bytes, prev: str) -> bool:
    """Whether a line is what was sealed, after the line whose hash is `prev`."""
    body, mark, rest = text.rpartition(b',"hash":"')
    if not mark:
        return False
    body += b"}"
    raw = msgspec.json.decode(text)
    return bool(raw.get("prev") == prev and rest == digest_text(body.decode("ascii", "replace")).encode() + b'"}')


_decoder = msgspec.json.Decoder(Record)


def decode(text: bytes) -> Record:
    """The record of a line.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return _decoder.decode(text)


def new_id(kind: str, at: datetime, random: Callable[[int], bytes] = os.urandom) -> str:
    """An id such as `evt_019a8c3f2b71c0ffee0123456789`: later ones sort after earlier ones."""
    return f"{kind}_{int(at.timestamp() * 1000):012x}{random(8).hex()}"


FIRST = ZEROS
"""`prev` of the first line."""
