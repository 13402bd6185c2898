"""Coverage of small policies, computed by hand: every outcome that could be, and those that nothing shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.trying import missing, run

TWO = """
rules:
  - {id: read, allow: db, when: {action: read}}
  - {id: never, block: mail}
limits: {steps: 2}
"""


def case(call: str, more: str = "") -> str:
    """A test whose outcome does not matter."""
    return f"  - {{name: '{len(call)}{call[:20]}{more[:20]}', when: {call}, then: {{effect: block}}{more}}}\n"


READ, OTHER = case("{tool: db, arguments: {action: read}}"), case("{tool: db, arguments: {action: write}}")


@pytest.mark.parametrize(
    ("tests", "lacking", "percent"),
    [
        (READ, ["read: not matched", "read: when.action did not hold", "never: matched", "limits.steps: reached"], 100 * 2 / 6),
        (OTHER, ["read: matched", "read: when.action held", "never: matched", "limits.steps: reached"], 0),
        (READ + OTHER, ["never: matched", "limits.steps: reached"], 50),
        (READ + OTHER + case("{tool: mail}"), ["limits.steps: reached"], 100 * 5 / 6),
        (READ + OTHER + case("{tool: mail}") + case("request", ", used: {steps: 2}"), [], 100),
    ],
)
def test_rules_conditions_and_limits(tmp_path: Path, tests: str, lacking: list[str], percent: float) -> None:
    """Two rules, six outcomes: a rule without conditions always matches, so that it does not match is not expected."""
    result = run(tmp_path, TWO, tests)
    assert missing(result) == lacking
    assert (result.coverage.rules, result.coverage.outcomes) == (2, 6)
    assert result.coverage.percent() == pytest.approx(percent)


def test_the_lesser_share_counts(tmp_path: Path) -> None:
    """Of rules and of outcomes: one of two rules is 50 %, though four of six outcomes are more."""
    result = run(tmp_path, TWO, READ + OTHER + case("request", ", used: {steps: 2}"))
    assert missing(result) == ["never: matched"]
    assert result.coverage.percent() == 50
    assert result.coverage.idle() == ["never"]


def test_roles_and_exceptions_keep_a_rule_from_matching(tmp_path: Path) -> None:
    """A call in another role, and one of a tool that is taken out, show that the rule does not match."""
    policy = """
roles: {viewer: []}
rules:
  - {id: roles, allow: db, roles: [viewer]}
  - {id: except, allow: "x_*", except: x_delete}
"""
    matching = "  - {name: a, role: viewer, when: {tool: db}, then: allow}\n  - {name: b, when: {tool: x_read}, then: allow}\n"
    assert missing(run(tmp_path, policy, matching)) == ["roles: not matched", "except: not matched"]
    others = "  - {name: c, when: {tool: db}, then: block}\n  - {name: d, when: {tool: x_delete}, then: block}\n"
    assert missing(run(tmp_path, policy, matching + others)) == []


def test_after_before_and_unless_are_conditions(tmp_path: Path) -> None:
    """Each of them can hold and not hold."""
    policy = """
rules:
  - {id: all, allow: "*"}
  - {id: late, block: mail, after: web, unless: {to: anna}}
  - {id: early, block: pay, before: login}
"""
    bare = case("{tool: mail, arguments: {to: bob}}")
    assert missing(run(tmp_path, policy, bare)) == [
        "late: matched",
        "late: after held",
        "late: unless.to held",
        "late: unless.to did not hold",
        "early: matched",
        "early: not matched",
        "early: before held",
        "early: before did not hold",
    ]
    web, login = ", given: [{tool: web}]", ", given: [{tool: login}]"
    rest = (case("{tool: mail, arguments: {to: bob}}", web), case("{tool: mail, arguments: {to: anna}}", web))
    assert missing(run(tmp_path, policy, bare + "".join(rest) + case("{tool: pay}") + case("{tool: pay}", login))) == []


def test_what_cannot_be_judged_neither_holds_nor_does_not(tmp_path: Path) -> None:
    """A block rule matches a value that cannot be judged, but its condition is not shown to hold."""
    policy = "rules:\n  - {id: big, block: pay, when: {amount: {min: 100}}}\n  - {id: pay, allow: pay}\n"
    odd = case("{tool: pay, arguments: {amount: many}}")
    assert missing(run(tmp_path, policy, odd)) == ["big: not matched", "big: when.amount held", "big: when.amount did not hold"]


def test_calls_that_never_came_to_the_rules_show_nothing_of_them(tmp_path: Path) -> None:
    """A call that is malformed, or stopped by a limit, says nothing about rules."""
    malformed = case("{tool: db, arguments: '['}")
    limited = case("{tool: db, arguments: {action: read}}", ", used: {steps: 2}, given: [{tool: x}]")
    assert "read: matched" in missing(run(tmp_path, TWO, malformed))
    policy = TWO.replace("{steps: 2}", "{steps: 2, tool_calls: 1}")
    assert missing(run(tmp_path, policy, limited))[0] == "read: matched"
    assert "limits.tool_calls: reached" not in missing(run(tmp_path, policy, limited))


def test_examples_cover_their_own_rule(tmp_path: Path) -> None:
    """They are tests of one rule alone; an example about a tool that the rule does not name shows nothing."""
    policy = """
rules:
  - id: read
    allow: db
    when: {action: read}
    examples:
      match: [{tool: db, arguments: {action: read}}]
      no_match: [{tool: mail, arguments: {action: write}}]
"""
    result = run(tmp_path, policy)
    assert missing(result) == ["read: not matched", "read: when.action did not hold"]
    assert (result.passed, result.examples) == (2, {"read": 2})


def test_a_rule_on_trial_is_covered_like_any(tmp_path: Path) -> None:
    """That it decides nothing does not matter: what it would do is what is on trial."""
    policy = "rules:\n  - {id: all, allow: '*'}\n  - {id: trial, block: db, when: {action: drop}, observe: true}\n"
    tests = "  - {name: a, when: {tool: db, arguments: {action: drop}}, then: {effect: allow, rule: all}}\n"
    assert missing(run(tmp_path, policy, tests)) == ["trial: not matched", "trial: when.action did not hold"]


def test_all_of_nothing_is_covered(tmp_path: Path) -> None:
    """A policy without rules and limits has nothing that could be left out."""
    assert run(tmp_path, "default: block\n", case("{tool: x}")).coverage.percent() == 100


ABOUT_RESULTS = """
rules: [{id: all, allow: [web, db]}]
results:
  - {id: short, cut: web, max_bytes: 3}
  - {id: never-db, block: db}
  - id: bad
    block: "*"
    when: {result: {search: bad}}
    examples: {match: [{tool: web, result: bad}]}
"""


def returning(tool: str, result: str) -> str:
    """A test about a result, whatever comes of it."""
    return f"  - {{name: '{tool} {result}', when: {{tool: {tool}}}, result: {result}, then: {{result: block}}}}\n"


def test_rules_about_results_are_rules(tmp_path: Path) -> None:
    """They are counted among them, and their examples show what they match; a size that matters has two sides."""
    call = case("{tool: web}")
    result = run(tmp_path, ABOUT_RESULTS, call)
    assert missing(result) == [
        "short: matched", "short: not matched", "never-db: matched", "bad: not matched", "bad: when.result did not hold",
    ]  # fmt: skip
    assert (result.coverage.rules, result.examples) == (4, {"bad": 1})
    assert run(tmp_path, ABOUT_RESULTS, call + returning("web", "ok")).coverage.idle() == ["short", "never-db"]
    every = returning("web", "ok") + returning("web", "good") + returning("db", "x")
    assert missing(run(tmp_path, ABOUT_RESULTS, call + every)) == []
