"""Single lines of a transcript and how they hang together: what is said of each, and what of it can still be read."""

from __future__ import annotations

import json
from hashlib import sha256
from math import nan
from typing import Any

import pytest

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import EPOCH, Event, Json, ModelReplied, RunEnded, RunResumed, RunStarted, ToolReturned, Usage
from agentgate.files.transcript_chain import (
    MAX_LINE,
    ZEROS,
    Chain,
    InvalidEvent,
    Link,
    decode_event,
    is_event,
    is_verbatim,
    not_json,
    parse_line,
    seal,
)

STARTED = RunStarted(at=EPOCH, run_id="r")
ENDED = RunEnded(at=EPOCH, status="done")
FOLLOWS = "does not follow the line before it: something was removed, inserted or moved here"
CHANGED = "changed after it was written: its hash is not that of the event"
ORDER = "out of order: it was inserted, repeated or moved here"


def said(text: Json = "x", step: int = 1) -> ModelReplied:
    """An event that can hold anything."""
    return ModelReplied(at=EPOCH, step=step, message={"role": "assistant", "content": text})


def lines(*events: Event, first: int = 1, prev: str = ZEROS) -> list[bytes]:
    """Events as they are written."""
    made = []
    for number, event in enumerate(events, first):
        sealed = seal(event, number, prev)
        made.append(sealed.line)
        prev = sealed.hash
    return made


def event_hash(raw: dict[str, Json]) -> str:
    """The hash that a line must carry: of everything in it but `hash` itself."""
    hashed = {key: value for key, value in raw.items() if key != "hash"}
    return sha256(json.dumps(hashed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def forged(raw: dict[str, Json]) -> bytes:
    """A line with a hash that is right."""
    return json.dumps({**raw, "hash": event_hash(raw)}).encode() + b"\n"


def followed(*written: bytes, hashed: bool = True) -> list[Link]:
    """What is said of each line."""
    chain = Chain(hashed=hashed)
    return [chain.follow(line) for line in written]


def problems(*written: bytes, hashed: bool = True) -> list[str | None]:
    """What is wrong with each line."""
    return [link.problem for link in followed(*written, hashed=hashed)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"\xff", "not UTF-8"),
        (b'{"a":1,"a":2}', "the same key twice in one object"),
        (b'["\\ud800",NaN]', "NaN is not JSON"),
        (b'{"a":1e400}', "number out of range"),
        (b'{"a":[1' + b"0" * 4000 + b"]}", "number out of range"),
        (b"{" + b'"a":{' * 200 + b"}" * 201, "nested deeper than 200 levels"),
        (b"{", "expecting property name enclosed in double quotes at column 2"),
        (b'["\\ud800",', "expecting value at column 11"),
        (b"[1] 2", "extra data at column 5"),
    ],
)
def test_why_a_line_is_not_read(text: bytes, why: str) -> None:
    """In words of our own, or with the column."""
    with pytest.raises(InvalidJson) as refused:
        parse_line(text)
    assert str(refused.value) == why


def test_the_longest_line_and_the_longest_number_are_read() -> None:
    """As many bytes as a line may have, and as many bits as Python writes out at any setting."""
    assert parse_line(b" " * (MAX_LINE - 1) + b"1") == 1
    assert parse_line(str(2**9999).encode()) == 2**9999


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{}\n", "not JSON: odd"),
        (b"{}", "cut off: the writer was stopped in the midst of this line"),
        (b"x" * (MAX_LINE + 1), "not JSON: odd"),
        (b"x" * MAX_LINE, "cut off: the writer was stopped in the midst of this line"),
    ],
    ids=["ended", "not ended", "too long", "as long as it may be"],
)
def test_a_line_without_its_end_was_never_finished(line: bytes, why: str) -> None:
    """Unless it is longer than any line."""
    assert not_json(InvalidJson("odd"), line) == why


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        ({"type": "run_started"}, True),
        ({"type": "run_paused"}, False),
        ({"type": "run_paused", "hash": "x", "prev": "y"}, True),
        ({"hash": "x", "prev": "y"}, True),
        ({"hash": "x", "seq": 1}, False),
        ({"prev": "x", "seq": 1}, False),
        ({"type": 5}, False),
        ({"type": ["run_started"]}, False),
        ([], False),
        (None, False),
    ],
)
def test_what_looks_like_an_event(raw: Json, event: bool) -> None:
    """By its type, or by its place in a chain."""
    assert is_event(raw) is event


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"at": "2026-03-01T00:00:00"}, "`at` has no time zone"),
        ({"at": "2026-03-01T00:00:00+02:00"}, "`at` is not in UTC"),
        ({"usage": {"input_tokens": -1, "output_tokens": 0}}, "`usage` is negative"),
        ({"usage": {"input_tokens": 0, "output_tokens": -1}}, "`usage` is negative"),
        ({"usage": {"input_tokens": 0, "output_tokens": 0, "cached_tokens": -1}}, "`usage` is negative"),
        ({"cost_usd": -0.1}, "`cost_usd` is negative"),
        ({"offered": {"tools": [{}]}}, "nothing can be judged by it: a tool without a name"),
        ({"at": "\ud800"}, "not an event: a lone surrogate where one of our own words belongs"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_is_unsound_about_an_event(more: dict[str, Any], why: str) -> None:
    """Although it is one by its form; read the quick way or the slow one."""
    raw = {"type": "model_replied", "step": 1, "message": {}, **more}
    for written in (None, json.dumps(raw).encode()):
        with pytest.raises(InvalidEvent) as refused:
            decode_event(raw, written)
        assert str(refused.value) == why


def test_nothing_is_not_negative() -> None:
    """No tokens, and no costs."""
    event = decode_event(
        {"type": "model_replied", "step": 1, "message": {}, "usage": {"input_tokens": 0, "output_tokens": 0}, "cost_usd": 0.0}
    )
    assert isinstance(event, ModelReplied)
    assert (event.usage, event.cost_usd) == (Usage(0, 0), 0.0)


@pytest.mark.parametrize(
    "content", ["x", "é", "\x7f", "\ud800", 1e-7, 1e16, 0.5, 2**62, 2**63, -(2**63), 2**70, {"b": 1, "a": [None, True]}], ids=ascii
)
def test_a_sealed_event_is_one_line_that_reads_back(content: Json) -> None:
    """As Python writes it, whatever is in it; with its number and the hash before it."""
    event = said(content)
    sealed = seal(event, 7, "p")
    raw = json.loads(sealed.line)
    assert sealed.line == json.dumps(raw, separators=(",", ":")).encode() + b"\n"
    assert (sealed.raw, sealed.hash, event_hash(raw)) == (raw, raw["hash"], raw["hash"])
    assert list(raw)[:3] + list(raw)[-2:] == ["type", "seq", "at", "prev", "hash"]
    assert (raw["seq"], raw["prev"], decode_event(raw)) == (7, "p", event)
    (link,) = followed(*lines(STARTED, event)[1:])
    assert is_verbatim(link, lines(STARTED, event)[1])
    usual = not isinstance(content, float | int) or content in (0.5, 2**62)
    assert (link.written is not None) is (usual and content != "\ud800")
    assert link.written is None or json.loads(link.written) == link.raw


@pytest.mark.parametrize(
    ("content", "why"),
    [(nan, "JSON compliant"), ({"a": nan}, "JSON compliant"), (object(), "unsupported"), (iter(()), "unsupported")],
    ids=["nan", "within", "object", "iterator"],
)
def test_what_json_cannot_carry_is_not_written(content: Any, why: str) -> None:
    """It would not come back as it was; the message says what it is."""
    with pytest.raises(InvalidEvent, match=why):
        seal(said(content), 1, ZEROS)


def test_keys_that_are_no_texts_are_written_as_texts() -> None:
    """As JSON has no others."""
    sealed = seal(ModelReplied(at=EPOCH, step=1, message={1: "x"}), 1, ZEROS)  # type: ignore[dict-item]
    assert sealed.raw["message"] == {"1": "x"}


@pytest.mark.parametrize("event", [STARTED, said(), ENDED, RunResumed(at=EPOCH)], ids=lambda event: type(event).__name__)
def test_a_line_begins_with_its_kind_and_its_number(event: Event) -> None:
    """However long the word for the kind is."""
    raw = json.loads(seal(event, 7, "p").line)
    assert list(raw)[:3] + list(raw)[-2:] == ["type", "seq", "at", "prev", "hash"]


def test_a_sound_chain_has_no_problem() -> None:
    """Whatever number its first line has of the two that are in use, and in whatever order its keys stand."""
    for first in (0, 1):
        assert problems(*lines(STARTED, said(), ENDED, first=first)) == [None] * 3
    first_line, second, _ = lines(STARTED, said(), ENDED)
    turned = json.dumps(dict(reversed(json.loads(second).items()))).encode() + b"\n"
    links = followed(first_line, turned)
    assert [link.problem for link in links] == [None, None]
    assert links[1].event == said()


def test_a_chain_does_not_begin_in_the_middle() -> None:
    """Even where it names no line before it; but after a first line that cannot be read, the second one may be any."""
    assert problems(*lines(STARTED, first=5)) == [FOLLOWS]
    assert problems(*lines(STARTED, prev="f" * 64)) == [FOLLOWS]
    assert problems(b"x\n", *lines(said(), first=9)) == [
        "not JSON: expecting value at column 1",
        "the run has no readable `run_started`: nothing of it can be judged",
    ]


def test_what_cannot_be_read_still_takes_a_number() -> None:
    """So a line that is missing behind it is missed."""
    whole = lines(STARTED, said("a"), said("b"), said("c"))
    assert problems(whole[0], b"x\n", whole[2]) == [None, "not JSON: expecting value at column 1", None]
    assert problems(whole[0], b"x\n", whole[3]) == [None, "not JSON: expecting value at column 1", FOLLOWS]


def test_a_changed_line_is_known_by_its_hash() -> None:
    """What follows has to name the hash that it claims; what it says can still be read, and is not believed."""
    whole = lines(STARTED, said("a"), said("b"))
    changed = whole[1].replace(b'"a"', b'"z"')
    links = followed(whole[0], changed, whole[2])
    assert [link.problem for link in links] == [None, CHANGED, None]
    assert (links[1].event, links[1].raw) == (None, json.loads(changed))
    foreign = lines(said("b"), first=3, prev="f" * 64)[0]
    assert problems(whole[0], changed, foreign) == [None, CHANGED, FOLLOWS]


def test_a_line_at_another_place_is_out_of_order() -> None:
    """Repeated, moved back, or without a number; what it says can still be read."""
    whole = lines(STARTED, said("a"), said("b"))
    assert problems(whole[0], whole[1], whole[1]) == [None, None, ORDER]
    raw = {key: value for key, value in json.loads(whole[1]).items() if key != "hash"}
    for number in (None, "2", True, 2.0):
        (_, link) = followed(whole[0], forged({**raw, "seq": number}))
        assert (link.problem, link.event) == (ORDER, None)
        assert link.raw["seq"] == number
    assert problems(whole[0], whole[2]) == [None, FOLLOWS]


def test_what_is_no_event_is_told_with_its_reason() -> None:
    """Although its hash is right."""
    start = lines(STARTED)[0]
    prev = json.loads(start)["hash"]
    (_, link) = followed(start, forged({"type": "run_paused", "seq": 2, "prev": prev}))
    assert link.problem is not None
    assert link.problem.startswith("not an event: invalid value 'run_paused'")
    assert link.raw["type"] == "run_paused"
    (_, gap) = followed(start, forged({"type": "run_paused", "seq": 3, "prev": prev}))
    assert gap.problem == FOLLOWS


def test_a_chain_says_whether_the_run_is_over() -> None:
    """From its beginning on."""
    chain = Chain()
    said_of_it = [chain.ended]
    for line in lines(STARTED, said(), ENDED, RunResumed(at=EPOCH)):
        chain.follow(line)
        said_of_it.append(chain.ended)
    assert said_of_it == [False, False, False, True, False]


def test_that_a_run_has_no_beginning_is_told_once() -> None:
    """With the first event that can be read."""
    assert problems(b"x\n", *lines(said(), said(), ENDED, first=9))[1:] == [
        "the run has no readable `run_started`: nothing of it can be judged",
        None,
        None,
    ]


def test_a_file_holds_one_run() -> None:
    """It begins once, and nothing but answers and going on comes after its end."""
    whole = lines(STARTED, STARTED, ENDED, said())
    links = followed(*whole)
    assert [link.problem for link in links] == [
        None,
        "a second `run_started`: a file holds one run",
        None,
        "stands after the end of the run",
    ]
    assert [link.raw for link in links] == [json.loads(line) for line in whole]
    assert [link.event is None for link in links] == [False, True, False, True]


def test_lines_with_and_without_hashes_do_not_mix() -> None:
    """A chain is told which of the two it is."""
    whole = lines(STARTED)[0]
    plain = json.dumps({key: value for key, value in json.loads(whole).items() if key not in ("hash", "prev", "seq")}).encode() + b"\n"
    (without,) = followed(plain)
    assert (without.problem, without.raw) == ("not an event of this run: it has no `hash`", json.loads(plain))
    (with_hash,) = followed(whole, hashed=False)
    assert (with_hash.problem, with_hash.raw) == ("not an event of this run: it has a `hash`", json.loads(whole))
    assert problems(plain, hashed=False) == [None]
    assert problems(b"[]\n") == ["not an event of this run: it has no `hash`"]


def test_a_hash_over_what_has_no_canonical_form_is_wrong() -> None:
    """It is refused, not raised."""
    whole = ToolReturned(at=EPOCH, call_id="c", executed=True, ok=True, content="x")
    line = lines(STARTED, whole)[1].replace(b'"seconds":0.0', b'"seconds":1e999')
    assert problems(lines(STARTED)[0], line)[1] == "not JSON: number out of range"
