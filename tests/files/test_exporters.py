"""Runs go into other forms and come back the same; what a form cannot say is counted."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from agentgate.core.events import Effect, ModelReplied, RunStarted, ToolReturned
from agentgate.core.policy import Policy
from agentgate.core.state import user_texts
from agentgate.files.exporters import EXPORTERS
from agentgate.files.importers.chat import from_messages
from agentgate.files.transcript import Damage, InvalidTranscript, Item, Proposed, Transcript
from agentgate.files.transcript_reader import Source, read_file, read_stream
from agentgate.files.transcript_verify import verify
from agentgate.replay import Replay
from tests.files.imported import OTHERS
from tests.replay.writing import ENDED, answered, decided, native, replied, returned, started

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
POLICIES = Path(__file__).parents[2] / "policies"
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Pay."},
    {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]},
    {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "paid"},
    {"role": "tool", "tool_call_id": "c2", "name": "f", "content": ""},
    {"role": "assistant", "content": "Done."},
    {"role": "user", "content": "And that."},
    {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "c3"}]},
    {"role": "tool", "tool_call_id": "c3", "name": "f", "content": "paid, too"},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}]


def conversation(tools: object = TOOLS) -> Transcript:
    """A run that others recorded."""
    return Transcript("run", from_messages(MESSAGES, run_id="run", tools=tools), "some.jsonl", imported=True)


def back(data: bytes) -> Transcript:
    """What is read from the lines of one run."""
    (found,) = read_stream(BytesIO(data), Source("some.jsonl"), {})
    assert isinstance(found, Transcript), found
    return found


def converted(run: Transcript, form: str) -> Transcript:
    """A run in another form, read again."""
    return back(EXPORTERS[form].write(run, Counter()))


def essence(run: Transcript) -> list[object]:
    """All of a run that another form can say: who said what, what was called, what came back."""
    made: list[object] = [run.started.tools]
    for item in run.items:
        made.extend(_essence(item))
    return made


def _essence(item: Item) -> list[object]:
    match item:
        case RunStarted():
            return list(user_texts(item.messages))
        case ModelReplied():
            return [*user_texts(item.messages), ("answer", item.message.get("content") or None)]
        case Proposed():
            whole = isinstance(item.call.arguments, str)
            return [(item.call.id, item.call.name, item.call.arguments if whole else "malformed")]
        case ToolReturned():
            return [("result", item.call_id, item.content)]
    return []


@pytest.mark.parametrize(
    "way", [("chat",), ("native",), ("otlp",), ("native", "chat"), ("otlp", "native", "chat"), ("chat", "otlp", "chat")]
)
def test_runs_come_back(way: tuple[str, ...]) -> None:
    """Whichever forms a conversation goes through, it is the same in the end."""
    run = conversation()
    for form in way:
        run = converted(run, form)
    assert essence(run) == essence(conversation())


def test_chat_through_native_is_the_same_line() -> None:
    """Messages, tools and id come back to the byte."""
    line = EXPORTERS["chat"].write(conversation(), Counter())
    assert EXPORTERS["chat"].write(back(line), Counter()) == line
    again = EXPORTERS["chat"].write(replace(converted(back(line), "native"), imported=True), Counter())
    assert again == line


@pytest.mark.parametrize("form", ["chat", "anthropic", "responses"])
def test_words_after_the_last_answer_are_kept(form: str) -> None:
    """Nobody answered them, so nothing was judged after them; a message list has them all the same, and other forms tell of the loss."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Pay."}]
    said = {"chat": {"messages": messages}, "anthropic": {"system": "s", "messages": messages}, "responses": {"items": messages}}[form]
    run = back(json.dumps(said).encode())
    written = json.loads(EXPORTERS["chat"].write(run, Counter()))
    texts = [message["content"] for message in written["messages"] if message["role"] != "system"]
    assert [text if isinstance(text, str) else text[0]["text"] for text in texts] == ["Hi", "Yes?", "Pay."]
    for other in ("native", "otlp"):
        losses = Counter[str]()
        EXPORTERS[other].write(run, losses)
        assert losses["message after the last answer"] == 1


def test_meta_stays_in_chat() -> None:
    """What others say about a run is kept where the form has a place for it, and counted where not."""
    run = replace(conversation(), meta={"attack_succeeded": True, "kind": "attack"}, attacked=True)
    again = converted(run, "chat")
    assert (again.meta, again.attacked) == (run.meta, True)
    for form in ("native", "otlp"):
        losses = Counter[str]()
        EXPORTERS[form].write(run, losses)
        assert sum(losses.values()) == 1


def test_what_chat_cannot_say_is_counted() -> None:
    """Decisions, answers of people, costs and ends of a run of ours have no place in a message list."""
    (run,) = read_stream(
        BytesIO(
            native(
                started(role="viewer"),
                replied(),
                decided("1", "read", "{}", "ask"),
                answered("1", "reject"),
                returned("1", executed=False, ok=False),
                ENDED,
            )
        ),
        Source("run.jsonl"),
        {},
    )
    assert isinstance(run, Transcript)
    losses = Counter[str]()
    EXPORTERS["chat"].write(run, losses)
    assert losses == {
        "count of tokens or cost": 1,
        "decision": 1,
        "answer of a person": 1,
        "word that a call was not executed": 1,
        "word of how a run ended": 1,
    }
    losses.clear()
    assert converted(run, "native").items == run.items
    EXPORTERS["native"].write(run, losses)
    assert not losses


def test_native_runs_are_chained_and_marked(tmp_path: Path) -> None:
    """An imported run says so, and its hashes hold; nothing is said to have been decided."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(EXPORTERS["native"].write(conversation(), Counter()))
    (run,) = read_file(path)
    assert isinstance(run, Transcript)
    assert (run.hashed, run.intact, run.complete, run.started.imported) == (True, True, True, True)
    assert all(item.recorded is None for item in run.items if isinstance(item, Proposed))
    found = verify(path)
    assert found.ok
    assert any("somebody else recorded this run" in note for note in found.notes)
    assert found.status == "done"


def test_what_json_cannot_carry_is_refused() -> None:
    """Half a surrogate in a run of others becomes an error of that run."""
    run = Transcript("r", from_messages([{"role": "user", "content": "\ud800"}], run_id="r"), "some.jsonl", imported=True)
    with pytest.raises(InvalidTranscript):
        EXPORTERS["chat"].write(run, Counter())
    assert essence(converted(run, "native")) == essence(run)


def test_calls_of_other_kinds_stay_refused() -> None:
    """What the gate takes for no call is none after a conversion either."""
    odd = [{"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]}]
    run = Transcript("r", from_messages(odd, run_id="r"), "some.jsonl", imported=True)
    replay = Replay(Policy("p", default=Effect.ALLOW))
    for form in EXPORTERS:
        assert [call.effect for call in replay.judge(converted(run, form))] == [Effect.BLOCK], form


@pytest.mark.parametrize("path", sorted(OTHERS.iterdir()), ids=lambda path: path.stem)
@pytest.mark.parametrize("form", EXPORTERS)
def test_every_importable_form_can_be_converted(path: Path, form: str) -> None:
    """Small files of every form keep their calls and results."""
    for run in read_file(path):
        if isinstance(run, Damage):
            continue
        made = converted(run, form)
        assert [one for one in essence(made)[1:] if one != ("answer", None)] == [one for one in essence(run)[1:] if one != ("answer", None)]


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the recorded transcripts are kept beside the repository: ../shared/corpora")
@pytest.mark.parametrize("name", ["agentdojo_odd", "tau_retail"])
@pytest.mark.parametrize("form", EXPORTERS)
def test_recorded_runs_are_judged_alike_in_every_form(name: str, form: str) -> None:
    """A policy decides real runs in any form as it decides the originals; repeated ids and missing results included."""
    replay = Replay(Policy("p", default=Effect.ALLOW))
    for number, run in enumerate(read_file(CORPORA / f"{name}.jsonl")):
        if number % 4:
            continue
        assert not isinstance(run, Damage)
        wanted = [(call.tool, call.arguments, call.effect, call.code) for call in replay.judge(run)]
        made = read_stream(BytesIO(EXPORTERS[form].write(run, Counter())), Source("x.jsonl"), {})
        assert [(c.tool, c.arguments, c.effect, c.code) for one in made if isinstance(one, Transcript) for c in replay.judge(one)] == wanted
