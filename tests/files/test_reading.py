"""Reading the bytes of a file once, and what is said about several findings."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

import pytest

from agentgate.core.findings import Finding, Place, Severity
from agentgate.errors import FileError
from agentgate.files.errors import error
from agentgate.files.reading import POLICY_BYTES, STDIN, Source, file_error, in_order, read_source
from agentgate.files.scalars import control_name
from agentgate.files.words import tick


def test_a_file_is_read_once_and_of_a_large_one_just_enough(tmp_path: Path) -> None:
    """One byte more than is wanted shows that it is too large."""
    file = tmp_path / "policy.yaml"
    file.write_bytes(b"0123456789")
    assert read_source(str(file)) == Source(str(file), b"0123456789", sha256(b"0123456789").hexdigest())
    assert read_source(str(file), max_bytes=8).data == b"012345678"
    assert read_source(str(file)).stem == "policy"
    assert POLICY_BYTES == 8 * 1024 * 1024


def test_standard_input_is_read_likewise() -> None:
    """By the name `-`; it is called `<stdin>`."""
    read = read_source(STDIN, max_bytes=8, stdin=io.BytesIO(b"0123456789"))
    assert (read.name, read.data, read.stem) == ("<stdin>", b"012345678", "stdin")


@pytest.mark.parametrize(
    ("name", "why"),
    [("missing", "no such file or directory"), ("", "is a directory"), ("a\0b", "embedded null byte")],
    ids=["missing", "folder", "NUL"],
)
def test_a_file_that_cannot_be_read_is_an_error(name: str, why: str, tmp_path: Path) -> None:
    """Which says why, and nothing of where in the code."""
    with pytest.raises(FileError) as refused:
        read_source(f"{tmp_path}/{name}")
    assert refused.value.message == f"cannot read {tick(f'{tmp_path}/{name}')}: {why}"
    assert refused.value.help is None


def at(file: str, line: int, column: int = 1, severity: Severity = Severity.ERROR) -> Finding:
    """A finding in one place."""
    found = error("syntax", Place(file, line, column), f"{file}{line}{column}", "mend it")
    return Finding(found.code, severity, found.place, found.message, help=found.help)


def test_findings_come_in_the_order_of_files_and_places() -> None:
    """The first mention of a file counts; what stands in no known file comes last."""
    findings = [at("z", 1), at("b", 2), at("b", 1, 5), at("b", 1, 2), at("a", 9), at("y", 1)]
    assert [one.message for one in in_order(findings, ["b", "a", "b"])] == ["b12", "b15", "b21", "a91", "z11", "y11"]


@pytest.mark.parametrize(("count", "shown"), [(199, 199), (200, 200), (201, 201), (500, 201)])
def test_no_more_findings_than_anybody_reads(count: int, shown: int) -> None:
    """The last one says that there are more, and where."""
    ordered = in_order([at("f", line) for line in range(1, count + 1)], ["f"])
    assert len(ordered) == shown
    if count > 200:
        last = ordered[-1]
        assert (last.code, last.place, last.message, last.help) == (
            "too-many", Place("f", 201, 1), "there are more errors from here on", "mend the first ones",
        )  # fmt: skip


def test_the_exception_says_the_first_error_and_carries_all() -> None:
    """How many more there are, and the way on of the first; warnings are carried and not counted."""
    warning, first = at("f", 1, severity=Severity.WARNING), at("f", 2)
    sources = {"f": ("a", "b")}
    made = file_error([warning, first], sources)
    assert (made.message, made.help, list(made.findings), made.sources) == (
        "f:2:1: error[syntax]: f21",
        "mend it",
        [warning, first],
        sources,
    )
    assert file_error([first, at("f", 3)]).message == "f:2:1: error[syntax]: f21 (and 1 more error)"
    assert file_error([first, warning, at("f", 3), at("f", 4)]).message == "f:2:1: error[syntax]: f21 (and 2 more errors)"


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\x00", "a NUL character"),
        ("\x07", "a bell character"),
        ("\x08", "a backspace"),
        ("\x1b", "an escape character"),
        ("\x85", "a NEL line break"),
        ("\x01", "a control character (U+0001)"),
        ("\ud800", "a lone surrogate (U+D800)"),
        ("\udfff", "a lone surrogate (U+DFFF)"),
        ("\ufeff", "a zero width no-break space (U+FEFF)"),
        ("\u202e", "a right-to-left override (U+202E)"),
        ("\ue000", "a control character (U+E000)"),
        ("\ud7ff", "a control character (U+D7FF)"),
    ],
)
def test_what_cannot_be_shown_has_a_name(character: str, name: str) -> None:
    """For messages."""
    assert control_name(character) == name
