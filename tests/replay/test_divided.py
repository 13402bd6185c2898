"""A replay by several processes comes to what one process comes to: totals, flips and their order, damage, rows."""

from __future__ import annotations

import gzip
import json
from collections import deque
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from agentgate.core.policy import Policy
from agentgate.divided import Counted, Task, add, in_order, judge_divided, judge_part
from agentgate.files.transcript import Damage
from agentgate.files.transcript_lines import Source
from agentgate.files.transcript_parts import parts_of
from agentgate.files.transcript_reader import find_transcripts, read_sources
from agentgate.output.replay_table import ReplayTable
from agentgate.replay import Tally
from tests.core.building import limit, policy, rule

from .writing import ENDED, decided, native, returned, started

NEW = policy(rule("allow", "read", when={"n": {"max": 60}}, id="reads"), rule("block", "send*", id="mail"), limit("tool_calls", 3))
UNCOUNTED = replace(NEW, limits=())
"""Judges transcripts of calls alone at once."""
OLD = policy(rule("allow", "read", id="all-reads"), rule("ask", "send*", id="ask-mail"), rule("allow", "send_1*", id="some-mail"))


def line(random: Random, number: int) -> bytes:
    """A transcript as others write it, or something that is none."""
    if random.random() < 0.05:
        return random.choice((b"{broken\n", b"\n", b'{"messages":[],"messages":[]}\n', b'{"messages": [{"role": "boss"}]}\n', b"[1]\n"))
    calls = [
        {
            "id": f"c{place}",
            "type": "function",
            "function": {
                "name": random.choice(("read", f"send_{random.randint(0, 40)}")),
                "arguments": json.dumps({"n": random.randint(0, 90)}),
            },
        }
        for place in range(random.randint(0, 5))
    ]
    value: dict[str, Any] = {
        "messages": [{"role": "user", "content": "x" * random.randint(0, 300)}, {"role": "assistant", "tool_calls": calls}]
    }
    if random.random() < 0.5:
        value = {"id": f"run-{number}", **value}
    return json.dumps(value, separators=random.choice(((",", ":"), None))).encode() + b"\n"


def files(folder: Path, random: Random) -> None:
    """Files of several kinds: many lines, few lines, runs of agentgate, compressed ones, and one without a line feed at its end."""
    many = b"".join(line(random, number) for number in range(300))
    (folder / "a-many.jsonl").write_bytes(b"\xef\xbb\xbf" + many)
    for number in range(5):
        events = (started(run_id=f"native-{number}"), decided("1", "read", '{"n": 80}'), returned("1"), decided("2", "send_1"), ENDED)
        (folder / f"b-native-{number}.jsonl").write_bytes(native(*events))
    (folder / "c-packed.jsonl.gz").write_bytes(gzip.compress(many[:4_000]))
    (folder / "d-torn.jsonl").write_bytes(many[:-30])
    (folder / "e-broken.jsonl").write_bytes(b"{not JSON\n" + many)


def shown(tally: Tally, task: Task) -> list[str]:
    """The whole screen of a result."""
    return list(ReplayTable(tally, task.replay(), files=["new.yaml"]).lines(0.0))


def by_one(task: Task, folder: Path) -> tuple[Tally, str]:
    """What one process makes of it, row by row."""
    tally, rows, replay = Tally(), "", task.replay()
    for found in read_sources(find_transcripts([folder])):
        if isinstance(found, Damage):
            tally.damaged.append(found)
        else:
            rows += "".join(call.as_line() for call in tally.run(replay.judge(found)))
    return tally, rows


def by_parts(counted: list[Counted]) -> tuple[Tally, str]:
    """What the parts come to."""
    tally = Tally()
    for part in counted:
        add(tally, part)
    return tally, "".join(str(chunk) for part in counted for chunk in part.rows)


def judged_apart(task: Task, sources: list[Source], size: int) -> list[Counted]:
    """Every part of the sources, judged as by a process of its own."""
    return list(in_order(parts_of(sources, size=size), lambda part: judge_part(task, task.replay(), part, {}), 1, deque()))


@pytest.mark.parametrize("size", [200, 1_000, 7_919, 10**7])
@pytest.mark.parametrize("against", [None, OLD], ids=["recorded", "another policy"])
@pytest.mark.parametrize("judged", [NEW, UNCOUNTED], ids=["with a limit", "without limits"])
def test_parts_come_to_the_whole(size: int, against: Any, judged: Policy, tmp_path: Path) -> None:
    """Wherever files are cut, the result is that of one process, to the last row and the last word on the screen."""
    files(tmp_path, Random(size))
    task = Task(judged, against)
    tally, rows = by_one(task, tmp_path)
    sources = find_transcripts([tmp_path])
    assert tally.flips
    assert tally.damaged
    for wants in (False, True):
        asked = replace(task, rows=wants)
        found, written = by_parts(judged_apart(asked, sources, size))
        assert found.result(0) == tally.result(0)
        assert list(found.groups) == list(tally.groups)
        assert shown(found, task) == shown(tally, task)
        assert written == (rows if wants else "")


def test_processes_come_to_the_whole(tmp_path: Path) -> None:
    """The same with real processes, which finish in any order."""
    files(tmp_path, Random(5))
    task = Task(NEW, OLD, rows=True)
    tally, rows = by_one(task, tmp_path)
    found, written = by_parts(list(judge_divided(task, find_transcripts([tmp_path]), 2, size=5_000)))
    assert found.result(0) == tally.result(0)
    assert shown(found, task) == shown(tally, task)
    assert written == rows


def test_parts_cover_every_byte_once(tmp_path: Path) -> None:
    """A cut file is cut between lines, and nothing of it is left out."""
    files(tmp_path, Random(6))
    path = tmp_path / "a-many.jsonl"
    pieces = [piece for part in parts_of(find_transcripts([path]), size=999) for piece in part]
    data = path.read_bytes()
    assert len(pieces) > 10
    assert b"".join(data[piece.start : piece.start + piece.size] for piece in pieces) == data
    for piece in pieces:
        assert data[piece.start + piece.size - 1 : piece.start + piece.size] == b"\n"
