"""What the gateway keeps of each answer: one line, chained to the one before as the events of a transcript are."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agentgate.core.events import EPOCH, CallDecided, Effect, Event, Json, Mode, ModelReplied, PolicyDigest
from agentgate.files.transcript_chain import ZEROS

KIND = "answer_judged"

RESULTS = {Effect.ALLOW: "allowed", Effect.BLOCK: "blocked", Effect.ASK: "asked"}
"""Effect → what the events API calls it."""


NO_ANSWER = 8
"""Among the bits that stores have beside a line for what was decided: it tells of a request that was not sent on, and holds no event."""


class Denial(Struct, frozen=True, kw_only=True):
    """Why a request may not be sent on, or its answer not be let go, where that is about none of its calls."""

    code: str
    """As of a decision; `invalid_request` where nobody could judge the answer."""
    rule: str | None = None
    """The limit that decided."""
    reason: str
    tool: str | None = None
    """The kind of a tool that it offers, where that is why."""
    enforced: bool = True
    """False where it was sent on, or let go, all the same, in observe mode."""


class Record(Struct, frozen=True, kw_only=True, tag_field="type", tag=KIND):
    """One answer of a model, with what was decided about it, or a request that was not sent on."""

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
    listed: tuple[str | None, ...] = ()
    """For each decided call of the answer the list of tools that it stands on, where that is all that the policy says; empty for none."""
    denied: Denial | None = None
    """Why the request was not sent on, so that there is no answer, or why the answer was withheld; or in observe mode would have been."""
    seq: int = 0
    """Its place in the chain, from 1 on; 0 until it is sealed."""
    prev: str = ""
    """The hash of the line before it; empty until it is sealed."""

    @property
    def decided(self) -> tuple[CallDecided, ...]:
        """The decisions on the calls of this answer, without those on the conversation's past."""
        found: list[CallDecided] = []
        for event in reversed(self.events):
            if isinstance(event, ModelReplied):
                return tuple(reversed(found))
            if isinstance(event, CallDecided):
                found.append(event)
        return ()


class Line(Struct, frozen=True):
    """A record, sealed."""

    text: bytes
    """JSON with sorted keys, without spaces, with `hash` at its end."""
    hash: str


_encoder = msgspec.json.Encoder(order="sorted")


def seal(record: Record, seq: int, prev: str) -> Line:
    """Chains a record to the one before. Its hash is that of the line's bytes as they stand before `hash` is added.

    Raises:
        TypeError: it holds what JSON cannot carry.
    """
    text = _encoder.encode(replace(record, seq=seq, prev=prev))
    own = sha256(text).hexdigest()
    return Line(b"".join((text[:-1], b',"hash":"', own.encode(), b'"}')), own)


def is_sound(text: bytes, prev: str) -> bool:
    """Whether a line is what was sealed, after the line whose hash is `prev`."""
    body, mark, rest = text.rpartition(b',"hash":"')
    if not mark or rest != sha256(body + b"}").hexdigest().encode() + b'"}':
        return False
    return bool(msgspec.json.decode(text).get("prev") == prev)


_decoder = msgspec.json.Decoder(Record)


def decode(text: bytes) -> Record:
    """The record of a line.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return _decoder.decode(text)


class Ids:
    """Makes ids such as `evt_019a8c3f2b71c0ffee0123456789`: later ones sort after earlier ones, and nobody guesses them."""

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._chances: list[str] = []
        """Digits by chance for ids to come, made for many at once. To take one is a single step, so threads may share them."""

    def __call__(self, kind: str, at: datetime) -> str:
        """A new id of this kind, made at this time."""
        try:
            chance = self._chances.pop()
        except IndexError:
            chance, *self._chances = self._random(_RANDOM_BYTES * _MADE_AT_ONCE).hex(" ", _RANDOM_BYTES).split()
        return f"{kind}_{((at - EPOCH) // _MILLISECOND).to_bytes(6, 'big').hex()}{chance}"


_RANDOM_BYTES, _MADE_AT_ONCE = 8, 256
_MILLISECOND = timedelta(milliseconds=1)

new_id = Ids()
"""What makes the ids of this process."""

FIRST = ZEROS
"""`prev` of the first line."""
