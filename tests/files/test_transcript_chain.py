"""Lines and their chain: exactly what section by section of the format says, and nothing that could be read in two ways."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Digest,
    Effect,
    Event,
    Mode,
    ModelReplied,
    PolicyDigest,
    RunEnded,
    RunStarted,
    ToolReturned,
    Totals,
    Trial,
    Usage,
)
from agentgate.files.transcript_chain import MAX_LINE, ZEROS, Chain, InvalidEvent, decode_event, is_verbatim, parse_line, seal

GOLDEN = Path(__file__).parents[1] / "data" / "transcripts" / "run.jsonl"
LINES = GOLDEN.read_bytes().splitlines(keepends=True)

READ = [
    (b'{"a":1}', {"a": 1}),
    (b' [1, 2.5, "\\u00e9"]\r\n', [1, 2.5, "é"]),
    (b'"\\ud800"', "\ud800"),
    (b'"\\ud83d\\ude00"', "😀"),
    (b'{"\\udfff": ["\\ud800"]}', {"\udfff": ["\ud800"]}),
    (b"[" * 200 + b"]" * 200, None),
    (b'["\\ud800",' + b"[" * 199 + b"]" * 200, None),
    (b"1e2", 100.0),
    (b"1" * 3000, int("1" * 3000)),
    (b"-0", 0),
]


@pytest.mark.parametrize(("text", "value"), READ, ids=lambda value: repr(value)[:24])
def test_values_that_are_read(text: bytes, value: object) -> None:
    """JSON is read, with lone surrogates and more levels than arguments may have."""
    found = parse_line(text)
    assert value is None or found == value


REFUSED = [
    (b"", "not JSON"),
    (b'{"a":1,"a":2}', "key"),
    (b'{"a":1,"\\u0061":2}', "key"),
    (b'{"x":{"b":"\\ud800","b":2}}', "the same key twice in one object"),
    (b'{"a":1} {"b":2}', "extra data"),
    (b"NaN", "NaN is not JSON"),
    (b"[-Infinity]", "-Infinity is not JSON"),
    (b"[1e999]", "number out of range"),
    (b"[" + b"1" * 400 + b".0]", "number out of range"),
    (b"1" * 5000, "number out of range"),
    (b'["\xff"]', "not UTF-8"),
    (b'["\xed\xa0\x80"]', "not UTF-8"),
    (b'["\x01"]', "invalid control character"),
    (b"\xef\xbb\xbf[]", "BOM"),
    (b"[" * 201 + b"]" * 201, "nested deeper than 200 levels"),
    (b'["\\ud800",' + b"[" * 200 + b"]" * 201, "nested deeper than 200 levels"),
    (b"[" * 100_000, "nested deeper than 200 levels"),
    (b"{'a': 1}", "expecting property name"),
    (b"[1,]", ""),
    (b"[01]", ""),
    (b'["a', "unterminated string"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED, ids=lambda value: repr(value)[:24])
def test_values_that_are_refused(text: bytes, why: str) -> None:
    """Whatever two readers could understand in two ways is not read at all."""
    with pytest.raises(InvalidJson) as caught:
        parse_line(text)
    assert why == "not JSON" or why in str(caught.value)


def test_no_line_is_longer_than_the_limit() -> None:
    """A line is read whole or not at all, and nobody reads without end."""
    with pytest.raises(InvalidJson, match=r"^longer than 67108864 bytes$"):
        parse_line(b" " * MAX_LINE + b"1")


def test_the_chain_is_what_the_format_says() -> None:
    """`hash` is the SHA-256 of the event without it, in canonical form; `prev` the hash before, 64 zeros at first."""
    prev = "0" * 64
    for number, line in enumerate(LINES, 1):
        event = json.loads(line)
        own = event.pop("hash")
        text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        assert (event["seq"], event["prev"], own) == (number, prev, sha256(text.encode()).hexdigest())
        assert event["at"].endswith("Z")
        prev = own


def test_the_format_does_not_change_by_accident() -> None:
    """A run that was recorded long ago says today what it said then: fields may be added, none may go or change."""
    for line in LINES:
        raw = parse_line(line)
        now = parse_line(seal(decode_event(raw), raw["seq"], raw["prev"]).line)
        assert {key: now.get(key) for key in raw if key != "hash"} == {key: value for key, value in raw.items() if key != "hash"}
        assert list(now)[:3] == ["type", "seq", "at"]
        assert list(now)[-2:] == ["prev", "hash"]


def test_events_without_optional_fields_can_be_read() -> None:
    """Other versions may leave out what has a default, and add what is not known yet."""
    event = decode_event({"type": "tool_returned", "call_id": "c", "executed": True, "ok": True, "content": "", "later": [1]})
    assert event == ToolReturned(call_id="c", executed=True, ok=True, content="")


REPLY: dict[str, Any] = {"type": "model_replied", "step": 1, "message": {}}
START: dict[str, Any] = {"type": "run_started", "run_id": "r"}
NO_EVENTS: list[tuple[object, str]] = [
    ([], "expected object, got array"),
    ({"seq": 1}, "missing required field type"),
    ({"type": "run_paused"}, "invalid value 'run_paused'"),
    ({"type": ["run_started"]}, "expected str"),
    ({"type": "\ud800"}, "a lone surrogate"),
    (REPLY | {"at": "\ud800"}, "a lone surrogate"),
    (START | {"mode": "\ud800"}, "a lone surrogate"),
    (REPLY | {"step": True}, "expected int, got bool"),
    (REPLY | {"step": "1"}, "expected int, got str"),
    (REPLY | {"step": 1.0}, "expected int, got float"),
    (REPLY | {"message": []}, "expected object, got array"),
    (REPLY | {"at": "yesterday"}, "datetime"),
    (REPLY | {"at": 5}, "datetime"),
    (REPLY | {"at": "2026-03-01T00:00:00"}, "`at` has no time zone"),
    (REPLY | {"at": "2026-03-01T00:00:00+02:00"}, "`at` is not in UTC"),
    (REPLY | {"usage": {"input_tokens": -1, "output_tokens": 0}}, "`usage` is negative"),
    (REPLY | {"usage": {"input_tokens": True, "output_tokens": 0}}, "expected int, got bool"),
    (REPLY | {"cost_usd": -0.1}, "`cost_usd` is negative"),
    (START | {"mode": "lenient"}, "invalid enum value 'lenient'"),
    (START | {"role": 5}, "expected str"),
    (START | {"tools": [{}]}, "nothing can be judged by it: a tool without a name"),
    (START | {"tools": [{"function": {"name": "a"}}, {"function": {"name": "a"}}]}, "two tools are called `a`"),
    (START | {"tool_choice": {"allowed_tools": 5}}, "nothing can be judged by it"),
    (START | {"tool_choice": {"allowed_tools": [[]]}}, "nothing can be judged by it"),
    ({"type": "tool_returned", "call_id": 1, "executed": 1, "ok": True, "content": ""}, "expected bool, got int"),
    ({"type": "call_decided", "step": 1, "call_id": 1, "tool": 1, "arguments": 1, "effect": "deny", "code": "rule"}, "'deny'"),
]


@pytest.mark.parametrize(("raw", "why"), NO_EVENTS, ids=[repr(raw)[:60] for raw, _ in NO_EVENTS])
def test_what_is_no_event(raw: object, why: str) -> None:
    """Types are exact, nothing is coerced, and nothing that a session could not take in gets through."""
    with pytest.raises(InvalidEvent) as caught:
        decode_event(raw)
    assert why in str(caught.value)


texts = st.text(st.characters(exclude_categories=()), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
times = st.datetimes(timezones=st.just(UTC))
counts = st.integers(0, 2**70)
amounts = st.floats(0, allow_nan=False, allow_infinity=False)
messages = st.dictionaries(texts, json_values, max_size=3)
digests = st.builds(Digest, name=texts, sha256=texts)
maybe_text = st.none() | texts
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        RunStarted,
        at=times,
        run_id=texts,
        agentgate=texts,
        task=st.none() | digests,
        policy=st.none() | st.builds(PolicyDigest, name=texts, sha256=texts, files=st.lists(digests, max_size=2).map(tuple)),
        mode=st.sampled_from(Mode),
        role=maybe_text,
        model=maybe_text,
        messages=st.lists(messages, max_size=2).map(tuple),
    ),
    st.builds(
        ModelReplied,
        at=times,
        step=counts,
        message=messages,
        finish_reason=maybe_text,
        usage=st.none() | st.builds(Usage, counts, counts, counts),
        cost_usd=st.none() | amounts,
        unusable=maybe_text,
    ),
    st.builds(
        CallDecided,
        at=times,
        step=counts,
        call_id=json_values,
        tool=json_values,
        arguments=json_values,
        args_hash=texts,
        effect=st.sampled_from(Effect),
        code=st.sampled_from(Code),
        rule=maybe_text,
        reason=texts,
        hint=maybe_text,
        enforced=st.booleans(),
        facts=st.dictionaries(texts, texts, max_size=2),
        trials=st.lists(st.builds(Trial, texts, st.sampled_from(Effect)), max_size=2).map(tuple),
    ),
    st.builds(ApprovalAnswered, at=times, call_id=texts, args_hash=texts, answer=texts, by=texts, note=maybe_text),
    st.builds(ToolReturned, at=times, call_id=json_values, executed=st.booleans(), ok=st.booleans(), content=texts, seconds=amounts),
    st.builds(RunEnded, at=times, status=texts, reason=texts, totals=st.builds(Totals, steps=counts, cost_usd=st.none() | amounts)),
)


def plain(event: Event) -> object:
    """An event as JSON has it: surrogate pairs become the character that they stand for."""
    return json.loads(json.dumps(msgspec.to_builtins(event)))


@given(events, st.integers(0, 2**40))
def test_any_event_can_be_written_and_read_back(event: Event, seq: int) -> None:
    """A line gives back its event, its bytes are ASCII without a line feed in them, and other JSON readers see the same."""
    sealed = seal(event, seq, ZEROS)
    assert sealed.line.isascii()
    assert sealed.line.index(b"\n") == len(sealed.line) - 1
    raw = parse_line(sealed.line)
    assert raw == sealed.raw == json.loads(sealed.line)
    assert plain(decode_event(raw)) == plain(event)
    assert raw["hash"] == sealed.hash


ODD_FLOATS = st.sampled_from([0.0, -0.0, 1e-4, 9.9e-5, 1e-7, 9999999999999998.0, 1e16, 1.5e22, 0.1, 2**63, 2**64, -(2**63) - 1])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | ODD_FLOATS | st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.just("\x7f"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_every_line_is_written_as_python_writes_json(value: object) -> None:
    """Whichever writer it was: usual values are written by a quicker one, which must not differ in a byte, nor in the hash."""
    sealed = seal(ModelReplied(step=1, message={"content": value}), 1, ZEROS)
    assert sealed.line == json.dumps(sealed.raw, separators=(",", ":")).encode() + b"\n"
    hashed = {key: value for key, value in sealed.raw.items() if key != "hash"}
    assert sealed.hash == sha256(json.dumps(hashed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    link = Chain().follow(sealed.line)
    assert is_verbatim(link, sealed.line)
    assert not is_verbatim(link, b" " + sealed.line)
    assert isinstance(link.event, ModelReplied)
    assert repr(link.event.message) == repr({"content": value})


@given(st.lists(events.filter(lambda event: not isinstance(event, RunStarted | RunEnded)), max_size=6), st.data())
def test_any_run_follows_its_chain(middle: list[Event], data: st.DataObject) -> None:
    """A chain as written has no problem; with one line left out, repeated or moved, it has at least one."""
    run: list[Event] = [RunStarted(at=datetime(2026, 1, 1, tzinfo=UTC), run_id="r"), *middle, RunEnded(status="done")]
    lines: list[bytes] = []
    prev = ZEROS
    for seq, event in enumerate(run, 1):
        sealed = seal(event, seq, prev)
        lines.append(sealed.line)
        prev = sealed.hash
    assert problems(lines) == []
    place = data.draw(st.integers(0, len(lines) - 2))
    other = data.draw(st.integers(0, len(lines) - 1).filter(lambda number: number != place))
    assert problems([*lines[:place], *lines[place + 1 :]])
    assert problems([*lines[: place + 1], *lines[place:]])
    swapped = list(lines)
    swapped[place], swapped[other] = swapped[other], swapped[place]
    assert problems(swapped)


def problems(lines: list[bytes]) -> list[str]:
    chain = Chain()
    links = [chain.follow(line) for line in lines]
    return [link.problem for link in links if link.problem is not None]
