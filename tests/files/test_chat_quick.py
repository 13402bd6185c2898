"""Lines read for judging alone: what is taken the quick way is what the slow way makes of it, and damage is found either way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.arguments import InvalidJson
from agentgate.core.events import ModelReplied, RunStarted, ToolReturned
from agentgate.core.state import user_texts
from agentgate.files.importers.chat_quick import QuickLines
from agentgate.files.importers.chat_shapes import strict
from agentgate.files.transcript import Damage, Item, Proposed, Transcript, Wanted
from agentgate.files.transcript_chain import parse_line
from agentgate.files.transcript_reader import Source, read_stream

FIRST = b'{"id":"first","meta":{},"note":1,"tools":null,"messages":[]}\n'
"""After it, these keys are known."""


def quick_of(line: bytes, *, history: bool = True) -> bool:
    """Whether a line is read the quick way."""
    lines = QuickLines("some.jsonl", lambda name: [], history=history)
    lines.learn(json.loads(FIRST))
    return lines.read(line, 2) is not None


def read(data: bytes, wanted: Wanted | None) -> list[Transcript | Damage]:
    """What a reader makes of a file."""
    return list(read_stream(BytesIO(FIRST + data), Source("some.jsonl"), {}, wanted=wanted))


def looked_at(item: Item, *, history: bool) -> Any:
    """What a judgement sees of an item; None where it sees nothing."""
    match item:
        case RunStarted():
            return ("start", item.run_id, item.tools, list(user_texts(item.messages)) if history else None)
        case Proposed():
            return ("call", item)
        case ToolReturned() if history:
            return ("result", item.call_id, item.content)
        case ModelReplied() if history and list(user_texts(item.messages)):
            return ("said", list(user_texts(item.messages)))
    return None


def told(found: Sequence[Transcript | Damage], *, history: bool) -> list[Any]:
    """What a judgement sees of a file, and what is damaged in it."""
    seen: list[Any] = []
    for one in found:
        if isinstance(one, Damage):
            seen.append(one)
        else:
            seen.append((one.id, one.file, one.line, one.attacked, one.imported))
            seen.extend(looked for item in one.everything() if (looked := looked_at(item, history=history)) is not None)
    return seen


def same(data: bytes) -> None:
    """Asserts that both ways see the same in a file."""
    for history in (False, True):
        assert told(read(data, Wanted(history=history)), history=history) == told(read(data, None), history=history)


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":"u"}'}}
MESSAGES: list[Any] = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": 'Pay \u00fc \U0001f600 \\ " \n \u0001 \u007f'},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "name": "f", "content": '{"b": "c"}'},
    {"role": "user", "content": "And that."},
    {"role": "assistant", "content": "Done."},
]
LINE = {"id": "x", "meta": {"attack_succeeded": True, "n": 1.5}, "note": "n", "messages": MESSAGES}


def compact(value: Any) -> bytes:
    """A value in its shortest form."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


@pytest.mark.parametrize("write", [compact, lambda value: json.dumps(value).encode() + b"\n"], ids=["compact", "as Python writes it"])
def test_usual_lines_are_read_quickly(write: Any) -> None:
    """What most programs write takes the quick way, and comes to the same."""
    line = write({**LINE, "messages": [{**message, "content": message["content"] or None} for message in MESSAGES]})
    assert quick_of(line)
    assert quick_of(line, history=False)
    same(line * 2)


ODD = {
    "a key twice in the line": compact(LINE).replace(b'"id":"x"', b'"id":"x","id":"x"'),
    "a key twice in a message": compact(LINE).replace(b'"role":"system"', b'"role":"system","role":"user"'),
    "a key twice, spelt with an escape": compact(LINE).replace(b'"role":"system"', b'"role":"system","r\\u006fle":"user"'),
    "a key twice in a call": compact(LINE).replace(b'"id":"c1"', b'"id":"c1","id":"c2"'),
    "a key twice in a function": compact(LINE).replace(b'"name":"f","arg', b'"name":"f","name":"g","arg'),
    "a key twice in meta": compact(LINE).replace(b'"n":1.5', b'"n":1.5,"n":2'),
    "a key twice in meta, and a shorter number": compact(LINE).replace(b'"n":1.5', b'"n":1e5,"n":2e9'),
    "a key twice in a part of a content": compact(LINE).replace(b'"content":"Done."', b'"content":[{"text":"a","text":"b"}]'),
    "spaces in one place and a key twice in another": compact(LINE).replace(b'"role":"system"', b'"role": "system","role":"s"'),
    "NaN": compact(LINE).replace(b"1.5", b"NaN"),
    "a number out of range": compact(LINE).replace(b"1.5", b"1e999"),
    "a very long number": compact(LINE).replace(b"1.5", b"1" * 5_000),
    "many levels": compact(LINE).replace(b"1.5", b"[" * 300 + b"]" * 300),
    "text that is not UTF-8": compact(LINE).replace(b"Be kind", b"Be \xff kind"),
    "half a surrogate": compact(LINE).replace(b"Be kind", b"Be \\ud800 kind"),
    "an escape that is none": compact(LINE).replace(b"Be kind", b"Be \\x kind"),
    "a control character": compact(LINE).replace(b"Be kind", b"Be \x02 kind"),
    "something after the end": compact(LINE)[:-1] + b" x\n",
    "cut off": compact(LINE)[:-20],
    "no line feed at the end": compact(LINE)[:-1],
    "CRLF": compact(LINE)[:-1] + b"\r\n",
    "an unknown role": compact(LINE).replace(b'"role":"system"', b'"role":"boss"'),
    "a number for a content": compact(LINE).replace(b'"Done."', b"7"),
    "parts for a content": compact(LINE).replace(b'"Done."', b'[{"type":"text","text":"Done."}]'),
    "an object for arguments": compact(LINE).replace(b'"{\\"a\\":\\"u\\"}"', b'{"a":1}'),
    "escapes in arguments": compact(LINE).replace(b'\\"u\\"', b'\\"\\u00fc\\"'),
    "a call without an id": compact(LINE).replace(b'"id":"c1",', b""),
    "a call of another kind": compact(LINE).replace(b'"type":"function"', b'"type":"custom"'),
    "a legacy call": compact(LINE).replace(b'"content":"Done."', b'"content":"Done.","function_call":{"name":"g","arguments":"{}"}'),
    "an unknown key in a message": compact(LINE).replace(b'"content":"Done."', b'"content":"Done.","audio":{"a":1,"a":2}'),
    "an unknown key in the line": compact({**LINE, "more": 1}),
    "an event": compact({**LINE, "type": "run_started"}),
    "an Anthropic conversation": compact({"system": "s", "messages": [{"role": "user", "content": "hi"}]}),
    "no id": compact({key: value for key, value in LINE.items() if key != "id"}),
    "an empty id": compact({**LINE, "id": ""}),
    "a number for an id": compact({**LINE, "id": 5}),
    "tools": compact({**LINE, "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search"}]}),
    "tools that are none": compact({**LINE, "tools": [1]}),
    "two tools with one name": compact({**LINE, "tools": [{"function": {"name": "f"}}, {"function": {"name": "f"}}]}),
    "a file with tools that is not there": compact({**LINE, "tools": "nowhere.json"}),
    "a key twice in the tools": compact({**LINE, "tools": []}).replace(b'"tools":[]', b'"tools":[{"function":{"name":"f","name":"g"}}]'),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_lines_come_to_the_same(name: str) -> None:
    """Whatever is odd about a line, both ways see the same calls in it, or the same damage."""
    same(ODD[name] + compact(LINE))


DAMAGED = [name for name in ODD if name.startswith(("a key twice", "spaces in", "NaN", "many levels", "text that is not", "an escape"))]


@pytest.mark.parametrize("name", DAMAGED)
def test_what_could_be_read_in_two_ways_is_damage(name: str) -> None:
    """The quick way takes no line that the slow way refuses."""
    assert not quick_of(ODD[name])
    assert not quick_of(ODD[name], history=False)
    assert any(isinstance(found, Damage) for found in read(ODD[name], Wanted(history=False)))


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3), st.sampled_from(("insert", "replace", "delete", "repeat")), st.booleans())
def test_mutated_lines_come_to_the_same(place: int, data: bytes, how: str, spaced: bool) -> None:
    """A line that is changed anywhere is read alike, or refused alike, by both ways."""
    line = json.dumps(LINE).encode() if spaced else compact(LINE)[:-1]
    at = place % len(line)
    match how:
        case "insert":
            changed = line[:at] + data + line[at:]
        case "replace":
            changed = line[:at] + data + line[at + len(data) :]
        case "delete":
            changed = line[:at] + line[at + len(data) :]
        case _:
            changed = line[: at + 12] + line[at:]
    same(changed.replace(b"\n", b" ") + b"\n" + compact(LINE))


@given(st.text(st.characters(codec=None), max_size=3), st.booleans())
def test_no_spelling_of_a_text_is_shorter_than_the_one_compared_with(text: str, escaped: bool) -> None:
    """What rests on lengths holds for every character: the form that is compared with is the shortest of all spellings."""
    message = {"role": "user", "content": "x", "name": text}
    line = json.dumps({"messages": [message]}, ensure_ascii=escaped, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
    same(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.booleans())
def test_other_values_are_as_strict_as_lines(value: Any, compactly: bool) -> None:
    """What stands beside the messages has the value that the slow way gives it."""
    text = json.dumps(value, separators=(",", ":") if compactly else None, ensure_ascii=not compactly).encode("utf-8", "surrogatepass")
    try:
        wanted = parse_line(text)
    except InvalidJson:
        with pytest.raises(InvalidJson):
            strict(text)
        return
    found = strict(text)
    assert (found, type(found)) == (wanted, type(wanted))
