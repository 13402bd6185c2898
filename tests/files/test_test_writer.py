"""Cases written as text: what is written is read back as the same, or it is not written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.arguments import parse_arguments
from agentgate.core.events import Effect, Json
from agentgate.errors import OutsideError, UsageError
from agentgate.files.test_file import read_tests
from agentgate.files.test_writer import LONGEST_ROW, Table, file_text, flow, row_text, write_new
from agentgate.policy_tests import Case, Expected, Given, Used

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def reread(folder: Path, row: str) -> Case:
    """The case that a row is, in a file of its own."""
    (folder / "p.yaml").write_text("version: 1\n")
    file = folder / "p.test.yaml"
    table = Table("a", "x", None, Expected(Effect.BLOCK), (row,))
    file.write_text(
        file_text([table], policies=[str(folder / "p.yaml")], path=str(file), workdir=None, about="for a test"), encoding="utf-8"
    )
    tests, findings, _ = read_tests(str(file))
    assert tests is not None, findings
    return tests.tests[0].cases[0]


@given(arguments=st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_arguments_are_read_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, arguments: dict[str, Json]) -> None:
    """Whatever JSON they are: odd keys, control characters, numbers that YAML would read as text."""
    raw = json.dumps(arguments)
    row = row_text(Case(Expected(Effect.BLOCK), tool="x", arguments=raw))
    if row is not None:
        case = reread(tmp_path_factory.mktemp("written"), row)
        assert parse_arguments(case.arguments) == parse_arguments(raw)
    else:
        assert any("\ud800" <= character <= "\udfff" for character in json.dumps(arguments, ensure_ascii=False))


@pytest.mark.parametrize("tool", ["\ud800", "a\udfffb", "a\x1bb", "a\u202eb"])
def test_a_tool_whose_name_no_file_can_hold_gives_no_case(tool: str) -> None:
    """Models name tools as they please; such a call is left out, and the file is written all the same."""
    assert row_text(Case(Expected(Effect.BLOCK), tool=tool, arguments="{}")) is None


@given(raw=st.text(max_size=20))
def test_text_that_is_no_json_is_read_back_or_not_written(tmp_path_factory: pytest.TempPathFactory, raw: str) -> None:
    """A text that YAML cannot hold is left out rather than changed."""
    row = row_text(Case(Expected(Effect.BLOCK), tool="x", arguments=raw))
    if row is not None:
        case = reread(tmp_path_factory.mktemp("written"), row)
        try:
            assert parse_arguments(case.arguments) == parse_arguments(raw)
        except ValueError:
            assert case.arguments == raw


def test_history_is_read_back(tmp_path: Path) -> None:
    """Earlier calls with all they have, what was used, and the prompt."""
    case = Case(
        Expected(Effect.BLOCK),
        tool="x",
        arguments="{}",
        prompt="two\nlines: of 'text'",
        given=(Given("a", {"n": 1}, {"r": [None, True]}, times=3), Given("b", refused=True)),
        used=Used(1, 2, 0.25, 3.5),
    )
    row = row_text(case)
    assert row is not None
    found = reread(tmp_path, row)
    assert (found.prompt, found.given, found.used) == (case.prompt, case.given, case.used)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain words", "plain words"),
        ("on", '"on"'),
        ("null", '"null"'),
        ("2024-01-01", '"2024-01-01"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        (r"C:\x", r"'C:\x'"),
        ({"a": [1, 2.5, None], "true": "x"}, '{a: [1, 2.5, null], "true": x}'),
    ],
)
def test_as_few_quotes_as_possible(value: Json, text: str) -> None:
    """People read and change these files."""
    assert flow(value) == text


def test_what_nobody_would_read_is_left_out() -> None:
    """A case of a megabyte helps nobody."""
    assert row_text(Case(Expected(Effect.BLOCK), tool="x", arguments=json.dumps({"a": "b" * LONGEST_ROW}))) is None


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that exists stays as it is, also where it is a link; new ones are for their owner alone."""
    target = tmp_path / "kept"
    target.write_text("kept")
    (tmp_path / "link").symlink_to(target)
    for path in (target, tmp_path / "link"):
        with pytest.raises(UsageError, match="exists already"):
            write_new(str(path), "new")
    assert target.read_text() == "kept"
    with pytest.raises(OutsideError, match="no such file"):
        write_new(str(tmp_path / "no" / "folder"), "new")
    write_new(str(tmp_path / "new"), "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
