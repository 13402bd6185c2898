"""The strict part of YAML: what values mean, where they stand, and that nothing but a `FileError` comes out."""

from __future__ import annotations

import gc

import pytest

from agentgate.core.findings import Place
from agentgate.errors import FileError
from agentgate.files.collector import collector_paused
from agentgate.files.scalars import Ambiguous, resolve
from agentgate.files.yaml import Document, load

LIMIT = 1024 * 1024


def read(text: str | bytes) -> Document:
    """The document of a text."""
    return load(text if isinstance(text, bytes) else text.encode(), "f.yaml", max_bytes=LIMIT)


def refused(text: str | bytes) -> tuple[str, int, int]:
    """The first finding of a text that is refused: code, line, column."""
    with pytest.raises(FileError) as caught:
        read(text)
    first = caught.value.findings[0]
    return first.code, first.place.line, first.place.column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("0.50", 0.5),
        ("-1.25", -1.25),
        ("true", True),
        ("false", False),
        ("null", None),
        ("9223372036854775807", 2**63 - 1),
        ("get_weather", "get_weather"),
        ("http_*", "http_*"),
        ("1.2.3", "1.2.3"),
        ("10.0.0.1", "10.0.0.1"),
        ("-", "-"),
        ("--force", "--force"),
        ("1st", "1st"),
        ("y", "y"),
        ("none", "none"),
        ("onward", "onward"),
        ("2024-13", "2024-13"),
        ("8080:8080", "8080:8080"),
        ("0x", "0x"),
    ],
)
def test_plain_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    """Numbers, booleans and null are what they look like, and all else is text."""
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["yes", "No", "ON", "off", "True", "FALSE", "Null", "~", "010", "0o10", "0x1F", "0b1", "1e3", "1.0e+3", "1_000", "+5", ".5", "5.",
     "1:30", "12:30:45", "2024-01-31", "2024-1-1 10:00:00", ".inf", "-.INF", ".nan", "9223372036854775808", "9" * 5000, "0." + "1" * 50],
)  # fmt: skip
def test_ambiguous_scalars_are_refused(text: str) -> None:
    """What two readers of YAML take for different things is refused, with a way on."""
    with pytest.raises(Ambiguous) as caught:
        resolve(text)
    assert caught.value.help


def test_quoted_text_is_text_whatever_it_looks_like() -> None:
    """Quotes and block scalars keep text as it is."""
    document = read("a: 'yes'\nb: \"010\"\nc: |\n  on\nd: >-\n  one\n  two\n'on': \"tab\\tand\\nline\"\n")
    assert document.value == {"a": "yes", "b": "010", "c": "on\n", "d": "one two", "on": "tab\tand\nline"}


def test_every_key_and_value_has_its_place() -> None:
    """Places count lines and columns from 1, in characters."""
    document = read('# é\nüser: [1, {b: "ü", c: two}]\nblock: |\n  text\n')
    assert document.key_place(("üser",)) == Place("f.yaml", 2, 1, 4)
    assert document.value_place(("üser", 0)) == Place("f.yaml", 2, 8, 1)
    assert document.key_place(("üser", 1, "b")) == Place("f.yaml", 2, 12, 1)
    assert document.value_place(("üser", 1, "b")) == Place("f.yaml", 2, 15, 3)
    assert document.value_place(("üser", 1, "c")) == Place("f.yaml", 2, 23, 3)
    assert document.value_place(("block",)) == Place("f.yaml", 3, 8, 1)
    assert document.lines[1] == 'üser: [1, {b: "ü", c: two}]'


def test_the_place_of_what_is_not_there_is_the_nearest_that_is() -> None:
    """A path that leads nowhere has the place of its last part that exists."""
    document = read("a:\n  b: 1\n")
    assert document.value_place(("a", "c", "d")) == document.key_place(("a",))
    assert document.value_place(("z",)) == document.value_place(())


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_lines_are_counted_alike_for_every_line_break(line_break: str) -> None:
    """A finding's line is the one that an editor shows."""
    assert refused(line_break.join(("a: 1", "b: 2", "c: yes"))) == ("ambiguous-scalar", 3, 4)


def test_a_byte_order_mark_is_accepted() -> None:
    """A BOM in front is no part of the text, and does not move places."""
    document = read("\ufeffa: 1\n")
    assert document.value == {"a": 1}
    assert document.key_place(("a",)) == Place("f.yaml", 1, 1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1".encode("utf-16"), ("encoding", 1, 1)),
        (b"\xfe\xff\x00a", ("encoding", 1, 1)),
        (b"a: 1\nb: caf\xe9\n", ("encoding", 2, 7)),
        (b"a: \xed\xa0\x80", ("encoding", 1, 4)),
        (b"a: 1\n\x00", ("control-character", 2, 1)),
        (b"a: 1 # \x07", ("control-character", 1, 8)),
        ("a: 1\u0085b: 2", ("control-character", 1, 5)),
        ("a: x\u2028y", ("control-character", 1, 5)),
        ("a: 1 # \u202e", ("control-character", 1, 8)),
        ("a: x\ufeffy", ("control-character", 1, 5)),
        (b'a: "\\x1b[2J"', ("control-character", 1, 4)),
        (b"x" * (LIMIT + 1), ("too-large", 1, 1)),
        (b"", ("empty-file", 1, 1)),
        (b"a: 1\n%YAML 1.1\n---\n", ("directive", 2, 1)),
    ],
)
def test_what_people_cannot_see_is_refused(text: str | bytes, expected: tuple[str, int, int]) -> None:
    """Other encodings, control characters, and line breaks that editors do not show."""
    assert refused(text) == expected


def test_unicode_text_is_welcome() -> None:
    """Letters of any script, and emoji, in text and comments."""
    assert read("# 你好\nname: règles 🙂\n").value == {"name": "règles 🙂"}


def test_document_markers_are_accepted_around_one_document() -> None:
    """`---` before and `...` after are harmless."""
    assert read("---\na: 1\n...\n").value == {"a": 1}


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5000, "- " * 50_000, "a:\n" + "".join(" " * n + "a:\n" for n in range(1, 300))])
def test_depth_is_refused_before_it_costs_anything(text: str) -> None:
    """Deep nesting ends reading at once; nothing recurses."""
    assert refused(text)[0] in ("too-deep", "syntax")


def test_thirty_two_levels_are_read() -> None:
    """The limit itself is allowed."""
    assert read("[" * 32 + "]" * 32).value
    assert refused("[" * 33 + "]" * 33) == ("too-deep", 1, 33)


def test_all_findings_come_at_once() -> None:
    """Reading goes on after what can be passed over."""
    with pytest.raises(FileError) as caught:
        read("a: yes\nb: no\na: 010\nc:\nd: !x &y 1\n")
    assert [finding.code for finding in caught.value.findings] == [
        "ambiguous-scalar", "ambiguous-scalar", "duplicate-key", "ambiguous-scalar", "empty-value", "anchor", "tag",
    ]  # fmt: skip


def test_reading_stops_after_many_findings() -> None:
    """A file full of mistakes does not fill the screen for ever."""
    with pytest.raises(FileError) as caught:
        read("[" + "yes, " * 10_000 + "]")
    assert len(caught.value.findings) == 100


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_is_left_as_it_was(before: bool) -> None:
    """Whoever switched the collector off finds it off."""
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()
