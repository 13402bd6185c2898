"""Writing on in a transcript: only what is whole, only one's own, only by one; and the chain goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentgate.core.events import Mode, RunEnded, RunResumed, RunStarted
from agentgate.errors import FileError, RecordError
from agentgate.files.transcript_continued import continue_transcript
from agentgate.files.transcript_verify import verify
from agentgate.files.transcript_writer import TranscriptWriter
from tests.core.building import START

STARTED = RunStarted(at=START, run_id="r", mode=Mode.ENFORCE)
ENDED = RunEnded(at=START, status="waiting", reason="1 call to be approved")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run that waits."""
    with TranscriptWriter(tmp_path / "run.jsonl") as writer:
        writer(STARTED)
        writer(ENDED)
    return tmp_path / "run.jsonl"


def go_on(path: Path) -> None:
    continued = continue_transcript(path)
    with continued.writer:
        continued.writer(RunResumed(at=START))
        continued.writer(RunEnded(at=START, status="done"))


def test_the_chain_goes_on(path: Path) -> None:
    """What was there stays to the byte, what comes is chained to it, and the audit finds nothing."""
    before = path.read_bytes()
    go_on(path)
    assert path.read_bytes().startswith(before)
    verification = verify(path)
    assert (verification.problems, verification.events, verification.status) == ((), 4, "done")


def test_opening_alone_changes_nothing(path: Path) -> None:
    """Not even a torn line."""
    with path.open("ab") as file:
        file.write(b'{"type":"run_res')
    before = path.read_bytes()
    continued = continue_transcript(path)
    continued.writer.close()
    assert path.read_bytes() == before
    assert continued.torn == 16


@pytest.mark.parametrize("torn", [b"{", b'{"type":"run_resumed","seq":3', b"\xff\xfe", b"x" * 5000])
def test_a_torn_line_is_cut_off(path: Path, torn: bytes) -> None:
    """The next event takes its place."""
    before = path.read_bytes()
    path.write_bytes(before + torn)
    go_on(path)
    assert path.read_bytes().startswith(before + b'{"type":"run_resumed","seq":3,')
    assert verify(path).problems == ()


def test_an_event_without_its_line_feed_never_counted(path: Path) -> None:
    """Whoever wrote it was killed before anything came of it."""
    path.write_bytes(path.read_bytes()[:-1])
    continued = continue_transcript(path)
    with continued.writer:
        assert [type(item) for item in continued.items] == [RunStarted]
        continued.writer(ENDED)
    assert verify(path).problems == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"run_id":"r"', b'"run_id":"x"'),
        (b'"seq":2', b'"seq":3'),
        (b"}\n{", b"}\n\n{"),
        (b'{"type":"run_started"', b'x{"type":"run_started"'),
    ],
    ids=["edited", "renumbered", "empty line", "no event"],
)
def test_a_damaged_one_is_refused(path: Path, old: bytes, new: bytes) -> None:
    """And not touched."""
    damaged = path.read_bytes().replace(old, new, 1)
    path.write_bytes(damaged)
    with pytest.raises(FileError, match="damaged"):
        continue_transcript(path)
    assert path.read_bytes() == damaged


def test_events_that_contradict_each_other_are_refused(path: Path) -> None:
    """A chain can be right and tell what cannot have happened: an end after an end."""
    with TranscriptWriter(path.with_name("other.jsonl")) as writer:
        writer(STARTED)
        writer(ENDED)
        writer(ENDED)
    with pytest.raises(FileError, match="stands after the end of the run"):
        continue_transcript(path.with_name("other.jsonl"))


def test_a_line_that_was_removed_is_noticed(path: Path) -> None:
    """The first one, for instance."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(FileError, match="damaged"):
        continue_transcript(path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"type":"run_started"'])
def test_a_run_that_never_began(path: Path, content: bytes) -> None:
    """There is nothing to go on with."""
    path.write_bytes(content)
    with pytest.raises(FileError):
        continue_transcript(path)


def test_only_one_writes(path: Path) -> None:
    """The second is refused, and leaves the first alone."""
    continued = continue_transcript(path)
    with continued.writer:
        with pytest.raises(RecordError, match="another run is writing"):
            continue_transcript(path)
        continued.writer(RunResumed(at=START))
    continue_transcript(path).writer.close()


def test_a_running_run_is_left_alone(tmp_path: Path) -> None:
    """Its writer holds it."""
    with TranscriptWriter(tmp_path / "run.jsonl") as writer:
        writer(STARTED)
        with pytest.raises(RecordError, match="another run is writing"):
            continue_transcript(tmp_path / "run.jsonl")


def test_what_is_no_transcript_of_ones_own(path: Path, tmp_path: Path) -> None:
    """Links, folders, second names, and what is not there."""
    (tmp_path / "link").symlink_to(path)
    os.link(path, tmp_path / "second")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "second", "run.jsonl", "pipe", "missing", "."):
        with pytest.raises(FileError):
            continue_transcript(tmp_path / name)
