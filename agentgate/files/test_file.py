"""Loads policy tests: reads a test file and says everything that is wrong with it. Nothing is judged and nothing imported."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path as FilePath
from typing import Any, BinaryIO, NamedTuple

from msgspec import UNSET

from agentgate.core.arguments import InvalidJson, canonical, parse_json
from agentgate.core.events import Code, Effect, Json, ResultEffect
from agentgate.core.findings import Finding, Severity
from agentgate.core.once import ONCE
from agentgate.core.policy import Policy
from agentgate.core.schemas import InvalidSchema, ToolSet
from agentgate.errors import FileError
from agentgate.files.errors import error
from agentgate.files.parts import names, whole
from agentgate.files.reading import TASK_BYTES, Source, Sources, file_error, in_order, read_source
from agentgate.files.test_schema import REQUEST, schema_of_tests
from agentgate.files.validation import Path, Validator
from agentgate.files.words import did_you_mean, tick
from agentgate.files.yaml import Document, parse
from agentgate.policy_tests import WORKDIR, Case, Expected, Given, PolicyTest, PolicyTests, Used

ENDINGS = (".test.yaml", ".test.yml")
MAX_CASES = 10_000
OF_RUN = tuple(name for name in Used.__struct_fields__ if name != "windows")
"""What `used` may say of the run itself; everything else in it is the id of a limit per hour or per day."""
_SCOPES = (
    ((), "tests"),
    (("tests", None), "test"),
    (("tests", None, "when"), "test"),
    (("tests", None, "then"), "then"),
    (("tests", None, "cases", None), "test"),
    (("tests", None, "cases", None, "then"), "then"),
)


class ReadingOfTests(NamedTuple):
    """What came of reading a test file."""

    tests: PolicyTests | None
    """None where a finding is an error."""
    findings: list[Finding]
    """In file order."""
    sources: Sources
    """File → its lines, for frames."""


def load_tests(path: str) -> PolicyTests:
    """Loads a test file.

    Raises:
        FileError: it cannot be read, or something in it is wrong; carries every finding, in file order.
    """
    tests, findings, sources = read_tests(path)
    if tests is None:
        raise file_error(findings, sources)
    return tests


def read_tests(path: str, *, stdin: BinaryIO | None = None) -> ReadingOfTests:
    """Like `load_tests`, but gives findings back; `-` is standard input.

    Raises:
        FileError: the file cannot be read at all.
    """
    return understand(read_source(path, max_bytes=TASK_BYTES, stdin=stdin))


def understand(source: Source) -> ReadingOfTests:
    """What a test file says that was read already."""
    parsed = parse(source.data, source.name, max_bytes=TASK_BYTES)
    findings, tests = list(parsed.findings), None
    if parsed.document is not None:
        tests, found = _Reader(parsed.document, source).read()
        findings.extend(finding for finding in found if (finding.place.line, finding.place.column) not in parsed.judged)
    usable = not any(finding.severity is Severity.ERROR for finding in findings)
    return ReadingOfTests(tests if usable else None, in_order(findings, [source.name]), {source.name: parsed.lines})


def policy_of(path: str) -> str | None:
    """The policy that a test file is about by its name; None where it does not have the name of one, or there is none."""
    for ending in ENDINGS:
        if path.endswith(ending):
            stem = path.removesuffix(ending)
            return next((file for file in (f"{stem}.yaml", f"{stem}.yml") if FilePath(file).is_file()), None)
    return None


def file_of_tests(path: str) -> str | None:
    """The test file beside a policy; None where there is none."""
    stem = path.removesuffix(".yaml").removesuffix(".yml")
    return next((stem + ending for ending in ENDINGS if stem != path and FilePath(stem + ending).is_file()), None)


@cache
def _validator() -> Validator:
    return Validator(schema_of_tests(), _SCOPES)


class _Reader:
    """One file, and what is found wrong with it on the way."""

    def __init__(self, document: Document, source: Source) -> None:
        self.document = document
        self.source = source
        self.findings: list[Finding] = []
        self.cases = 0

    def read(self) -> tuple[PolicyTests | None, list[Finding]]:
        value = self.document.value
        if not isinstance(value, dict):
            self.refuse("wrong-type", (), "a test file is a mapping with `version` and `tests`")
            return None, self.findings
        checked = _validator().check(self.document)
        self.findings.extend(checked.findings)
        if not checked.complete:
            return None, self.findings
        broken = {path[:length] for path in checked.bad for length in (1, 2)}
        if ("version",) not in broken:
            self.findings.extend(whole(self.document, ("version",), value.get("version")))
        policies = () if ("policy",) in broken else self.policies(value.get("policy"))
        tools = None if ("tools",) in broken or "tools" not in value else self.tools(value)
        workdir = WORKDIR if ("workdir",) in broken else os.path.normpath(value.get("workdir", WORKDIR))
        links = {} if ("links",) in broken else value.get("links", {})
        entries = value.get("tests")
        tests = self.tests(entries, broken) if isinstance(entries, list) else ()
        if self.findings:
            return None, self.findings
        made = PolicyTests(
            file=self.source.name,
            policies=policies,
            tests=tests,
            task=None if "task" not in value else self.beside(value["task"]),
            tools=tools,
            workdir=workdir,
            links={os.path.normpath(f"{workdir}/{link}" if link[0] != "/" else link): target for link, target in links.items()},
            place=self.document.value_place(()),
        )
        return made, []

    def refuse(self, code: str, path: Path, message: str, help: str | None = None, related: Any = ()) -> None:
        self.findings.append(error(code, self.document.value_place(path), message, help, related))

    def beside(self, file: str) -> str:
        """A file that is named relative to this one, as a path from the working directory."""
        folder = "" if self.source.name == "<stdin>" else os.path.dirname(self.source.name)  # noqa: PTH120 - paths stay as they were given
        return os.path.normpath(os.path.join(folder, file))  # noqa: PTH118

    def policies(self, named: Json) -> tuple[str, ...]:
        if named is not None:
            files = tuple(self.beside(file) for file in names(named))
            for index, file in enumerate(files):
                if not FilePath(file).is_file():
                    path: Path = ("policy",) if isinstance(named, str) else ("policy", index)
                    self.refuse("missing-file", path, f"there is no policy {tick(file)}")
            return files
        found = policy_of(self.source.name)
        if found is None:
            self.refuse("missing-file", (), "no policy of the same name stands beside this file", "name it: `policy: strict.yaml`")
        return (found,) if found else ()

    def tools(self, value: Mapping[str, Any]) -> list[Mapping[str, Json]] | None:
        tools = value["tools"]
        if "task" in value:
            self.refuse("bad-value", ("tools",), "`tools` beside `task`, which has tools of its own", "leave one of them out")
        if isinstance(tools, str):
            file = self.beside(tools)
            try:
                tools = parse_json(read_source(file).data)
            except FileError as problem:
                self.refuse("missing-file", ("tools",), problem.message)
                return None
            except InvalidJson as problem:
                self.refuse("bad-value", ("tools",), f"{tick(file)} is not JSON: {problem}")
                return None
        try:
            if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
                raise InvalidSchema("not a list of tools in Chat Completions form")
            known = ToolSet(tools)
            for name in known.names:
                known.schema(name)
        except InvalidSchema as problem:
            self.refuse("bad-schema", ("tools",), f"the tools cannot be used: {problem}")
            return None
        return tools

    def tests(self, entries: list[Json], broken: set[Path]) -> tuple[PolicyTest, ...]:
        made: list[PolicyTest] = []
        seen: dict[str, int] = {}
        for index, entry in enumerate(entries):
            path: Path = ("tests", index)
            if path in broken:
                continue
            name = entry["name"]
            if name in seen:
                first = self.document.value_place(("tests", seen[name], "name"))
                self.refuse("duplicate-test", (*path, "name"), f"two tests are called {tick(name)}", None, ((first, "first here"),))
            seen.setdefault(name, index)
            cases = tuple(case for case in self.rows(path, entry) if case is not None)
            place = self.document.value_place((*path, "name"))
            made.append(PolicyTest(name=name, cases=cases, description=entry.get("description"), place=place))
        if self.cases > MAX_CASES:
            self.refuse("out-of-range", ("tests",), f"{self.cases} cases, at most {MAX_CASES} are possible", "make it several files")
        return tuple(made)

    def rows(self, path: Path, entry: dict[str, Any]) -> Iterator[Case | None]:
        if "cases" not in entry:
            yield self.case(path, entry, {}, path)
        for index, row in enumerate(entry.get("cases", ())):
            yield self.case(path, entry, row, (*path, "cases", index))

    def case(self, path: Path, entry: dict[str, Any], row: dict[str, Any], own: Path) -> Case | None:
        """One case: the test with what its row changes; None where a finding is about it."""
        self.cases += 1
        before, when = len(self.findings), entry["when"]
        if "then" not in row and "then" not in entry:
            self.refuse("missing-key", own, "nothing says what is expected", "add `then: allow`, `ask` or `block`")
        tool: str | None = None
        arguments = "{}"
        if when == REQUEST:
            for key in ("tool", "arguments", "without"):
                if key in row:
                    self.refuse("bad-value", (*own, key), f"`{key}` where the test is about a `{REQUEST}`", "a request has no call")
        else:
            tool = row.get("tool", when.get("tool"))
            if tool is None:
                self.refuse("missing-key", own, "no tool is called", "name it under `when`: `{tool: …}`")
            arguments = self.arguments(path, when.get("arguments", {}), row, own)
        merged = {**entry, **row}
        self.about_result(merged, own)
        if len(self.findings) > before:
            return None
        return Case(
            expected=_expected(merged["then"]),
            tool=tool,
            arguments=arguments,
            result=merged.get("result", UNSET),
            name=row.get("name"),
            role=merged.get("role"),
            prompt=merged.get("prompt"),
            given=tuple(_given(call) for call in merged.get("given", ())),
            used=_used(merged.get("used", {})),
            place=self.document.value_place(own),
        )

    def about_result(self, merged: dict[str, Any], own: Path) -> None:
        """What is judged and what is expected must be of one kind: a call and its effect, or a result and what comes of it."""
        then: Any = merged.get("then")
        expects = isinstance(then, dict) and "result" in then
        if "result" in merged and merged["when"] == REQUEST:
            self.refuse("bad-value", own, f"a `{REQUEST}` has no result")
        elif "result" in merged and not (expects and "effect" not in then):
            self.refuse("bad-value", own, "a result is judged, and `then` is about a call", "write `then: {result: block, rule: …}`")
        elif expects and "result" not in merged:
            self.refuse("missing-key", own, "`then` is about a result, and there is none", "add `result`: what the tool returns")

    def arguments(self, path: Path, common: Json, row: dict[str, Any], own: Path) -> str:
        arguments = row.get("arguments", {})
        if isinstance(arguments, str):
            return arguments
        if isinstance(common, str):
            if "arguments" in row or "without" in row:
                key = "arguments" if "arguments" in row else "without"
                first = self.document.value_place((*path, "when", "arguments"))
                message = "the test's arguments are a text, over which nothing can be laid"
                self.refuse("wrong-type", (*own, key), message, "write them as a mapping", ((first, "this text"),))
            return common
        merged = {**common, **arguments}
        for index, name in enumerate(names(row.get("without", ()))):
            if name not in merged:
                place: Path = (*own, "without") if isinstance(row["without"], str) else (*own, "without", index)
                self.refuse("bad-value", place, f"there is no argument {tick(name)} to leave out", did_you_mean(name, merged))
            merged.pop(name, None)
        return canonical(merged).decode()


def _given(call: Mapping[str, Any]) -> Given:
    times = int(call.get("times", 1))
    return Given(call["tool"], call.get("arguments", {}), call.get("result"), call.get("refused", False), times)


def _used(amounts: Mapping[str, Any]) -> Used:
    of_run = {key: amount for key, amount in amounts.items() if key in OF_RUN}
    return Used(**of_run, windows={key: amount for key, amount in amounts.items() if key not in of_run})


def _expected(then: Json) -> Expected:
    if isinstance(then, str):
        return Expected(Effect(then))
    effect, code = then.get("effect"), then.get("code")
    of_call = None if effect is None else Effect(effect)
    return Expected(
        effect=ResultEffect(then["result"]) if "result" in then else of_call,
        rule=then.get("rule"),
        code=None if code is None else Code(code),
        reason=then.get("reason"),
        hint=then.get("hint"),
    )


def strangers(tests: PolicyTests, policy: Policy) -> Iterator[Finding]:
    """A finding for each role and rule that the tests name and the policy does not have: such a test would show nothing."""
    windows = [limit.id for limit in policy.limits if limit.window is not None]
    ids = (
        [rule.id for rule in policy.rules]
        + [rule.rule.id for rule in policy.results]
        + [limit.id for limit in policy.limits]
        + [ONCE] * bool(policy.once)
    )
    for case in (case for test in tests.tests for case in test.cases):
        assert case.place is not None
        role, rule = case.role, case.expected.rule
        if role is not None and role not in policy.roles:
            help = did_you_mean(role, policy.roles) or "define it under `roles` in the policy, or leave it out"
            yield error("unknown-role", case.place, f"the policy has no role {tick(role)}", help)
        if rule is not None and rule not in ids:
            yield error("unknown-rule", case.place, f"the policy has no rule or limit {tick(rule)}", did_you_mean(rule, ids))
        for id in case.used.windows:
            if id not in windows:
                message = f"the policy has no limit {tick(id)} per hour or per day"
                yield error("unknown-rule", case.place, message, did_you_mean(id, [*windows, *OF_RUN]))
