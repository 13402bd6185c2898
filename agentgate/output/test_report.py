"""What came of policy tests: as text, a line a test and more where one failed; and as one JSON object."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET

from agentgate.core.events import Decision, Json
from agentgate.core.findings import Place
from agentgate.core.verdict import Verdict
from agentgate.output.calls import call_text
from agentgate.output.marks import marks
from agentgate.output.plural import plural
from agentgate.output.safe import safe
from agentgate.output.summary import place_text

if TYPE_CHECKING:
    from agentgate.cases import CaseResult, FileResult, PolicyTestResult, SuiteResult
    from agentgate.core.coverage import Coverage

_WIDTH = 60
"""The column in which the number of cases stands."""
_LONGEST_VALUE = 100
_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


def as_text(
    results: Sequence[SuiteResult], least: float | None = None, *, filtered: bool = False, ascii: bool = False, color: bool = False
) -> str:
    """For people.

    Args:
        results: policy by policy.
        least: how much of each policy must be covered, in percent.
        filtered: whether tests were left out, so that coverage says nothing.
        ascii: whether nothing beyond ASCII may be shown.
        color: whether the marks are coloured.
    """
    signs = marks(ascii=ascii)
    good, bad = (f"{_GREEN}{signs['allow']}{_PLAIN}", f"{_RED}{signs['block']}{_PLAIN}") if color else (signs["allow"], signs["block"])
    lines: list[str] = []
    for result in results:
        lines.append(safe(" + ".join(result.suite.policies)))
        if result.examples:
            count = sum(result.examples.values())
            lines.append(f"  {good} {plural(count, 'example')} in {plural(len(result.examples), 'rule')}")
        for file in result.files:
            lines.append(safe(file.tests.file))
            for test in file.results:
                lines.extend(_test(result, test, bad if test.failed else good))
        if not filtered:
            lines.extend(_coverage(result.coverage, least))
    lines.append(_summary(results, filtered=filtered))
    text = "\n".join(lines) + "\n"
    return text.encode("ascii", "backslashreplace").decode() if ascii else text


def _test(result: SuiteResult, test: PolicyTestResult, mark: str) -> Iterator[str]:
    count = len(test.cases)
    cases = f"{test.failed} of {count} cases failed" if test.failed and count > 1 else plural(count, "case") if count > 1 else ""
    yield f"  {mark} {safe(test.test.name):<{_WIDTH - 4}}{'  ' if cases else ''}{cases}".rstrip()
    for case in test.cases:
        if case.differences:
            yield f"      {_described(case)}"
            yield f"      expected {expected_text(case)}, got {got_text(case, _places(result))}"
            if case.decision.reason:
                yield f"      because: {safe(case.decision.reason)}"


def _described(case: CaseResult) -> str:
    """The call with what makes it special, and where it stands."""
    parts = [call_of(case)]
    if case.case.name:
        parts.append(f"({safe(case.case.name)})")
    if case.case.role is not None:
        parts.append(f"role {safe(case.case.role)}")
    if case.case.given:
        parts.append("after " + ", ".join(dict.fromkeys(safe(call.tool) for call in case.case.given)))
    if case.case.place is not None:
        parts.append(f"[{safe(place_text(case.case.place))}]")
    return "  ".join(parts)


def call_of(case: CaseResult) -> str:
    """The call of a case on one line, or what it asks in place of one."""
    if case.case.tool is None:
        return "another request to the model"
    if case.case.result is not UNSET:
        return f"{safe(case.case.tool)} returning {safe(json.dumps(case.case.result, ensure_ascii=False)[:_LONGEST_VALUE])}"
    return call_text(case.case.tool, case.case.arguments, longest=_LONGEST_VALUE)


def expected_text(case: CaseResult) -> str:
    """What was expected, as far as that is needed to see the difference: `allow`, `block by limits.tool_calls`."""
    expected = case.case.expected
    words = [expected.effect.value if expected.effect is not None else ""]
    words.append(f"by {safe(expected.rule)}" if expected.rule is not None else "")
    words.append(f"({expected.code.value})" if expected.code is not None else "")
    texts = [key for key in ("reason", "hint") if key in case.differences]
    words.extend(f"with the {key} {safe(json.dumps(getattr(expected, key), ensure_ascii=False))}" for key in texts)
    return " ".join(word for word in words if word)


def got_text(case: CaseResult, places: Mapping[str, Place | None]) -> str:
    """What was decided, and by what: `ask by change-tier (strict.yaml:17)`, `block by default`."""
    decision = case.decision
    by = _by(decision, places)
    code = f" ({decision.code.value})" if "code" in case.differences and decision.rule is not None and decision.code is not None else ""
    return f"{decision.effect.value} by {by}{code}"


def _by(decision: Decision | Verdict, places: Mapping[str, Place | None]) -> str:
    if decision.rule is None:
        return "no rule about results" if decision.code is None else decision.code.value
    place = places.get(decision.rule)
    return safe(decision.rule) + (f" ({safe(place_text(place))})" if place is not None else "")


def _places(result: SuiteResult) -> Mapping[str, Place | None]:
    return result.coverage.places


def _coverage(coverage: Coverage, least: float | None) -> Iterator[str]:
    """How much is covered, and what is not: a line for each rule or limit."""
    missing = coverage.missing()
    rules, outcomes = coverage.rules - len(coverage.idle()), coverage.outcomes - len(missing)
    low = f", {percent_text(coverage.percent())} is less than {least:g} %" if least is not None and coverage.percent() < least else ""
    yield f"  covered: {rules} of {plural(coverage.rules, 'rule')}, {outcomes} of {plural(coverage.outcomes, 'outcome')}{low}"
    by_rule: dict[str, list[str]] = defaultdict(list)
    for outcome in missing:
        by_rule[outcome.rule].append(str(outcome))
    for rule, lacking in by_rule.items():
        place = coverage.places.get(rule)
        where = f" ({safe(place_text(place))})" if place is not None else ""
        yield f"      {safe(rule)}{where} never: {', '.join(map(safe, lacking))}"


def percent_text(percent: float) -> str:
    """A share, rounded down so that only all of it is 100 %."""
    return f"{int(percent * 10) / 10:g} %"


def _summary(results: Sequence[SuiteResult], *, filtered: bool) -> str:
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    text = f"{passed:,} passed, {failed:,} failed."
    if filtered:
        return text
    rules = sum(result.coverage.rules for result in results)
    idle = [rule for result in results for rule in result.coverage.idle()]
    if not idle:
        return f"{text} Every rule has a test." if rules else text
    return f"{text} Rules without a test: {', '.join(map(safe, idle))} ({rules - len(idle)} of {rules} covered)"


def as_json(results: Sequence[SuiteResult], *, filtered: bool = False) -> str:
    """One object: `passed`, `failed`, `policies`."""
    whole = {
        "passed": sum(result.passed for result in results),
        "failed": sum(result.failed for result in results),
        "policies": [_policy(result, filtered=filtered) for result in results],
    }
    return json.dumps(whole, indent=2) + "\n"


def _policy(result: SuiteResult, *, filtered: bool) -> dict[str, Json]:
    coverage = result.coverage
    return {
        "policy": list(result.suite.policies),
        "passed": result.passed,
        "failed": result.failed,
        "examples": sum(result.examples.values()),
        "tests": list(_tests(result.files)),
        "coverage": None
        if filtered
        else {
            "percent": round(coverage.percent(), 2),
            "rules": {"covered": coverage.rules - len(coverage.idle()), "all": coverage.rules, "missing": coverage.idle()},
            "outcomes": {
                "covered": coverage.outcomes - len(coverage.missing()),
                "all": coverage.outcomes,
                "missing": [{"rule": one.rule, "outcome": str(one)} for one in coverage.missing()],
            },
        },
    }


def _tests(files: Iterable[FileResult]) -> Iterator[dict[str, Json]]:
    for file in files:
        for test in file.results:
            yield {
                "file": file.tests.file,
                "name": test.test.name,
                "passed": not test.failed,
                "cases": [_case(case) for case in test.cases],
            }


def _case(result: CaseResult) -> dict[str, Json]:
    case, decision = result.case, result.decision
    expected = {key: getattr(case.expected, key) for key in ("effect", "rule", "code", "reason", "hint")}
    return {
        "name": case.name,
        "line": None if case.place is None else case.place.line,
        "tool": case.tool,
        "arguments": case.arguments if case.tool is not None else None,
        **({} if case.result is UNSET else {"result": case.result}),
        "role": case.role,
        "passed": not result.differences,
        "expected": {key: value for key, value in expected.items() if value is not None},
        "got": {key: getattr(decision, key) for key in expected},
    }
