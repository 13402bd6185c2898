"""Imported transcripts told in short, one event a line, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

from agentgate.core.events import Effect, Json, ModelReplied, RunStarted, ToolReturned
from agentgate.core.policy import Policy
from agentgate.files.transcript import Damage, Item, Proposed, Transcript, Unanswered
from agentgate.files.transcript_reader import Source, read_file, read_stream
from agentgate.session import Session

OTHERS = Path(__file__).parents[1] / "data" / "transcripts" / "others"
"""Small files in every form."""


def told(found: Transcript | Damage) -> list[str]:
    """What was found: `# id`, then `reply`, `call` and `result` lines; or the damage."""
    if isinstance(found, Damage):
        return [f"damage {found.line}: {found.why}"]
    assert found.imported
    assert found.started.imported
    return [f"# {found.id}", *(line for item in found.items[1:] for line in _item(item))]


def _item(item: Item) -> Iterator[str]:
    match item:
        case ModelReplied():
            said = "".join(f" +{message['role']}" for message in item.messages)
            yield f"reply {item.step}{said}"
        case Proposed():
            arguments = item.call.arguments if isinstance(item.call.arguments, str) else "malformed"
            yield f"call {item.call.id} {item.call.name} {arguments}"
        case ToolReturned():
            marks = "" if item.ok else " failed" if item.executed else " never ran"
            yield f"result {item.call_id}{marks}: {item.content}"
        case _:
            raise AssertionError(item)


def read(name: str) -> list[Transcript | Damage]:
    """What is in one of the small files."""
    return list(read_file(OTHERS / name))


def lines(name: str) -> list[dict[str, Json]]:
    """The lines of one of the small files, to change."""
    return [json.loads(line) for line in (OTHERS / name).read_text().splitlines()]


def read_values(values: Sequence[Json], form: str | None = None) -> list[Transcript | Damage]:
    """What is in a file with these lines."""
    data = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    return list(read_stream(BytesIO(data), Source("t.jsonl"), {}, form=form))


def story(values: Sequence[Json]) -> list[str]:
    """The same, told."""
    return [line for found in read_values(values) for line in told(found)]


def changed(values: list[dict[str, Json]], place: int, change: Callable[[dict[str, Json]], object]) -> list[dict[str, Json]]:
    """Lines, one of which was changed."""
    change(values[place])
    return values


def started(found: Transcript | Damage) -> RunStarted:
    """The beginning of what must be a transcript."""
    assert isinstance(found, Transcript)
    return found.started


def take_in(found: Transcript | Damage) -> None:
    """A session takes it in."""
    if isinstance(found, Damage):
        assert found.line >= 1
        return
    session = Session(Policy("everything", default=Effect.ALLOW))
    for item in found.items:
        if isinstance(item, Proposed):
            session.propose(item.call, at=item.at)
        elif not isinstance(item, Unanswered):
            session.record(item)
