"""What a run comes to in a few numbers: counted from the events, whatever they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from agentgate.core.events import (
    ApprovalAnswered,
    CallDecided,
    Code,
    Effect,
    Event,
    ModelReplied,
    RunEnded,
    RunResumed,
    RunStarted,
    ToolReturned,
    Totals,
    Usage,
)
from agentgate.files.history import FileHistory, Run, Tally, read_history
from agentgate.files.history_index import HistoryIndex, list_files
from agentgate.files.transcript_chain import ZEROS, seal
from agentgate.files.transcript_reader import Source

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = RunStarted(run_id="r")
WAITING = RunEnded(status="waiting", reason="for a person", totals=Totals(seconds=2.0))
APPROVED = ApprovalAnswered(call_id="c", args_hash="", answer="approve", by="somebody")


def written(folder: Path, *events: Event) -> Source:
    lines, prev = [], ZEROS
    for seq, event in enumerate(events, 1):
        sealed = seal(replace(event, at=AT + timedelta(seconds=seq)), seq, prev)
        lines.append(sealed.line)
        prev = sealed.hash
    (folder / "r.jsonl").write_bytes(b"".join(lines))
    return Source(str(folder / "r.jsonl"))


def run_of(folder: Path, *events: Event) -> Run:
    history = read_history(written(folder, *events))
    assert history.damages == ()
    return history.runs[0]


def decided(tool: object = "pay", effect: Effect = Effect.ASK, rule: str | None = "money") -> CallDecided:
    return CallDecided(step=1, call_id="c", tool=tool, arguments="{}", effect=effect, code=Code.RULE if rule else Code.DEFAULT, rule=rule)


def returned(*, executed: bool = True, unknown: bool = False) -> ToolReturned:
    return ToolReturned(call_id="c", executed=executed, ok=executed, content="", unknown=unknown)


def reply(usage: Usage | None = None, cost: float | None = None) -> ModelReplied:
    return ModelReplied(step=1, message={"role": "assistant"}, usage=usage, cost_usd=cost)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([START], "unfinished"),
        ([START, decided(), WAITING], "waiting"),
        ([START, decided(), WAITING, APPROVED], "waiting"),
        ([START, decided(), WAITING, APPROVED, RunResumed()], "unfinished"),
        ([START, decided(), WAITING, APPROVED, RunResumed(), returned(), RunEnded(status="done")], "done"),
        ([START, decided(), RunResumed(), returned(executed=False), RunEnded(status="stopped")], "stopped"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(type(event).__name__ for event in value),
)
def test_how_it_stands(tmp_path: Path, events: list[Event], status: str) -> None:
    """The last end counts, unless the run went on after it."""
    assert run_of(tmp_path, *events).status == status


def test_what_was_executed(tmp_path: Path) -> None:
    """An approved call counts as asked and executed; one that was executed once more counts twice."""
    run = run_of(tmp_path, START, decided(), APPROVED, returned(), RunEnded(status="done"))
    assert run.tallies == (Tally("pay", "money", "ask", 1, 1),)
    assert (run.calls, run.executed, run.approved) == (1, 1, 1)
    again = run_of(
        tmp_path, START, decided(), APPROVED, returned(unknown=True), RunResumed(), APPROVED, returned(), RunEnded(status="done")
    )
    assert again.executed == 2


def test_time_at_work(tmp_path: Path) -> None:
    """The end says how long the run was at work, at most from its first event to its last."""
    assert run_of(tmp_path, START, decided(), WAITING).seconds == 2.0
    for said, taken in {1.5: 1.5, -5.0: 0.0, 1e308: 2.0}.items():
        assert run_of(tmp_path, START, reply(), RunEnded(status="done", totals=Totals(seconds=said))).seconds == taken
    assert run_of(tmp_path, START, reply(), reply(), reply()).seconds == 3.0


def test_unknown_cost_is_not_zero(tmp_path: Path) -> None:
    """One answer without its cost makes that of the run unknown."""
    assert run_of(tmp_path, START, reply(Usage(1, 2, 1), 0.1), reply(Usage(3, 4), 0.2)).cost_usd == 0.3
    assert run_of(tmp_path, START, reply(Usage(1, 2), 0.1), reply()).cost_usd is None
    assert run_of(tmp_path, START).cost_usd is None


def test_forged_numbers_and_names(tmp_path: Path) -> None:
    """Whatever stands in a transcript can be remembered in the index and comes out of it as it went in."""
    huge = Usage(2**200, 2**200, 2**70)
    events: list[Event] = [
        START,
        reply(huge, 1e308),
        reply(huge, 1e308),
        decided({"\ud800": "x" * 1000}),
        decided("\udfff"),
        RunEnded(status="x" * 9),
    ]
    source = written(tmp_path, *events)
    history = read_history(source)
    run = history.runs[0]
    assert (run.input_tokens, run.cost_usd) == (2**53, None)
    assert all(len(tally.tool) < 300 for tally in run.tallies)
    notes: list[str] = []
    index = HistoryIndex(tmp_path / "history.db", notes.append)
    first, second = (list(list_files([source], index)) for _ in range(2))
    assert first == second
    assert len(index.load()) == 1
    assert notes == []


def test_the_index_is_used(tmp_path: Path) -> None:
    """What is remembered of an unchanged file is what is listed; that it is believed is why it is never asked about chains."""
    source = written(tmp_path, START, RunEnded(status="done"))
    index = HistoryIndex(tmp_path / "history.db", lambda note: None)
    list(list_files([source], index))
    ((key, remembered),) = index.load().items()
    lie = msgspec.msgpack.encode(FileHistory((Run(run_id="lie", line=1, status="done"),)))
    index.save([(key, replace(remembered, history=lie))])
    assert [run.run_id for listed in list_files([source], index) for run in listed.history.runs] == ["lie"]
    index.discard()
    assert [run.run_id for listed in list_files([source], index) for run in listed.history.runs] == ["r"]
