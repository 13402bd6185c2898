"""Runs the tests of policies: feeds a session with what each case says went before, proposes its call, and compares.

Nothing is executed, nobody is asked, and no file is looked at: paths are resolved by what the test file says about links.
"""

from __future__ import annotations

import os.path
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from msgspec import UNSET, Struct
from msgspec.structs import replace

from agentgate.core.arguments import canonical
from agentgate.core.conditions import World
from agentgate.core.coverage import Coverage
from agentgate.core.events import Decision, Json, ToolCall
from agentgate.core.past import MOMENT, refused, returned
from agentgate.core.policy import Policy
from agentgate.core.state import State
from agentgate.core.verdict import Verdict
from agentgate.core.windows import Used as WindowUsed
from agentgate.files.examples import state_before, world_of_examples
from agentgate.policy_tests import Case, Expected, Given, PolicyTest, PolicyTests, Setting, Suite, Used
from agentgate.session import Session, prepare

_CALL = "call"
"""The id of the call that is judged; earlier ones are numbered."""
_MOST_LINKS = 40
"""How many links are followed; Linux follows as many."""


class CaseResult(Struct, frozen=True):
    """What came of one case."""

    case: Case
    decision: Decision | Verdict
    """On the call or, where that is what the case is about, on its result."""
    differences: tuple[str, ...]
    """What is otherwise than expected: `effect`, `rule`, `code`, `reason`, `hint`."""


class PolicyTestResult(Struct, frozen=True):
    """What came of one test."""

    test: PolicyTest
    cases: tuple[CaseResult, ...]

    @property
    def failed(self) -> int:
        """How many of its cases are not as expected."""
        return sum(bool(case.differences) for case in self.cases)


class FileResult(Struct, frozen=True):
    """What came of one test file."""

    tests: PolicyTests
    results: tuple[PolicyTestResult, ...]


class SuiteResult(Struct, frozen=True):
    """What came of a policy's examples and tests."""

    suite: Suite
    examples: Mapping[str, int]
    """Rule → how many examples stand in it. They hold: a policy whose examples do not is not loaded."""
    files: tuple[FileResult, ...]
    coverage: Coverage

    @property
    def passed(self) -> int:
        """How many examples and cases are as expected."""
        cases = sum(len(test.cases) for file in self.files for test in file.results)
        return sum(self.examples.values()) + cases - self.failed

    @property
    def failed(self) -> int:
        """How many cases are not."""
        return sum(test.failed for file in self.files for test in file.results)


def run_suite(suite: Suite, wanted: Callable[[PolicyTests, PolicyTest, Case], bool] | None = None) -> SuiteResult:
    """Judges every case, each in a session of its own.

    Args:
        suite: a policy and its tests.
        wanted: which cases to judge; where it is given, examples are left out.
    """
    trying = Trying(suite.policy)
    examples = trying.examples() if wanted is None else {}
    files = []
    for tests, setting in suite.files:
        results = []
        for test in tests.tests:
            cases = [case for case in test.cases if wanted is None or wanted(tests, test, case)]
            if cases:
                results.append(PolicyTestResult(test, tuple(trying.case(case, setting) for case in cases)))
        if results:
            files.append(FileResult(tests, tuple(results)))
    return SuiteResult(suite, examples, tuple(files), trying.coverage)


class Trying:
    """A policy, ready to be tried; remembers what was exercised of it."""

    def __init__(self, policy: Policy) -> None:
        self._policy = prepare(policy)
        self.coverage = Coverage(self._policy)

    def examples(self) -> dict[str, int]:
        """Notes what the examples in rules exercise. Returns how many there are in each rule that has any."""
        having = [rule for rule in self._policy.rules if rule.rule.examples]
        for rule in having:
            for example in rule.rule.examples:
                if example.tool in rule.selector:
                    self.coverage.note_rule(rule, state_before(example), example.tool, example.arguments, world_of_examples())
        about_results = [rule for rule in self._policy.results.rules if rule.rule.rule.examples]
        for result_rule in about_results:
            for example in result_rule.rule.rule.examples:
                if example.tool in result_rule.compiled.selector:
                    world, state = world_of_examples(), state_before(example)
                    self.coverage.note_result_rule(result_rule, state, example.tool, example.arguments, world)
        counts = {rule.rule.id: len(rule.rule.examples) for rule in having}
        return counts | {rule.id: len(rule.rule.rule.examples) for rule in about_results}

    def case(self, case: Case, setting: Setting) -> CaseResult:
        """Judges one case as a run would."""
        resolve = resolver(setting.links)
        session = Session(
            self._policy,
            role=case.role,
            tools=setting.tools,
            prompt=setting.prompt if case.prompt is None else case.prompt,
            clock=lambda: MOMENT,
            workdir=setting.workdir,
            resolve=resolve,
        )
        session.state = before = _used(_given(session.state, case.given), case.used)
        decision: Decision | Verdict
        if case.result is not UNSET:
            content = canonical({"ok": True, "tool": case.tool, "result": case.result}).decode()
            decision = session.admit(ToolCall(_CALL, case.tool, case.arguments), content).verdict
            if case.tool is not None:
                self.coverage.note_result(before, case.tool, content, World(workdir=setting.workdir, resolve=resolve))
        elif case.tool is None:
            decision = session.request(facts=_facts(case.used))
            self.coverage.note_limit(decision)
        else:
            call = ToolCall(_CALL, case.tool, case.arguments)
            known = _facts(case.used)
            decision = session.propose(call, facts=known)
            self.coverage.note(before, call, World(workdir=setting.workdir, resolve=resolve, known=known), decision)
        return CaseResult(case, decision, _differences(case.expected, decision))


def _given(state: State, given: Sequence[Given]) -> State:
    calls = [call for call in given for _ in range(call.times)]
    for index, call in enumerate(calls):
        if call.refused:
            state = refused(state, f"given_{index}", call.tool, call.arguments)
        else:
            state = returned(state, f"given_{index}", call.tool, call.arguments, call.result)
    return state


def _used(state: State, used: Used) -> State:
    return replace(
        state,
        steps=used.steps,
        input_tokens=used.tokens,
        cost_usd=used.cost_usd,
        started=MOMENT - timedelta(seconds=used.seconds),
        now=MOMENT,
    )


def _facts(used: Used) -> dict[str, str]:
    """What a state folder would tell about limits per hour and per day."""
    return {id: WindowUsed(amount).fact for id, amount in used.windows.items()}


def _differences(expected: Expected, decision: Decision | Verdict) -> tuple[str, ...]:
    wanted: Mapping[str, Json] = {key: getattr(expected, key) for key in ("effect", "rule", "code", "reason", "hint")}
    return tuple(key for key, value in wanted.items() if value is not None and value != getattr(decision, key))


def resolver(links: Mapping[str, str]) -> Callable[[str], str]:
    """Resolves paths where only these links exist, name by name, as the system would."""

    def resolve(path: str) -> str:
        pending, names, followed = deque(path.split("/")), list[str](), 0
        while pending:
            name = pending.popleft()
            if name == "..":
                del names[-1:]
                continue
            if name in ("", "."):
                continue
            names.append(name)
            target = links.get("/" + "/".join(names))
            if target is not None:
                followed += 1
                if followed > _MOST_LINKS:
                    raise OSError("too many links")
                names = [] if target.startswith("/") else names[:-1]
                pending.extendleft(reversed(target.split("/")))
        return "/" + "/".join(names)

    return resolve if links else os.path.normpath
