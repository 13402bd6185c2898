"""Every way in which a text is refused before anybody asks what it means: place, code, words and the way on, to the letter."""

from __future__ import annotations

import pytest

from agentgate.core.events import Json
from agentgate.core.findings import Place
from agentgate.errors import FileError
from agentgate.files.syntax import explain
from agentgate.files.yaml import load, parse
from tests.files.cases import DATA, Case, described, read_cases

LIMIT = 1024 * 1024
QUOTE = "put it in quotes: "
NO_TEXT = "YAML does not read the key {} as text"
TWICE = "stands here twice (help: remove one of them)"
TAG = "is a YAML tag (help: remove it; put text that begins with `!` in quotes)"
ANCHOR = "is a YAML anchor (help: write things out where they are used)"
ALIAS = "is a YAML alias (help: write out what is meant; a pattern needs quotes)"
SEVERAL = (
    "goes on over several lines without quotes (help: a dash or colon may be missing; put text over several lines in quotes or after `|`)"
)
DIRECTIVE = "directive: YAML directives are not read (help: remove the line)"
SECOND = "second-document: a second document begins here (help: put it into a file of its own)"
UTF_16 = "1:1+1 encoding: the file is UTF-16 (help: save it as UTF-8)"
NO_KEY = "non-string-key: a key is missing before the colon"
A_KEY = "syntax: a key is expected here (help: look at the indentation, and at quotes that close too early)"
LONG = "1234567890" * 5
TIME = "1" + ":30" * 16
A_TIME = "it may be a time, a number to the base of 60, or text"
DATE = "2024-01-01 10:00:00." + "0" * 29
A_DATE = "it may be a date or text"
UNREAD: Json = object()
"""In place of the value of a text that is not read to its end."""

FOUND: list[tuple[bytes | str, list[str], Json]] = [
    (b"\xff\xfea\x00", [UTF_16], UNREAD),
    (b"\xfe\xff\x00a", [UTF_16], UNREAD),
    (b"a: 1\nb: caf\xe9\n", ["2:7+1 encoding: byte 0xe9 is not UTF-8 (help: save the file as UTF-8)"], UNREAD),
    (b"\xef\xbb\xbfab\xff", ["1:3+1 encoding: byte 0xff is not UTF-8 (help: save the file as UTF-8)"], UNREAD),
    (b"\xc3\xa9\r\nb\x80", ["2:2+1 encoding: byte 0x80 is not UTF-8 (help: save the file as UTF-8)"], UNREAD),
    (b"a" * (LIMIT + 1), ["1:1+1 too-large: larger than 1 MiB"], UNREAD),
    (b"x\x07y", ["1:2+1 control-character: the file contains a bell character (help: remove it)"], UNREAD),
    (
        b"\x00" * 12,
        [f"1:{column}+1 control-character: the file contains a NUL character (help: remove it)" for column in range(1, 11)],
        UNREAD,
    ),
    (b"", ["1:1+1 empty-file: the file is empty"], UNREAD),
    (b"# nothing", ["1:1+1 empty-file: the file is empty"], UNREAD),
    ("a: &x 1", [f"1:4+4 anchor: `&x` {ANCHOR}"], {"a": 1}),
    ("a: !x 1", [f"1:4+4 tag: `!x` {TAG}"], {"a": 1}),
    ("&x a: !y 1", [f"1:1+4 anchor: `&x` {ANCHOR}", f"1:7+4 tag: `!y` {TAG}"], {"a": 1}),
    ("a: &x {b: !!set [c]}", [f"1:4+4 anchor: `&x` {ANCHOR}", f"1:11+7 tag: `tag:yaml.org,2002:set` {TAG}"], {"a": {"b": ["c"]}}),
    (
        "[*x, *y, &z 1, &w 2, !t 1, !u 2]",
        [f"1:2+2 alias: `*x` {ALIAS}", f"1:10+4 anchor: `&z` {ANCHOR}", f"1:22+4 tag: `!t` {TAG}"],
        ["", "", 1, 2, 1, 2],
    ),
    ("*a : 1", [f"1:1+2 alias: `*a` {ALIAS}", "1:1+2 non-string-key: a key must be text"], UNREAD),
    ("? [a]\n: 1", ["1:3+1 non-string-key: a key must be text"], UNREAD),
    ("? {a: 1}\n: 1", ["1:3+1 non-string-key: a key must be text"], UNREAD),
    ("? \n: x", [f"1:2+1 {NO_KEY}"], {"": "x"}),
    ("'': x", [], {"": "x"}),
    ("yes: 1", [f"1:1+3 non-string-key: {NO_TEXT.format('`yes`')} (help: {QUOTE}`'yes'`)"], {"yes": 1}),
    (
        "a: {'yes': 1}\nb: {yes: 1}\nc: {yes: 2}",
        [f"{line}:5+3 non-string-key: {NO_TEXT.format('`yes`')} (help: {QUOTE}`'yes'`)" for line in (2, 3)],
        {"a": {"yes": 1}, "b": {"yes": 1}, "c": {"yes": 2}},
    ),
    ("1: 2", [f"1:1+1 non-string-key: {NO_TEXT.format('`1`')} (help: {QUOTE}`'1'`)"], {"1": 2}),
    (f"{LONG}: 1", [f"1:1+50 non-string-key: {NO_TEXT.format(f'`{LONG}`')} (help: {QUOTE}`'{LONG[:40]}'`)"], {LONG: 1}),
    ("<<: 1", ["1:1+2 merge-key: `<<` is a YAML merge key (help: write out what is meant)"], {"<<": 1}),
    ("'<<': 1", [], {"<<": 1}),
    ("'a': 1\n\"a\": 2", [f"2:1+3 duplicate-key: the key `a` {TWICE} [1:1 first here]"], {"a": 1}),
    ("a: 1\nb: 2\na: 3\na: 4", [f"{line}:1+1 duplicate-key: the key `a` {TWICE} [1:1 first here]" for line in (3, 4)], {"a": 1, "b": 2}),
    ("\u00e9: 1\n\u00e9: 2", [f"2:1+1 duplicate-key: the key `\u00e9` {TWICE} [1:1 first here]"], {"\u00e9": 1}),
    ("\u00e9: 1\ne\u0301: 2", [f"2:1+2 duplicate-key: the key `e\u0301` {TWICE} [1:1 first here]"], {"\u00e9": 1, "e\u0301": 2}),
    (
        "e\u0301: 1\na: 2\n\u00e9: 3",
        [f"3:1+1 duplicate-key: the key `\u00e9` {TWICE} [1:1 first here]"],
        {"e\u0301": 1, "a": 2, "\u00e9": 3},
    ),
    ("a: 1\n\u00e9: 2\na: 3", [f"3:1+1 duplicate-key: the key `a` {TWICE} [1:1 first here]"], {"a": 1, "\u00e9": 2}),
    ("\u00e9: 1\nb: 2\nb: 3", [f"3:1+1 duplicate-key: the key `b` {TWICE} [2:1 first here]"], {"\u00e9": 1, "b": 2}),
    ("\u00e9: {a: 1}\nb: {a: 1, e\u0301: 2}", [], {"\u00e9": {"a": 1}, "b": {"a": 1, "e\u0301": 2}}),
    ("a:\nb: 1", ["1:1+1 empty-value: `a` has no value (help: write the value, or remove the key)"], {"a": "", "b": 1}),
    ("{a, b: 2}", ["1:2+1 empty-value: `a` has no value (help: write the value, or remove the key)"], {"a": "", "b": 2}),
    ("-\n- 1", ["1:2+1 empty-value: nothing stands here"], ["", 1]),
    ("---", ["2:1+1 empty-value: nothing stands here"], ""),
    ("a: ''", [], {"a": ""}),
    ("a: [1,\n", ["1:7+1 syntax: a value is expected here [1:7 begins here]"], UNREAD),
    ("a: @\tx", ["1:4+1 syntax: a value cannot begin with `@` (help: put it in quotes)"], UNREAD),
    ("a:\n \tb: 2", ["2:2+1 syntax: a tab character (help: YAML indents with spaces)"], UNREAD),
    (f"a: 0.{'1' * 38}", [], {"a": float(f"0.{'1' * 38}")}),
    (f"a: {TIME}", [f"1:4+49 ambiguous-scalar: `{TIME}` is ambiguous: {A_TIME} (help: {QUOTE}`'{TIME[:40]}'`)"], {"a": TIME}),
    (f"a: {DATE}", [f"1:4+49 ambiguous-scalar: `{DATE}` is ambiguous: {A_DATE} (help: {QUOTE}`'{DATE[:40]}'`)"], {"a": DATE}),
    ("a: 1\n---\nb: 2\n", [f"2:1+3 {SECOND}"], UNREAD),
    ("a: 1\n...\n---\n", [f"3:1+3 {SECOND}"], UNREAD),
    ("%YAML 1.1\n---\na: 1", [f"1:1+9 {DIRECTIVE}"], {"a": 1}),
    ("%TAG ! tag:x,2000:\n---\na: 1", [f"1:1+18 {DIRECTIVE}"], {"a": 1}),
    ("[" * 33, ["1:33+1 too-deep: nested deeper than 32 levels"], UNREAD),
    ("a: one\n  two", [f"1:4+3 multi-line-plain: `one two` {SEVERAL}"], {"a": "one two"}),
    ("a: one\n\n  two", [f"1:4+3 multi-line-plain: `one\\ntwo` {SEVERAL}"], {"a": "one\ntwo"}),
    ("a: |\n x\n y\nb: 'c\n  d'", [], {"a": "x\ny\n", "b": "c d"}),
    (
        'a: "\\b"',
        [
            "1:4+4 control-character: the text contains a backspace (help: in double quotes `\\b` is a backspace; in single quotes a "
            "pattern stays as it is written)"
        ],
        {"a": "\b"},
    ),
    ('a: "\\x1b\\u202e"', ["1:4+12 control-character: the text contains an escape character"], {"a": "\x1b\u202e"}),
    ('"\\x07": 1', ["1:1+6 control-character: the text contains a bell character"], {"\x07": 1}),
    ('"\\xa0": "\\xa0"', [], {"\xa0": "\xa0"}),
    ('a: "\\u2028"', ["1:4+8 control-character: the text contains a line separator (U+2028)"], {"a": "\u2028"}),
    ('a: "\\ud800"', ["1:7+1 syntax: an escape that stands for no character [1:4 begins here]"], UNREAD),
    ('a: "\\x85"', ["1:4+6 control-character: the text contains a NEL line break"], {"a": "\x85"}),
    ('a: "\\x01"', ["1:4+6 control-character: the text contains a control character (U+0001)"], {"a": "\x01"}),
    ("a:\n  - b\n c: 1", [f"3:2+1 {A_KEY}"], UNREAD),
]  # fmt: skip


@pytest.mark.parametrize(("text", "findings", "value"), FOUND, ids=[str(index) for index in range(len(FOUND))])
def test_what_is_found_in_a_text(text: bytes | str, findings: list[str], value: Json) -> None:
    """All of it, in the order in which it stands there; and what is read in spite of it."""
    data = text.encode() if isinstance(text, str) else text
    parsed = parse(data, "f.yaml", max_bytes=LIMIT)
    assert list(described(parsed.findings)) == findings
    assert (UNREAD if parsed.document is None else parsed.document.value) == value
    assert {finding.place.file for finding in parsed.findings} <= {"f.yaml"}
    assert {place.file for finding in parsed.findings for place, _ in finding.related} <= {"f.yaml"}
    for finding in parsed.findings if parsed.lines else ():
        assert (finding.place.line, finding.place.column) in parsed.judged or parsed.document is None
    if findings:
        with pytest.raises(FileError) as refused:
            load(data, "f.yaml", max_bytes=LIMIT)
        first = parsed.findings[0]
        assert (refused.value.message, refused.value.help, described(refused.value.findings)) == (
            first.message,
            first.help,
            tuple(findings),
        )


@pytest.mark.parametrize("case", list(read_cases(DATA / "yaml" / "refused.txt")), ids=lambda case: case.id)
def test_a_text_that_two_readers_read_differently_is_refused(case: Case) -> None:
    """Or that none can read: in words for people who write policies, with a way on."""
    assert described(parse(case.text.encode(), "f.yaml", max_bytes=LIMIT).findings) == case.expected


def test_an_error_without_a_place_is_told_all_the_same() -> None:
    """At the top of the file."""
    found = explain("f", ("a", "b"), Exception("x"))
    assert (found.code, found.place, found.message, found.help, found.related) == ("syntax", Place("f"), "the text is not YAML", None, ())


def test_the_lines_of_a_text_are_kept() -> None:
    """Also where it cannot be read to its end, for frames; not where it is not even text."""
    assert parse(b"\xef\xbb\xbfa: 1\r\nb: '\rc'\n", "f", max_bytes=LIMIT).lines == ("a: 1", "b: '", "c'", "")
    assert parse(b"a: 1\nb: {", "f", max_bytes=LIMIT).lines == ("a: 1", "b: {")
    assert parse(b"a: \x07\nb", "f", max_bytes=LIMIT).lines == ("a: \x07", "b")
    assert parse(b"a\xff", "f", max_bytes=LIMIT).lines == parse(b"aa", "f", max_bytes=1).lines == ()


def test_what_was_put_in_the_place_of_something_is_judged_already() -> None:
    """Nobody complains twice about the same place."""
    parsed = parse(b"a:\nb: *x\nc: 1\n", "f", max_bytes=LIMIT)
    assert parsed.judged == {(1, 1), (1, 3), (2, 4)}


def test_a_text_may_be_as_long_as_the_limit() -> None:
    """And is whole megabytes in words."""
    assert load(b"a: 1", "f", max_bytes=4).value == {"a": 1}
    for mebibytes, words in ((1, "larger than 1 MiB"), (8, "larger than 8 MiB")):
        size = mebibytes * LIMIT
        assert parse(b"x" * (size + 1), "f", max_bytes=size).findings[0].message == words


def test_places_of_what_goes_on_over_several_lines() -> None:
    """To the end of the first line; at least one character."""
    document = load(b"a: 'one\n  two'\nb: |\n  x\nc:\n  d: [1,\n   2]\n", "f", max_bytes=LIMIT)
    assert document.value_place(("a",)) == Place("f", 1, 4, 4)
    assert document.value_place(("b",)) == Place("f", 3, 4, 1)
    assert document.value_place(("c",)) == Place("f", 6, 3, 6)
    assert document.value_place(("c", "d")) == Place("f", 6, 6, 1)
    assert document.key_place(("c", "d", 1)) == document.value_place(("c", "d", 1)) == Place("f", 7, 4, 1)
    assert document.file == "f"
    (twice,) = parse(b"key: 1\nkey: 2\n", "f", max_bytes=LIMIT).findings
    assert twice.related == ((Place("f", 1, 1, 3), "first here"),)
