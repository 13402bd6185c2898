"""Asks all servers in turns, and makes tables of it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.gateway.load import Load, load
from tests.benchmarks.gateway.servers import GATE, OPEN_GATE, OWN_PASSING, PASSING, RIVAL, STUB, Server, start_all
from tests.benchmarks.gateway.streams import first_bytes, memory
from tests.benchmarks.report import Aim, Cell, Report, Table, number

_CONNECTIONS = (1, 16, 64)
_TURNS = 5
_FIRSTS = 40
"""Answers of which the first byte is waited for, in each turn."""
_STREAMS = 500
_WRITES = 50
_DIRECTLY = "directly"


@dataclass
class Taken:
    """What one server did, all turns together."""

    loads: list[Load] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def answers(self) -> int:
        return sum(len(one.took) for one in self.loads)

    @property
    def bad(self) -> int:
        return sum(one.bad for one in self.loads)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / sum(one.seconds for one in self.loads)

    @property
    def cost(self) -> float:
        """Microseconds of processor time for each answer."""
        return self.cpu_seconds / max(1, self.answers) * 1e6

    def quantile(self, part: float) -> float:
        return quantile([one for load in self.loads for one in load.took], part)


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which such a part of them lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def compare(seconds: float, *, rival: bool) -> Report:
    """Measures everything, so long for each server and number of connections."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER"), ignore_cleanup_errors=True)))
        servers = start_all(stack, folder, with_rival=rival)
        for one in servers:
            asyncio.run(load(one.port, 2, 1.0, one.headers))  # the first answers of a process are slow
        busy, disk = os.getloadavg()[0], _disk(folder)
        taken = {connections: _under_load(servers, connections, seconds) for connections in _CONNECTIONS}
        streamed, whole = _firsts(servers, stream=True), _firsts(servers, stream=False)
        kept = {one.name: asyncio.run(memory(one.port, one.process.pid, _STREAMS, one.headers)) for one in servers if one.name in _OURS}
    rows = [_row(connections, name, all) for connections, all in taken.items() for name in all]
    tables = [
        Table("whole answers with one call each", _COLUMNS, rows),
        Table(
            "time to the first byte, one after the other, in ms", _FIRST_COLUMNS, [_first_row(name, streamed, whole) for name in streamed]
        ),
        Table(f"memory with {_STREAMS} open streams", ("server", "MiB", "KiB for each stream"), [(name, *kept[name]) for name in kept]),
    ]
    notes = [
        f"load before measuring: {busy:.1f} processes on {os.cpu_count()} processors; the load of the benchmark itself comes on top",
        f"one row made durable with SQLite in the folder of the stores, p50: {number(disk)} ms; all answers with calls wait for that",
    ]
    return Report("gateway", "python -m tests.benchmarks.gateway", _about(), tables, [*_aims(taken), *_first_aims(streamed, whole)], notes)


def _disk(folder: Path) -> float:
    """How long one durable write takes, in ms."""
    took = []
    with closing(sqlite3.connect(folder / "disk.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, data BLOB)")
        for row in range(_WRITES):
            began = time.perf_counter()
            db.execute("INSERT INTO rows VALUES (?, ?)", (row, bytes(2000)))
            took.append((time.perf_counter() - began) * 1000)
    return quantile(took, 0.5)


_OURS = (PASSING, OWN_PASSING, OPEN_GATE, GATE)
_COLUMNS = ("server", "connections", "answers/s", "p50 ms", "p99 ms", "added p50 ms", "processor µs each", "of LiteLLM's rate", "failed")
_FIRST_COLUMNS = ("server", "text of a stream, p50", "p99", "added p50", "whole answer, p50", "p99", "added p50")


def _about() -> str:
    from tests.benchmarks import gateway

    return str(gateway.__doc__).strip()


def _under_load(servers: Sequence[Server], connections: int, seconds: float) -> dict[str, Taken]:
    """In turns, so that what else the machine does meets all of them."""
    found = {one.name: Taken() for one in servers}
    for _ in range(_TURNS):
        for one in servers:
            before = one.cpu_seconds
            found[one.name].loads.append(asyncio.run(load(one.port, connections, seconds / _TURNS, one.headers)))
            found[one.name].cpu_seconds += one.cpu_seconds - before
    return found


def _row(connections: int, name: str, all: Mapping[str, Taken]) -> tuple[Cell, ...]:
    own, direct, rival = all[name], all[STUB], all.get(RIVAL)
    return (
        _DIRECTLY if name == STUB else name,
        connections,
        round(own.rate),
        own.quantile(0.5),
        own.quantile(0.99),
        None if name == STUB else own.quantile(0.5) - direct.quantile(0.5),
        own.cost,
        None if rival is None else f"{own.rate / rival.rate:.1f} ×",
        own.bad,
    )


def _firsts(servers: Sequence[Server], *, stream: bool) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {one.name: [] for one in servers}
    for _ in range(_TURNS):
        for one in servers:
            times = _FIRSTS // 5 if one.name == RIVAL else _FIRSTS
            found[one.name] += asyncio.run(first_bytes(one.port, times, one.headers, stream=stream))
    return found


def _first_row(name: str, streamed: Mapping[str, list[float]], whole: Mapping[str, list[float]]) -> tuple[Cell, ...]:
    cells: list[Cell] = [_DIRECTLY if name == STUB else name]
    for kind in (streamed, whole):
        p50 = quantile(kind[name], 0.5)
        cells += [p50, quantile(kind[name], 0.99), None if name == STUB else p50 - quantile(kind[STUB], 0.5)]
    return tuple(cells)


def _aims(taken: Mapping[int, Mapping[str, Taken]]) -> list[Aim]:
    one, many = taken[1], taken[16]
    added = one[GATE].quantile(0.5) - one[STUB].quantile(0.5)
    rate = 1e6 / many[GATE].cost
    aims = [
        Aim("time added to a whole answer, p50, one connection", added, most=0.5, unit="ms", missed=_ADDED),
        Aim("answers in a second of processor time, 16 connections", rate, least=6000, unit="answers/s", missed=_RATE),
    ]
    if RIVAL in many:
        aims.append(
            Aim("answers per second beside LiteLLM's, 16 connections", many[GATE].rate / many[RIVAL].rate, least=100, missed=_BESIDE)
        )
    return aims


def _first_aims(streamed: Mapping[str, list[float]], whole: Mapping[str, list[float]]) -> list[Aim]:
    half = {name: quantile(times, 0.5) for name, times in streamed.items()}
    entire = {name: quantile(times, 0.5) for name, times in whole.items()}
    return [
        Aim("first text of a stream with the policy, beside no rules", half[GATE] / half[OPEN_GATE], most=1.5),
        Aim("first byte of a whole answer with the policy, beside no rules", entire[GATE] / entire[OPEN_GATE], most=1.5),
        Aim("first text of a stream after the upstream's own", half[GATE] - half[STUB], most=1.0, unit="ms"),
    ]


_ADDED = (
    "Passing on alone (the line of agentgate's own HTTP) and the durable write that each answer waits for (below) take two thirds of it. "
    "The rest is reading, judging and sealing, which takes half the time where answers come in a row: here nothing of the code is in "
    "the processor's caches when it comes"
)
_RATE = (
    "Of an answer's 150 µs HTTP on both sides takes 38 (the line of the pass-through on agentgate's own HTTP), SQLite and the disk 31, "
    "judging with its events, limits and the kill switch 21, reading both bodies 14, the record and its hash 11, the decision itself 2; "
    "the rest are tasks, and what waiting takes from the processor's caches"
)
_BESIDE = "A hundred times LiteLLM's rate would leave an answer about 120 µs. " + _RATE
