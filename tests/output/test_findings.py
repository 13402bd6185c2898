"""Findings as text, JSON, GitHub annotations and SARIF."""

from __future__ import annotations

import io
import json

import pytest

from agentgate.core.findings import Finding, Place, Severity
from agentgate.output.findings import as_json, print_findings, render, summary, text

LINES = {
    "bad.yaml": (
        "version: 1",
        "defalt: block",
        "rules:",
        "  - id: mail-any",
        "    block: email_service",
        "  - id: mail-internal",
        "    allow: email_service",
    )
}
UNKNOWN_KEY = Finding("unknown-key", Severity.ERROR, Place("bad.yaml", 2, 1, 6), "unknown key `defalt`", help="did you mean `default`?")
SHADOWED = Finding(
    "never-matches",
    Severity.WARNING,
    Place("bad.yaml", 6, 9, 13),
    "rule `mail-internal` can never decide anything",
    related=((Place("bad.yaml", 4, 9, 8), "this rule already blocks every email_service call"),),
)


def test_a_finding_shows_the_line_and_the_way_on() -> None:
    """An error is shown with its line, the place underlined, and its help."""
    assert text([UNKNOWN_KEY], LINES) == (
        "error[unknown-key]: unknown key `defalt`\n"
        " --> bad.yaml:2:1\n"
        "  |\n"
        "2 | defalt: block\n"
        "  | ^^^^^^\n"
        "  = help: did you mean `default`?\n"
        "\n"
    )


def test_related_places_stand_in_the_same_frame() -> None:
    """Another place in the same file is marked with dashes and its few words, in the order of the lines."""
    assert text([SHADOWED], LINES) == (
        "warning[never-matches]: rule `mail-internal` can never decide anything\n"
        " --> bad.yaml:6:9\n"
        "  |\n"
        "4 |   - id: mail-any\n"
        "  |         -------- this rule already blocks every email_service call\n"
        ". |\n"
        "6 |   - id: mail-internal\n"
        "  |         ^^^^^^^^^^^^^\n"
        "\n"
    )


def test_places_in_other_files_are_named() -> None:
    """A related place in another file has its own `:::` line, with the line of that file where it is known."""
    finding = Finding(
        "duplicate-id", Severity.ERROR, Place("b.yaml", 1, 1, 3), "two rules", related=((Place("a.yaml", 1, 3, 2), "first here"),)
    )
    assert text([finding], {"a.yaml": ("- id",), "b.yaml": ("- x",)}) == (
        "error[duplicate-id]: two rules\n"
        " --> b.yaml:1:1\n"
        "  |\n"
        "1 | - x\n"
        "  | ^^^\n"
        " ::: a.yaml:1:3\n"
        "  |\n"
        "1 | - id\n"
        "  |   -- first here\n"
        "\n"
    )  # fmt: skip
    assert " ::: a.yaml:1:3\n  = first here\n" in text([finding], {})


def test_summaries_count_by_severity() -> None:
    """The last line of a file counts what was found in it, or says that nothing was."""
    assert summary("bad.yaml", [UNKNOWN_KEY, SHADOWED, UNKNOWN_KEY]) == "bad.yaml: 2 errors, 1 warning"
    assert summary("strict.yaml", []) == "strict.yaml: no findings"


def test_wide_characters_keep_the_mark_under_its_place() -> None:
    """Marks are placed by the columns that characters take on a screen, not by their number."""
    shown = text([Finding("x", Severity.NOTE, Place("f", 1, 4, 2), "m")], {"f": ("中: ab",)})
    assert "1 | 中: ab\n  |     ^^\n" in shown


def test_long_lines_are_cut_around_the_mark() -> None:
    """Of a very long line only what stands around the place is shown, and the mark is still under it."""
    line = "x" * 500 + "HERE" + "y" * 500
    shown = text([Finding("x", Severity.NOTE, Place("f", 1, 501, 4), "m")], {"f": (line,)}).splitlines()
    source, marks = shown[3], shown[4]
    assert len(source) < 140
    assert source[marks.index("^") :].startswith("HERE")
    assert "…" in source


@pytest.mark.parametrize("place", [Place("f", 0, 0, 0), Place("f", 99, 5, 3), Place("f", 1, 400, 9), Place("g", 1, 1, 1)])
def test_places_outside_of_the_file_do_no_harm(place: Place) -> None:
    """A place that the file does not have is named, and nothing fails."""
    assert f" --> {place}" in text([Finding("x", Severity.NOTE, place, "m")], {"f": ("one",)})


HOSTILE = "a\x1b[31m\x1b]52;c;aGk=\x07b\r\n::error::forged\u202e\u200b"


def _hostile() -> Finding:
    place = Place(HOSTILE, 1, 2, 3)
    return Finding("x", Severity.ERROR, place, HOSTILE, help=HOSTILE, related=((place, HOSTILE), (Place("other" + HOSTILE), HOSTILE)))


def test_hostile_text_cannot_steer_the_terminal() -> None:
    """Whatever stands in a file, its name, a message or a help text: only visible characters and our own line breaks are printed."""
    shown = text([_hostile()], {HOSTILE: (HOSTILE,), "other" + HOSTILE: (HOSTILE,)}) + summary(HOSTILE, [_hostile()])
    assert all(char == "\n" or char.isprintable() for char in shown)
    assert "\u202e" not in shown
    assert not any(line.startswith(("::", "b")) for line in shown.splitlines())


@pytest.mark.parametrize("format", ["json", "github", "sarif"])
def test_hostile_text_stays_inert_for_programs_too(format: str) -> None:
    """The other formats hold no control characters either, and no line of GitHub's begins with anything but the one command."""
    shown = render([_hostile()], format, summaries={})
    assert all(char == "\n" or char.isprintable() for char in shown)
    assert "\u202e" not in shown
    if format == "github":
        assert len(shown.splitlines()) == 1
        assert shown.startswith("::error file=")


def test_color_only_where_it_is_asked_for() -> None:
    """Severities are coloured on request; without it no escape sequence is printed at all."""
    assert text([SHADOWED], LINES, color=True).startswith("\x1b[1;33mwarning[never-matches]\x1b[0m: rule")
    assert "\x1b" not in text([SHADOWED], LINES)


def test_json_has_the_keys_that_programs_rely_on() -> None:
    """A list of objects with code, severity, file, line, column, message and help."""
    assert json.loads(as_json([UNKNOWN_KEY, SHADOWED])) == [
        {
            "code": "unknown-key",
            "severity": "error",
            "file": "bad.yaml",
            "line": 2,
            "column": 1,
            "message": "unknown key `defalt`",
            "help": "did you mean `default`?",
        },
        {
            "code": "never-matches",
            "severity": "warning",
            "file": "bad.yaml",
            "line": 6,
            "column": 9,
            "message": "rule `mail-internal` can never decide anything",
            "help": None,
        },
    ]
    assert json.loads(as_json([])) == []


def test_github_annotations_name_file_line_and_columns() -> None:
    """One workflow command for each finding, its text escaped as GitHub wants it."""
    assert render([UNKNOWN_KEY], "github", summaries={}) == (
        "::error file=bad.yaml,line=2,col=1,endColumn=7,title=error[unknown-key]::unknown key `defalt`%0Ahelp: did you mean `default`?\n"
    )
    finding = Finding("x", Severity.NOTE, Place("a,b:c%.yaml"), "50% : , done")
    assert render([finding], "github", summaries={}) == (
        "::notice file=a%2Cb%3Ac%25.yaml,line=1,col=1,endColumn=2,title=note[x]::50%25 : , done\n"
    )


def test_sarif_has_rules_results_and_places() -> None:
    """SARIF 2.1.0: a rule for each code, a result for each finding, with regions and related places."""
    log = json.loads(render([UNKNOWN_KEY, SHADOWED], "sarif", summaries={"unknown-key": "A key that does not exist."}))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["never-matches", "unknown-key"]
    assert rules[1]["shortDescription"] == {"text": "A key that does not exist."}
    first, second = run["results"]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("unknown-key", 1, "error")
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "bad.yaml"},
                "region": {"startLine": 2, "startColumn": 1, "endColumn": 7},
            }
        }
    ]
    assert second["relatedLocations"][0]["message"] == {"text": "this rule already blocks every email_service call"}


def test_sarif_writes_paths_as_uris() -> None:
    """Spaces and other letters in a path are percent-encoded; an absolute path becomes a `file:` URI."""
    places = [Place("my policies/ä.yaml"), Place("/etc/a b.yaml")]
    log = json.loads(render([Finding("x", Severity.NOTE, place, "m") for place in places], "sarif", summaries={}))
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in log["runs"][0]["results"]]
    assert uris == ["my%20policies/%C3%A4.yaml", "file:///etc/a%20b.yaml"]


def test_findings_can_be_printed_for_people() -> None:
    """Other commands print a bad file's findings with the same frames, and a summary for each file."""
    stream = io.StringIO()
    print_findings([UNKNOWN_KEY], LINES, stream=stream)
    assert stream.getvalue().endswith("  = help: did you mean `default`?\n\nbad.yaml: 1 error\n")
