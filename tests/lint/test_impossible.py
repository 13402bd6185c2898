"""What lint calls impossible is compared with what the operators say about many values; and what is impossible is called so."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
import re2
from rpds import HashTrieMap, List

from agentgate.core.conditions import World
from agentgate.core.events import Json
from agentgate.core.lint.contradictions import unsatisfiable
from agentgate.core.lint.languages import no_text
from agentgate.core.lint.patterns import samples, text_of
from agentgate.core.lint.values import STOCK, of_operator
from agentgate.core.patterns import glob_pattern
from agentgate.core.policy import Condition
from agentgate.core.rules import CompiledCondition
from agentgate.core.state import State

_OPERANDS: dict[str, tuple[Json, ...]] = {
    "equals": ("read", 5, True, None, "src/x", [], {"b": "read"}, {}, "a@example.com", "git status"),
    "in": ([], ["read", "write"], [1, 5, 7.0], [{"b": "read"}, {"b": 1}], ["docs/a.md", "src/b.md"], ["https://a.example.com/", None]),
    "not_in": ([], ["read"], ["read", "write"], [5], [True, None]),
    "matches": ("[a-z]+", ".*", "src/.*", "a{3}", r".*\.md", "(?i)READ", "[^@]+@example.com", "x?", "(a|bc)+", "https://.*"),
    "glob": ("*", "docs/*", "*.md", "read", "git *", "?x*", "*@example.com"),
    "min": (1, 5, 5.0, 10, -1),
    "max": (5, 3, 0, 1, 10.5),
    "min_length": (0, 1, 4, 30),
    "max_length": (0, 2, 4, 10),
    "exists": (True, False),
    "search": ("read", "(?i)a", "^x"),
    "schema": ({"type": "string"}, {"type": "integer"}, {"enum": ["read", 5]}, {"const": 7}, {"type": ["null", "array"]}, {}, {"not": {}}),
    "path": (["src"], [], ["."]),
    "url": (
        {"hosts": ["a.example.com"]}, {"hosts": []}, {"hosts": ["a.example.com"], "schemes": []},
        {"hosts": ["*.example.com"], "ports": [1]},
    ),
    "email": (["example.com"], []),
    "command": (["git status"], []),
    "sql": (
        {"statements": [], "tables": ["*"]}, {"statements": ["select"], "tables": []}, {"statements": ["delete", "drop"], "tables": []},
    ),
    "seen_in": ("prompt", [], ["prompt", "known"]),
    "links_seen_in": ("prompt", []),
}  # fmt: skip
_ARGUMENTS = ("a", "a", "a.b", "a.b.c", "*", "d")
_WORLD = World(workdir="/srv", resolve=lambda path: "/srv/src/x" if path.endswith("link") else path)
_STATE = State(
    prompt=("please read https://a.example.com/ for a@example.com, docs/a.md and 5",),
    results=HashTrieMap({"known": List(["read, write, src/x; 7"])}),
)


def _condition(rng: random.Random, argument: str) -> CompiledCondition:
    keys = rng.sample(tuple(_OPERANDS), rng.choice((1, 1, 2, 2, 3)))
    said = Condition(argument, tuple((key, rng.choice(_OPERANDS[key])) for key in keys), optional=rng.random() < 0.15)
    return CompiledCondition(said, every=rng.random() < 0.7)


def _values(conditions: tuple[CompiledCondition, ...]) -> list[Json]:
    found = [value for one in conditions for key, operand in one.condition.operators for value in of_operator(key, operand)]
    return [
        *found,
        *STOCK,
        "read",
        "src/link",
        "docs/a.md",
        "a@example.com",
        "git status",
        "aaa",
        "",
        "7",
        "select 1",
        {"b": {"c": "read"}},
    ]


def _calls(conditions: tuple[CompiledCondition, ...], rng: random.Random) -> Iterator[dict[str, Json]]:
    values = _values(conditions)
    yield {}
    for value in values:
        yield {"a": value}
        yield {"a": {"b": value}}
        yield {"a": value, "d": rng.choice(values)}
        yield {"a": {"b": {"c": value}}, "d": rng.choice(values)}
        yield {"a": {"b": value, "c": rng.choice(values)}, "text": rng.choice(values)}


@pytest.mark.parametrize("seed", range(20))
def test_what_is_said_to_be_impossible_no_call_satisfies(seed: int) -> None:
    """Conditions that are said to contradict themselves or one another certainly hold together for none of many calls."""
    rng = random.Random(seed)
    for _ in range(150):
        arguments = dict.fromkeys(rng.sample(_ARGUMENTS, rng.choice((1, 2))))
        conditions = tuple(_condition(rng, argument) for argument in arguments)
        found = unsatisfiable(conditions)
        if found is not None:
            for call in _calls(conditions, rng):
                outcomes = [condition.outcome(call, _WORLD, _STATE) for condition in conditions]
                assert not all(outcome is True for outcome in outcomes), (found[0], [one.condition for one in conditions], call)


def _when(**conditions: Json) -> tuple[CompiledCondition, ...]:
    made = []
    for argument, operators in conditions.items():
        optional = operators.pop("optional", False)
        said = Condition(argument.replace("__", ".").replace("any", "*"), tuple(operators.items()), optional=optional)
        made.append(CompiledCondition(said, every=True))
    return tuple(made)


IMPOSSIBLE: list[tuple[dict[str, Json], str]] = [
    ({"a": {"in": []}}, "the list for `a` is empty"),
    ({"a": {"seen_in": []}}, "`seen_in` has an empty list"),
    ({"a": {"path": []}}, "`path` has an empty list"),
    ({"a": {"email": []}}, "`email` has an empty list"),
    ({"a": {"command": []}}, "`command` has an empty list"),
    ({"a": {"url": {"hosts": []}}}, "`url` has an empty list"),
    ({"a": {"url": {"hosts": ["a.com"], "schemes": []}}}, "`url` has an empty list"),
    ({"a": {"url": {"hosts": ["a.com"], "ports": []}}}, "`url` has an empty list"),
    ({"a": {"sql": {"statements": [], "tables": ["*"]}}}, "`sql` has an empty list"),
    ({"a": {"sql": {"statements": ["delete"], "tables": []}}}, "`sql` has an empty list"),
    ({"a": {"equals": "x", "in": ["y"]}}, 'must be "x"'),
    ({"a": {"in": ["x", "y"], "not_in": ["x", "y", "z"]}}, "exclude every value"),
    ({"a": {"matches": "[0-9]+", "in": ["x", "y"]}}, "exclude every value"),
    ({"a": {"glob": "docs/*", "equals": "src/x"}}, "must be"),
    ({"a": {"matches": "src/.*", "glob": "docs/*"}}, "satisfies `matches` and `glob` together"),
    ({"a": {"matches": "[a-z]+", "glob": "*.md"}}, "satisfies `matches` and `glob` together"),
    ({"a": {"matches": "[a-z]{3}", "max_length": 2}}, "satisfies `matches` and `max_length` together"),
    ({"a": {"matches": "x|yy", "min_length": 3}}, "satisfies `matches` and `min_length` together"),
    ({"a": {"glob": "docs/*", "max_length": 4}}, "satisfies `glob` and `max_length` together"),
    ({"a": {"email": ["example.com"], "matches": r"[a-z]+@other\.com"}}, "satisfies `email` and `matches`"),
    ({"a": {"email": ["*.example.com"], "glob": "*@example.com"}}, "satisfies `email` and `glob`"),
    ({"a": {"email": ["example.com"], "max_length": 8}}, "`max_length`"),
    ({"a": {"url": {"hosts": ["a.example.com"]}, "glob": "https://b.example.com/*"}}, "satisfies `url` and `glob`"),
    ({"a": {"min": 10, "max": 3}}, "no number of `a` is at least 10 and at most 3"),
    ({"a": {"min": 3, "max": 3, "not_in": [3]}}, "must be 3"),
    ({"a": {"min_length": 3, "max_length": 2}}, "no length of `a` is at least 3 and at most 2"),
    ({"a": {"min": 1, "matches": "[0-9]+"}}, "can be judged by `min` and `matches` together"),
    ({"a": {"min": 1, "max_length": 3}}, "can be judged by `min` and `max_length` together"),
    ({"a": {"schema": {"type": "integer"}, "email": ["a.com"]}}, "can be judged by `schema` and `email` together"),
    ({"a": {"schema": {"enum": [1, 2]}, "min": 5}}, "exclude every value"),
    ({"a": {"exists": False, "search": "x"}}, "cannot be absent and tested"),
    ({"any": {"min": 3}}, "no value of `*` can be judged by `min`"),
    ({"a": {"equals": "x"}, "a__b": {"equals": "y"}}, "no value that `a` may have satisfies the condition on `a.b`"),
    ({"a": {"equals": {"b": 1}}, "a__b": {"min": 2}}, "no value that `a` may have satisfies the condition on `a.b`"),
    ({"a": {"exists": False}, "a__b": {"equals": "y"}}, "`a` must be absent, and `a.b` is inside it"),
    ({"a": {"matches": ".*"}, "a__b": {"exists": False}}, "`a` is no object"),
    ({"any": {"max_length": 3}, "a": {"equals": "long enough"}}, "satisfies the condition on every string"),
    ({"any": {"exists": False}, "a": {"matches": ".*"}}, "no string may be there"),
]  # fmt: skip


@pytest.mark.parametrize(("conditions", "words"), IMPOSSIBLE, ids=lambda value: json.dumps(value)[:70])
def test_what_is_impossible_is_told(conditions: dict[str, Json], words: str) -> None:
    """Every way in which conditions can contradict themselves, or one another, has its words."""
    found = unsatisfiable(_when(**json.loads(json.dumps(conditions))))
    assert found is not None
    assert words in found[0]


POSSIBLE: list[dict[str, Json]] = [
    {"a": {"seen_in": "prompt", "in": ["x"]}},
    {"a": {"links_seen_in": [], "matches": "[a-z]+"}},
    {"a": {"path": ["src"], "equals": "docs/link"}},
    {"a": {"path": ["src"], "in": ["/etc/passwd"]}},
    {"a": {"sql": {"statements": ["select"], "tables": []}}},
    {"a": {"matches": r"(?i)READ.*", "glob": "read*"}},
    {"a": {"email": ["Example.COM"], "matches": r"[a-z]+@example\.com"}},
    {"a": {"url": {"hosts": ["::1"]}, "glob": "https://[::1]/*"}},
    {"a": {"url": {"hosts": ["*.example.com"]}, "glob": "HTTPS://A.B.example.com:443/*"}},
    {"a": {"matches": "[a-z]{3}", "min_length": 3, "max_length": 3}},
    {"a": {"matches": r"\C\C", "max_length": 1}},
    {"a": {"matches": "(?i)k", "glob": "\u212a"}},
    {"a": {"min": 10, "max": 3, "optional": True}},
    {"a": {"exists": False}, "a__b": {"equals": 1, "optional": True}},
    {"a": {"equals": "x", "optional": True}, "a__b": {"exists": False}},
    {"a": {"equals": {"b": 5}}, "a__b": {"seen_in": "prompt"}},
    {"any": {"matches": "[a-z]*"}, "a": {"equals": 5}},
    {"any": {"exists": False}, "a": {"exists": True}},
    {"a": {"schema": {"$ref": "#/$defs/x", "$defs": {"x": {"type": "number"}}}, "min": 5}},
]


@pytest.mark.parametrize("conditions", POSSIBLE, ids=lambda value: json.dumps(value)[:70])
def test_what_may_be_possible_is_not_called_impossible(conditions: dict[str, Json]) -> None:
    """What depends on the run, on files, on letter case or on other arguments may always hold."""
    assert unsatisfiable(_when(**json.loads(json.dumps(conditions)))) is None


_PIECES = (
    "a", "b", "ab", "[ab]", "[^a]", ".", r"\d", "(?i:B)", "(a|b)", "(?:ab|c)*", "x{2,3}", "a+?", r"\Qa.\E", "^", "$", r"\b", "(a?b)*",
)  # fmt: skip
_GLOBS = ("a*", "*b", "*", "a*b*", "ab", "*.*", "B*", "?*")


def _texts(pattern: str, rng: random.Random) -> Iterator[str]:
    yield from map(text_of, samples(pattern))
    yield from ("".join(rng.choice("abcxB1.?\n") for _ in range(rng.randint(0, 7))) for _ in range(40))


@pytest.mark.parametrize("seed", range(20))
def test_no_text_is_overlooked(seed: int) -> None:
    """Where patterns, globs and lengths are said to have no text in common, RE2 finds none among many."""
    rng = random.Random(seed)
    for _ in range(60):
        pattern, glob = "".join(rng.choice(_PIECES) for _ in range(rng.randint(0, 4))), rng.choice(_GLOBS)
        shortest, longest = rng.choice((0, 0, 1, 3)), rng.choice((None, None, 2, 4))
        if no_text([pattern], [glob], shortest, longest):
            for text in _texts(pattern, rng):
                within = shortest <= len(text) and (longest is None or len(text) <= longest)
                assert not (within and re2.fullmatch(pattern, text) and re2.fullmatch(glob_pattern(glob), text)), (pattern, glob, text)


@pytest.mark.parametrize(
    "pattern",
    ["a{900}{2}", "(a{1000}){1000}", "a{1001}", r"\Qxa\E+", "[z-a]", "((", "[a", "a" * 3000, "(" * 1500 + ")" * 1500],
)
def test_what_is_too_big_or_too_clever_may_match(pattern: str) -> None:
    """Nothing is claimed about a pattern that is not followed."""
    assert not no_text([pattern], ["b*"])


def test_a_glob_may_be_too_long_to_follow() -> None:
    """Nothing is claimed about it."""
    assert not no_text(["b"], ["a" * 3000])


def test_what_takes_too_long_to_compare_may_match() -> None:
    """The same is certain of a short pattern, and not claimed of a long one."""
    assert no_text([".*a.{20}b"], ["*c"])
    assert not no_text([".*a.{400}b"], ["*c"])


def test_what_may_be_left_out_twice_over_is_followed() -> None:
    """Ways through a pattern that meet again are one way."""
    assert no_text(["(a?)?b"], ["c*"])
    assert not no_text(["(a?)?b"], ["b*"])


@pytest.mark.parametrize("sign", "\\.*+?()[]{}^$|a-")
def test_a_quoted_sign_stands_for_itself_alone(sign: str) -> None:
    """Also where letter case does not count: it meets itself, and no other sign."""
    for pattern in (rf"\Q{sign}\E", rf"(?i)\Q{sign}\E"):
        assert re2.fullmatch(pattern, sign)
        assert not no_text([pattern, pattern], [])
        assert not no_text([pattern, re2.escape(sign)], [])
        assert no_text([pattern], ["%*"])
