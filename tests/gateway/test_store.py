"""The store: what it keeps can be replayed, and a change in it is found."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from agentgate.clock import steady_clock
from agentgate.core.policy import Policy
from agentgate.errors import FileError
from agentgate.files.transcript import Damage, Transcript
from agentgate.files.transcript_reader import read_file
from agentgate.gateway.sql_books import SqlBooks
from agentgate.gateway.store import GroupStore, SqliteStore
from agentgate.replay import Judged, Replay
from tests.core.building import limit, policy, rule
from tests.gateway.serving import Served
from tests.scripted_server import ScriptedServer, call, chat

ON = policy(
    rule("allow", ["read", "send"]), rule("block", "send", id="no-leak", after=("read",)), limit("tool_calls", 3), limit("repeats", 9)
)
RESULT = {"role": "tool", "tool_call_id": "c0", "content": "secret"}
STORY = [
    chat(calls=[call("read", id="c0")]),
    chat(calls=[call("read", id="c1"), call("delete", id="c2")]),
    chat(calls=[call("send", id="c1")]),
    chat(calls=[call("read", id="c1")]),
]


def kept(folder: Path) -> Path:
    """A store with a session of four answers, two of them withheld, and a request without a session."""
    with ScriptedServer(*STORY, chat(calls=[call("read")])) as upstream, Served(folder, upstream, ON) as gateway:
        statuses = [gateway.ask(session="a", messages=[{"role": "user", "content": "x"}, *more]).status for more in ([], [RESULT], [], [])]
        assert statuses == [200, 409, 409, 200]
        assert gateway.ask().status == 200
    return folder / "gateway.db"


def replayed(store: Path, on: Policy) -> dict[str, list[Judged]]:
    judged: dict[str, list[Judged]] = {}
    for found in read_file(str(store)):
        assert isinstance(found, Transcript), found
        judged[found.id] = list(Replay(on).judge(found))
    return judged


def test_a_store_replays_to_the_same_decisions(tmp_path: Path) -> None:
    """Every call of every run is decided as it was, also those beside and after withheld answers."""
    judged = replayed(kept(tmp_path), ON)
    assert [(call.call_id, call.effect.value) for call in judged.pop("a")] == [
        ("c0", "allow"),
        ("c1", "allow"),
        ("c2", "block"),
        ("c1", "block"),
        ("c1", "allow"),
    ]
    ((run, (single,)),) = judged.items()
    assert run.startswith("run_")
    assert not single.flipped


def test_another_policy_flips(tmp_path: Path) -> None:
    """A replay shows what it would change."""
    judged = replayed(kept(tmp_path), policy(rule("allow", ["read", "send", "delete"])))
    assert [call.flipped for call in judged["a"]] == [False, False, True, True, False]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answers SET line = CAST(replace(CAST(line AS TEXT), 'delete', 'delite') AS BLOB) WHERE seq = 2",
        "DELETE FROM answers WHERE seq = 2",
        "UPDATE answers SET seq = 9 WHERE seq = 2",
        "UPDATE answers SET line = 'x' WHERE seq = 2",
    ],
    ids=["edited", "removed", "moved", "garbage"],
)
def test_a_change_is_found(tmp_path: Path, change: str) -> None:
    """And named as damage."""
    store = kept(tmp_path)
    with sqlite3.connect(store) as db:
        db.execute(change)
    db.close()
    assert any(isinstance(found, Damage) for found in read_file(str(store)))


def test_a_store_is_its_owner_s_alone(tmp_path: Path) -> None:
    """Mode 0600, never through a link, and never another kind of file."""
    store = kept(tmp_path)
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    link, text = tmp_path / "link.db", tmp_path / "text.db"
    link.symlink_to(store)
    text.write_text("this is no database at all, but long enough to look at" * 20)
    fifo = tmp_path / "fifo.db"
    os.mkfifo(fifo)
    for path in (link, text, fifo, tmp_path):
        with pytest.raises(FileError):
            SqliteStore(path, steady_clock())


class Disk(SqlBooks):
    """Books whose writes take as long as is said, and which note in which thread they wait."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.now = 0.0
        self.threads: list[int] = []

    def begin(self, patience: float = 0.0) -> bool:
        return True

    def write(self) -> None:
        pass

    def end(self) -> None:
        self.now += self.seconds
        self.threads.append(threading.get_ident())

    def close(self) -> None:
        pass


def test_a_slow_disk_is_left_to_a_thread() -> None:
    """A quick one is waited for in the loop; after some slow writes the loop goes on meanwhile, and now and then looks again."""
    disk, loop = Disk(), threading.get_ident()

    async def write(times: int) -> list[bool]:
        store = GroupStore(disk, threaded=False, now=lambda: disk.now)
        disk.threads.clear()
        for _ in range(times):
            await store.commit(lambda books: None)
        await store.close()
        return [thread == loop for thread in disk.threads]

    assert all(asyncio.run(write(10)))
    disk.seconds = 0.01
    waited = asyncio.run(write(100))
    assert waited[:3] == [True] * 3
    assert sum(waited) == 4


def test_a_disk_that_was_slow_once_is_still_quick() -> None:
    """One slow write among quick ones, for instance while others use the disk too, changes nothing."""
    disk, loop = Disk(), threading.get_ident()

    async def write() -> None:
        store = GroupStore(disk, threaded=False, now=lambda: disk.now)
        for number in range(20):
            disk.seconds = 0.01 if number % 5 == 0 else 0.0
            await store.commit(lambda books: None)
        await store.close()

    asyncio.run(write())
    assert set(disk.threads) == {loop}


class Written(Disk):
    """Notes how many jobs each transaction had."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = 0
        self.sizes: list[int] = []

    def end(self) -> None:
        super().end()
        self.sizes.append(self.jobs)
        self.jobs = 0

    def note(self) -> None:
        self.jobs += 1


def sizes(*bursts: list[int]) -> list[int]:
    """How many jobs each transaction has, where jobs come in after so many turns of the loop, and one burst of them after the other."""
    disk = Written()

    async def late(store: GroupStore, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await store.commit(lambda books: disk.note())

    async def run() -> None:
        store = GroupStore(disk, threaded=False, now=lambda: disk.now)
        for burst in bursts:
            await asyncio.gather(*(late(store, turns) for turns in burst))
        await store.close()

    asyncio.run(run())
    return disk.sizes


@pytest.mark.parametrize(
    ("bursts", "written"),
    [
        pytest.param([[0]], [1], id="alone"),
        pytest.param([[0, 3, 6]], [1, 1, 1], id="each-alone"),
        pytest.param([[0, 0]], [2], id="two"),
        pytest.param([[0, 0, 1, 2]], [4], id="as-long-as-more-come"),
        pytest.param([[0, 0, 0], [0, 4, 9]], [3, 3], id="as-many-as-before-are-waited-for"),
        pytest.param([[0, 0, 0], [0, 4, 20]], [3, 2, 1], id="not-for-ever"),
        pytest.param([[0] * 8, [0], [0, 3, 6, 9]], [8, 1, 4], id="one-that-came-alone-changes-little"),
        pytest.param([[0] * 4, [0], [0], [0, 3, 6]], [4, 1, 1, 1, 1, 1], id="several-do"),
        pytest.param([[0, *range(40)]], [34, 7], id="at-last-in-any-case"),
    ],
)
def test_what_comes_close_together_is_written_together(bursts: list[list[int]], written: list[int]) -> None:
    """A job that comes alone is done at once; where several come in a turn of the loop, or did before, the next ones are waited for."""
    assert sizes(*bursts) == written
