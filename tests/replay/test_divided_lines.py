"""Lines of files that were cut: each part numbers its own from 1, and what comes of it names them as if nothing had been cut."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agentgate.divided import Task, _together
from agentgate.files.transcript_lines import Source
from agentgate.files.transcript_parts import Piece, parts_of, read_piece
from agentgate.files.transcript_reader import find_transcripts
from tests.core.building import policy, rule

from .test_divided import by_one, by_parts, judged_apart, shown
from .writing import assistant, call, chat

TASK = Task(policy(rule("allow", "read")), policy(rule("allow", "*")), rows=True)
NAME = 'a "run": 7.jsonl'
BOM = b"\xef\xbb\xbf"
RUN = chat("go on", assistant(call("c1", "send", '{"to": "\\u2028 b"}'), call("c2", "read")))
LINES = {
    "without an id": RUN,
    "two flips": chat(assistant(call("c1", "send"), call("c2", "post", "{"))),
    "with an id": chat(assistant(call("c1", "send")), id="own"),
    "with an empty id": chat(assistant(call("c1", "send")), id=""),
    "with an id that is a number": chat(assistant(call("c1", "send")), id=3),
    "with an id like FILE:LINE": chat(assistant(call("c1", "send")), id="FOLDER/FILE:1"),
    "with an id like the next FILE:LINE": chat(assistant(call("c1", "send")), id="FOLDER/FILE:2"),
    "that speaks of FILE:LINE": chat("FOLDER/FILE:1", assistant(call("FOLDER/FILE:1", "FOLDER/FILE:2", '{"transcript": "FOLDER/FILE:1"}'))),
    "a bare list": b'[{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "send", "arguments": "{}"}}]}]\n',
    "without calls": chat("only said"),
    "with CRLF": RUN.replace(b"\n", b"\r\n"),
    "with a BOM": BOM + RUN,
    "blank": b"\n",
    "blank, with CRLF": b" \r\n",
    "damaged": b"{broken\n",
    "no transcript": b"[1]\n",
    "long": chat("x" * 2_000, assistant(call("c1", "send"))),
}


def written(folder: Path, kinds: list[str], *, torn: int = 0) -> Source:
    """A file with such lines, where so many bytes are missing at the end."""
    path = folder / NAME
    data = b"".join(LINES[kind] for kind in kinds)
    whole = data.replace(b"FOLDER", str(folder).encode()).replace(b"FILE", NAME.replace('"', '\\"').encode())
    path.write_bytes(whole[: len(whole) - torn])
    return Source(str(path))


def same(folder: Path, size: int) -> int:
    """Compares parts of a size with what one process makes of the file; how many parts there are."""
    tally, rows = by_one(TASK, folder)
    for wants in (True, False):
        apart = judged_apart(replace(TASK, rows=wants), find_transcripts([folder]), size)
        found, text = by_parts(apart)
        assert text == (rows if wants else "")
        assert found.damaged == tally.damaged
        assert found.result(0) == tally.result(0)
        assert [group.example for group in found.groups.values()] == [group.example for group in tally.groups.values()]
        assert shown(found, TASK) == shown(tally, TASK)
    return len(apart)


@pytest.mark.parametrize("kind", LINES)
def test_lines_of_every_kind_keep_their_numbers(kind: str, tmp_path: Path) -> None:
    """Wherever a part begins or ends: before, in, or after such a line."""
    lines = ["without an id", kind, "with an id", kind, kind, "without an id"]
    for size in (1, 150, 300):
        written(tmp_path, lines)
        assert same(tmp_path, size) > 1
        written(tmp_path, lines, torn=1)
        same(tmp_path, size)
        written(tmp_path, lines, torn=30)
        same(tmp_path, size)


@given(st.lists(st.sampled_from(sorted(LINES)), max_size=20), st.integers(1, 3_000), st.integers(0, 60), st.booleans())
def test_any_lines_keep_their_numbers(kinds: list[str], size: int, torn: int, bom: bool) -> None:
    """In files of any lines, cut anywhere."""
    with TemporaryDirectory() as name:
        written(Path(name), ["with a BOM" if bom else "without an id", *kinds], torn=torn)
        same(Path(name), size)


def test_an_id_that_only_looks_like_a_line_stays(tmp_path: Path) -> None:
    """It names nothing, and is a row's own text; the id of a line that has none moves with its line."""
    source = written(tmp_path, ["without an id", "with an id like FILE:LINE", "without an id"])
    parts = judged_apart(replace(TASK, rows=False), [source], 1)
    flips = [(call.transcript.removeprefix(source.file), call.run.removeprefix(source.file)) for part in parts for _, call in part.flips]
    assert flips == [(":1", ":1"), (":1", ":2"), (":3", ":3")]


def test_what_is_added_while_a_file_is_cut_is_not_read(tmp_path: Path) -> None:
    """Neither a line more, nor the end of the last one; and a file that became shorter ends where it ends."""
    source = written(tmp_path, ["without an id"] * 6, torn=1)
    path = Path(source.file)
    cut = parts_of([source], size=1)
    pieces = list(next(cut))
    before = path.read_bytes()
    path.write_bytes(before + b" and more\n" + RUN)
    pieces += [piece for part in cut for piece in part]
    assert [len(list(read_piece(piece, {}))) for piece in pieces] == [1] * 6
    assert b"".join(path.read_bytes()[piece.start :][: piece.size] for piece in pieces) == before
    path.write_bytes(RUN)
    assert [len(list(read_piece(piece, {}))) for piece in pieces] == [1, 0, 0, 0, 0, 0]


def test_a_file_at_a_url_is_cut_alike(tmp_path: Path) -> None:
    """At the same places, also where a line is longer than what is read at once."""
    pytest.importorskip("fsspec", reason="fsspec is not installed: pip install -e '.[ray]'")
    long = chat("x" * 150_000, assistant(call("c1", "send")))
    (tmp_path / "runs.jsonl").write_bytes((RUN * 20 + long + RUN) * 3)
    here, there = (parts_of(find_transcripts([f"{scheme}{tmp_path}/runs.jsonl"]), size=1_000) for scheme in ("", "file://"))
    places = [(piece.start, piece.size) for part in here for piece in part]
    assert len(places) > 9
    assert [(piece.start, piece.size) for part in there for piece in part] == places
    assert same(tmp_path, 1_000) == len(places)


def test_a_piece_tells_how_many_lines_it_had(tmp_path: Path) -> None:
    """Blank ones among them; a file that was not cut has nothing to tell."""
    source = written(tmp_path, ["without an id", "blank", "damaged", "blank, with CRLF"])
    told: list[int] = []
    size = Path(source.file).stat().st_size
    list(read_piece(Piece(source, size, cut=True), {}, ended=told.append))
    list(read_piece(Piece(source, size - len(RUN), len(RUN), cut=True), {}, ended=told.append))
    list(read_piece(Piece(source, size), {}, ended=told.append))
    assert told == [4, 3]


def test_texts_of_rows_come_together() -> None:
    """Only numbers stand between them."""
    assert list(_together(["a", "b", 1, "c", "d", 2, 3, "e"])) == ["ab", 1, "cd", 2, 3, "e"]
