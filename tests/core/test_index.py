"""Rules are found by tool and role; what is remembered for speed is bounded, and forgetting changes nothing."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from agentgate.core.compiled import compile, offered_tools
from agentgate.core.engine import decide
from agentgate.core.events import Code, Effect, Json, ToolCall
from agentgate.core.index import _ODD
from agentgate.core.patterns import PatternSet, unmasked
from agentgate.core.state import State

from .building import decision, policy, rule

LETTERS = "abcdefghijklm"


def test_tool_names_that_a_model_makes_up_are_not_remembered_for_ever() -> None:
    """Ten thousand names, and each is found as before, with as many plans remembered as there is room for."""
    index = compile(policy(rule("allow", "read_*"), rule("block", "*_secret"))).index
    first = index.plan("read_0", None)
    most = 0
    for number in range(10_000):
        index.plan(f"read_{number}", None)
        most = max(most, len(index.known))
    assert most == 4096
    again = index.plan("read_0", None)
    assert [found.rule.id for found in again.rules] == [found.rule.id for found in first.rules] == ["allow-read_*"]


def test_kinds_of_tools_are_not_remembered_for_ever() -> None:
    """Thirteen patterns make more sets of rules than are kept."""
    rules = [rule("allow", f"*{letter}*", id=f"with-{letter}") for letter in LETTERS]
    index = compile(policy(*rules)).index
    for chosen in product((False, True), repeat=len(LETTERS)):
        name = "x" + "".join(letter for letter, there in zip(LETTERS, chosen, strict=True) if there)
        plan = index.plan(name, None)
        assert {found.rule.id for found in plan.rules[:1]} <= {f"with-{letter}" for letter in name}
        assert plan.named == (len(name) > 1)
        assert len(index._by_matched) <= 4096


def test_tools_with_the_same_rules_share_what_is_known_of_them() -> None:
    """So that a pattern set is compiled once for all of them."""
    index = compile(policy(rule("allow", "read_*"), rule("block", "send"))).index
    assert index.plan("read_a", None) is index.plan("read_b", None)
    assert index.plan("read_a", None) is not index.plan("read_a", "viewer")


def test_a_rule_without_conditions_ends_the_search() -> None:
    """What a blanket rule decides, no milder rule is asked about; one that depends on anything ends nothing."""
    covered = policy(
        rule("block", "send", id="always"),
        rule("block", "send", id="maybe", when={"a": 1}),
        rule("ask", "send", id="asked"),
        rule("allow", "send", id="let"),
    )
    assert [found.rule.id for found in compile(covered).index.plan("send", None).rules] == ["always"]
    for condition in ({"when": {"a": 1}}, {"unless": {"a": 1}}, {"after": ("read",)}, {"before": ("read",)}):
        plan = compile(policy(rule("block", "send", id="maybe", **condition), rule("allow", "send", id="let"))).index.plan("send", None)
        assert [found.rule.id for found in plan.rules] == ["maybe", "let"]
        assert plan.blanket is None


def test_what_is_offered_is_what_some_rule_lets_through() -> None:
    """A tool that is asked about counts, one that is always blocked or only on trial does not."""
    loaded = policy(
        rule("allow", "read"),
        rule("ask", "pay"),
        rule("allow", "send"),
        rule("block", "send"),
        rule("allow", "try", observe=True),
        rule("allow", "drop", roles=("admin",)),
        rule("block", "read", when={"a": 1}),
        roles={"admin": ()},
    )
    names = ["read", "pay", "send", "try", "drop", "unknown"]
    for rules in (loaded, compile(loaded)):
        assert offered_tools(rules, None, names) == ["read", "pay"]
        assert offered_tools(rules, "admin", names) == ["read", "pay", "drop"]


def test_asking_what_is_offered_makes_no_name_one_that_a_call_may_have() -> None:
    """The index skips the check of names that it knows to be good; those that a task asks about are not among them."""
    rules = compile(policy(rule("allow", "*")))
    assert offered_tools(rules, None, ["two words"]) == ["two words"]
    assert decide(rules, State(), ToolCall("call_1", "two words", "{}")).code is Code.MALFORMED_CALL


def test_among_many_rules_the_strictest_wins() -> None:
    """Three rules are enough to be looked up instead of tried; the order is by strictness all the same."""
    many = policy(
        rule("allow", "t", id="a-allow", when={"a": "x"}),
        rule("ask", "t", id="b-ask", when={"b": {"search": "x"}}),
        rule("block", "t", id="c-block", when={"c": {"glob": "x*"}}),
        rule("allow", "t", id="d-allow"),
    )
    assert decision(many, "t", {"a": "x", "b": "x", "c": "x"}).rule == "c-block"
    assert decision(many, "t", {"a": "x", "b": "x", "c": "y"}).rule == "b-ask"
    assert decision(many, "t", {"a": "x", "b": "y", "c": 5}).rule == "c-block"
    assert decision(many, "t", {"a": "x", "b": "y"}).rule == "a-allow"
    assert decision(many, "t", {}).rule == "d-allow"
    assert decision(many, "t", {"a": "x"}).effect is Effect.ALLOW


@pytest.mark.parametrize(
    ("when", "arguments", "found"),
    [
        ({"*": {"matches": "x+"}}, {"b": "xx"}, True),
        ({"*": {"matches": "x+"}}, {"b": ["xx", {"x": "x"}]}, True),
        ({"*": {"glob": "x*"}}, {"a": "y"}, False),
        ({"*": {"search": "x"}}, {"b": "ｘ"}, True),
        ({"a": {"search": "x"}}, {"a": ["y", "axb"]}, True),
        ({"a": {"search": "x"}}, {"a": {"x": 1}}, True),
        ({"a": {"search": "x"}}, {"a": "ｘ"}, True),
        ({"a": {"search": "x"}}, {"a": "\u200bx"}, True),
        ({"a": {"search": "x"}}, {"a": "a\nx"}, True),
        ({"a": {"search": "x"}}, {"a": 1}, False),
        ({"a": {"matches": "x+"}}, {"a": ["x"]}, False),
        ({"a": {"matches": "x+"}}, {"a": "ｘ"}, False),
        ({"a": {"matches": "é"}}, {"a": "é"}, True),
        ({"a.b": {"search": "x"}}, {"a": {"b": "x"}}, True),
        ({"a.b": "x"}, {"a": {"b": "x"}}, True),
        ({"a.b": "x"}, {"a": "x"}, False),
        ({"a": [1, "x"]}, {"a": 1.0}, True),
        ({"a": [1, "x"]}, {"a": True}, False),
        ({"a": {"equals": "x", "optional": True}}, {}, True),
        ({"a": {"search": "x", "optional": True}}, {"b": 1}, True),
    ],
)
def test_among_many_rules_the_one_that_allows_is_found(when: Json, arguments: Json, found: bool) -> None:
    """By the same values and texts as if it were alone, beside rules that look for others in the same places."""
    others = [
        rule("allow", "t", when={argument: test})
        for number in range(3)
        for argument, test in (("a", f"v{number}"), ("*", {"matches": f"v{number}"}), ("a", {"search": f"w{number}"}))
    ]
    others = [replace(other, id=f"other-{number}") for number, other in enumerate(others)]
    for beside in ([], others):
        assert (decision(policy(rule("allow", "t", when=when), *beside), "t", arguments).effect is Effect.ALLOW) is found


def test_no_disguise_is_overlooked() -> None:
    """Whatever `unmasked` may make something else of is seen beside the patterns themselves; what is left alone costs no second look."""
    odd = PatternSet((_ODD,), "search")
    codes = (*range(0x3000), *range(0x3000, 0xD800, 41), *range(0xE000, 0x110000, 41))
    for text in map(chr, codes):
        assert bool(odd.matches(f"a{text}")) is not (text.isascii() and text.isprintable())
        assert odd.matches(f"a{text}") or unmasked(f"a{text}") == f"a{text}"


@pytest.mark.parametrize(
    ("more", "enough"),
    [
        ({"when": {"a": "x"}}, True),
        ({"when": {"a.b": ["x", 1]}}, True),
        ({"when": {"a": {"search": "x"}}}, True),
        ({"when": {"a": {"glob": "x*"}}}, True),
        ({"when": {"*": {"search": "x"}}}, False),
        ({"when": {"a": {"min": 1}}}, False),
        ({"when": {"a": {"equals": "x", "optional": True}}}, False),
        ({"when": {"a": {"search": "x", "max_length": 5}}}, False),
        ({"when": {"a": "x", "b": "x"}}, False),
        ({"when": {"a": "x"}, "unless": {"b": "x"}}, False),
        ({"when": {"a": "x"}, "after": ("read",)}, False),
        ({"when": {"a": "x"}, "before": ("read",)}, False),
        ({}, False),
    ],
    ids=lambda value: repr(value)[:60],
)
@pytest.mark.parametrize("effect", ["allow", "block"])
def test_only_a_rule_that_is_all_in_the_index_is_not_tried_once_more(more: Json, enough: bool, effect: str) -> None:
    """One test of one argument, by which it is found; whatever else there is to a rule has to be looked at."""
    (compiled,) = compile(policy(rule(effect, "t", **more))).rules
    assert compiled.matches_if_found is enough


@pytest.mark.parametrize(
    ("when", "arguments", "blocked"),
    [
        ({"a": {"matches": "x+"}}, {"a": 5}, True),
        ({"a": {"matches": "x+"}}, {"a": ["y"]}, True),
        ({"a": {"matches": "x+"}}, {"a": "y"}, False),
        ({"a": {"matches": "x+"}}, {"b": 5}, False),
        ({"a": {"search": "x"}}, {"a": 5}, True),
        ({"a": {"search": "x"}}, {"a": None}, True),
        ({"a": {"search": "x"}}, {"a": ["y"]}, False),
        ({"a.b": {"matches": "x+"}}, {"a": {"b": ["y"]}}, True),
        ({"a.b": {"matches": "x+"}}, {"a": "y"}, True),
        ({"a.b": {"search": "x"}}, {"a": "y"}, True),
        ({"a.b": {"search": "x"}}, {"a": {"c": "x"}}, False),
        ({"a.b": "x"}, {"a": "y"}, True),
        ({"a.b": "x"}, {"a": {"b": "y"}}, False),
    ],
)
def test_among_many_rules_the_one_that_cannot_be_judged_still_blocks(when: Json, arguments: Json, blocked: bool) -> None:
    """Looking rules up never leaves out one that blocks in doubt."""
    others = [rule("block", "t", when={"a": {"matches": f"v{number}"}, "b": f"v{number}"}, id=f"other-{number}") for number in range(3)]
    for beside in ([], others):
        judged = decision(policy(rule("block", "t", when=when), *beside, rule("allow", "t")), "t", arguments)
        assert (judged.effect is Effect.BLOCK) is blocked


@pytest.mark.parametrize("operator", ["in", "matches", "search", "glob"])
def test_a_name_with_dots_is_a_path_and_no_name(operator: str) -> None:
    """An argument that is called like the path hides nothing from the rules about what stands there."""
    values = ("x", "y", "z")
    tests = [{"a.b": {operator: [value] if operator == "in" else value}} for value in values]
    rules = policy(*(rule("block", "t", id=f"r{value}", when=test) for value, test in zip(values, tests, strict=True)), default="allow")
    hidden = {"a.b": "q", "a": {"b": "x"}}
    assert [decision(rules, "t", arguments).rule for arguments in (hidden, {"a": {"b": "y"}}, {"a.b": "x"})] == ["rx", "ry", None]
