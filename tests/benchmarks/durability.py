"""What a durable record of every event costs beside the bare disk, and how fast a long chain is verified.

An fsync costs what the disk and everybody on it make it cost, so the bare rate (as many bytes written and synced, one after the other) is
measured in turn with the recorder's, one event after the other; the ratio is the median over the quarter of many turns that took the least
time altogether, because on a busy disk nothing else counts. Several runs in one process each have a file and a thread; what they share is
the file system's journal, which commits for all that wait.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import jiter

from agentgate.core.events import Event, Mode, ModelReplied, RunEnded, RunStarted, ToolCall, ToolReturned, Usage
from agentgate.files.transcript_chain import ZEROS, seal
from agentgate.files.transcript_verify import verify
from agentgate.files.transcript_writer import Disk, TranscriptWriter
from agentgate.session import Session
from tests.benchmarks.decision import ARGUMENTS, TOOL, policy
from tests.benchmarks.report import Aim, Options, Report, Table

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_TURN = 50
"""Events in each turn."""


class _Unsynced(Disk):
    """For making a long transcript, which nobody needs to survive anything."""

    def fsync(self, descriptor: int) -> None:
        """Does nothing."""


def run(options: Options) -> Report:
    """Measures writing, then verifying."""
    turns = 10 if options.quick else 60
    events = 20_000 if options.quick else 1_000_000
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DISK")) as name:
        bare, at_once, durable = _rates(Path(name), turns)
        warm = _own_part(Path(name), 0.0, 2_000)
        cold = _own_part(Path(name), min(1 / statistics.median(bare), 0.02), 300)
        deciding, sealing = _deciding(2_000), _sealing(2_000)
        together = {runs: _together(Path(name), runs, 40 if options.quick else 200) for runs in (1, 4, 16)}
        quiet = sorted(range(turns), key=lambda turn: sum(1 / rates[turn] for rates in (bare, at_once, durable)))[: max(turns // 4, 1)]
        bare, at_once, durable = ([rates[turn] for turn in quiet] for rates in (bare, at_once, durable))
        ratio = _ratio(durable, bare)
        transcript = Path(name, "long.jsonl")
        written = _write(transcript, events)
        size = transcript.stat().st_size
        verified = _processor_seconds(lambda: _verify(transcript, written))
        limit = _processor_seconds(lambda: _read_and_hash(transcript))
    rows = [
        ("write and fsync of the same bytes", statistics.median(bare), 1.0),
        ("one durable write of them (O_DSYNC)", statistics.median(at_once), _ratio(at_once, bare)),
        ("agentgate: decide or record, chain, write, fsync", statistics.median(durable), ratio),
    ]
    reading = [
        ("bare: JSON read, written canonically, SHA-256", written / limit, size / limit / 1e6, 1.0),
        ("agentgate audit verify: chain, order, types, story", written / verified, size / verified / 1e6, limit / verified),
    ]
    return Report(
        "durability",
        "python -m tests.benchmarks durability",
        str(__doc__),
        [
            Table("a durable write for each event", ("what", "events/s", "of the bare rate"), rows),
            Table(
                "several runs in one process",
                ("runs", "events/s of all", "times one run"),
                [(runs, rate, rate / together[1]) for runs, rate in together.items()],
            ),
            Table(f"verifying a chain of {written:,} events", ("what", "events/s", "MB/s", "of the bare rate"), reading),
        ],
        [
            Aim(
                "events/s with a durable write each, of the bare fsync rate",
                ratio * 100,
                least=90.0,
                unit="%",
                missed=_WHY.format(warm, deciding, sealing, cold),
            ),
        ],
        [f"agentgate's own part of an event: {warm:.0f} µs of processor time, {cold:.0f} µs after waits as long as an fsync"],
    )


_WHY = (
    "The own part is {:.0f} µs of processor time one event after the other: deciding and remembering {:.0f}, making the line (JSON, "
    "reading it back, SHA-256) {:.0f}, the rest the system's write. After a wait as long as an fsync, in which other processes take the "
    "processor's caches, it is {:.0f} µs: that is what the disk's rate is missing, and the less, the slower the disk. What would save on "
    "the disk was measured, too. fdatasync costs what fsync does, since a longer file has to be known to the journal either way; one "
    "durable write (the second row), and blocks set aside ahead, save a twentieth to a tenth, but the first no longer tells a write that "
    "failed from one that may be on disk, and what the second sets aside is left behind by a run that is killed."
)


def _ratio(rates: Sequence[float], bare: Sequence[float]) -> float:
    return statistics.median(own / disk for own, disk in zip(rates, bare, strict=True))


def _rates(folder: Path, turns: int) -> tuple[list[float], list[float], list[float]]:
    """Events/s of the bare disk in two ways, and of the recorder, in each turn."""
    rates: tuple[list[float], list[float], list[float]] = ([], [], [])
    disk = Disk()
    with TranscriptWriter(folder / "run.jsonl") as writer:
        session = Session(policy(100), tools=[TOOL], recorder=writer)
        session.record(_started())
        calls = iter(_calls(turns * _TURN + 1))
        before, first = writer.head.size, next(calls)
        session.propose(first)
        line = b"x" * (writer.head.size - before)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        plain, durable = disk.open(str(folder / "bare"), flags), disk.open(str(folder / "at-once"), flags | os.O_DSYNC)

        def write_and_sync() -> None:
            disk.write(plain, line)
            disk.fsync(plain)

        ways: list[Callable[[], object]] = [
            write_and_sync,
            lambda: disk.write(durable, line),
            lambda: session.propose(next(calls)),
        ]
        for _ in range(turns):
            seconds = [0.0] * len(ways)
            for _ in range(_TURN):
                for number, way in enumerate(ways):
                    began = time.perf_counter()
                    way()
                    seconds[number] += time.perf_counter() - began
            for rate, taken in zip(rates, seconds, strict=True):
                rate.append(_TURN / taken)
        disk.close(plain)
        disk.close(durable)
    return rates


def _deciding(events: int) -> float:
    """Processor time in µs of a decision that is told, but not written."""
    session = Session(policy(100), tools=[TOOL], recorder=lambda event: None)
    session.record(_started())
    calls = _calls(events)
    began = time.thread_time()
    for call in calls:
        session.propose(call)
    return (time.thread_time() - began) / events * 1e6


def _sealing(events: int) -> float:
    """Processor time in µs of an event's line."""
    told: list[Event] = []
    session = Session(policy(100), tools=[TOOL], recorder=told.append)
    for call in _calls(events):
        session.propose(call)
    head, began = ZEROS, time.thread_time()
    for number, event in enumerate(told):
        head = seal(event, number + 1, head).hash
    return (time.thread_time() - began) / events * 1e6


def _calls(count: int) -> list[ToolCall]:
    """Calls of which no two are the same."""
    return [ToolCall(f"call_{number}", "customer_db", ARGUMENTS.replace("101", str(number))) for number in range(1_000, 1_000 + count)]


def _own_part(folder: Path, pause: float, events: int) -> float:
    """Processor time in µs that a recorded event takes without fsync, after pauses of so many seconds."""
    with TranscriptWriter(folder / f"unsynced-{pause}.jsonl", disk=_Unsynced()) as writer:
        session = Session(policy(100), tools=[TOOL], recorder=writer)
        session.record(_started())
        taken = 0.0
        for call in _calls(events):
            if pause:
                time.sleep(pause)
            began = time.thread_time()
            session.propose(call)
            taken += time.thread_time() - began
    return taken / events * 1e6


def _together(folder: Path, runs: int, events: int) -> float:
    """Events/s of several runs, each with a transcript and a thread of its own."""

    def one(number: int) -> None:
        with TranscriptWriter(folder / f"together-{runs}-{number}.jsonl") as writer:
            session = Session(policy(100), tools=[TOOL], recorder=writer)
            session.record(_started())
            for call in _calls(events):
                session.propose(call)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(runs)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return runs * events / (time.perf_counter() - began)


def _started() -> RunStarted:
    return RunStarted(at=_AT, run_id="benchmark", mode=Mode.ENFORCE, model="scripted", messages=({"role": "user", "content": "hello"},))


def _write(path: Path, events: int) -> int:
    """A whole run of about so many events, as agentgate records it."""
    with TranscriptWriter(path, disk=_Unsynced()) as writer:
        session = Session(policy(100), tools=[TOOL], recorder=writer)
        session.record(_started())
        for event in _steps(session, events):
            session.record(event)
        session.record(RunEnded(at=session.now(), status="done", totals=session.state.totals))
        return writer.head.events


def _steps(session: Session, events: int) -> Iterator[Event]:
    for number in range(events // 3):
        call = ToolCall(f"call_{number}", "customer_db", ARGUMENTS)
        wanted = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        message = {"role": "assistant", "content": None, "tool_calls": [wanted]}
        yield ModelReplied(at=session.now(), step=number + 1, message=message, finish_reason="tool_calls", usage=Usage(100, 20))
        session.propose(call)
        yield ToolReturned(at=session.now(), call_id=call.id, executed=True, ok=True, content='{"ok": true, "result": "fine"}')


def _verify(path: Path, events: int) -> None:
    found = verify(path)
    assert found.ok, found.problems[:3]
    assert found.events == events


def _read_and_hash(path: Path) -> None:
    encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
    with path.open("rb") as file:
        for line in file:
            sha256(encode(jiter.from_json(line)).encode()).hexdigest()


def _processor_seconds(work: object) -> float:
    began = time.process_time()
    work()  # type: ignore[operator]
    return time.process_time() - began
