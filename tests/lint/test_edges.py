"""Where lint has little to go by, it says less, and never something that is not so."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent

import pytest

from agentgate.core.events import Effect, Json
from agentgate.core.findings import Finding, Severity
from agentgate.core.lint import lint
from agentgate.core.policy import Limit, Policy, Rule
from agentgate.files.policy_file import understand
from agentgate.files.reading import Source

UNUSABLE = {"type": "object", "unknown-keyword": 1, "properties": {"n": {"type": "string", "enum": ["a"]}}, "required": ["n"]}
"""A schema by which no call is ever valid."""
NAMED = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
T = ("t", NAMED)


def said(rules: str, *tools: tuple[str, Json]) -> list[Finding]:
    """What lint says about a policy with these rules, and a limit so that nothing is said about that."""
    text = f"version: 1\n{dedent(rules)}" if "limits:" in rules else f"version: 1\nlimits: {{steps: 9}}\n{dedent(rules)}"
    policy = understand([Source("policy.yaml", text.encode(), "")]).policy
    assert policy is not None
    return lint(policy, [made(*one) for one in tools] if tools else None)


def made(name: str, parameters: Json) -> dict[str, Json]:
    """A tool in Chat Completions form."""
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def codes(findings: Sequence[Finding]) -> list[str]:
    """The codes alone."""
    return [finding.code for finding in findings]


QUIET: list[tuple[str, str, tuple[tuple[str, Json], ...]]] = [
    (
        "a condition on any argument is about no argument of a tool",
        "rules: [{id: r, allow: t, when: {'*': {max_length: 5}}}]",
        (T,),
    ),
    (
        "an argument that some tools of a pattern have may be meant for those",
        "rules: [{id: r, allow: 't*', when: {n: x}}]",
        (("ta", NAMED), ("tb", {"type": "object", "properties": {}})),
    ),
    ("the argument may be there", "rules: [{id: r, allow: t, when: {m: x}}]", (("t", {"type": "object", "additionalProperties": True}),)),
    ("nothing inside is known", "rules: [{id: r, allow: t, when: {m.n: x}}]", (("t", {"properties": {"m": {"type": "object"}}}),)),
    (
        "what a tool takes by default need not be what is blocked",
        "rules: [{id: a, allow: t}, {id: r, block: t, when: {n: x}}]",
        (("t", {"properties": {"n": {"type": "string", "default": "y"}}}),),
    ),
    (
        "a condition that may be absent is not slipped past",
        "rules: [{id: a, allow: t}, {id: r, block: t, when: {n: {equals: x, optional: true}, '*': {max_length: 4}}}]",
        (("t", {"properties": {"n": {"type": "string", "default": "x"}}}),),
    ),
    ("no address is in the pattern", "rules: [{id: r, allow: t, when: {n: {matches: '[^@]{1,20}'}}}]", ()),
    ("a URL is no mail address", "rules: [{id: r, allow: t, when: {n: {matches: 'ftp://anna@host/[a-z]+'}}}]", ()),
    ("an empty group counts nothing", "groups: {none: [x]}\nrules: [{id: r, allow: t}]\nlimits: {steps: 2, tools: {t: {calls: 5}}}", ()),
    ("a limit that ends the run after a refusal", "rules: [{id: r, allow: t}]\nlimits: {steps: 5, refusals: 1}", ()),
    ("a value that the schema may refuse, by a schema that refuses all", "rules: [{id: r, allow: t, when: {n: [b]}}]", (("t", UNUSABLE),)),
    (
        "a shadow that leaves something to the rule",
        "rules: [{id: b, block: t, when: {n: [x, y]}}, {id: r, allow: t, when: {n: [x, z]}}]",
        (),
    ),
]


@pytest.mark.parametrize(("rules", "tools"), [case[1:] for case in QUIET], ids=[case[0] for case in QUIET])
def test_nothing_is_said_where_nothing_is_certain(rules: str, tools: tuple[tuple[str, Json], ...]) -> None:
    """A policy that may be as it should be gets no warning."""
    assert [(finding.code, finding.message) for finding in said(rules, *tools)] == []


TOLD: list[tuple[str, str, str, tuple[tuple[str, Json], ...]]] = [
    ("no-such-argument", "so the condition always holds", "rules: [{id: r, allow: t, when: {m: {equals: x, optional: true}}}]", (T,)),
    ("no-such-argument", "so the condition always holds", "rules: [{id: r, allow: t, when: {m: {exists: false}}}]", (T,)),
    ("no-such-argument", "so the exception never holds", "rules: [{id: r, allow: t, unless: {m: x}}]", (T,)),
    ("no-such-argument", "tool `ta` has no argument `m`", "rules: [{id: r, allow: 't*', when: {m: x}}]", (("ta", NAMED), ("tb", NAMED))),
    ("no-such-tool", "names `send`", "rules: [{id: r, allow: t, when: {n: {seen_in: [prompt, send]}}}]", (T,)),
    ("no-such-tool", "names `send`", "rules: [{id: r, allow: t, when: {n: {seen_in: send}}}]", (T,)),
    ("type-cannot-match", "`min` cannot judge `n`", "rules: [{id: r, allow: t, when: {n: {min: 1}}}]", (("t", UNUSABLE),)),
    ("never-matches", "can never decide anything",
     "rules: [{id: b, block: t, when: {n: {in: [x, y], optional: true}}},\n  {id: r, allow: t, when: {n: {in: [x], optional: true}}}]", ()),
    ("never-matches", "`unless` holds whenever `when` does", "rules: [{id: r, allow: t, when: {n: x}, unless: {n: [x, y]}}]", ()),
    ("duplicate-rule", "says the same", "rules: [{id: a, allow: t, when: {n: []}}, {id: b, allow: t, when: {n: []}}]", ()),
    ("duplicate-rule", "says the same", "groups: {none: []}\nrules: [{id: a, allow: '@none'}, {id: b, allow: '@none'}]", ()),
    ("duplicate-rule", "says the same", "rules: [{id: a, allow: t}, {id: b, allow: t}]\nlimits: {steps: 1, tool_calls: 0}", ()),
    ("limit-stops-everything", "`limits.refusals` of 0", "rules: [{id: r, allow: t}]\nlimits: {refusals: 0}", ()),
    ("limit-stops-everything", "`limits.repeats` of 0",
     "rules: [{id: b, block: s}, {id: r, allow: t}]\nlimits: {steps: 5, repeats: 0}", ()),
    ("nothing-allowed", "every call is blocked", "rules: [{id: r, block: t}]\nlimits: {steps: 5, repeats: 0}", ()),
    ("no-such-tool", "rule `big` names `send`", "rules: [{id: r, allow: t}]\nresults: [{id: big, block: send, max_bytes: 5}]", (T,)),
    ("idle-result-rule", "already blocks these results",
     "rules: [{id: r, allow: t}]\nresults: [{id: a, block: t, max_bytes: 2000000}, {id: b, cut: t, max_bytes: 3000000}]", ()),
    ("search-in-allow", "", "rules: [{id: r, allow: t, when: {n: {search: x}}}]", ()),
    ("empty-group", "", "groups: {none: []}\nrules: [{id: r, allow: t}]\nlimits: {tool_calls: 3, tools: {'@none': {calls: 5}}}", ()),
]  # fmt: skip


@pytest.mark.parametrize(("code", "words", "rules", "tools"), TOLD, ids=[case[2][:70] for case in TOLD])
def test_something_is_said_where_it_is_certain(code: str, words: str, rules: str, tools: tuple[tuple[str, Json], ...]) -> None:
    """With the words for this very case."""
    assert [finding for finding in said(rules, *tools) if finding.code == code and words in finding.message]


def test_without_a_call_to_show_the_finding_stands_alone() -> None:
    """No call is valid for a tool whose schema cannot be used, so none is claimed to be."""
    (finding,) = (
        one for one in said("rules: [{id: r, allow: t, when: {n: {min: 1}}}]", ("t", UNUSABLE)) if one.code == "type-cannot-match"
    )
    assert finding.help == "what cannot be judged is not allowed"


def test_roles_may_come_from_elsewhere_than_a_file() -> None:
    """Policies made in code can name roles that nobody defines, or none at all."""
    rules = (Rule("a", Effect.ALLOW, ("t",), roles=()), Rule("b", Effect.ALLOW, ("t",), roles=("ghost",)), Rule("c", Effect.ALLOW, ("t",)))
    findings = lint(Policy("made", rules=rules, limits=(Limit("steps", 5, id="limits.steps"),)))
    told = [finding.message for finding in findings if finding.code == "role-nobody-has"]
    assert told == ["rule `a` is for nobody: its `roles` is empty", "rule `b` is for nobody: there is no role `ghost`"]


def test_no_huge_result_is_made_up_to_show_something() -> None:
    """The finding stands without proof, as a note, where only a result of megabytes could show it."""
    rules = "rules: [{id: r, allow: t}]\nresults: [{id: a, block: t, max_bytes: %d}, {id: b, cut: t, max_bytes: %d}]"
    shown, bare = (next(one for one in said(rules % sizes) if one.code == "idle-result-rule") for sizes in ((2, 3), (2_000_000, 3_000_000)))
    assert (shown.severity, bare.severity) == (Severity.WARNING, Severity.NOTE)
    assert "this result is blocked" in (shown.help or "")
    assert "this result" not in (bare.help or "")
