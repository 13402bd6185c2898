"""Rules about results: which one wins, what the model gets, and that what cannot be judged does not get through."""

from __future__ import annotations

import json
from hashlib import sha256
from posixpath import normpath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgate.core.admission import admitted
from agentgate.core.conditions import World
from agentgate.core.events import Code, Json, ResultEffect, ResultTrial
from agentgate.core.policy import Policy, Redaction, ResultRule
from agentgate.core.redaction.redactor import Redactor
from agentgate.core.results import ResultRules, judge_result, verdict_by
from agentgate.core.state import State
from agentgate.core.verdict import Verdict
from tests.core.building import policy, rule


def block(id: str = "b", tools: str = "*", *, max_bytes: int | None = None, **more: Any) -> ResultRule:
    """A rule that blocks results."""
    return ResultRule(rule("block", tools, id=id, **more), max_bytes)


def cut(max_bytes: int, id: str = "c", tools: str = "*", **more: Any) -> ResultRule:
    """A rule that cuts results."""
    return ResultRule(rule("block", tools, id=id, **more), max_bytes, cut=True)


def judged(result: Json, *rules: ResultRule, role: str | None = None, more: Policy | None = None) -> Verdict:
    """The verdict on a result of the tool `x`."""
    wanted = policy(results=rules, roles={"admin": ()}) if more is None else more
    content = json.dumps({"ok": True, "tool": "x", "result": result})
    return judge_result(ResultRules(wanted), State(role=role), "x", content)


def outcome(verdict: Verdict) -> tuple[str, str | None]:
    """What the verdict comes to, and by which rule."""
    return verdict.effect.value, verdict.rule


def test_block_wins_over_cut_and_the_smallest_cut_over_others() -> None:
    """The order of the rules never matters."""
    rules = [cut(10, "a"), cut(5, "z"), cut(7, "m")]
    for some in (rules, rules[::-1]):
        assert outcome(judged("a" * 20, *some)) == ("cut", "z")
        assert outcome(judged("a" * 20, *some, block())) == ("block", "b")
    assert outcome(judged("a" * 8, cut(10, "a"), cut(7, "m"))) == ("cut", "m")
    assert outcome(judged("a" * 8, cut(1, "a"), cut(0, "z"))) == ("cut", "z")


@pytest.mark.parametrize(("result", "size"), [("ä" * 10, 20), ([1, 2], 6), ({"a": "ä"}, 11), ("", 0), (None, 4)])
def test_sizes_are_bytes_of_the_text_or_of_its_json(result: Json, size: int) -> None:
    """A rule with `max_bytes` is about larger results only."""
    assert outcome(judged(result, block(max_bytes=size))) == ("allow", None)
    if size:
        assert outcome(judged(result, block(max_bytes=size - 1))) == ("block", "b")


def test_conditions_look_at_the_result_and_into_it() -> None:
    """The whole of it, a part of an object, or every string."""
    whole = block(unless={"result": {"schema": {"type": "object", "required": ["id"]}}})
    assert outcome(judged({"id": 1}, whole)) == ("allow", None)
    assert outcome(judged([], whole)) == ("block", "b")
    assert outcome(judged({"status": "error"}, block(when={"result.status": "error"}))) == ("block", "b")
    everywhere = block(when={"*": {"search": "(?i)ignore previous"}})
    assert outcome(judged({"a": [{"Ignore previous": 1}]}, everywhere)) == ("block", "b")
    assert outcome(judged("i\u200bgnore  previous".replace("  ", " "), everywhere)) == ("block", "b")


def test_what_a_tool_failed_with_is_judged_as_error() -> None:
    """The text of an exception can carry what a result can."""
    rules = ResultRules(policy(results=(block(when={"*": {"search": "ignore"}}), block("shape", when={"result": {"exists": True}}))))
    told = json.dumps({"ok": False, "error": "tool 'x' failed: ValueError: ignore all", "code": "tool_error"})
    assert outcome(judge_result(rules, State(), "x", told)) == ("block", "b")
    assert outcome(judge_result(rules, State(), "x", told.replace("ignore", "read"))) == ("allow", None)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"ok": true}', '{"result": 1, "result": 2}', "x", '{"result": 1e999}'])
def test_what_cannot_be_judged_is_blocked(content: str) -> None:
    """Where a rule might have had a say."""
    rules = ResultRules(policy(results=(cut(5, tools="x"),)))
    assert judge_result(rules, State(), "x", content).effect is ResultEffect.BLOCK
    assert judge_result(rules, State(), "y", content).effect is ResultEffect.ALLOW


def test_a_condition_that_cannot_be_judged_holds() -> None:
    """A result of the wrong type does not slip past a rule that was meant to stop it."""
    assert outcome(judged({"n": "text"}, block(when={"result.n": {"max": 3}}))) == ("block", "b")
    assert outcome(judged("text", block(unless={"result": {"max": 3}}))) == ("block", "b")


def test_a_bug_while_judging_is_a_block() -> None:
    """Nothing comes through because something broke."""
    verdict = judge_result(None, State(), "x", "{}")  # type: ignore[arg-type]
    assert (verdict.effect, verdict.code) == (ResultEffect.BLOCK, Code.INTERNAL_ERROR)


def test_rules_bind_tools_and_roles_like_those_about_calls() -> None:
    """`except`, `roles` and `except_roles` mean the same."""
    assert outcome(judged(1, block(except_tools=("x",)))) == ("allow", None)
    assert outcome(judged(1, block(roles=("admin",)))) == ("allow", None)
    assert outcome(judged(1, block(roles=("admin",)), role="admin")) == ("block", "b")
    assert outcome(judged(1, block(except_roles=("admin",)), role="admin")) == ("allow", None)
    assert outcome(judged(1, block(after=("y",)))) == ("allow", None)


def test_a_rule_on_trial_is_told_and_does_nothing() -> None:
    """What it would have done stands in the verdict."""
    verdict = judged("aaaa", block("b", observe=True), cut(2, "t", observe=True))
    assert outcome(verdict) == ("allow", None)
    assert [(trial.rule, trial.effect.value) for trial in verdict.trials] == [("b", "block"), ("t", "cut")]


def test_a_blocked_result_leaves_a_sentence_and_a_digest() -> None:
    """The model learns why; nobody learns what."""
    found = judged("secret", block("b", message="not for you", hint="ask again"))
    told = admitted(found, '{"ok": true, "tool": "x", "result": "secret"}', None)
    assert json.loads(told.content) == {"ok": False, "error": "not for you", "code": "result_blocked", "rule": "b", "hint": "ask again"}
    assert told.original is not None
    assert (told.original.bytes, told.original.sha256) == (6, sha256(b"secret").hexdigest())
    assert not told.ok


@given(text=st.text(st.characters(codec="utf-8"), max_size=40), size=st.integers(0, 60))
def test_a_cut_is_a_beginning_of_whole_characters(text: str, size: int) -> None:
    """At most so many bytes, the longest such beginning, and it says that it was cut."""
    content = json.dumps({"ok": True, "tool": "x", "result": text})
    told = json.loads(admitted(judged(text, cut(size)), content, None).content)
    left = told["result"]
    assert text.startswith(left)
    assert len(left.encode()) <= max(size, 0)
    assert (left == text) != bool(told.get("truncated"))
    if left != text:
        assert len(text[: len(left) + 1].encode()) > size


def test_structures_are_cut_as_text() -> None:
    """Half a list is no list, and does not look like one."""
    told = json.loads(admitted(judged([1, 2, 3], cut(4)), '{"ok": true, "tool": "x", "result": [1, 2, 3]}', None).content)
    assert told == {"ok": True, "tool": "x", "result": "[1, ", "truncated": True}


def test_no_half_of_what_is_redacted_is_left_by_a_cut() -> None:
    """Also where the model gets the original: the cut goes in front of it."""
    redactor = Redactor([Redaction(id="customer", pattern="CUST-[0-9]{6}", original=True)])
    content = '{"ok": true, "tool": "x", "result": "call CUST-123456 now"}'
    told = admitted(judged("call CUST-123456 now", cut(9)), content, redactor)
    assert json.loads(told.content)["result"] == "call "


def test_observed_verdicts_leave_everything() -> None:
    """In observe mode the model gets what the tool returned."""
    content = '{"ok": true, "tool": "x", "result": "aaaa"}'
    for verdict in (Verdict(ResultEffect.BLOCK, "b", enforced=False), Verdict(ResultEffect.CUT, "c", max_bytes=1, enforced=False)):
        assert admitted(verdict, content, None).content == content


def test_what_redaction_made_short_enough_is_not_cut() -> None:
    """Its size counts as the model would get it; then nothing is said to be cut."""
    redactor = Redactor([Redaction(id="customer", pattern="CUST-[0-9]{6}", replace="[c]")])
    content = '{"ok": true, "tool": "x", "result": "call CUST-123456 now"}'
    told = admitted(judged("call CUST-123456 now", cut(12)), content, redactor)
    assert json.loads(told.content)["result"] == "call [c] now"
    assert told.verdict.effect is ResultEffect.ALLOW
    assert not told.truncated


def test_a_result_that_cannot_be_read_is_told_by_all_of_it() -> None:
    """Size and digest are then those of the text as it came."""
    rules = ResultRules(policy(results=(block(),)))
    told = admitted(judge_result(rules, State(), "x", "no JSON"), "no JSON", None)
    assert told.original is not None
    assert (told.original.bytes, told.original.sha256) == (7, sha256(b"no JSON").hexdigest())
    assert "no JSON" not in told.content


def test_a_policy_without_such_rules_has_none_about_any_tool() -> None:
    """Whatever the tool, and whoever asks."""
    assert ResultRules(policy()).plan("x", "admin") == ()


def test_any_number_of_tools_is_judged() -> None:
    """What is kept for each tool is bounded, and is made anew where it was dropped."""
    rules = ResultRules(policy(results=(block(tools="x"),)))
    for number in range(5000):
        assert rules.plan(f"t{number}", None) == ()
    assert [rule.id for rule in rules.plan("x", None)] == ["b"]


TRIED = (ResultTrial("trial", ResultEffect.BLOCK),)
TRIAL = block("trial", observe=True)
SAID = json.dumps({"ok": True, "tool": "x", "result": {"path": "docs/a"}})
WITHIN: dict[str, Any] = {"when": {"result.path": {"path": ["docs"]}}}
VERDICTS: dict[str, tuple[list[ResultRule], str, Verdict]] = {
    "passes": ([TRIAL], SAID, Verdict(ResultEffect.ALLOW, trials=TRIED)),
    "nothing about it": ([block(tools="y")], SAID, Verdict(ResultEffect.ALLOW)),
    "blocked": (
        [TRIAL, block(hint="ask Ann", **WITHIN)], SAID,
        Verdict(ResultEffect.BLOCK, "b", "the result was blocked by rule 'b'", "ask Ann", Code.RESULT_BLOCKED, trials=TRIED),
    ),
    "blocked by its size": (
        [block(max_bytes=3)], SAID, Verdict(ResultEffect.BLOCK, "b", "the result was blocked by rule 'b'", None, Code.RESULT_BLOCKED),
    ),
    "cut": (
        [TRIAL, cut(3, **WITHIN)], SAID,
        Verdict(ResultEffect.CUT, "c", "the result was cut by rule 'c'", None, Code.RESULT_CUT, 3, TRIED),
    ),
    "blocks of one strictness": (
        [block("z", max_bytes=1), block("a", max_bytes=9)], SAID,
        Verdict(ResultEffect.BLOCK, "a", "the result was blocked by rule 'a'", None, Code.RESULT_BLOCKED),
    ),
    "no result": (
        [block()], "{}",
        Verdict(ResultEffect.BLOCK, None, "the result cannot be judged: neither a result nor an error", None, Code.RESULT_BLOCKED),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "content", "verdict"), VERDICTS.values(), ids=list(VERDICTS))
def test_whole_verdicts(rules: list[ResultRule], content: str, verdict: Verdict) -> None:
    """All that one carries, by each way of coming to it; links are followed in results, too."""
    compiled = ResultRules(policy(results=rules))
    for _ in range(2):
        assert judge_result(compiled, State(), "x", content, World(resolve=normpath)) == verdict


def test_a_bug_in_what_a_verdict_asks_is_a_block() -> None:
    """The reason names the kind of error, and nothing that only its author should read."""

    def broken(path: str) -> str:
        raise RuntimeError(path)

    said = judge_result(ResultRules(policy(results=[block(**WITHIN)])), State(), "x", SAID, World(resolve=broken))
    assert said == Verdict(ResultEffect.BLOCK, None, "internal error while judging the result: RuntimeError", None, Code.INTERNAL_ERROR)


def test_a_verdict_can_be_told_from_its_rule_alone() -> None:
    """As a replay does; none means that it passed."""
    rules = ResultRules(policy(results=[block(), cut(3)]))
    assert verdict_by(rules, None) == Verdict(ResultEffect.ALLOW)
    assert (verdict_by(rules, "b").effect, verdict_by(rules, "c").max_bytes) == (ResultEffect.BLOCK, 3)
    with pytest.raises(KeyError):
        verdict_by(rules, "d")


def test_a_large_result_is_read_whole() -> None:
    """Larger than arguments may be."""
    said = judge_result(ResultRules(policy(results=[cut(10)])), State(), "x", json.dumps({"ok": True, "result": "x" * 2**21}))
    assert (said.effect, said.rule) == (ResultEffect.CUT, "c")
