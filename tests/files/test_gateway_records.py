"""What the gateway keeps of an answer: the bytes of a line, and what is read from them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agentgate.core.events import CallDecided, Code, Digest, Effect, Event, Json, Mode, ModelReplied, PolicyDigest, RunStarted, Usage
from agentgate.files.gateway_records import FIRST, Record, decode, is_sound, seal

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
MAYBE = st.none() | TEXTS
OBJECTS: st.SearchStrategy[dict[str, Json]] = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS, lambda value: st.lists(value) | st.dictionaries(TEXTS, value)
    ),
    max_size=5,
)
MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - by `timezones`
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(RunStarted, at=MOMENTS, run_id=TEXTS, messages=st.tuples(OBJECTS), tools=st.tuples(OBJECTS)),
    st.builds(ModelReplied, at=MOMENTS, step=st.integers(1, 9), message=OBJECTS, usage=st.none() | st.just(Usage(1, 2))),
    st.builds(
        CallDecided,
        at=MOMENTS,
        step=st.just(1),
        call_id=TEXTS,
        tool=TEXTS,
        arguments=TEXTS,
        effect=st.sampled_from(Effect),
        code=st.sampled_from(Code),
        reason=TEXTS,
        facts=st.dictionaries(TEXTS, TEXTS),
    ),
)
RECORDS = st.builds(
    Record,
    id=TEXTS,
    at=MOMENTS,
    run=TEXTS,
    session=MAYBE,
    api=TEXTS,
    model=TEXTS,
    mode=st.sampled_from(Mode),
    role=MAYBE,
    policy=st.builds(PolicyDigest, TEXTS, TEXTS, st.tuples(st.builds(Digest, TEXTS, TEXTS))),
    answer_id=MAYBE,
    released=st.booleans(),
    error=st.none() | OBJECTS,
    events=st.lists(EVENTS, max_size=4).map(tuple),
    listed=st.lists(MAYBE, max_size=2).map(tuple),
)


@given(RECORDS, st.integers(1, 2**53))
def test_a_line_has_sorted_keys_and_its_hash_at_the_end(record: Record, seq: int) -> None:
    """Its bytes are those that any other writer of such JSON gives it, and its hash that of the bytes before it was added."""
    line = seal(record, seq, FIRST)
    told = json.loads(line.text)
    assert told.pop("hash") == line.hash
    assert (told["type"], told["seq"], told["prev"]) == ("answer_judged", seq, FIRST)
    body = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert sha256(body).hexdigest() == line.hash
    assert line.text == body[:-1] + b',"hash":"' + line.hash.encode() + b'"}'


@given(RECORDS, st.integers(1, 2**53))
def test_what_was_sealed_is_read_again(record: Record, seq: int) -> None:
    """With its place in the chain; and it is sound at that place alone."""
    line = seal(record, seq, FIRST)
    assert decode(line.text) == replace(record, seq=seq, prev=FIRST)
    assert is_sound(line.text, FIRST)
    assert not is_sound(line.text, line.hash)
    assert not is_sound(line.text.replace(b'"seq":%d' % seq, b'"seq":%d' % (seq + 1)), FIRST)
