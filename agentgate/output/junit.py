"""What came of policy tests as JUnit XML, which CI systems show beside a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agentgate.output.safe import safe
from agentgate.output.test_report import call_of, expected_text, got_text, percent_text

if TYPE_CHECKING:
    from agentgate.cases import CaseResult, FileResult, SuiteResult

_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))


def as_junit(results: Sequence[SuiteResult], least: float | None = None) -> str:
    """A `testsuite` for each policy (its examples, and its coverage where `least` percent are wanted) and for each test file."""
    suites = [suite for result in results for suite in _suites(result, least)]
    tests, failures = sum(count for _, count, _ in suites), sum(failed for _, _, failed in suites)
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="agentgate" tests="{tests}" failures="{failures}" errors="0">\n'
    return head + "".join(text for text, _, _ in suites) + "</testsuites>\n"


def _suites(result: SuiteResult, least: float | None) -> Iterator[tuple[str, int, int]]:
    policy = " + ".join(result.suite.policies)
    own = [_test(policy, f"examples of {rule}", 1, None) for rule in result.examples]
    low = least is not None and result.coverage.percent() < least
    if least is not None:
        lacking = "; ".join(f"{outcome.rule} never: {outcome}" for outcome in result.coverage.missing())
        said = f"{percent_text(result.coverage.percent())} is less than {least:g} %"
        own.append(_test(policy, f"coverage of {least:g} %", 1, (said, lacking) if low else None))
    if own:
        yield _suite(policy, own, int(low))
    for file in result.files:
        tests = list(_tests(result, file))
        yield _suite(file.tests.file, tests, sum(test.failed for test in file.results))


def _suite(name: str, tests: Sequence[str], failures: int) -> tuple[str, int, int]:
    head = f'<testsuite name="{_text(name)}" tests="{len(tests)}" failures="{failures}" errors="0" skipped="0">'
    return f"  {head}\n{''.join(tests)}  </testsuite>\n", len(tests), failures


def _tests(result: SuiteResult, file: FileResult) -> Iterator[str]:
    for test in file.results:
        for number, case in enumerate(test.cases, start=1):
            name = test.test.name
            if len(test.test.cases) > 1:
                name = f"{name}: {case.case.name or call_of(case)} [{number}]"
            line = case.case.place.line if case.case.place is not None else 1
            yield _test(file.tests.file, name, line, _failure(result, case) if case.differences else None)


def _failure(result: SuiteResult, case: CaseResult) -> tuple[str, str]:
    said = f"expected {expected_text(case)}, got {got_text(case, result.coverage.places)}"
    role = f"\nrole {case.case.role}" if case.case.role is not None else ""
    return said, f"{call_of(case)}{role}\n{said}\nbecause: {case.decision.reason}"


def _test(file: str, name: str, line: int, failure: tuple[str, str] | None) -> str:
    head = f'    <testcase classname="{_text(file)}" name="{_text(name)}" file="{_text(file)}" line="{line}"'
    if failure is None:
        return f"{head}/>\n"
    said, details = failure
    return f'{head}>\n      <failure message="{_text(said)}">{_text(details)}</failure>\n    </testcase>\n'


def _text(text: str) -> str:
    """Text as it may stand in XML: what no XML can hold, and what shows nothing, is made visible first."""
    shown = safe(text, newlines=True)
    for sign, escape in _ESCAPES:
        shown = shown.replace(sign, escape)
    return shown.replace("\n", "&#10;")
