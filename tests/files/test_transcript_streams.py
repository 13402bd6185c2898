"""Compressed files and standard input are read as plain files are, and never held whole."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from backports import zstd

from agentgate.files.transcript import Damage, Transcript
from agentgate.files.transcript_chain import MAX_LINE
from agentgate.files.transcript_reader import Source, find_transcripts, read_file, read_sources
from agentgate.files.transcript_streams import Kept, unpack
from tests.files.imported import OTHERS, told

ROOT = Path(__file__).parents[2]
RUN = ROOT / "tests" / "data" / "transcripts" / "run.jsonl"
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "zst": zstd.compress}
packed = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
POLICY = "version: 1\nname: p\nrules:\n  - {id: shell, allow: [Bash, Read]}\n"


class Pipe(BytesIO):
    """A stream that cannot go back."""

    def seekable(self) -> bool:
        return False

    def seek(self, place: int, whence: int = 0) -> int:
        raise OSError("not seekable")


@packed
@pytest.mark.parametrize(
    "file", [RUN, OTHERS / "claude_code.jsonl", OTHERS / "inspect.json", OTHERS / "otlp.jsonl"], ids=lambda file: file.name
)
def test_compressed_files(tmp_path: Path, pack: Callable[[bytes], bytes], file: Path) -> None:
    """They are told by their first bytes, whatever their name, and hold the same; a document of many lines too."""
    path = tmp_path / "t"
    path.write_bytes(pack(file.read_bytes()))
    (tmp_path / "plain").write_bytes(file.read_bytes())
    unpacked = [str(one).replace(str(tmp_path / "t"), "t") for one in read_file(path)]
    assert unpacked == [str(one).replace(str(tmp_path / "plain"), "t") for one in read_file(tmp_path / "plain")]


@packed
def test_files_of_several_members(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Compressed files that were put one after the other are one file."""
    lines = (OTHERS / "anthropic.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "t").write_bytes(b"".join(pack(line) for line in lines[:3]))
    assert [one.line for one in read_file(tmp_path / "t")] == [1, 2, 3]


@packed
def test_a_damaged_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """What can be unpacked is read; where it ends is named."""
    line = json.dumps({"messages": [{"role": "user", "content": "hi"}], "id": "x"}).encode() + b"\n"
    data = pack(b"".join(line.replace(b"x", str(number).encode()) for number in range(20_000)))
    for broken in (data[:-20], data[: len(data) // 2] + b"\x00" * 40 + data[len(data) // 2 + 40 :]):
        (tmp_path / "t").write_bytes(broken)
        found = list(read_file(tmp_path / "t"))
        assert isinstance(found[-1], Damage)
        assert found[-1].why.startswith("cannot be unpacked any further: ")
        assert found[-1].line > 1
    (tmp_path / "t").write_bytes(data[:8])
    assert isinstance(next(read_file(tmp_path / "t")), Damage)


@packed
def test_progress_counts_what_lies_on_the_disk(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """The bar compares with the sizes of files, so that it is told about compressed bytes."""
    data = pack((OTHERS / "claude_code.jsonl").read_bytes())
    (tmp_path / "t").write_bytes(data)
    sizes: list[int] = []
    list(read_sources([Source(str(tmp_path / "t"))], sizes.append))
    assert sum(sizes) == len(data)


def test_folders(tmp_path: Path) -> None:
    """Compressed transcripts in a folder are found by their names."""
    for name in ("a.jsonl.gz", "b.json.zst", "c.gz", "d.jsonl"):
        (tmp_path / name).write_bytes(gzip.compress(b"{}"))
    assert [Path(source.file).name for source in find_transcripts([tmp_path])] == ["a.jsonl.gz", "b.json.zst", "d.jsonl"]


@pytest.mark.parametrize("file", sorted(OTHERS.iterdir()), ids=lambda file: file.name)
def test_a_stream_that_cannot_go_back(file: Path) -> None:
    """A document of many lines is read from a pipe too."""
    from agentgate.files.transcript_reader import read_stream

    stream, _ = unpack(Pipe(file.read_bytes()), owned=False)
    assert isinstance(stream, Kept)
    plain = read_file(file)
    assert [told(one)[1:] for one in read_stream(stream, Source("-"), {})] == [told(one)[1:] for one in plain]


def test_the_beginning_is_kept_only_as_long_as_it_could_be_a_document() -> None:
    """A long stream is not held."""
    stream = Kept(BytesIO(b"x" * (MAX_LINE // 2) + b"\n" + b"y" * MAX_LINE))
    stream.readline(MAX_LINE + 1)
    assert (stream.tell(), stream.seekable()) == (MAX_LINE // 2 + 1, True)
    stream.seek(0)
    assert len(stream.readline(10)) == 10
    assert len(stream.read(MAX_LINE)) == MAX_LINE
    assert not stream.seekable()
    with pytest.raises(OSError, match="not kept any more"):
        stream.seek(0)


def replay(*arguments: str, stdin: bytes = b"", memory: int | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, with at most so many bytes of memory."""

    def limit() -> None:
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    command = [sys.executable, "-m", "agentgate", "replay", *arguments]
    done = subprocess.run(command, input=stdin, cwd=ROOT, capture_output=True, check=False, preexec_fn=limit)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "p.yaml").write_text(POLICY)
    return str(tmp_path / "p.yaml")


@pytest.mark.parametrize("pack", [bytes, *PACKERS.values()], ids=["plain", *PACKERS])
def test_standard_input(policy: str, pack: Callable[[bytes], bytes]) -> None:
    """`-` is standard input, compressed or not; `--from` says what it is."""
    data = pack((OTHERS / "claude_code.jsonl").read_bytes())
    for more in ([], ["--from", "claude-code"]):
        code, out, err = replay("-", "--policy", policy, "--format", "json", *more, stdin=data)
        assert (code, err) == (0, "")
        result = json.loads(out)
        assert (result["transcripts"], result["effects"]) == (2, {"allow": 3, "ask": 0, "block": 2})


def test_saying_what_it_is_not(policy: str) -> None:
    """A form that is none is wrong usage; one that the file has not is damage."""
    code, _, err = replay("-", "--policy", policy, "--from", "telepathy")
    assert (code, err.splitlines()[0]) == (2, "error: `telepathy` is not a form of transcripts")
    code, _, err = replay("-", "--policy", policy, "--from", "codex", stdin=(OTHERS / "claude_code.jsonl").read_bytes())
    assert (code, err) == (1, "damaged: -:1: item 1 is of the unknown kind `summary`\n")


@packed
def test_bombs_are_not_held(tmp_path: Path, policy: str, pack: Callable[[bytes], bytes]) -> None:
    """A file that expands to a gigabyte without a line end is named, in less memory than it expands to."""
    member = pack(b" " * (32 * 1024 * 1024))
    (tmp_path / "bomb.jsonl").write_bytes(member * 32)
    code, _, err = replay(str(tmp_path / "bomb.jsonl"), "--policy", policy, memory=900 * 1024 * 1024)
    assert code in (1, 2), err
    assert "Traceback" not in err


def test_nothing_at_all(tmp_path: Path) -> None:
    """An empty file that was named is damage."""
    (tmp_path / "t").write_bytes(b"")
    (found,) = read_sources(find_transcripts([tmp_path / "t"]))
    assert not isinstance(found, Transcript)
