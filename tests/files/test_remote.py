"""Transcripts at URLs are found and read as those in folders are."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agentgate.errors import FileError, OutsideError, UsageError
from agentgate.files.remote import is_url
from agentgate.files.transcript import Damage, Transcript
from agentgate.files.transcript_reader import find_transcripts, read_sources

RUN = json.dumps({"messages": [{"role": "user", "content": "hello"}]}).encode() + b"\n"


@pytest.fixture
def memory() -> Any:
    """Files at `memory://`, by name."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install -e '.[ray]'")
    files = fsspec.filesystem("memory")
    files.pipe({"/b/2.jsonl": RUN * 2, "/b/1.jsonl.gz": gzip.compress(RUN * 3), "/b/deep/3.jsonl": RUN, "/b/notes.txt": b"notes"})
    yield files
    files.rm("/", recursive=True)


def read(*paths: str) -> dict[str, int]:
    """File → how many transcripts it holds."""
    counts: dict[str, int] = {}
    for found in read_sources(find_transcripts(paths)):
        assert isinstance(found, Transcript), found
        counts[found.file] = counts.get(found.file, 0) + 1
    return counts


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("memory://b/2.jsonl", {"memory://b/2.jsonl": 2}),
        ("memory://b", {"memory:///b/1.jsonl.gz": 3, "memory:///b/2.jsonl": 2, "memory:///b/deep/3.jsonl": 1}),
        ("memory://b/", {"memory:///b/1.jsonl.gz": 3, "memory:///b/2.jsonl": 2, "memory:///b/deep/3.jsonl": 1}),
        ("memory://b/*.jsonl", {"memory:///b/2.jsonl": 2}),
        ("memory://b/**/3.jsonl", {"memory:///b/deep/3.jsonl": 1}),
    ],
    ids=["a file", "a folder", "a folder with a slash", "a glob", "a glob through folders"],
)
def test_files_folders_and_globs(path: str, wanted: dict[str, int], memory: Any) -> None:
    """In the order of their names, unpacked where they are packed; what is no transcript by its name is left out of a folder."""
    assert read(path) == wanted
    assert list(read(path)) == list(wanted)


def test_sizes_are_known_without_asking_again(memory: Any) -> None:
    """For the progress bar, and for cutting."""
    assert [source.measured() for source in find_transcripts(["memory://b/*.jsonl"])] == [2 * len(RUN)]


@pytest.mark.parametrize("path", ["memory://b/nothing.jsonl", "memory://b/*.json", "file:///nowhere/at/all.jsonl"])
def test_what_is_not_there_is_an_error(path: str, memory: Any) -> None:
    """As for paths."""
    with pytest.raises(FileError, match="no transcript at"):
        find_transcripts([path])


@pytest.mark.parametrize("path", ["s4://bucket/runs.jsonl", "nonsense+more://x"])
def test_unknown_kinds_of_urls_are_wrong_usage(path: str) -> None:
    """The message names the URL."""
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match=r"cannot be read: protocol not known"):
        find_transcripts([path])


def test_a_server_that_is_not_there_failed(memory: Any) -> None:
    """It is not said that the file is missing."""
    pytest.importorskip("aiohttp")
    with pytest.raises(OutsideError, match="cannot be looked at"):
        find_transcripts(["http://127.0.0.1:1/runs.jsonl"])


def test_without_fsspec_the_way_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    for name in ("fsspec", "fsspec.core"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="needs fsspec") as raised:
        find_transcripts(["s3://bucket/runs.jsonl"])
    assert raised.value.help == "pip install -e '.[ray]'"


def test_a_file_that_fails_half_way_is_damaged(memory: Any) -> None:
    """Whatever the library raises; what is there before is judged."""
    [source] = find_transcripts(["memory://b/2.jsonl"])
    memory.rm("/b/2.jsonl")
    assert [str(found) for found in read_sources([source])] == ["memory://b/2.jsonl:1: cannot be read: /b/2.jsonl"]


def test_a_transcript_cannot_make_us_fetch_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file with its tools is a path beside it."""
    monkeypatch.chdir(tmp_path)
    Path("run.jsonl").write_text(json.dumps({"messages": [], "tools": "https://127.0.0.1:1/tools.json"}) + "\n")
    [found] = read_sources(find_transcripts(["run.jsonl"]))
    assert isinstance(found, Damage)
    assert "`tools` is a URL" in found.why


@pytest.mark.parametrize("path", ["s3://a/b", "HTTPS://a", "simplecache::s3://a", "memory:///a"])
def test_urls(path: str) -> None:
    """Are told by their beginning."""
    assert is_url(path)


@pytest.mark.parametrize("path", ["a/b.jsonl", "/a://b", "C:/a", "-", "", "1://a", "a:b//c"])
def test_paths(path: str) -> None:
    """Are everything else."""
    assert not is_url(path)
