"""Operators over values, in three outcomes: holds, does not hold, cannot be judged."""

from __future__ import annotations

from posixpath import normpath
from typing import Any

import pytest

from agentgate.core.conditions import Unjudgeable, World
from agentgate.core.conditions.test import NOWHERE
from agentgate.core.events import Json, ToolReturned
from agentgate.session import Session

from .building import decision, policy, propose, rule

Y, N, U = "holds", "does not hold", "cannot be judged"

OPERATORS: list[tuple[Json, Json, str]] = [
    # equals, in, not_in: types exact, but 1 is 1.0
    ({"equals": "x"}, "x", Y), ({"equals": "x"}, "X", N), ({"equals": "x"}, ["x"], N), ({"equals": 1}, 1.0, Y), ({"equals": 1.0}, 1, Y),
    ({"equals": 1}, True, N),
    ({"equals": True}, 1, N), ({"equals": 1}, "1", N), ({"equals": 0}, False, N), ({"equals": None}, None, Y),
    ({"equals": None}, False, N), ({"equals": ""}, None, N),
    ({"equals": [1, "x"]}, [1.0, "x"], Y), ({"equals": [1]}, [True], N), ({"equals": ["x", "y"]}, ["y", "x"], N),
    ({"equals": {"a": 1, "b": 2}}, {"b": 2, "a": 1}, Y),
    ({"equals": {"a": 1}}, {"a": True}, N), ({"equals": {"a": 1}}, {"a": 1, "b": 2}, N), ({"equals": {}}, [], N),
    ({"equals": 10**20}, 1e20, Y),
    ({"equals": 2**53}, 2**53 + 1, N), ({"equals": float(2**53)}, 2**53 + 1, N), ({"equals": 0}, -0.0, Y), ({"equals": "é"}, "e\u0301", N),
    ({"in": ["x", 1]}, "x", Y), ({"in": ["x", 1]}, 1.0, Y), ({"in": ["x", 1]}, True, N), ({"in": []}, "x", N),
    ({"in": [["x"]]}, ["x"], Y), ({"in": ["x"]}, ["x"], N),
    ({"not_in": ["x", 1]}, "y", Y), ({"not_in": ["x", 1]}, 1.0, N), ({"not_in": ["x", 1]}, True, Y), ({"not_in": []}, None, Y),
    ({"not_in": [{"a": [1]}]}, {"a": [1.0]}, N),
    # matches: the whole string
    ({"matches": "[a-z]+"}, "abc", Y), ({"matches": "[a-z]+"}, "abc\n", N), ({"matches": "^[a-z]+$"}, "abc\n", N),
    ({"matches": "a|ab"}, "ab", Y),
    ({"matches": "a"}, "ba", N), ({"matches": ""}, "", Y), ({"matches": "."}, "\n", N), ({"matches": "(?s)."}, "\n", Y),
    ({"matches": "(?i)a"}, "A", Y),
    ({"matches": r"\d"}, "\u0661", N), ({"matches": "a.c"}, "a\x00c", Y), ({"matches": "1"}, 1, U), ({"matches": ".*"}, None, U),
    ({"matches": ".*"}, ["a"], U),
    ({"matches": "(a*)*b"}, "a" * 5000, N), ({"matches": "(?m)^a$"}, "a\nb", N),
    # search: in every string below, as it stands and laid bare
    ({"search": "drop"}, "x drop y", Y), ({"search": "drop"}, "x DROP y", N), ({"search": "(?i)drop"}, "DrOp", Y),
    ({"search": "drop"}, "dr\u200bop", Y),
    ({"search": "drop"}, "\uff44\uff52\uff4f\uff50", Y), ({"search": "drop"}, "d\u00adr\u2060o\ufeffp", Y),
    ({"search": "drop"}, "\uff44\u200br\u200do\u202ep", Y),
    ({"search": "\u200b"}, "a\u200bb", Y), ({"search": "\uff44"}, "\uff44", Y), ({"search": "drop"}, ["a", {"b": ["drop"]}], Y),
    ({"search": "drop"}, {"drop": 1}, Y),
    ({"search": "drop"}, ["a", 1], N), ({"search": "drop"}, [], N), ({"search": "ab"}, ["a", "b"], N), ({"search": "1"}, 1, U),
    ({"search": "true"}, True, U), ({"search": ""}, None, U),
    ({"search": "^x$"}, "x\n", N), ({"search": "a.b"}, "a\nb", N),
    # glob: `*` alone is special
    ({"glob": "a*c"}, "abc", Y), ({"glob": "a*c"}, "ac", Y), ({"glob": "a*c"}, "abcd", N), ({"glob": "*"}, "", Y),
    ({"glob": "a?c"}, "abc", N), ({"glob": "a?c"}, "a?c", Y),
    ({"glob": "[a]"}, "a", N), ({"glob": "a.c"}, "abc", N), ({"glob": "a*"}, "A", N), ({"glob": "a*b*c"}, "a1b2c", Y),
    ({"glob": "*"}, 1, U), ({"glob": "*"}, None, U), ({"glob": "ab*ba"}, "aba", N), ({"glob": "ab*ba"}, "abba", Y),
    ({"glob": "read_*"}, "read_x\n", Y), ({"glob": "read"}, "read\n", N),
    # bounds
    ({"min": 1}, 1, Y), ({"min": 1}, 0.999, N), ({"max": 1}, 1.0, Y), ({"max": 1}, 1.0000001, N), ({"min": 0, "max": 2}, 1, Y),
    ({"min": 0, "max": 2}, 3, N),
    ({"min": 1}, True, U), ({"max": 1}, False, U), ({"min": 0}, "1", U), ({"max": 1}, None, U), ({"max": 1}, [0], U),
    ({"max": 2**53}, 2**53 + 1, N),
    ({"max": float(2**53)}, 2**53 + 1, N), ({"min": 10**20}, 1e20, Y), ({"max": 1e308}, 10**308, Y), ({"min": 0}, -0.0, Y),
    ({"max": 5}, 10**300, N),
    ({"min_length": 1}, "", N), ({"min_length": 1}, "x", Y), ({"max_length": 1}, "😀", Y), ({"max_length": 1}, "xy", N),
    ({"max_length": 1}, ["x"], Y), ({"min_length": 2}, ["x"], N),
    ({"max_length": 5}, 1, U), ({"min_length": 0}, None, U), ({"max_length": 5}, {}, U), ({"min_length": 0}, True, U),
    # schema, exists
    ({"schema": {"type": "string"}}, "x", Y), ({"schema": {"type": "string"}}, 1, N), ({"schema": {"type": "integer"}}, True, N),
    ({"schema": {}}, None, Y),
    ({"schema": {"type": "object", "required": ["b"]}}, {"b": 1}, Y), ({"schema": {"type": "array", "maxItems": 1}}, [1, 2], N),
    ({"exists": True}, None, Y), ({"exists": False}, None, N), ({"exists": True}, "", Y), ({"exists": True}, 0, Y),
    # several: a plain no beats what cannot be judged
    ({"min": 1, "equals": "x"}, "x", U), ({"min": 1, "equals": "x"}, "y", N), ({"matches": "x", "max": 5}, "x", U),
    ({"matches": "x", "min_length": 1}, "x", Y),
    ({"min": 1, "optional": True}, "x", U), ({"equals": "x", "optional": True}, "y", N), ({"equals": "x", "optional": True}, None, N),
]  # fmt: skip

ABSENT: list[tuple[Json, str]] = [
    ({"equals": None}, N), ({"in": [None]}, N), ({"not_in": ["x"]}, N), ({"matches": ".*"}, N), ({"search": ""}, N), ({"glob": "*"}, N),
    ({"min": 0}, N),
    ({"max_length": 5}, N), ({"schema": {}}, N), ({"exists": True}, N), ({"exists": False}, Y), ({"equals": "x", "optional": True}, Y),
    ({"max": 5, "optional": True}, Y),
    ({"exists": False, "equals": "x"}, N),
]  # fmt: skip

REACHED: list[tuple[str, Json, str]] = [
    ("a.b", {"a": {"b": "x"}}, Y), ("a.b", {"a": {"b": "y"}}, N), ("a.b", {"a": {}}, N), ("a.b", {}, N), ("a.b", {"a": "x"}, U),
    ("a.b", {"a": None}, U),
    ("a.b", {"a": ["x"]}, U), ("a.b", {"a": [{"b": "x"}]}, U), ("a.b", {"a": 0}, U), ("a.b", {"a.b": "x"}, N),
    ("a.b.c", {"a": {"b": {"c": "x"}}}, Y),
    ("a.b.c", {"a": {"b": "x"}}, U), ("a.b.c", {"a": {}}, N), ("a", {"A": "x"}, N), ("a", {"\u0430": "x"}, N), ("a", {"b": {"a": "x"}}, N),
]  # fmt: skip


def outcomes(when: Json, arguments: Json) -> tuple[bool, bool, bool, bool]:
    """Whether a condition makes an allow rule and a block rule match, and as an exception takes away an allow and a block."""
    stories = (
        policy(rule("allow", "t", when=when)), policy(rule("block", "t", when=when), default="allow"),
        policy(rule("allow", "t", unless=when)), policy(rule("block", "t", unless=when), default="allow"),
    )  # fmt: skip
    allowed, spared, kept, excepted = (decision(story, "t", arguments).effect.value == "allow" for story in stories)
    return allowed, not spared, not kept, excepted


EXPECTED = {Y: (True, True, True, True), N: (False, False, False, False), U: (False, True, True, False)}


@pytest.mark.parametrize(("operators", "value", "outcome"), OPERATORS, ids=lambda value: repr(value)[:40])
def test_an_operator_judges_a_value(operators: Json, value: Json, outcome: str) -> None:
    """What cannot be judged loosens nothing: no allow, a block, an allow taken away, a block without exception."""
    assert outcomes({"a": operators}, {"a": value}) == EXPECTED[outcome]


@pytest.mark.parametrize(("operators", "outcome"), ABSENT, ids=lambda value: repr(value)[:40])
def test_an_absent_argument_satisfies_nothing(operators: Json, outcome: str) -> None:
    """Except `exists: false` and `optional: true`."""
    assert outcomes({"a": operators}, {"b": "x"}) == EXPECTED[outcome]


@pytest.mark.parametrize(("path", "arguments", "outcome"), REACHED, ids=lambda value: repr(value)[:40])
def test_a_dotted_name_reaches_into_objects(path: str, arguments: Json, outcome: str) -> None:
    """Through anything else it cannot be judged."""
    assert outcomes({path: "x"}, arguments) == EXPECTED[outcome]


ALL, SOME, NONE = "every string", "some string", "no string"
STARS: list[tuple[Json, str]] = [
    ({"a": "x"}, ALL), ({"a": "x", "b": ["x", {"x": "x"}]}, ALL), ({"a": "x", "b": 1, "c": None}, ALL), ({"a": "x", "b": "y"}, SOME),
    ({"a": {"y": "x"}}, SOME),
    ({"a": ["y", ["x"]]}, SOME), ({"a": "y"}, NONE), ({"x": "y"}, NONE), ({"a": 1}, NONE), ({}, NONE), ({"a": []}, NONE),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "passing"), STARS, ids=lambda value: repr(value)[:40])
def test_a_star_stands_for_every_string(arguments: Json, passing: str) -> None:
    """What allows needs every string to pass, what forbids is satisfied by one; names of arguments are not among them."""
    assert outcomes({"*": "x"}, arguments) == (passing == ALL, passing != NONE, passing != NONE, passing == ALL)


@pytest.mark.parametrize(
    ("operators", "outcome"),
    [({"exists": False}, Y), ({"exists": True}, N), ({"equals": "x", "optional": True}, Y), ({"not_in": ["x"]}, N)],
)
def test_a_star_without_strings_is_like_an_absent_argument(operators: Json, outcome: str) -> None:
    """Nothing there to satisfy a condition, unless absence does."""
    assert outcomes({"*": operators}, {"a": 1, "b": [None, True]}) == EXPECTED[outcome]


TRUTHS = {Y: ("y", "x"), N: ("n", "q"), U: ("u", 1)}


@pytest.mark.parametrize("first", [Y, N, U])
@pytest.mark.parametrize("second", [Y, N, U])
def test_conditions_combine_in_three_values(first: str, second: str) -> None:
    """One that does not hold decides, then one that cannot be judged; the same under `when` and `unless`."""
    when = {"a": {"matches": "x"}, "b": {"matches": "x"}}
    arguments = {"a": TRUTHS[first][1], "b": TRUTHS[second][1]}
    combined = N if N in (first, second) else U if U in (first, second) else Y
    assert outcomes(when, arguments) == EXPECTED[combined]


INVISIBLE = ["\u034f", "\ufe0f", "\u3164", "\u115f", "\u180e", "\U000e0061", "\u2061", "\u17b4"]


@pytest.mark.parametrize("character", INVISIBLE, ids=lambda character: f"U+{ord(character):04X}")
def test_no_invisible_character_hides_a_word(character: str) -> None:
    """Format characters, fillers, variation selectors and tags alike."""
    assert outcomes({"a": {"search": "drop"}}, {"a": f"dr{character}op"}) == EXPECTED[Y]


HOSTS = {"url": {"hosts": ["example.com"]}}
SITE, OTHER_SITE, NO_SITE = "https://example.com/", "https://example.org/", "no url"
BY_HOST: list[tuple[list[str], str, str, str, str]] = [
    ([SITE], "allow", "block", "block", "allow"),
    ([OTHER_SITE], "block", "allow", "allow", "block"),
    ([SITE, OTHER_SITE], "block", "block", "block", "block"),
    ([NO_SITE], "block", "block", "block", "block"),
    ([SITE, NO_SITE], "block", "block", "block", "block"),
    ([OTHER_SITE, NO_SITE], "block", "block", "block", "block"),
]
"""Texts anywhere in the arguments, and what becomes of the call by each of the four rules below, beside a milder one."""


@pytest.mark.parametrize(("texts", "allow_when", "block_when", "allow_unless", "block_unless"), BY_HOST)
def test_what_cannot_be_judged_anywhere_loosens_nothing(
    texts: list[str], allow_when: str, block_when: str, allow_unless: str, block_unless: str
) -> None:
    """To be allowed, every text must pass; to be blocked, one is enough, and one that cannot be judged is."""
    arguments: Json = {texts[0]: [{texts[0]: text} for text in texts]}  # keys are strings, too
    mild = rule("allow", "read", id="mild")
    for wanted, expected in (
        (policy(rule("allow", "read", when={"*": HOSTS})), allow_when),
        (policy(mild, rule("block", "read", when={"*": HOSTS})), block_when),
        (policy(rule("allow", "read", unless={"*": HOSTS})), allow_unless),
        (policy(mild, rule("block", "read", unless={"*": HOSTS})), block_unless),
    ):
        assert decision(wanted, "read", arguments).effect.value == expected


@pytest.mark.parametrize("also", [{}, {"z": {"exists": False}}], ids=["one condition", "two"])
@pytest.mark.parametrize("beside", [{}, {"max_length": 50}], ids=["alone", "beside another"])
@pytest.mark.parametrize("argument", ["a", "o.a", "*"])
@pytest.mark.parametrize(
    ("operator", "inside", "outside"),
    [({"path": ["docs"]}, "docs/a", "etc/a"), ({"seen_in": "prompt"}, "hello", "goodbye"), ({"seen_in": "@files"}, "notes", "hello")],
    ids=["path", "prompt", "group"],
)
def test_what_a_condition_asks_is_answered_wherever_it_stands(
    operator: dict[str, Json], inside: str, outside: str, argument: str, beside: dict[str, Json], also: dict[str, Json]
) -> None:
    """About links and about the run: in `when` and in `unless`, at any place, alone and beside other operators."""
    condition = {**also, argument: {**operator, **beside}}
    mild = rule("allow", "read", id="mild")
    for wanted, of_inside, of_outside in (
        (policy(rule("allow", "read", when=condition), rule("allow", "ls"), groups=FILES), "allow", "block"),
        (policy(mild, rule("block", "read", unless=condition), rule("allow", "ls"), groups=FILES), "allow", "block"),
    ):
        for text, expected in ((inside, of_inside), (outside, of_outside)):
            session = Session(wanted, resolve=normpath, prompt="hello")
            propose(session, "ls", id="first")
            session.record(ToolReturned(call_id="first", executed=True, ok=True, content='{"ok": true, "result": "notes"}'))
            arguments = {"o": {"a": text}} if argument == "o.a" else {"a": text}
            assert propose(session, "read", arguments).effect.value == expected


FILES = {"files": ("ls", "find")}


@pytest.mark.parametrize(("key", "first"), [("after", "block"), ("before", "allow")])
def test_a_group_stands_for_its_tools_in_what_came_before(key: str, first: str) -> None:
    """One of them is enough."""
    more: dict[str, Any] = {key: ("@files",)}
    wanted = policy(rule("allow", "ls"), rule("allow", "read", **more), groups=FILES)
    session = Session(wanted)
    assert propose(session, "read").effect.value == first
    propose(session, "ls", id="first")
    session.record(ToolReturned(call_id="first", executed=True, ok=True, content="{}"))
    assert propose(session, "read").effect.value != first


def test_a_path_that_nobody_can_resolve_is_a_fact() -> None:
    """So that a replay comes to the same without asking."""

    def failing(path: str) -> str:
        raise OSError(path)

    for world in ((asked := World(resolve=failing)), World(known={"/a": NOWHERE})):
        with pytest.raises(Unjudgeable):
            world.real_path("/a")
        assert world.facts == {"/a": NOWHERE}
    with pytest.raises(Unjudgeable):
        asked.real_path("/a")
