"""What operators say of themselves and of values, as people read it under a decision."""

from __future__ import annotations

import pytest

from agentgate.core.conditions import OPERATORS, InvalidOperand, Unjudgeable
from agentgate.core.conditions.bounds import bound, length
from agentgate.core.conditions.sql import DIALECTS
from agentgate.core.conditions.test import NOWHERE, World, exactly, kind_of, shown
from agentgate.core.events import Json
from agentgate.core.state import State

from .cases import world

WANTED: list[tuple[str, Json, str]] = [
    ("equals", "read", '"read"'),
    ("equals", None, "null"),
    ("equals", [1, "x"], '[1, "x"]'),
    ("in", ["free", 1, True], 'one of "free", 1, true'),
    ("in", [], "one of nothing"),
    ("not_in", ["root"], 'anything but "root"'),
    ("not_in", ["root", 1], 'anything but "root", 1'),
    ("not_in", [], "anything but nothing"),
    ("matches", "a+", "a whole match of /a+/"),
    ("search", "a+", "something that contains /a+/"),
    ("glob", "a*", "a string like `a*`"),
    ("min", 5, "at least 5"),
    ("max", 2.5, "at most 2.5"),
    ("min_length", 3, "of length 3 or more"),
    ("max_length", 3, "of length 3 or less"),
    ("exists", True, "present"),
    ("exists", False, "absent"),
    ("schema", {"type": "string"}, "valid against the schema"),
    ("path", ["src", "docs"], "a path within `src` or `docs`"),
    ("path", [], "a path within no folder"),
    ("url", {"hosts": ["a.org", "*.b.org"]}, "a URL to a.org or *.b.org"),
    ("url", {"hosts": []}, "a URL to no host"),
    ("email", ["a.org"], "a mail address at a.org"),
    ("email", ["a.org", "b.org"], "a mail address at a.org or b.org"),
    ("email", [], "a mail address at no domain"),
    ("command", ["ls *", "git status"], "one of the commands `ls *`, `git status`"),
    ("command", [], "one of the commands in an empty list"),
    ("sql", {"statements": ["select", "delete"], "tables": ["orders", "x"]}, "one SELECT or DELETE statement over orders, x"),
    ("sql", {"statements": [], "tables": ["*"]}, "one no statement over any table"),
    ("sql", {"statements": ["select"], "tables": []}, "one SELECT statement over no table"),
    ("seen_in", "prompt", "a value that occurs in prompt"),
    ("seen_in", ["prompt", "read"], "a value that occurs in prompt or read"),
    ("seen_in", [], "a value that occurs in nothing"),
    ("links_seen_in", "prompt", "a text whose links all occur in prompt"),
    ("links_seen_in", ["prompt", "read"], "a text whose links all occur in prompt or read"),
    ("links_seen_in", [], "a text whose links all occur in nothing"),
]


@pytest.mark.parametrize(("key", "operand", "wanted"), WANTED, ids=[f"{key} {operand}"[:40] for key, operand, _ in WANTED])
def test_a_test_says_what_it_wants(key: str, operand: Json, wanted: str) -> None:
    """In words that follow "is not" and "must be"."""
    assert OPERATORS[key].compile(operand).wanted == wanted


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "a boolean"),
        (0, "a number"),
        (1.5, "a number"),
        ("", "a string"),
        ({}, "an object"),
        ([], "a list"),
        ((), "a list"),
    ],
)
def test_a_value_has_a_kind(value: Json, kind: str) -> None:
    """JSON's types, with an article."""
    assert kind_of(value) == kind


@pytest.mark.parametrize("length", [10, 58, 59, 200])
def test_a_long_value_is_cut_in_the_middle(length: int) -> None:
    """Its beginning and its end stay; sixty characters do, quotes included."""
    text = shown("b" + "x" * (length - 2) + "e")
    assert len(text) == min(length + 2, 60)
    assert text.startswith('"bx')
    assert text.endswith('xe"')
    assert ("…" in text) == (length > 58)


def test_values_are_told_apart_by_type() -> None:
    """`true` is not `1`, `1` is not `"1"`, but `1` is `1.0`; also inside lists and objects."""
    values: list[Json] = [1, "1", True, False, 0, None, "null", [], {}, [1], [True], ["1"], {"a": 1}, {"a": True}, {"b": 1}, "true", [[1]]]
    assert len({exactly(value) for value in values}) == len(values)
    assert exactly([1, {"a": 2.0, "b": None}]) == exactly([1.0, {"b": None, "a": 2}])


HOSTS: Json = {"hosts": ["a.org"]}
SQL: Json = {"statements": ["select", "delete"], "tables": ["orders"]}
TOO_DEEP = "select " + "(" * 13 + "1" + ")" * 13
TOO_AMBIGUOUS = "select * from " + " join ".join(f"a{number}" for number in range(200))
UNJUDGEABLE: list[tuple[str, Json, Json, str]] = [
    ("matches", "a", 1, "is a number, not a string"),
    ("glob", "a", [], "is a list, not a string"),
    ("search", "x", None, "is null, not a string"),
    ("min", 1, "1", "is a string, not a number"),
    ("max", 1, True, "is a boolean, not a number"),
    ("min_length", 1, {}, "is an object, not a string or a list"),
    ("max_length", 1, 1, "is a number, not a string or a list"),
    ("command", ["ls"], 1, "is a number, not a string"),
    ("command", ["ls"], "", "is empty"),
    ("command", ["ls"], "x" * 16_001, "is longer than 16000 characters"),
    ("command", ["ls"], "sudo id", "can start another program"),
    ("command", ["rm **"], "/bin/rm x", "mentions a listed command, in another form than listed"),
    ("command", ["ls"], "''", "names no program"),
    ("command", ["ls"], " ", "names no program"),
    ("command", ["ls"], "a=b c", "is not a simple command"),
    ("command", ["ls"], "then x", "is not a simple command"),
    ("command", ["ls"], "if x", "is not one simple command"),
    ("command", ["ls"], "while", "is not one simple command"),
    ("command", ["ls"], "ls | x", "has `|` where a plain word is expected"),
    ("command", ["ls"], "ls\u200b", "contains U+200B"),
    ("command", ["ls"], "ls =x", "has a word that begins with `=`"),
    ("email", ["a.org"], "x", "is not one plain mail address"),
    ("email", ["a.org"], "a@b c", "has no plain domain"),
    ("links_seen_in", "prompt", "http://" + "x" * 1000, "carries a link of an odd length"),
    ("links_seen_in", "prompt", 5, "is a number, not a string"),
    ("path", ["src"], "a\\b", "contains `\\`, which some tools expand"),
    ("path", ["src"], "a\u200bb", "contains U+200B"),
    ("path", ["src"], "a．b", "contains U+FF0E"),
    ("path", ["src"], "//a", "starts with two slashes"),
    ("path", ["src"], "c:x", "starts like a URL or a drive"),
    ("path", ["src"], "$HOME", "contains `$H`, which some tools expand"),
    ("path", ["src"], "~x", "contains a `~`, which some tools expand"),
    ("path", ["src"], "x .", "contains a name that starts or ends with a space, or ends with a dot"),
    ("path", ["src"], "a /b", "contains a name that starts or ends with a space, or ends with a dot"),
    ("path", ["src"], "SRC/x", "lies within where letter case or Unicode form does not count"),
    ("path", ["src"], "/proc/self", "cannot resolve: [Errno 40] a loop"),
    ("url", HOSTS, "a.org", "is not a plain `scheme://host[:port][/path]` in ASCII"),
    ("url", HOSTS, "https://a.org/%0a", "contains a broken percent escape, or an escaped line break or NUL"),
    ("url", HOSTS, "https://a.org./", "has a host that is neither a name nor an address in canonical form"),
    ("url", HOSTS, "https://a.org:65536/", "has no such port"),
    ("url", HOSTS, "http://a.org/", "leads to a listed host by another scheme, and the policy names no schemes"),
    ("url", HOSTS, "https://a.org:1/", "leads to a listed host by another port, and the policy names no ports"),
    ("seen_in", "prompt", [], "is an empty list"),
    ("seen_in", "prompt", ["one", "two"], "is a list of which some items occur and some do not"),
    ("seen_in", "prompt", True, "is a boolean, which does not occur in a text"),
    ("seen_in", "prompt", 10**40, "is not a number that somebody writes out"),
    ("seen_in", "prompt", "ab", "is not between 3 and 1000 characters, or has space around it"),
    ("sql", SQL, "", "is empty"),
    ("sql", SQL, "vacuum", "does not begin like a statement that can be judged"),
    ("sql", SQL, "select 1 -- x", "contains a comment"),
    ("sql", SQL, "select 1; select 2", "is more than one statement"),
    ("sql", SQL, TOO_DEEP, "is nested deeper than 12 levels"),
    ("sql", SQL, "select 'ʼx'", "has U+02BC in a string"),
    ("sql", SQL, "select $1", "has `$` where SQL that all dialects read alike has none"),
    ("sql", SQL, "select from from from", "does not parse as SQL"),
    ("sql", SQL, "select foo(1) from orders", "calls the function `foo`, which is not listed"),
    ("sql", SQL, "select x.a from orders", "has a column of `x`, which it does not read from"),
    ("sql", SQL, "select * from f(1)", "reads from something that is not a table"),
    ("sql", SQL, "select nextval from orders", "advances a sequence"),
    ("sql", SQL, "select a::foo from orders", "casts to a type that is not of the standard"),
    ("sql", SQL, "drop view orders", "drops something that is not a table"),
    ("sql", SQL, "with x as (insert into orders values (1) returning 1) select * from x", "is in part what is listed, and in part not"),
    ("sql", SQL, "select from orders", "selects nothing"),
    ("sql", SQL, "select a from orders as commit", "uses `commit` as a name"),
    ("sql", SQL, "delete from orders where a = 1 returning call", "uses `call` as a name"),
    ("sql", SQL, "select a in b from orders", "looks in something that is neither a list nor a query"),
    ("sql", SQL, "select json_extract(a,'$.b') from orders", "contains `jsonextract`, which is not known to be harmless"),
    ("sql", SQL, TOO_AMBIGUOUS, "can be read in too many ways"),
]


@pytest.mark.parametrize(("key", "operand", "value", "why"), UNJUDGEABLE, ids=[f"{key}: {why}"[:60] for key, _, _, why in UNJUDGEABLE])
def test_what_cannot_be_judged_says_why(key: str, operand: Json, value: Json, why: str) -> None:
    """In words that follow the argument's name."""
    with pytest.raises(Unjudgeable) as doubt:
        OPERATORS[key].compile(operand).holds(value, world(), State(prompt=("one and only",)))
    assert str(doubt.value) == why


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (World(), "nobody to resolve links"),
        (World(known={"/src": NOWHERE}), "nobody could say where it leads"),
        (World(resolve=lambda path: "src"), "does not resolve to an absolute path"),
        (World(resolve=lambda path: f"{path}/.."), "does not resolve to an absolute path"),
    ],
    ids=["nobody", "nowhere", "relative", "dots"],
)
def test_a_path_that_nobody_can_follow_says_why(asked: World, why: str) -> None:
    """Whoever was asked, and whatever was recorded."""
    with pytest.raises(Unjudgeable) as doubt:
        OPERATORS["path"].compile(["/src"]).holds("/src", asked, State())
    assert str(doubt.value) == why


def test_a_path_is_resolved_once_in_a_judgement() -> None:
    """What is judged and what is recorded are the same answer."""
    answers = iter(("/first", "/second"))
    asked = World(resolve=lambda path: next(answers))
    assert [asked.real_path("/x"), asked.real_path("/x"), asked.facts["/x"]] == ["/first"] * 3
    assert World().workdir == "/"


def test_letters_at_the_ends_of_names_are_no_spaces() -> None:
    """Capitals neither."""
    assert OPERATORS["path"].compile(["X/aX"]).holds("X/aX/bX", world(), State())


def test_what_is_no_json_is_shown_too() -> None:
    """As Python writes it."""
    assert shown(b"x") == "\"b'x'\""
    assert shown("é") == '"é"'
    assert [shown(text) for text in ('a"b', "a\\b", "a\tb", "ab")] == ['"a\\"b"', '"a\\\\b"', '"a\\tb"', '"ab"']


REFUSED: list[tuple[str, Json, str]] = [
    ("matches", "(", "RE2 cannot compile this pattern: missing ): ("),
    ("search", "(", "RE2 cannot compile this pattern: missing ): ("),
    ("path", ["~/src"], "`~/src` contains a `~`, which some tools expand"),
    ("path", [""], "`` is empty"),
    ("url", {"hosts": ["a.org/x"]}, "`a.org/x` is not a host name or address"),
    ("url", {"hosts": ["a.org"], "schemes": ["gopher"]}, "`gopher` is not one of the schemes http, https, ws, wss, ftp"),
    ("email", ["bob@a.org"], "`bob@a.org` is not a host name"),
    ("command", ["ls | wc"], "`|` in `ls | wc`: a pattern is plain words of one command, with `*` and a last `**`"),
    ("command", ["* x"], "`* x` does not begin with the name of a program"),
    ("command", ["git ** x"], "`git ** x` has `**` elsewhere than as its last word"),
    ("seen_in", ["send#"], "`send#` is no source: write `TOOL#FIELD`, for a field in the results of a tool"),
    ("seen_in", "prompt#a#b", "`prompt#a#b` is no source: write `TOOL#FIELD`, for a field in the results of a tool"),
    ("links_seen_in", "prompt#a", "`prompt#a` is no source: write `TOOL#FIELD`, for a field in the results of a tool"),
    ("sql", {"statements": ["merge", "grant"], "tables": []}, "`grant` is not a kind of statement that can be judged"),
    ("sql", {**SQL, "dialect": "klingon"}, f"unknown dialect `klingon`; known are {', '.join(DIALECTS)}"),
]


@pytest.mark.parametrize(("key", "operand", "why"), REFUSED, ids=[f"{key}: {why}"[:60] for key, _, why in REFUSED])
def test_an_operand_that_makes_no_sense_says_why(key: str, operand: Json, why: str) -> None:
    """In a sentence with what was written."""
    with pytest.raises(InvalidOperand) as refused:
        OPERATORS[key].compile(operand)
    assert str(refused.value) == why


def test_a_schema_that_makes_no_sense_says_why() -> None:
    """In the words of the library, after our own."""
    with pytest.raises(InvalidOperand, match=r'^not a usable JSON Schema: "nonsense" is not valid'):
        OPERATORS["schema"].compile({"type": "nonsense"})


EMPTY: list[tuple[str, Json]] = [
    ("in", []),
    ("path", []),
    ("url", {"hosts": []}),
    ("url", {"hosts": ["a.org"], "schemes": []}),
    ("url", {"hosts": ["a.org"], "ports": []}),
    ("email", []),
    ("command", []),
    ("sql", {"statements": [], "tables": ["orders"]}),
    ("sql", {"statements": ["delete"], "tables": []}),
    ("seen_in", []),
]
FULL: list[tuple[str, Json]] = [
    ("in", ["a"]),
    ("path", ["src"]),
    ("url", HOSTS),
    ("url", {**HOSTS, "schemes": ["http"], "ports": [1]}),
    ("email", ["a.org"]),
    ("command", ["ls"]),
    ("sql", SQL),
    ("sql", {"statements": ["select"], "tables": []}),
    ("seen_in", "prompt"),
]


@pytest.mark.parametrize(
    ("key", "operand", "never"), [(*one, True) for one in EMPTY] + [(*one, False) for one in FULL], ids=lambda value: str(value)[:40]
)
def test_a_list_of_nothing_is_known_never_to_hold(key: str, operand: Json, never: bool) -> None:
    """So that `check` can say it."""
    assert OPERATORS[key].compile(operand).never is never


def test_what_rules_can_be_found_by_is_told() -> None:
    """Values that are equal or in a list, and the patterns of whole texts."""
    assert OPERATORS["equals"].compile("a").values == frozenset(("a",))
    assert OPERATORS["equals"].compile(1).values == frozenset((exactly(1),))
    assert OPERATORS["in"].compile(["a", None]).values == frozenset(("a", exactly(None)))
    assert OPERATORS["in"].compile([]).values == frozenset()
    found = [OPERATORS[key].compile("a*").pattern for key in ("glob", "matches", "search")]
    assert [(one.text, one.kind) for one in found if one is not None] == [("(?s)a.*", "full"), ("a*", "full"), ("a*", "search")]


def test_a_bound_is_what_it_is_made_of() -> None:
    """Its key, what the documentation says of it, and how it measures."""
    made = bound("k", "s", {"type": "number"}, length, lower=True, words="at least {}", example=3)
    assert (made.key, made.summary, made.operand, made.example) == ("k", "s", {"type": "number"}, 3)
    test = made.compile(2)
    assert test.wanted == "at least 2"
    assert [test.holds(value, world(), State()) for value in ("a", "ab", "abc")] == [False, True, True]
    most = bound("k", "s", {}, length, lower=False, words="{}", example=3).compile(2)
    assert [most.holds(value, world(), State()) for value in ("a", "ab", "abc")] == [True, True, False]
