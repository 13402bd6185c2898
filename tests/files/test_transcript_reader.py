"""Reading gives everything that can be judged, and names everything that cannot."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.events import Effect, ModelReplied, RunEnded, RunStarted, ToolCall, ToolReturned
from agentgate.core.policy import Policy
from agentgate.errors import FileError
from agentgate.files.transcript import Damage, Proposed, Transcript, Unanswered
from agentgate.files.transcript_reader import Source, find_transcripts, read_file, read_sources, read_stream
from agentgate.session import Session

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "data" / "transcripts" / "run.jsonl"
LINES = GOLDEN.read_bytes().splitlines(keepends=True)
CHAT: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "t", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
}
TOOLS = [{"type": "function", "function": {"name": "t"}}]
CUT_OFF = "cut off: the writer was stopped in the midst of this line"


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def read(*paths: str | Path) -> tuple[list[Transcript], list[Damage]]:
    found = list(read_sources(find_transcripts(paths)))
    return [one for one in found if isinstance(one, Transcript)], [one for one in found if isinstance(one, Damage)]


def read_bytes(folder: Path, content: bytes | Sequence[bytes], name: str = "t.jsonl") -> tuple[list[Transcript], list[tuple[int, str]]]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else b"".join(content))
    transcripts, damages = read(path)
    assert all(damage.file == str(path) for damage in damages)
    return transcripts, [(damage.line, damage.why) for damage in damages]


def test_a_run_of_ours() -> None:
    """Every event comes back in order; a decision comes as the call that was proposed, beside what was decided then."""
    (run,), damages = read(GOLDEN)
    assert not damages
    assert (run.id, run.file, run.line, run.hashed, run.intact, run.complete) == ("k3v9", str(GOLDEN), 1, True, True, True)
    assert run.started is run.items[0]
    assert len(run.items) == len(LINES)
    calls = [item for item in run.items if isinstance(item, Proposed)]
    assert [(call.index, call.call.id, call.call.name) for call in calls] == [
        (0, "call_1", "customer_db"),
        (1, "call_2", "customer_db"),
        (2, "call_2", "email_service"),
    ]
    assert calls[1].call == ToolCall("call_2", "customer_db", '{"action":"update_tier","customer_id":101,"new_tier":"pro"}')
    assert calls[1].at == datetime(2026, 3, 1, 9, 0, 1, 750000, tzinfo=UTC)
    assert [call.recorded.effect for call in calls if call.recorded] == [Effect.ALLOW, Effect.ASK, Effect.BLOCK]


def test_cut_at_every_byte() -> None:
    """Wherever a run was cut off, in its beginning or its end, every whole event before is there, and a torn line is the only damage."""
    whole = b"".join(LINES)
    for size in [*range(1500), *range(len(whole) - 500, len(whole) + 1)]:
        found = list(read_stream(BytesIO(whole[:size]), Source("run.jsonl"), {}))
        transcripts = [one for one in found if isinstance(one, Transcript)]
        damages = [(one.line, one.why) for one in found if isinstance(one, Damage)]
        torn = whole[:size].rpartition(b"\n")[2]
        lines = whole[:size].count(b"\n") + (torn + b"\n" in LINES)
        if lines:
            (run,) = transcripts
            assert len(run.items) == lines
            assert run.complete == (lines == len(LINES))
            assert run.intact == (not damages)
        if torn and torn + b"\n" not in LINES:
            assert damages == [(lines + 1, CUT_OFF)]
        else:
            assert damages == ([] if size else [(1, "the file is empty")])


@pytest.mark.parametrize("place", range(1, 12))
@pytest.mark.parametrize("broken", [b"garbage\n", b"[]\n", b'{"type":"else","seq":1,"prev":"","hash":""}\n'])
def test_a_damaged_line_is_named_and_the_rest_is_read(tmp_path: Path, place: int, broken: bytes) -> None:
    """One line that cannot be believed is one damage; the events before and after it are there."""
    transcripts, damages = read_bytes(tmp_path, [*LINES[:place], broken, *LINES[place + 1 :]])
    assert damages[0][0] == place + 1
    (run,) = transcripts
    assert not run.intact
    assert len(run.items) == len(LINES) - 1


def test_an_edited_event_is_not_judged(tmp_path: Path) -> None:
    """The chain is verified first: a line whose hash is not its own is no fact."""
    edited = [LINES[0], LINES[1], LINES[2].replace(b"101", b"666"), *LINES[3:]]
    (run,), damages = read_bytes(tmp_path, edited)
    assert damages == [(3, "changed after it was written: its hash is not that of the event")]
    assert [item.call.arguments for item in run.items if isinstance(item, Proposed) and "666" in item.call.arguments] == []


def test_a_removed_or_repeated_line_is_named(tmp_path: Path) -> None:
    """A gap is said where it is seen; a repeated event counts once."""
    (run,), damages = read_bytes(tmp_path, [*LINES[:3], *LINES[4:]])
    assert damages == [(4, "does not follow the line before it: something was removed, inserted or moved here")]
    assert len(run.items) == len(LINES) - 1
    (run,), damages = read_bytes(tmp_path, [*LINES[:4], LINES[2], *LINES[4:]])
    assert damages == [(5, "out of order: it was inserted, repeated or moved here")]
    assert len(run.items) == len(LINES)


@pytest.mark.parametrize("first", [b"garbage\n", b"[]\n", b"", LINES[0].replace(b"operator", b"admin123")])
def test_without_its_beginning_a_run_is_not_judged(tmp_path: Path, first: bytes) -> None:
    """Nobody knows its tools, prompt and mode, so nothing is guessed."""
    transcripts, damages = read_bytes(tmp_path, [first, *LINES[1:]])
    assert not transcripts
    assert damages


def test_a_run_without_hashes(tmp_path: Path) -> None:
    """A recording that was written by hand is read, and says that nobody can verify it."""
    start = {"type": "run_started", "run_id": "hand"}
    reply = {"type": "model_replied", "step": 1, "message": {"role": "assistant", "content": "hi"}}
    (run,), damages = read_bytes(tmp_path, [line(start), b"\n", line(reply), line({"type": "run_ended", "status": "done"})])
    assert not damages
    assert (run.id, run.hashed, run.complete) == ("hand", False, True)
    assert [type(item) for item in run.items] == [RunStarted, ModelReplied, RunEnded]


def test_hashes_cannot_be_taken_off_in_part(tmp_path: Path) -> None:
    """Without the first line's hash, the lines that still have one do not belong to the run."""
    stripped = json.loads(LINES[0])
    del stripped["hash"], stripped["prev"]
    (run,), damages = read_bytes(tmp_path, [line(stripped), *LINES[1:]])
    assert not run.hashed
    assert damages == [(number, "not an event of this run: it has a `hash`") for number in range(2, 13)]


def test_message_lists_one_a_line(tmp_path: Path) -> None:
    """Every line is a transcript with its `id`, else FILE:LINE; bad lines are named, empty ones do not matter."""
    content = [line(CHAT | {"id": "a"}), b"\n", b'{"messages": \n', line(CHAT), line({"messages": 5}), line(CHAT["messages"]), LINES[0]]
    transcripts, damages = read_bytes(tmp_path, content)
    assert [run.id for run in transcripts] == ["a", f"{tmp_path}/t.jsonl:4", f"{tmp_path}/t.jsonl:6"]
    first = transcripts[0]
    assert (first.line, first.hashed, first.intact, first.complete) == (1, False, True, True)
    assert [number for number, _ in damages] == [3, 5, 7]
    assert damages[1][1] == "not a transcript: neither an event nor a list of messages"


def test_a_last_line_without_a_line_feed(tmp_path: Path) -> None:
    """Others often leave it out; cut JSON is named as such."""
    transcripts, damages = read_bytes(tmp_path, line(CHAT) + line(CHAT).rstrip())
    assert (len(transcripts), damages) == (2, [])
    transcripts, damages = read_bytes(tmp_path, line(CHAT) + line(CHAT)[:50])
    assert (len(transcripts), damages) == (1, [(2, CUT_OFF)])


@pytest.mark.parametrize("value", [CHAT, CHAT["messages"]], ids=["object", "list"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"], ids=["", "bom"])
def test_one_document(tmp_path: Path, value: object, indent: int | None, name: str, bom: bytes) -> None:
    """A file with one message list is read whatever its name and layout."""
    (run,), damages = read_bytes(tmp_path, bom + json.dumps(value, indent=indent).encode(), name)
    assert not damages
    assert run.id == f"{tmp_path}/{name}:1"
    assert [type(item) for item in run.items] == [RunStarted, ModelReplied, Proposed, ToolReturned]


def test_a_damaged_first_line_of_many(tmp_path: Path) -> None:
    """What the file is, is seen from the first line that says it."""
    transcripts, damages = read_bytes(tmp_path, [b"{oops\n", b'{"other": 1}\n', line(CHAT)])
    assert [run.line for run in transcripts] == [3]
    assert [number for number, _ in damages] == [1, 2]


def test_tools_in_a_file_beside_it(tmp_path: Path) -> None:
    """`tools` may name a file, relative to the transcript."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "t.json").write_bytes(json.dumps(TOOLS).encode())
    transcripts, damages = read_bytes(tmp_path, [line(CHAT | {"tools": "tools/t.json"})] * 2 + [line(CHAT | {"tools": TOOLS}), line(CHAT)])
    assert not damages
    first, second, third, fourth = (run.started.tools for run in transcripts)
    assert first == second == third == tuple(TOOLS)
    assert fourth is None


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        ("none.json", "the file with its tools, `none.json`, cannot be read: no such file or directory"),
        (".", "the file with its tools, `.`, cannot be read: not a regular file"),
        ("pipe", "the file with its tools, `pipe`, cannot be read: not a regular file"),
        ("a\x00b", "the file with its tools, `a\x00b`, cannot be read: it is no path"),
        ("\ud800", "the file with its tools, `\ud800`, cannot be read: it is no path"),
        ("bad.json", "the file with its tools, `bad.json`, is not JSON: "),
        ("/etc/hostname", "`tools` is an absolute path: `/etc/hostname`; it must be relative to the transcript"),
        ("object.json", "`tools` is not a list of tools"),
        (5, "`tools` is not a list of tools"),
        ([1], "`tools` is not a list of tools"),
        ([{}], "nothing can be judged by its `tools` or messages: a tool without a name"),
    ],
)
def test_tools_that_cannot_be_used(tmp_path: Path, tools: object, why: str) -> None:
    """A transcript that lists tools which nobody can read is not judged as if it listed none."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bad.json").write_bytes(b"{")
    (tmp_path / "object.json").write_bytes(b"{}")
    transcripts, damages = read_bytes(tmp_path, [line(CHAT | {"tools": tools}), line(CHAT)])
    assert [run.line for run in transcripts] == [2]
    ((number, said),) = damages
    assert number == 1
    assert said.startswith(why)


def folder_of_things(folder: Path) -> None:
    (folder / "b" / "deep").mkdir(parents=True)
    (folder / "b" / "deep" / "run.jsonl").write_bytes(b"".join(LINES))
    (folder / "b" / "chat.json").write_bytes(json.dumps(CHAT).encode())
    (folder / "a.jsonl").write_bytes(line(CHAT) * 2)
    (folder / "tools.json").write_bytes(json.dumps(TOOLS).encode())
    (folder / "expected.jsonl").write_bytes(b'{"id": 1, "decisions": [true]}\n' * 500)
    (folder / "notes.txt").write_bytes(b"not looked at")


def test_folders(tmp_path: Path) -> None:
    """All transcripts below a folder are read in order; other JSON there is passed over."""
    folder_of_things(tmp_path)
    transcripts, damages = read(tmp_path)
    assert not damages
    assert [Path(run.file).name for run in transcripts] == ["a.jsonl", "a.jsonl", "chat.json", "run.jsonl"]


def test_globs_and_doubles(tmp_path: Path) -> None:
    """Globs are expanded here too, and no file is read twice."""
    folder_of_things(tmp_path)
    found = find_transcripts([f"{tmp_path}/**/*.jsonl", tmp_path / "a.jsonl", tmp_path])
    assert [os.path.relpath(source.file, tmp_path) for source in found] == [
        "a.jsonl",
        "b/deep/run.jsonl",
        "expected.jsonl",
        "tools.json",
        "b/chat.json",
    ]


def test_a_file_that_was_named_must_be_a_transcript(tmp_path: Path) -> None:
    """What somebody asks for by name is not passed over."""
    folder_of_things(tmp_path)
    _, damages = read(tmp_path / "tools.json")
    assert [damage.why for damage in damages] == ["not a transcript: neither an event nor a list of messages"]
    assert len(read(tmp_path / "expected.jsonl")[1]) == 100


def test_what_is_not_there(tmp_path: Path) -> None:
    """An argument that names nothing is said at once, before anything is read."""
    for nothing in (tmp_path / "none.jsonl", f"{tmp_path}/*.jsonl", tmp_path):
        with pytest.raises(FileError, match=r"^no transcript at `"):
            read_sources(find_transcripts([GOLDEN, nothing]))


def test_a_folder_without_transcripts(tmp_path: Path) -> None:
    """Nothing to judge at all is not a success."""
    (tmp_path / "tools.json").write_bytes(json.dumps(TOOLS).encode())
    with pytest.raises(FileError, match=r"^none of 1 files holds a transcript$"):
        read(tmp_path)


def test_files_that_cannot_be_read_are_damage(tmp_path: Path) -> None:
    """A pipe or a dangling link among many files is named, and the others are read."""
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "c.jsonl").write_bytes(line(CHAT))
    transcripts, damages = read(tmp_path)
    assert len(transcripts) == 1
    assert [str(damage) for damage in damages] == [
        f"{tmp_path}/a.jsonl:1: cannot be read: not a regular file",
        f"{tmp_path}/b.jsonl:1: cannot be read: no such file or directory",
    ]


def test_one_transcript_in_memory_at_a_time(tmp_path: Path) -> None:
    """Files are read when it is their turn, and lines too: what comes later cannot spoil what came before."""
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_bytes(line(CHAT) + b"{broken\n")
    found = read_sources(find_transcripts([tmp_path]))
    assert isinstance(next(found), Transcript)
    (tmp_path / "1.jsonl").write_bytes(line(CHAT | {"id": "new"}))
    (tmp_path / "2.jsonl").unlink()
    later = list(found)
    assert [one.id for one in later if isinstance(one, Transcript)] == ["new"]
    assert [Path(one.file).name for one in later if isinstance(one, Damage)] == ["0.jsonl", "2.jsonl"]


def test_reading_a_single_file_again(tmp_path: Path) -> None:
    """The same file gives equal transcripts."""
    assert list(read_file(GOLDEN)) == list(read_file(str(GOLDEN)))


CORPORA = ROOT.parent / "shared" / "corpora"


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no corpora beside the repository")
def test_real_transcripts_lose_nothing() -> None:
    """Every call and every result of the recorded conversations is there, byte for byte, odd ones too."""
    for file in sorted(CORPORA.glob("*.jsonl")):
        transcripts, damages = read(file)
        assert not damages
        for run, text in zip(transcripts, file.read_bytes().splitlines(), strict=True):
            given = json.loads(text)
            calls = [call for message in given["messages"] for call in message.get("tool_calls") or ()]
            proposed = [item.call for item in run.items if isinstance(item, Proposed)]
            assert proposed == [ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls]
            results = [message["content"] for message in given["messages"] if message["role"] == "tool"]
            assert [item.content for item in run.items if isinstance(item, ToolReturned)] == results
            assert run.id == given["id"]
            assert run.started.tools


WORDS = """messages role user assistant tool content tool_calls function name arguments id type tools text function_call items output
    run_started run_id model_replied message step call_id at hash prev seq"""
words = st.sampled_from(WORDS.split())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(st.characters(exclude_categories=()), max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(values.map(line) | st.binary(max_size=20) | st.sampled_from(LINES), max_size=4))
def test_no_file_is_too_strange(lines: list[bytes]) -> None:
    """Whatever stands in a file, reading it gives transcripts that a session can take in, and damages; never an exception."""
    for found in read_stream(BytesIO(b"".join(lines)), Source("t.jsonl"), {}):
        if isinstance(found, Damage):
            continue
        session = Session(Policy("everything", default=Effect.ALLOW))
        for item in found.items:
            if isinstance(item, Proposed):
                session.propose(item.call, at=item.at)
            elif not isinstance(item, Unanswered):
                session.record(item)


def test_every_byte_that_is_read_is_told() -> None:
    """So that a bar moves inside one big file, too; whether it holds lines or one document."""
    for data in (GOLDEN.read_bytes(), b'{"messages": []}\n\n{"messages": []}', b'[\n{"role": "user",\n"content": "x"}\n]\n'):
        told: list[int] = []
        list(read_stream(BytesIO(data), Source("t.jsonl"), {}, told.append))
        assert sum(told) == len(data)


def test_a_file_is_read_once_however_it_is_named(tmp_path: Path) -> None:
    """Through its folder, by another spelling, by a link; asked for by name counts more than found in a folder."""
    (tmp_path / "a.jsonl").write_bytes(GOLDEN.read_bytes())
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.jsonl")
    found = find_transcripts([tmp_path, tmp_path / "a.jsonl", f"{tmp_path}/./a.jsonl"])
    assert [(os.path.realpath(source.file), source.named) for source in found] == [(f"{tmp_path}/a.jsonl", True)]
