"""What is decided, by which rule, and in which words."""

from __future__ import annotations

import json

import pytest
from rpds import HashTrieSet

from agentgate.core.conditions import World
from agentgate.core.engine import decide
from agentgate.core.events import Code, Effect, Json, ToolCall, ToolReturned, Trial
from agentgate.core.policy import Policy, Rule
from agentgate.core.state import State
from agentgate.session import Session

from .building import decision, policy, propose, rule, tool

ROLES = {"viewer": (), "operator": ("viewer",), "admin": ("operator",), "guest": ()}
SEED = policy(rule("allow", "customer_db", id="read-customer", when={"action": "read"}))
CUSTOMER = tool(
    "customer_db",
    {"type": "object", "properties": {"action": {"type": "string"}, "customer_id": {"type": "integer"}}, "required": ["action"]},
)


def test_the_reasons_are_those_of_the_first_gate() -> None:
    """The words that models and people know, to the letter."""
    session = Session(SEED, tools=[CUSTOMER])
    assert propose(session, "customer_db", {"action": "read", "customer_id": 101}).effect is Effect.ALLOW
    said = propose(session, "customer_db", {"action": "update_tier", "customer_id": 101})
    assert (said.effect, said.code, said.rule) == (Effect.BLOCK, Code.DEFAULT, None)
    assert said.reason == "action 'update_tier' is not allowed for tool 'customer_db'"
    assert propose(session, "email_service", {"to": "x"}).reason == "tool 'email_service' is not allowed"
    assert propose(session, "customer_db", "{").reason.startswith("invalid JSON arguments: ")
    assert propose(session, "customer_db", {"action": "read", "customer_id": "101"}).reason.startswith("invalid arguments: ")
    assert decision(policy(rule("allow", "*")), "x", tools=[CUSTOMER]).reason == "tool 'x' not found"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"new_tier": "gold"}, "new_tier 'gold' is not allowed for tool 'db'"), ({"new_tier": 5}, "new_tier 5 is not allowed for tool 'db'")],
    ids=["text", "number"],
)
def test_the_argument_that_no_allow_rule_takes_is_named(arguments: Json, expected: str) -> None:
    """Not only `action`: whichever argument's value does not satisfy the rule that allows the tool."""
    assert decision(policy(rule("allow", "db", when={"new_tier": ["free", "pro"]})), "db", arguments).reason == expected


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"action": "move", "to": "x"}, "to 'x'"),
        ({"action": "wipe", "to": "x"}, "action 'wipe'"),
        ({"action": "wipe", "to": "b"}, "action 'wipe'"),
        ({"to": "x"}, "a missing action"),
    ],
)
def test_the_rule_that_comes_nearest_says_what_it_lacks(arguments: Json, named: str) -> None:
    """The one that lacks the least; of those that lack as much, the one with more that holds, whatever their order."""
    two = {"action": "move", "to": ["a", "b"]}
    for ids in (("one", "two"), ("two", "one")):
        rules = policy(rule("allow", "db", id=ids[0], when={"action": "read"}), rule("allow", "db", id=ids[1], when=two))
        assert decision(rules, "db", arguments).reason == f"{named} is not allowed for tool 'db'"


@pytest.mark.parametrize(
    ("rules", "arguments", "reason"),
    [
        ([rule("allow", "t", after=("@reads", "list"))], {}, "tool 't' is not allowed before one of these has returned: reads, list"),
        ([rule("allow", "t", before=("@reads", "seen"))], {}, "tool 't' is not allowed after one of these has returned: reads, seen"),
        ([rule("allow", "t", unless={"a": 1})], {"a": 1}, "tool 't' is not allowed here"),
        ([rule("allow", "t", when={"*": "x"})], {"a": "y"}, "an argument is not allowed for tool 't'"),
        ([rule("allow", "t", when={"a.b": "x"})], {"a": "y"}, "a.b is not allowed for tool 't'"),
        ([rule("allow", "t", when={"a": "x"})], {"a": "y" * 80}, f"a '{'y' * 80}' is not allowed for tool 't'"),
        ([rule("allow", "t", when={"a": 1})], {"a": ["é"]}, "a [\"é\"] is not allowed for tool 't'"),
        ([rule("allow", "t", when={"a": {"seen_in": ["user"]}})], {"a": "carol"}, "a 'carol' is not allowed for tool 't'"),
        ([rule("allow", "t", when={"a": {"path": ["/src"]}})], {"a": "/etc/x"}, "a '/etc/x' is not allowed for tool 't'"),
    ],
)
def test_the_reason_says_what_is_missing(rules: list[Rule], arguments: Json, reason: str) -> None:
    """A value, a place that cannot be looked up, a moment; and where it is none of them, nothing more."""
    story = policy(*rules, rule("allow", "seen"), groups={"reads": ("read",)})
    state = State(returned=HashTrieSet(["seen"]))
    world = World(resolve=lambda path: path)
    assert decide(story, state, ToolCall("c", "t", json.dumps(arguments)), world).reason == reason


@pytest.mark.parametrize("more", [{"unless": {"b": 1}}, {"after": ("read",)}, {"before": ("seen",)}], ids=["unless", "after", "before"])
def test_one_condition_is_not_all_there_is_to_a_rule(more: dict[str, Json]) -> None:
    """It holds, and still the rule does not match: of its exception, or of the moment."""
    world, state = World(), State(returned=HashTrieSet(["seen"]))
    call = ToolCall("c", "t", '{"a": "x", "b": 1}')
    plain = rule("allow", "t", when={"a": "x"})
    assert decide(policy(plain, rule("allow", "seen")), state, call, world).effect is Effect.ALLOW
    assert decide(policy(rule("allow", "t", when={"a": "x"}, **more), rule("allow", "seen")), state, call, world).code is Code.DEFAULT


def test_a_long_value_that_is_no_text_is_cut_in_a_reason() -> None:
    """To eighty characters, like any value."""
    said = decision(policy(rule("allow", "t", when={"a": 1})), "t", {"a": list(range(500))}).reason
    assert len(said) == len("a  is not allowed for tool 't'") + 80


def test_of_many_rules_the_nearest_is_found() -> None:
    """Not the first that lacks something, and not the last; one that lacks nothing, but has an exception, is no nearer."""

    def needing(id: str, *names: str, **more: Json) -> Rule:
        return rule("allow", "t", id=id, when=dict.fromkeys(names, "x"), **more)

    far = [needing("r1", "a", "b", "c", "d"), needing("r2", "e", "f", "g", "h"), needing("r3", "i", "j", "k", "l")]
    there = {"a": "x", "b": "x", "n": "x", "m": "y", "o": "x"}
    assert decision(policy(*far), "t", there).reason == "a missing c is not allowed for tool 't'"
    assert decision(policy(*far, needing("r4", "m", "n")), "t", there).reason == "m 'y' is not allowed for tool 't'"
    excepted = needing("r0", "a", "b", "n", "o", "a", unless={"m": "y"})
    assert decision(policy(*far, excepted), "t", there).reason == "a missing c is not allowed for tool 't'"
    two = [needing("r1", "c", "d"), needing("r2", "e", "f")]
    assert decision(policy(*two), "t", there).reason == "a missing c is not allowed for tool 't'"


def test_a_reason_stays_short_whatever_a_model_writes() -> None:
    """Values, names and ids of any length are not carried back whole."""
    huge = "x" * 200_000
    assert len(decision(SEED, "customer_db", {"action": huge}).reason) < 1000
    assert len(Session(SEED).propose(ToolCall("c", huge, "{}")).reason) < 1000
    assert len(Session(SEED).propose(ToolCall(huge, "customer_db", "{}")).reason) < 1000


@pytest.mark.parametrize("effect", ["allow", "ask", "block"])
def test_a_rule_speaks_in_its_own_words(effect: str) -> None:
    """`message` is the reason and `hint` the way on; without a message there is still a sentence."""
    said = decision(policy(rule(effect, "t", message="because", hint="try t2")), "t")
    assert (said.effect.value, said.code, said.rule, said.reason, said.hint) == (effect, Code.RULE, f"{effect}-t", "because", "try t2")
    said = decision(policy(rule(effect, "t")), "t")
    assert said.reason
    assert said.hint is None


STRICTEST: list[tuple[tuple[str, ...], str, str]] = [
    (("allow b", "ask a", "block c"), "block", "c"), (("allow a", "ask c", "ask b"), "ask", "b"),
    (("block b", "block a", "allow 0"), "block", "a"),
    (("allow r2", "allow r10"), "allow", "r10"), (("allow z",), "allow", "z"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "effect", "id"), STRICTEST)
def test_the_strictest_effect_wins_by_the_smallest_id(rules: tuple[str, ...], effect: str, id: str) -> None:
    """Whatever the order of the rules."""
    made = [rule(one.split()[0], "t", id=one.split()[1]) for one in rules]
    for order in (made, made[::-1]):
        said = decision(policy(*order), "t")
        assert (said.effect.value, said.rule) == (effect, id)


@pytest.mark.parametrize("default", ["allow", "ask", "block"])
def test_the_default_decides_where_no_rule_matches(default: str) -> None:
    """And no rule is named."""
    said = decision(policy(rule("allow", "t", when={"a": "x"}), default=default), "t", {"a": "y"})
    assert (said.effect.value, said.code, said.rule) == (default, Code.DEFAULT, None)


INCLUSION: list[tuple[str | None, tuple[str, ...] | None, tuple[str, ...], bool]] = [
    ("viewer", ("viewer",), (), True), ("operator", ("viewer",), (), True), ("admin", ("viewer",), (), True),
    ("guest", ("viewer",), (), False),
    ("viewer", ("operator",), (), False), ("viewer", ("admin",), (), False), ("admin", ("operator", "guest"), (), True),
    ("guest", ("operator", "guest"), (), True),
    (None, ("viewer",), (), False), (None, None, (), True), ("ghost", ("viewer",), (), False), ("ghost", None, (), True),
    ("ghost", ("ghost",), (), False),
    ("", ("viewer",), (), False), ("Viewer", ("viewer",), (), False), ("viewer ", ("viewer",), (), False), ("*", ("viewer",), (), False),
    ("viewer", None, ("viewer",), False), ("admin", None, ("viewer",), False), ("guest", None, ("viewer",), True),
    ("viewer", None, ("admin",), True),
    ("admin", ("viewer",), ("admin",), False), ("operator", ("viewer",), ("admin",), True), (None, None, ("viewer",), True),
]  # fmt: skip


@pytest.mark.parametrize(("role", "roles", "except_roles", "applies"), INCLUSION)
def test_a_rule_is_for_its_roles_and_those_that_include_them(
    role: str | None, roles: tuple[str, ...] | None, except_roles: tuple[str, ...], applies: bool
) -> None:
    """`except_roles` takes roles out again, with those that include them; nobody and unknown roles are in none."""
    story = policy(rule("allow", "t", roles=roles, except_roles=except_roles), roles=ROLES)
    assert (decision(story, "t", role=role).effect is Effect.ALLOW) is applies


@pytest.mark.parametrize("names", [("d", "c", "b", "a"), ("a", "b", "c", "d"), ("c", "a", "d", "b")])
def test_roles_include_through_any_number_of_others(names: tuple[str, ...]) -> None:
    """In whatever order they are written."""
    includes: dict[str, tuple[str, ...]] = {"d": ("c",), "c": ("b",), "b": ("a",), "a": ()}
    story = policy(rule("allow", "t", roles=("a",)), roles={name: includes[name] for name in names})
    assert all(decision(story, "t", role=name).effect is Effect.ALLOW for name in names)


def test_roles_that_include_each_other_are_one() -> None:
    """A circle of roles ends."""
    story = policy(rule("allow", "t", roles=("a",)), roles={"a": ("b",), "b": ("a",), "c": ("c",)})
    assert decision(story, "t", role="b").effect is Effect.ALLOW
    assert decision(story, "t", role="c").effect is Effect.BLOCK


SELECTION: list[tuple[tuple[str, ...], tuple[str, ...], str, bool]] = [
    (("read",), (), "read", True), (("read",), (), "Read", False), (("read",), (), "read_all", False), (("read*",), (), "read", True),
    (("read*",), (), "read_all", True), (("*",), (), "anything.at-all", True), (("*_all",), (), "read_all", True),
    (("r*d*l",), (), "read_all", True),
    (("r*d",), (), "read_all", False), (("@reads",), (), "list", True), (("@all",), (), "list", True), (("@all",), (), "http_get", True),
    (("@empty",), (), "list", False), (("reads",), (), "list", False), (("*",), ("read",), "read", False),
    (("*",), ("read",), "list", True),
    (("*",), ("@reads",), "list", False), (("*",), ("http_*",), "http_get", False), (("read",), ("*",), "read", False),
    (("read?",), (), "reads", False),
    (("rea[d]",), (), "read", False), (("re.d",), (), "read", False), (("re.d",), (), "re.d", True), (("a", "b"), (), "b", True),
    (("**",), (), "b", True),
]  # fmt: skip


@pytest.mark.parametrize(("tools", "except_tools", "name", "covered"), SELECTION)
def test_a_rule_covers_names_patterns_and_groups(tools: tuple[str, ...], except_tools: tuple[str, ...], name: str, covered: bool) -> None:
    """Names are exact, `*` is the only sign, groups may name groups, and `except` takes tools out again."""
    groups = {"reads": ("read", "list"), "all": ("@reads", "http_*"), "empty": ()}
    assert (decision(policy(rule("allow", tools, except_tools=except_tools), groups=groups), name).effect is Effect.ALLOW) is covered


NAMES: list[tuple[Json, bool]] = [
    ("a", True), ("a" * 64, True), ("A-Z_0.9", True), (".", True), ("-", True), ("a" * 65, False), ("", False), ("a\n", False),
    (" a", False), ("a b", False),
    ("a/b", False), ("é", False), ("a\x00", False), ("a\u200b", False), ("a:b", False), ("*", False), ("@a", False), (None, False),
    (1, False), (["a"], False),
    ({"a": 1}, False), (True, False), (b"a", False), ("\uff41", False), ("\ud800", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "usable"), NAMES, ids=repr)
def test_names_are_exact(name: Json, usable: bool) -> None:
    """The whole name, nothing stripped, folded or normalised."""
    said = Session(policy(rule("allow", "*"))).propose(ToolCall("c", name, "{}"))
    assert said.code is (Code.RULE if usable else Code.MALFORMED_CALL)


IDS: list[tuple[Json, bool]] = [
    ("c", True), ("c" * 256, True), ("../../etc/passwd", True), ("c" * 257, False), ("", False), (None, False), (7, False), (True, False),
    (["c"], False),
    ({}, False), (b"c", False), (1.5, False),
]  # fmt: skip


@pytest.mark.parametrize(("id", "usable"), IDS, ids=lambda value: repr(value)[:20])
def test_ids_are_text_of_bearable_length(id: Json, usable: bool) -> None:
    """Missing, not a string or too long: no such call can be answered."""
    assert Session(policy(rule("allow", "*"))).propose(ToolCall(id, "t", "{}")).code is (Code.RULE if usable else Code.MALFORMED_CALL)


@pytest.mark.parametrize(
    "first",
    [
        ("t", "{}"),
        ("t", "{"),
        ("nobody", "{}"),
        ("bad name", "{}"),
        (1, "{}"),
    ],
    ids=["allowed", "malformed arguments", "not allowed", "malformed name", "name that is no text"],
)
def test_an_id_is_used_once(first: tuple[Json, str]) -> None:
    """Whatever became of the call that had it first; ids that differ by case are two."""
    session = Session(policy(rule("allow", "t")))
    session.propose(ToolCall("c", *first))
    assert session.propose(ToolCall("c", "t", "{}")).code is Code.MALFORMED_CALL
    assert session.propose(ToolCall("C", "t", "{}")).effect is Effect.ALLOW


def trial(effect: str) -> Policy:
    """A policy that allows `t`, with a rule on trial beside it."""
    return policy(rule("allow", "t", id="real"), rule(effect, "t", id="new", when={"a": "x"}, observe=True))


@pytest.mark.parametrize("effect", ["allow", "ask", "block"])
def test_a_rule_on_trial_is_recorded_and_not_enforced(effect: str) -> None:
    """It is judged like any, and changes nothing."""
    said = decision(trial(effect), "t", {"a": "x"})
    assert (said.effect, said.rule, said.trials) == (Effect.ALLOW, "real", (Trial("new", Effect(effect)),))
    assert decision(trial(effect), "t", {"a": "y"}).trials == ()


def test_only_what_returned_makes_after_and_before_change() -> None:
    """Proposed, allowed or refused is not returned; a tool that failed has returned."""
    story = policy(
        rule("allow", "*"), rule("block", "send", id="tainted", after=("inbox", "web_*")), rule("ask", "pay", id="early", before=("inbox",))
    )
    session = Session(story)
    propose(session, "inbox", id="i")
    assert propose(session, "send").effect is Effect.ALLOW
    assert propose(session, "pay").rule == "early"
    session.record(ToolReturned(call_id="i", executed=False, ok=False, content="refused"))
    assert propose(session, "send").effect is Effect.ALLOW
    propose(session, "inbox", id="j")
    session.record(ToolReturned(call_id="j", executed=True, ok=False, content="failed"))
    assert propose(session, "send").rule == "tainted"
    assert propose(session, "pay").effect is Effect.ALLOW


def test_an_allow_after_waits_for_the_return() -> None:
    """`after` on an allow rule opens only then, `before` closes then."""
    story = policy(
        rule("allow", "login"),
        rule("allow", "read", after=("@entry",)),
        rule("allow", "hello", before=("login",)),
        groups={"entry": ("login",)},
    )
    session = Session(story)
    propose(session, "login", id="l")
    assert [propose(session, name).effect.value for name in ("read", "hello")] == ["block", "allow"]
    session.record(ToolReturned(call_id="l", executed=True, ok=True, content="{}"))
    assert [propose(session, name).effect.value for name in ("read", "hello")] == ["allow", "block"]


def test_the_policy_itself_is_not_changed() -> None:
    """Judging leaves the caller's policy as it was."""
    story = policy(rule("allow", "*", when={"a": ["x"]}), groups={"g": ("a",)})
    kept = repr(story)
    decision(story, "t", {"a": "x"})
    assert repr(story) == kept
