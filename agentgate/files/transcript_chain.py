"""The lines of a transcript: how an event becomes one, how it is read back, and the hash chain that holds them together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from hashlib import sha256
from math import isinf
from typing import get_args

import jiter
import msgspec
from msgspec import Struct

from agentgate.core.arguments import InvalidJson, canonical, is_usual, is_written_alike
from agentgate.core.events import ApprovalAnswered, CallDecided, Event, Json, ModelReplied, RunEnded, RunResumed, RunStarted, ToolReturned
from agentgate.core.state import State, evolve

ZEROS = "0" * 64
"""`prev` of the first event."""

MAX_LINE = 64 * 1024 * 1024
"""Bytes of one line, at most. Longer ones are neither written nor read."""

_TYPES = frozenset(kind.__struct_config__.tag for kind in get_args(Event))

HEADLESS = "the run has no readable `run_started`: nothing of it can be judged"

MAX_DEPTH = 200
"""Levels of one line, at most: what every parser and encoder in use can bear."""

_WORD = 63
"""Bits of a whole number that every parser reads alike."""
_HUGE = 10_000
"""Bits of a whole number that Python may refuse to write out."""

_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_OUT_OF_RANGE = "number out of range"

_BEGINS = b'{"type":"'
"""How each line begins, before the name of its type."""
_SOUND = (CallDecided, ToolReturned)
"""Events of which nothing can be wrong but their types and their time."""

_encode_quickly = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode
_decode_all = msgspec.json.Decoder().decode
"""Reads what was written here. What comes from a file is read by `parse_line`, which is stricter."""
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


class InvalidEvent(ValueError):
    """The JSON value is not an event. The message says why, in lower case."""


def parse_line(data: bytes) -> Json:
    """The JSON value of one line.

    As strict as for arguments, but for two things: lone surrogates pass, because what models say must be recordable, and so do more
    levels.

    Raises:
        InvalidJson: anything else than one JSON value, or a value that could be read in two ways.
    """
    return _parsed(data)[0]


def _parsed(data: bytes) -> tuple[Json, bool]:
    """The value, and whether it is usual: without numbers that are written in more than one way."""
    if len(data) > MAX_LINE:
        raise InvalidJson(f"longer than {MAX_LINE} bytes")
    try:
        value = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        value = _parse_slowly(data)
        _check(value)
        return value, False
    return value, _check(value)


def _parse_slowly(data: bytes) -> Json:
    """Decides where the fast parser gives up, which does not know lone surrogates."""
    try:
        return json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except InvalidJson:
        raise
    except UnicodeDecodeError:
        raise InvalidJson("not UTF-8") from None
    except RecursionError:
        raise InvalidJson(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{error.msg[:1].lower()}{error.msg[1:]} at column {error.pos + 1}") from None
    except ValueError:
        raise InvalidJson(_OUT_OF_RANGE) from None


def _check(value: Json) -> bool:
    """Refuses numbers that cannot be written again, and too many levels; says whether all numbers are usual."""
    level: list[Json] = [[value]]
    depth, usual = 0, True
    while level:
        if depth > MAX_DEPTH:
            raise InvalidJson(_TOO_DEEP)
        inner: list[Json] = []
        for item in level:
            for child in item.values() if type(item) is dict else item:
                kind = type(child)
                if kind is str or child is None:
                    continue
                if kind is dict or kind is list:
                    inner.append(child)
                elif kind is float:
                    if isinf(child):
                        raise InvalidJson(_OUT_OF_RANGE)
                    usual = usual and is_usual(child)
                elif kind is int and child.bit_length() > _WORD:
                    usual = False
                    if child.bit_length() > _HUGE:
                        raise InvalidJson(_OUT_OF_RANGE)
        level = inner
        depth += 1
    return usual


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise InvalidJson("the same key twice in one object")
    return made


def _refuse_constant(name: str) -> Json:
    raise InvalidJson(f"{name} is not JSON")


def decode_event(raw: Json, written: bytes | None = None) -> Event:
    """The event in a parsed line. Types are exact; unknown fields are passed over, unknown types of events are not.

    Args:
        raw: the parsed line.
        written: it as JSON, written by ourselves, where all its numbers are usual: that is read several times as fast.

    Raises:
        InvalidEvent: it is none, or one that no session could take in.
    """
    event: Event | None = None
    if written is not None:
        try:
            event = _decode(written)
        except (msgspec.DecodeError, RecursionError):
            event = None  # the slow way says what is wrong, and knows lone surrogates
    try:
        event = msgspec.convert(raw, Event) if event is None else event
    except msgspec.ValidationError as error:
        message = str(error).replace("`", "")
        raise InvalidEvent(f"not an event: {message[:1].lower()}{message[1:]}") from None
    except UnicodeEncodeError:
        raise InvalidEvent("not an event: a lone surrogate where one of our own words belongs") from None
    problem = _unsound(event)
    if problem is not None:
        raise InvalidEvent(problem)
    return event


def _unsound(event: Event) -> str | None:
    """What is wrong with an event although its types are right."""
    zone = event.at.tzinfo
    if zone is not UTC and event.at.utcoffset():
        return "`at` is not in UTC"
    if zone is None:
        return "`at` has no time zone"
    if type(event) in _SOUND:
        return None
    if isinstance(event, ModelReplied):
        usage = event.usage
        if usage is not None and min(usage.input_tokens, usage.output_tokens, usage.cached_tokens) < 0:
            return "`usage` is negative"
        if event.cost_usd is not None and event.cost_usd < 0:
            return "`cost_usd` is negative"
    told = isinstance(event, ModelReplied) and (event.offered is not None or event.messages)
    if told or isinstance(event, RunStarted | RunResumed):
        try:
            evolve(State(), event)
        except (AttributeError, TypeError, ValueError) as error:
            return f"nothing can be judged by it: {error}"
    return None


class Sealed(Struct, frozen=True):
    """An event as a line."""

    line: bytes
    """With its line feed."""
    raw: dict[str, Json]
    """What reading the line gives."""
    hash: str


def seal(event: Event, seq: int, prev: str) -> Sealed:
    """The line of an event.

    The hash is taken from what reading the line gives, so that writer and reader cannot differ.

    Raises:
        InvalidEvent: the line could not be read back, for instance because it holds what JSON cannot carry.
    """
    try:
        data, back, written = _written(event, seq, prev) or _written_slowly(event, seq, prev)
    except (TypeError, ValueError, NotImplementedError, RecursionError) as error:
        raise InvalidEvent(str(error) or type(error).__name__) from None
    own = back["hash"] = sha256(written).hexdigest()
    return Sealed(b'%b,"hash":"%b"}\n' % (data[:-1], own.encode()), back, own)


def _written(event: Event, seq: int, prev: str) -> tuple[bytes, Json, bytes] | None:
    """An event as JSON, what reading that gives, and that in canonical form; None where it takes Python's own, slower writer."""
    try:
        told = _encode_quickly(event)
        begins = len(_BEGINS) + len(event.__struct_config__.tag) + 1  # type: ignore[arg-type]
        data = b'%b,"seq":%d%b,"prev":"%b"}' % (told[:begins], seq, told[begins:-1], prev.encode())
        if not is_written_alike(data):
            return None
        back = _decode_all(data)
        if not _check(back):
            return None
        # Whatever JSON cannot carry does not come back as it was.
        return (data, back, canonical(back, usual=True)) if decode_event(back, data) == event else None
    except (TypeError, ValueError, NotImplementedError, RecursionError):
        return None


def _written_slowly(event: Event, seq: int, prev: str) -> tuple[bytes, Json, bytes]:
    raw = msgspec.to_builtins(event, str_keys=True)
    data = _encode({"type": raw.pop("type"), "seq": seq, **raw, "prev": prev}).encode()
    back = parse_line(data)
    decode_event(back)
    return data, back, canonical(back)


def _hashed(raw: Mapping[str, Json], *, usual: bool) -> bytes:
    """What of a parsed line is hashed: all of it but `hash` itself."""
    return canonical({key: value for key, value in raw.items() if key != "hash"}, usual=usual)


def not_json(error: InvalidJson, line: bytes) -> str:
    """What is the matter with a line that `parse_line` refused. A line without its line feed was never finished."""
    if line.endswith(b"\n") or len(line) > MAX_LINE:
        return f"not JSON: {error}"
    return "cut off: the writer was stopped in the midst of this line"


def is_event(raw: Json) -> bool:
    """Whether a parsed line is, or was before somebody changed it, an event of a run."""
    if not isinstance(raw, dict):
        return False
    kind = raw.get("type")
    return (isinstance(kind, str) and kind in _TYPES) or {"hash", "prev"} <= raw.keys()


class Link(Struct, frozen=True):
    """One line of a hashed transcript, looked at after those before it."""

    event: Event | None = None
    """What it says; None where that cannot be believed, or was said before."""
    problem: str | None = None
    raw: Json = None
    """The parsed line; None where it could not be parsed."""
    written: bytes | None = None
    """The parsed line as JSON again, where all numbers in it are usual."""


def is_verbatim(link: Link, line: bytes) -> bool:
    """Whether a line holds exactly the bytes that the writer would write for its value."""
    raw, written = link.raw, link.written
    if written is not None and is_written_alike(written):
        return written + b"\n" == line
    return _encode(raw).encode() + b"\n" == line


class Chain:
    """Follows the chain line by line. After a break it goes on from what the line claims, so that one edit is one problem."""

    def __init__(self, *, hashed: bool = True) -> None:
        """Begins before the first line.

        Args:
            hashed: whether the events carry hashes. Without them only their order and their types are looked at.
        """
        self.hashed = hashed
        self._prev: str | None = ZEROS
        """What the next line must name; None where that cannot be known."""
        self._seq: int | None = None
        self._started = self._headless = False
        self.ended = False
        """Whether the latest word is that the run is over."""

    def follow(self, line: bytes) -> Link:
        """Looks at the next line, with its line feed."""
        try:
            raw, usual = _parsed(line)
        except InvalidJson as error:
            self._lose_track(None)
            return Link(problem=not_json(error, line))
        has_hash = isinstance(raw, dict) and isinstance(raw.get("hash"), str)
        if has_hash != self.hashed:
            self._lose_track(None)
            return Link(problem=f"not an event of this run: it has {'no' if self.hashed else 'a'} `hash`", raw=raw)
        if not self.hashed:
            return self._read(raw, None)
        if not _hash_is_right(raw, usual=usual):
            self._lose_track(raw["hash"])
            return Link(problem="changed after it was written: its hash is not that of the event", raw=raw)
        return self._connect(raw, _encode_quickly(raw) if usual else None)

    def _lose_track(self, prev: str | None) -> None:
        self._prev = prev
        self._seq = None if self._seq is None else self._seq + 1

    def _connect(self, raw: dict[str, Json], written: bytes | None) -> Link:
        """Whether an event that is whole in itself stands where it was written."""
        expected, last, seq = self._prev, self._seq, raw.get("seq")
        if type(seq) is not int or (last is not None and seq <= last):
            return Link(problem="out of order: it was inserted, repeated or moved here", raw=raw)
        self._prev, self._seq = raw["hash"], seq
        first = last is None and expected == ZEROS
        due = seq in (0, 1) if first else last is None or seq == last + 1
        broken = not due or (expected is not None and raw.get("prev") != expected)
        problem = "does not follow the line before it: something was removed, inserted or moved here" if broken else None
        return self._read(raw, problem, written)

    def _read(self, raw: Json, problem: str | None, written: bytes | None = None) -> Link:
        """The event, if it may stand there: a run has one beginning, and after an end only answers that it waited for, or going on."""
        try:
            event = decode_event(raw, written)
        except InvalidEvent as error:
            return Link(problem=problem or str(error), raw=raw)
        if self.ended and not isinstance(event, ApprovalAnswered | RunResumed):
            return Link(problem=problem or "stands after the end of the run", raw=raw)
        if isinstance(event, RunStarted):
            if self._started:
                return Link(problem=problem or "a second `run_started`: a file holds one run", raw=raw)
            self._started = True
        elif not self._started and not self._headless:
            self._headless = True
            problem = problem or HEADLESS
        self.ended = isinstance(event, RunEnded) or (self.ended and isinstance(event, ApprovalAnswered))
        return Link(event, problem, raw, written)


def _hash_is_right(raw: dict[str, Json], *, usual: bool) -> bool:
    try:
        if next(reversed(raw)) != "hash":
            return bool(sha256(_hashed(raw, usual=usual)).hexdigest() == raw["hash"])
        own = raw.pop("hash")  # quicker than a copy without it
        try:
            return bool(sha256(canonical(raw, usual=usual)).hexdigest() == own)
        finally:
            raw["hash"] = own
    except (ValueError, RecursionError):
        return False
