"""Test files: what they mean, and every way in which they are refused, as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentgate.core.events import Code, Effect, Json
from agentgate.errors import FileError
from agentgate.files.kinds import kind_of_file
from agentgate.files.policy_file import load_policy
from agentgate.files.test_file import file_of_tests, load_tests, policy_of, read_tests, strangers
from agentgate.files.yaml import load
from agentgate.policy_tests import WORKDIR, Expected, Given, PolicyTests, Used
from tests.files.cases import DATA, Case, described, read_cases

BAD = list(read_cases(DATA / "policy_tests" / "bad.txt"))
POLICY = "version: 1\nroles: {viewer: []}\nrules:\n  - {id: read, allow: customer_db, when: {action: read}}\nlimits: {steps: 3}\n"


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("strict.yaml").write_text(POLICY, encoding="utf-8")


def loaded(tests: str, head: str = "") -> PolicyTests:
    """A test file of these tests, beside the policy."""
    Path("strict.test.yaml").write_text(f"version: 1\n{head}tests:\n{tests}", encoding="utf-8")
    return load_tests("strict.test.yaml")


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_a_bad_test_file_is_refused_with_every_finding(case: Case) -> None:
    """The findings are exactly those that stand above the text, and loading raises all of them."""
    Path("strict.test.yaml").write_text(case.text, encoding="utf-8")
    tests, findings, sources = read_tests("strict.test.yaml")
    assert described(findings) == case.expected
    assert tests is None
    assert list(sources) == ["strict.test.yaml"]
    with pytest.raises(FileError) as caught:
        load_tests("strict.test.yaml")
    assert described(caught.value.findings) == case.expected


def test_a_file_is_about_the_policy_of_its_name() -> None:
    """`strict.test.yaml` tests the `strict.yaml` beside it, and the other way round."""
    assert loaded("  - {name: a, when: {tool: x}, then: allow}\n").policies == ("strict.yaml",)
    assert (policy_of("strict.test.yaml"), file_of_tests("strict.yaml")) == ("strict.yaml", "strict.test.yaml")
    assert (policy_of("strict.yaml"), policy_of("other.test.yaml"), file_of_tests("other.yaml")) == (None, None, None)


def test_a_file_of_another_name_names_its_policy() -> None:
    """Without a `policy` nobody knows what it is about; names are relative to the file."""
    Path("below").mkdir()
    file = Path("below/tries.yaml")
    file.write_text("version: 1\ntests: [{name: a, when: {tool: x}, then: allow}]\n", encoding="utf-8")
    assert described(read_tests(str(file)).findings)[0].startswith("1:1+10 missing-file: no policy of the same name")
    file.write_text("version: 1\npolicy: [../strict.yaml]\ntests: [{name: a, when: {tool: x}, then: allow}]\n", encoding="utf-8")
    assert load_tests(str(file)).policies == ("strict.yaml",)


def test_a_test_without_a_table_is_one_case() -> None:
    """What happened before, what comes, what is expected."""
    tests = loaded(
        "  - name: a\n    description: why\n    role: viewer\n    prompt: hello\n"
        "    given: [{tool: read_inbox, arguments: {n: 1}, result: [X1], times: 2}, {tool: send, refused: true}]\n"
        "    used: {steps: 2, tokens: 10, cost_usd: 0.5, seconds: 1.5}\n"
        "    when: {tool: customer_db, arguments: {action: read}}\n"
        "    then: {effect: block, rule: read, code: rule, reason: because, hint: no}\n".replace("hint: no", "hint: 'no'")
    )
    (test,) = tests.tests
    (case,) = test.cases
    assert (test.name, test.description) == ("a", "why")
    assert (case.tool, case.arguments, case.role, case.prompt) == ("customer_db", '{"action":"read"}', "viewer", "hello")
    assert case.given == (Given("read_inbox", {"n": 1}, ["X1"], times=2), Given("send", refused=True))
    assert case.used == Used(2, 10, 0.5, 1.5)
    assert case.expected == Expected(Effect.BLOCK, "read", Code.RULE, "because", "no")
    assert case.place is not None
    assert case.place.line == 3


@pytest.mark.parametrize(
    ("row", "arguments"),
    [
        ("{}", '{"a":1,"b":{"c":2}}'),
        ("{arguments: {a: 2}}", '{"a":2,"b":{"c":2}}'),
        ("{arguments: {b: {d: 3}}}", '{"a":1,"b":{"d":3}}'),
        ("{without: a}", '{"b":{"c":2}}'),
        ("{without: [a, b]}", "{}"),
        ("{arguments: {a: 2}, without: b}", '{"a":2}'),
        ('{arguments: \'{"a": 1, "a": 2}\'}', '{"a": 1, "a": 2}'),
        ("{arguments: ''}", ""),
    ],
)
def test_a_row_lays_its_arguments_over_those_of_the_test(row: str, arguments: str) -> None:
    """Name by name at the top; a text stands as it is, in place of all of them."""
    tests = loaded(f"  - name: a\n    when: {{tool: x, arguments: {{a: 1, b: {{c: 2}}}}}}\n    then: allow\n    cases:\n      - {row}\n")
    assert tests.tests[0].cases[0].arguments == arguments


def test_a_row_replaces_everything_else() -> None:
    """Role, prompt, what was given and used, the tool, and what is expected: nothing of the test's own is left of them."""
    tests = loaded(
        "  - name: a\n    role: viewer\n    prompt: p\n    given: [{tool: g}]\n    used: {steps: 1}\n"
        "    when: {tool: x}\n    then: {effect: block, rule: read}\n"
        "    cases:\n      - {name: n, role: other, prompt: q, given: [], used: {tokens: 2}, tool: y, then: allow}\n      - {}\n"
    )
    changed, same = tests.tests[0].cases
    assert (changed.name, changed.role, changed.prompt, changed.given, changed.used) == ("n", "other", "q", (), Used(tokens=2))
    assert (changed.tool, changed.expected) == ("y", Expected(Effect.ALLOW))
    assert (same.role, same.prompt, same.given, same.expected) == ("viewer", "p", (Given("g"),), Expected(Effect.BLOCK, "read"))


def test_what_all_cases_share() -> None:
    """Working directory, links from it, tools in the file or in another one."""
    tool: Json = {"type": "function", "function": {"name": "x", "parameters": {"type": "object"}}}
    one = "  - {name: a, when: {tool: x}, then: allow}\n"
    bare = loaded(one)
    assert (bare.workdir, bare.links, bare.tools, bare.task) == (WORKDIR, {}, None, None)
    full = loaded(one, "workdir: /srv/p/../q\nlinks: {src/out: ../etc, /abs: x}\ntask: tasks/t.yaml\n")
    assert (full.workdir, full.links, full.task) == ("/srv/q", {"/srv/q/src/out": "../etc", "/abs": "x"}, "tasks/t.yaml")
    inline = loaded(one, "tools: [{type: function, function: {name: x, parameters: {type: object}}}]\n")
    Path("tools.json").write_text('[{"type": "function", "function": {"name": "x", "parameters": {"type": "object"}}}]', encoding="utf-8")
    assert inline.tools == loaded(one, "tools: tools.json\n").tools == [tool]


def test_names_that_the_policy_does_not_have() -> None:
    """A role or rule that the policy does not know would make a test show nothing, so it is an error, with the nearest name."""
    tests = loaded(
        "  - name: a\n    when: {tool: x}\n    then: block\n    cases:\n      - {role: viewr}\n      - {then: {rule: raed}}\n"
        "      - {role: viewer, then: {rule: limits.steps}}\n      - {used: {stpes: 1}}\n      - {used: {limits.per_day.tool_calls: 1}}\n"
    )
    assert described(list(strangers(tests, load_policy("strict.yaml")))) == (
        "7:9+1 unknown-role: the policy has no role `viewr` (help: did you mean `viewer`?)",
        "8:9+1 unknown-rule: the policy has no rule or limit `raed` (help: did you mean `read`?)",
        "10:9+1 unknown-rule: the policy has no limit `stpes` per hour or per day (help: did you mean `steps`?)",
        "11:9+1 unknown-rule: the policy has no limit `limits.per_day.tool_calls` per hour or per day",
    )


def test_too_many_cases_are_refused() -> None:
    """A file that expands to more cases than anybody reads is several files."""
    rows = "      - {}\n" * 10_001
    with pytest.raises(FileError, match="10001 cases, at most 10000"):
        loaded(f"  - name: a\n    when: {{tool: x}}\n    then: allow\n    cases:\n{rows}")


def test_a_test_file_is_known_by_its_keys() -> None:
    """So `check` takes it for what it is, whatever its name."""
    assert kind_of_file(load(b"version: 1\ntests: []\n", "f", max_bytes=100)) == "tests"
