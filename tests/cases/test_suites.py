"""Which files `agentgate test` runs: a policy, the test file beside it, or a folder of both; and everything that is wrong, at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentgate.errors import AgentgateError, FileError
from agentgate.suites import load_suites

POLICY = "version: 1\nrules: [{id: read, allow: db}]\n"
EXAMPLES = "version: 1\nrules: [{id: read, allow: db, examples: {match: [{tool: db}]}}]\n"
TESTS = "version: 1\ntests: [{name: a, when: {tool: db}, then: allow}]\n"


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def write(files: dict[str, str]) -> None:
    """Writes files, with their folders."""
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)


def found(*paths: str) -> list[tuple[tuple[str, ...], list[str]]]:
    """Policies, and the test files about each."""
    return [(suite.policies, [tests.file for tests, _ in suite.files]) for suite in load_suites(paths)]


@pytest.mark.parametrize(
    "paths",
    [["p/a.yaml"], ["p/a.test.yaml"], ["p"], ["./p/../p/a.yaml"], ["p/a.yaml", "p/a.test.yaml", "p"]],
    ids=" ".join,
)
def test_a_policy_and_its_tests_find_each_other(paths: list[str]) -> None:
    """Whichever of them is named, and however often, both are taken, once."""
    write({"p/a.yaml": POLICY, "p/a.test.yaml": TESTS})
    assert found(*paths) == [(("p/a.yaml",), ["p/a.test.yaml"])]


def test_a_folder_has_all_its_policies() -> None:
    """With and without tests, at any depth, but for hidden folders; other YAML is nobody's business here."""
    write(
        {
            "p/a.yaml": POLICY,
            "p/a.test.yaml": TESTS,
            "p/q/b.yml": POLICY,
            "p/q/b.test.yml": TESTS,
            "p/untested.yaml": POLICY,
            "p/task.yaml": "version: 1\nprompt: do it\nmodel: recorded\n",
            "p/list.yaml": "- 1\n",
            "p/.hidden/c.yaml": "nonsense: [",
        }
    )
    assert found("p") == [
        (("p/a.yaml",), ["p/a.test.yaml"]),
        (("p/untested.yaml",), []),
        (("p/q/b.yml",), ["p/q/b.test.yml"]),
    ]


def test_several_files_may_be_about_one_policy() -> None:
    """They are run together, and cover it together."""
    other = TESTS.replace("tests:", "policy: a.yaml\ntests:")
    write({"p/a.yaml": POLICY, "p/a.test.yaml": TESTS, "p/more.test.yaml": other, "p/tries.yaml": other})
    assert found("p") == [(("p/a.yaml",), ["p/a.test.yaml", "p/more.test.yaml", "p/tries.yaml"])]


def test_tests_of_merged_policies() -> None:
    """They are about the policies together, and not about each of them."""
    write(
        {
            "a.yaml": POLICY,
            "b.yaml": POLICY.replace("read", "also"),
            "both.test.yaml": TESTS.replace("tests:", "policy: [a.yaml, b.yaml]\ntests:"),
        }
    )
    assert found("both.test.yaml") == [(("a.yaml", "b.yaml"), ["both.test.yaml"])]


def test_examples_are_tests_enough() -> None:
    """A policy that is named must have tests or examples: nothing passes for want of tests."""
    write({"a.yaml": EXAMPLES, "b.yaml": POLICY})
    assert found("a.yaml") == [(("a.yaml",), [])]
    with pytest.raises(FileError, match=r"`b.yaml` has no tests") as caught:
        found("b.yaml")
    assert caught.value.help == "write them to `b.test.yaml` beside it"


def test_nothing_to_test_is_an_error() -> None:
    """An empty folder would pass for ever."""
    Path("empty").mkdir()
    for path in ("empty", "missing.yaml", "missing.test.yaml"):
        with pytest.raises(AgentgateError):
            found(path)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """In policies, in test files, and in what they say about each other, file by file; nothing is run."""
    write(
        {
            "p/a.yaml": POLICY,
            "p/a.test.yaml": TESTS.replace("then: allow", "then: {rule: raed}"),
            "p/b.yaml": "version: 1\nruels: []\nrules: []\n",
            "p/b.test.yaml": TESTS,
            "p/c.yaml": POLICY,
            "p/c.test.yaml": TESTS.replace("then", "than"),
            "p/d.yaml": "version: 1\nrules: [",
            "p/e.yaml": EXAMPLES.replace("match:", "no_match:"),
        }
    )
    with pytest.raises(FileError) as caught:
        found("p")
    shown = [(Path(finding.place.file).name, finding.code) for finding in caught.value.findings]
    assert sorted(shown) == [
        ("a.test.yaml", "unknown-rule"),
        ("b.yaml", "unknown-key"),
        ("c.test.yaml", "unknown-key"),
        ("d.yaml", "syntax"),
        ("e.yaml", "failing-example"),
    ]
    assert set(caught.value.sources) >= {finding.place.file for finding in caught.value.findings}


def test_a_bad_task_is_said_with_its_findings() -> None:
    """Its tools are needed, so its errors are errors here."""
    write(
        {
            "a.yaml": POLICY,
            "a.test.yaml": TESTS.replace("tests:", "task: t.yaml\ntests:"),
            "t.yaml": "version: 1\npromt: x\nmodel: recorded\n",
        }
    )
    with pytest.raises(FileError) as caught:
        found("a.yaml")
    assert [finding.place.file for finding in caught.value.findings] == ["t.yaml"]
