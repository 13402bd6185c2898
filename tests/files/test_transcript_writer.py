"""Nothing happens that is not on disk: the writer, and everything that a disk can do to it."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from agentgate.core.events import CallDecided, Code, Effect, Event, RunStarted, ToolReturned
from agentgate.errors import AgentgateError, FileError, RecordError
from agentgate.files.transcript_chain import ZEROS, decode_event, parse_line, seal
from agentgate.files.transcript_verify import UNENDED, verify
from agentgate.files.transcript_writer import Disk, TranscriptWriter, new_run_id

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "transcripts" / "run.jsonl"
EVENTS: list[Event] = [decode_event(parse_line(line)) for line in GOLDEN.read_bytes().splitlines()]


def chained(events: list[Event]) -> list[bytes]:
    """The lines that a writer must write for these events."""
    lines, prev = [], ZEROS
    for seq, event in enumerate(events, 1):
        sealed = seal(event, seq, prev)
        lines.append(sealed.line)
        prev = sealed.hash
    return lines


LINES = chained(EVENTS)
WHOLE = b"".join(LINES)
AT = datetime(2026, 3, 1, tzinfo=UTC)
ALL = 1 << 30
LONGEST = 200
"""More operations than writing the run takes."""

root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


class FailingDisk(Disk):
    """Fails one operation, once or from then on; or writes few bytes at a time."""

    def __init__(
        self, operation: str = "", turn: int = -1, *, number: int = errno.ENOSPC, lasting: bool = False, most: int = 1 << 30
    ) -> None:
        self.operation, self.turn, self.number, self.lasting, self.most = operation, turn, number, lasting, most
        self.counts: dict[str, int] = {}

    def _count(self, operation: str) -> None:
        count = self.counts[operation] = self.counts.get(operation, -1) + 1
        if operation == self.operation and (count == self.turn or (self.lasting and count > self.turn)):
            self.fail(operation)

    def fail(self, operation: str) -> None:
        raise OSError(self.number, os.strerror(self.number))

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        self._count("open")
        return super().open(path, flags, mode)

    def make_folder(self, path: str) -> None:
        self._count("make_folder")
        super().make_folder(path)

    def write(self, descriptor: int, data: bytes) -> int:
        self._count("write")
        return super().write(descriptor, data[: self.most])

    def fsync(self, descriptor: int) -> None:
        self._count("fsync")
        super().fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        self._count("truncate")
        super().truncate(descriptor, size)


class InterruptedDisk(FailingDisk):
    """Ctrl-C in the midst of an operation, after it did its work."""

    def write(self, descriptor: int, data: bytes) -> int:
        count = Disk.write(self, descriptor, data[: self.most])
        self._count("write")
        return count

    def fsync(self, descriptor: int) -> None:
        Disk.fsync(self, descriptor)
        self._count("fsync")

    def fail(self, operation: str) -> None:
        raise KeyboardInterrupt


def acknowledged(path: Path, disk: Disk, events: list[Event] = EVENTS) -> int:
    """Records events until one fails, and makes sure that nothing is taken after that; how many were taken."""
    with TranscriptWriter(path, disk=disk) as writer:
        for count, event in enumerate(events):
            try:
                writer(event)
            except RecordError:
                for later in (event, EVENTS[0]):
                    with pytest.raises(RecordError, match=r"^cannot write the transcript"):
                        writer(later)
                return count
    return len(events)


def test_a_run_is_written_line_by_line(tmp_path: Path) -> None:
    """What is in the file are the events, chained, and nothing else."""
    with TranscriptWriter(tmp_path / "run.jsonl") as writer:
        for event in EVENTS:
            writer(event)
    assert (tmp_path / "run.jsonl").read_bytes() == WHOLE


def test_every_event_is_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    """A line is written and flushed for each event, before anything else can happen."""
    disk = FailingDisk()
    with TranscriptWriter(tmp_path / "run.jsonl", disk=disk) as writer:
        before = disk.counts["fsync"]
        for count, event in enumerate(EVENTS, 1):
            writer(event)
            assert (tmp_path / "run.jsonl").read_bytes().count(b"\n") == count
            assert disk.counts["fsync"] == before + count


def test_the_writer_knows_the_head_and_what_it_stored(tmp_path: Path) -> None:
    """The head hash is that of the last line, and the stored form has what the chain added."""
    with TranscriptWriter(tmp_path / "run.jsonl") as writer:
        writer(EVENTS[0])
        first = writer.stored(EVENTS[0])
        writer(EVENTS[1])
        assert writer.stored(EVENTS[0]) is None
    last = json.loads(LINES[1])
    assert first == json.loads(LINES[0])
    assert writer.head.hash == last["hash"]
    assert writer.head.events == last["seq"] == 2


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_nobody_else_can_read_it(tmp_path: Path, mask: int) -> None:
    """Whatever the umask, the file has mode 0600 and folders made for it at most 0700."""
    path = tmp_path / "a" / "b" / "run.jsonl"
    if mask == 0o777:
        path.parent.mkdir(parents=True)
    before = os.umask(mask)
    try:
        TranscriptWriter(path).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if mask != 0o777:
        assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_an_existing_transcript_is_never_touched(tmp_path: Path) -> None:
    """A file with something in it is refused and stays as it is."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"precious\n")
    with pytest.raises(FileError, match=r"^`.*run\.jsonl` exists already$") as caught:
        TranscriptWriter(path)
    assert caught.value.help == "a transcript holds one run: name another file, or move this one away"
    assert path.read_bytes() == b"precious\n"


def test_an_empty_file_of_ones_own_is_taken_over(tmp_path: Path) -> None:
    """What `mktemp` makes can be used, and gets the right mode."""
    path = tmp_path / "run.jsonl"
    path.touch(mode=0o644)
    assert acknowledged(path, Disk()) == len(EVENTS)
    assert path.read_bytes() == WHOLE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("target", ["elsewhere.jsonl", "nowhere.jsonl"])
def test_links_are_not_followed(tmp_path: Path, target: str) -> None:
    """A link in the place of the file is refused, whether it leads anywhere or not."""
    (tmp_path / "elsewhere.jsonl").touch()
    (tmp_path / "run.jsonl").symlink_to(tmp_path / target)
    with pytest.raises(FileError, match=r"is a link"):
        TranscriptWriter(tmp_path / "run.jsonl")
    assert (tmp_path / "elsewhere.jsonl").read_bytes() == b""
    assert not (tmp_path / "nowhere.jsonl").exists()


def test_a_second_name_is_refused(tmp_path: Path) -> None:
    """An empty file that has another name too could be somebody's trap."""
    (tmp_path / "other").touch()
    (tmp_path / "run.jsonl").hardlink_to(tmp_path / "other")
    with pytest.raises(FileError, match=r"has a second name$"):
        TranscriptWriter(tmp_path / "run.jsonl")


@pytest.mark.parametrize("kind", ["folder", "pipe", "pipe with a reader", "device"])
def test_only_regular_files(tmp_path: Path, kind: str) -> None:
    """Folders, named pipes and devices are refused, and without waiting for anybody."""
    path = tmp_path / "run.jsonl"
    reader = -1
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/null")
    else:
        os.mkfifo(path)
        if kind == "pipe with a reader":
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(FileError, match=r"is not a regular file$"):
            TranscriptWriter(path)
    finally:
        if reader >= 0:
            os.close(reader)


@root
def test_a_read_only_folder(tmp_path: Path) -> None:
    """A folder that may not be written to is a failure of the disk."""
    (tmp_path / "fixed").mkdir(mode=0o500)
    with pytest.raises(RecordError, match=r"^cannot write the transcript `.*`: permission denied$"):
        TranscriptWriter(tmp_path / "fixed" / "run.jsonl")


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    """A path through a file is one clear message."""
    (tmp_path / "runs").touch()
    with pytest.raises(RecordError, match=r"not a directory$") as caught:
        TranscriptWriter(tmp_path / "runs" / "run.jsonl")
    assert caught.value.exit_code == 3


def test_one_writer_per_file(tmp_path: Path) -> None:
    """While a run writes, nobody else may; after it, the file is not empty any more."""
    path = tmp_path / "run.jsonl"
    with TranscriptWriter(path) as writer:
        for event in EVENTS:
            with pytest.raises(RecordError, match=r"^another run is writing to"):
                TranscriptWriter(path)
            writer(event)
    with pytest.raises(FileError, match=r"exists already"):
        TranscriptWriter(path)
    assert path.read_bytes() == WHOLE


def test_nothing_is_written_after_closing(tmp_path: Path) -> None:
    """A closed transcript takes no more events, and closing twice is fine."""
    writer = TranscriptWriter(tmp_path / "run.jsonl")
    writer.close()
    writer.close()
    with pytest.raises(RecordError, match=r"is closed$"):
        writer(EVENTS[0])


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("most", [ALL, 100], ids=["whole writes", "short writes"])
@pytest.mark.parametrize("operation", ["write", "fsync"])
def test_whichever_write_or_fsync_fails(tmp_path: Path, operation: str, most: int, lasting: bool) -> None:
    """Every acknowledged event is in the file, in order and chained, and at most one more; and the run knows at once."""
    for turn in range(LONGEST):
        path = tmp_path / f"{turn}.jsonl"
        disk = FailingDisk(operation, turn, number=errno.EIO, lasting=lasting, most=most)
        try:
            count = acknowledged(path, disk)
        except RecordError:  # already when the file was made
            assert operation == "fsync"
            assert path.read_bytes() == b""
            continue
        if disk.counts[operation] < turn:
            assert count == len(EVENTS)
            break
        found = path.read_bytes()
        assert found in (b"".join(LINES[:count]), b"".join(LINES[: count + 1]))
        if operation == "write":
            assert found == b"".join(LINES[:count])
        if found:
            problems = [problem.what for problem in verify(path).problems]
            assert problems in ([], [UNENDED])
    else:
        pytest.fail("the run takes more operations than were tried")


@pytest.mark.parametrize("operation", ["open", "make_folder", "fsync"])
def test_whichever_step_of_the_creation_fails(tmp_path: Path, operation: str) -> None:
    """A file that cannot be made, or not durably, is a failure of the disk with one clear message."""
    for turn in range(10):
        path = tmp_path / str(turn) / "a" / "run.jsonl"
        disk = FailingDisk(operation, turn)
        try:
            TranscriptWriter(path, disk=disk).close()
        except RecordError as error:
            message = error.message
        else:
            assert disk.counts[operation] < turn
            return
        assert message == f"cannot write the transcript `{path}`: no space left on device"
        TranscriptWriter(path).close()
    pytest.fail("the creation takes more operations than were tried")


def test_a_file_system_without_folders_to_sync(tmp_path: Path) -> None:
    """EINVAL for a folder means that there is nothing to sync."""
    TranscriptWriter(tmp_path / "run.jsonl", disk=FailingDisk("fsync", 0, number=errno.EINVAL)).close()


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_short_writes_are_continued(tmp_path: Path, most: int) -> None:
    """A disk that takes a few bytes at a time gets them all."""
    assert acknowledged(tmp_path / "run.jsonl", FailingDisk(most=most)) == len(EVENTS)
    assert (tmp_path / "run.jsonl").read_bytes() == WHOLE


def test_half_a_line_that_cannot_be_cut_off(tmp_path: Path) -> None:
    """When even truncating fails, the torn line stays, and reading knows it."""

    class StuckDisk(FailingDisk):
        def truncate(self, descriptor: int, size: int) -> None:
            raise OSError(errno.EIO, "input/output error")

    path = tmp_path / "run.jsonl"
    count = acknowledged(path, StuckDisk("write", 10, most=300, lasting=True))
    whole = b"".join(LINES[:count])
    assert path.read_bytes().startswith(whole)
    assert len(path.read_bytes()) > len(whole)
    assert [problem.what for problem in verify(path).problems] == [
        "cut off: the writer was stopped in the midst of this line",
        UNENDED,
    ]


def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    """Zero bytes written is a failure, not an endless loop."""
    assert acknowledged(tmp_path / "run.jsonl", FailingDisk(most=0)) == 0


@pytest.mark.parametrize("operation", ["write", "fsync"])
def test_ctrl_c_in_the_midst_of_an_event(tmp_path: Path, operation: str) -> None:
    """The interrupted event does not count; recording it again, or another one, gives a sound transcript."""
    for turn in range(1, LONGEST):
        path = tmp_path / f"{turn}.jsonl"
        disk = InterruptedDisk(operation, turn, most=400)
        with TranscriptWriter(path, disk=disk) as writer:
            for event in EVENTS:
                try:
                    writer(event)
                except KeyboardInterrupt:
                    writer(event)
        assert path.read_bytes() == WHOLE
        if disk.counts[operation] < turn:
            return


CHILD = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    from agentgate.errors import RecordError
    from agentgate.files.transcript_chain import decode_event, parse_line
    from agentgate.files.transcript_writer import TranscriptWriter
    events = [decode_event(parse_line(line)) for line in Path(sys.argv[2]).read_bytes().splitlines()]
"""


def child(body: str, *arguments: Path | int) -> subprocess.Popen[bytes]:
    script = textwrap.dedent(CHILD) + textwrap.dedent(body)
    command = [sys.executable, "-c", script, str(ROOT), str(GOLDEN), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Children that are gone after the test, whatever happens."""
    children: list[subprocess.Popen[bytes]] = []
    yield children
    for process in children:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("when", [1, 4, 12, 40])
def test_kill_9_loses_nothing(tmp_path: Path, killed: list[subprocess.Popen[bytes]], when: int) -> None:
    """A writer that is killed at once, at any moment, leaves every event it had acknowledged, and at most a torn line after them."""
    body = """
        path = Path(sys.argv[3])
        with TranscriptWriter(path) as writer:
            writer(events[0])
            while True:
                for event in events[1:-1]:
                    print("recorded", flush=True)
                    writer(event)
    """
    process = child(body, tmp_path / "run.jsonl")
    killed.append(process)
    assert process.stdout is not None
    for _ in range(when):
        assert process.stdout.readline() == b"recorded\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen = when + process.stdout.read().count(b"\n")
    lines = (tmp_path / "run.jsonl").read_bytes().splitlines(keepends=True)
    whole = [parse_line(line) for line in lines if line.endswith(b"\n")]
    assert len(whole) >= seen
    assert [line["seq"] for line in whole] == list(range(1, len(whole) + 1))
    assert all(after["prev"] == before["hash"] for before, after in pairwise(whole))


def test_a_limit_on_the_file_size(tmp_path: Path, killed: list[subprocess.Popen[bytes]]) -> None:
    """The operating system's own short write, which comes without an error, is noticed."""
    body = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
        with TranscriptWriter(sys.argv[3]) as writer:
            for count, event in enumerate(events):
                try:
                    writer(event)
                except RecordError as error:
                    print(count, error)
                    break
    """
    path = tmp_path / "run.jsonl"
    process = child(body, path, len(b"".join(LINES[:4])) + 100)
    killed.append(process)
    out, _ = process.communicate()
    assert out.decode() == f"4 cannot write the transcript `{path}`: file too large\n"
    assert path.read_bytes() == b"".join(LINES[:4])


HOSTILE: list[object] = [
    None,
    5,
    -0.0,
    1e300,
    True,
    [],
    {"a": [None]},
    "",
    "\ud800",
    "a\udc00b",
    "\u2028\x00\x7f\x1b[2J",
    "x" * 100_000,
    10**400,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_whatever_a_model_says_can_be_recorded(tmp_path: Path, value: object) -> None:
    """Ids, names and arguments that are no strings, and strings that are no text, are written and read back."""
    event = CallDecided(at=AT, step=1, call_id=value, tool=value, arguments=value, effect=Effect.BLOCK, code=Code.MALFORMED_CALL)
    answer = ToolReturned(at=AT, call_id=value, executed=False, ok=False, content=value if isinstance(value, str) else "no")
    path = tmp_path / "run.jsonl"
    with TranscriptWriter(path) as writer:
        for each in (RunStarted(at=AT, run_id="r"), event, answer):
            writer(each)
    assert path.read_bytes().isascii()
    lines = path.read_bytes().splitlines(keepends=True)
    assert [decode_event(parse_line(line)) for line in lines[1:]] == [event, answer]
    assert [problem.what for problem in verify(path).problems] == [UNENDED]


def deep(levels: int) -> object:
    value: object = None
    for _ in range(levels):
        value = [value]
    return value


UNWRITABLE: list[tuple[str, Event, str]] = [
    ("NaN", ToolReturned(at=AT, call_id=float("nan"), executed=False, ok=False, content=""), "Out of range float values"),
    ("an object", ToolReturned(at=AT, call_id=object(), executed=False, ok=False, content=""), "object"),
    ("a naive time", ToolReturned(at=AT.replace(tzinfo=None), call_id="c", executed=False, ok=False, content=""), "`at` has no time zone"),
    ("too deep", ToolReturned(at=AT, call_id=deep(100_000), executed=False, ok=False, content=""), "recursion"),
    ("a wrong type", ToolReturned(at=AT, call_id="c", executed=1, ok=False, content=""), "expected bool, got int"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("event", "why"), [case[1:] for case in UNWRITABLE], ids=[case[0] for case in UNWRITABLE])
def test_what_could_not_be_read_back_is_not_written(tmp_path: Path, event: Event, why: str) -> None:
    """Such an event is refused before anything is written, and the transcript goes on."""
    with TranscriptWriter(tmp_path / "run.jsonl") as writer:
        writer(EVENTS[0])
        with pytest.raises(RecordError, match=r"^an event cannot be written: ") as caught:
            writer(event)
        assert why in caught.value.message
        for after in EVENTS[1:]:
            writer(after)
    assert (tmp_path / "run.jsonl").read_bytes() == WHOLE


def test_run_ids() -> None:
    """Eight letters and digits from forty random bits, different every time."""
    assert new_run_id(lambda count: b"\x00" * count) == "00000000"
    assert new_run_id(lambda count: b"\xff" * count) == "zzzzzzzz"
    assert len({new_run_id() for _ in range(100)}) == 100


def test_failures_are_for_users() -> None:
    """Everything that the writer raises is an AgentgateError: files that cannot be used exit with 2, disks with 3."""
    assert issubclass(RecordError, AgentgateError)
    assert (FileError.exit_code, RecordError.exit_code) == (2, 3)
