"""Policy tests about results: what is judged, what is expected, and what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentgate.cases import run_suite
from agentgate.errors import FileError
from agentgate.files.test_file import load_tests
from agentgate.output.test_report import as_json, as_text
from agentgate.suites import load_suites

POLICY = """\
version: 1
rules: [{id: all, allow: x}]
results:
  - {id: huge, cut: x, max_bytes: 3}
  - {id: bad, block: x, when: {result: bad}}
"""
TESTS = """\
version: 1
tests:
  - name: results
    when: {tool: x}
    then: {result: allow}
    cases:
      - {result: abc}
      - {result: abcd, then: {result: cut, rule: huge, code: result_cut}}
      - {result: bad, then: {result: block, rule: bad}}
      - {result: null, then: {result: cut}}
  - name: wrong
    when: {tool: x}
    result: good
    then: {result: block, rule: bad}
"""


def test_a_result_is_judged_by_the_rules_about_results(tmp_path: Path) -> None:
    """A case with a result says what comes of it; a wrong one is told like any other."""
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "p.test.yaml").write_text(TESTS)
    results = [run_suite(suite) for suite in load_suites([str(tmp_path / "p.yaml")])]
    assert [(result.passed, result.failed) for result in results] == [(4, 1)]
    told = as_text(results)
    assert 'x returning "good"' in told
    assert "expected block by bad, got cut by huge" in told
    assert '"result": "good"' in as_json(results)


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("when: {tool: x}\n    result: 1\n    then: block", "a result is judged, and `then` is about a call"),
        ("when: {tool: x}\n    result: 1\n    then: {result: cut, effect: block}", "a result is judged, and `then` is about a call"),
        ("when: {tool: x}\n    then: {result: cut}", "`then` is about a result, and there is none"),
        ("when: request\n    result: 1\n    then: {result: cut}", "a `request` has no result"),
        ("when: {tool: x}\n    result: 1\n    then: {result: ask}", "`ask` is not what comes of a result"),
    ],
)
def test_what_is_judged_and_what_is_expected_are_of_one_kind(tmp_path: Path, test: str, said: str) -> None:
    """A mix of both would show nothing."""
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "p.test.yaml").write_text(f"version: 1\ntests:\n  - name: a\n    {test}\n")
    with pytest.raises(FileError) as caught:
        load_tests(str(tmp_path / "p.test.yaml"))
    assert any(said in finding.message or said in str(finding) for finding in caught.value.findings)
