"""Finds policies and their tests, and loads them: a folder, a policy with `NAME.test.yaml` beside it, or that test file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agentgate.core.findings import Finding, Severity
from agentgate.core.policy import Policy
from agentgate.core.schemas import ToolSet
from agentgate.errors import FileError
from agentgate.files.policy_file import read_policy
from agentgate.files.reading import POLICY_BYTES, STDIN, file_error, in_order, read_source
from agentgate.files.task_file import load_task
from agentgate.files.test_file import ENDINGS, file_of_tests, read_tests, strangers
from agentgate.files.words import tick
from agentgate.files.yaml import parse
from agentgate.policy_tests import PolicyTests, Setting, Suite

_YAML = (".yaml", ".yml")


def load_suites(paths: Sequence[str], *, environ: Mapping[str, str] | None = None) -> list[Suite]:
    """Every policy that these files and folders are about, with its tests.

    Args:
        paths: policies, test files, and folders of both.
        environ: the environment for the tools of tasks that tests name; this process's by default.

    Raises:
        FileError: something cannot be read, is wrong, or has no tests; carries every finding of every file.
        OutsideError: the tools of a task could not be started.
    """
    loading = _Loading(os.environ if environ is None else environ)
    for path in paths:
        if path != STDIN and Path(path).is_dir():
            for file in _files(path):
                loading.add(file)
        else:
            loading.add(os.path.normpath(path) if path != STDIN else path, named=True)
    if not loading.suites and not loading.findings:
        raise FileError(f"there are no tests in {', '.join(map(tick, paths))}", help="`strict.test.yaml` beside `strict.yaml` tests it")
    return loading.finished()


def _files(folder: str) -> Iterator[str]:
    """The YAML files in and below a folder, but for hidden ones, in the order of their names."""
    for where, folders, files in os.walk(os.path.normpath(folder)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (str(Path(where) / name) for name in sorted(files) if name.endswith(_YAML) and not name.startswith("."))


class _Loading:
    """What is found file by file, with everything that is wrong on the way."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.suites: dict[tuple[str, ...], list[tuple[PolicyTests, Setting]]] = {}
        self.policies: dict[tuple[str, ...], Policy] = {}
        self.findings: list[Finding] = []
        self.sources: dict[str, Sequence[str]] = {}
        self.seen: set[str] = set()

    def add(self, file: str, *, named: bool = False) -> None:
        """Takes in one file; one that was not named, but found in a folder, only if it is a policy or a test."""
        if file.endswith(ENDINGS):
            self.add_tests(file)
            return
        beside = file_of_tests(file)
        if beside is not None:
            self.add_tests(beside)
            return
        kind = self.kind(file)
        if kind == "tests":
            self.add_tests(file)
        elif (kind == "policy" or named) and self.add_policy((file,)):
            policy = self.policies[(file,)]
            if named and not any(rule.examples for rule in policy.rules):
                raise FileError(f"{tick(file)} has no tests", help=f"write them to `{Path(file).stem}.test.yaml` beside it")

    def kind(self, file: str) -> str | None:
        """`tests` or `policy`, by the keys; None for other YAML."""
        if file == STDIN:
            return "policy"
        document = parse(read_source(file).data, file, max_bytes=POLICY_BYTES).document
        if document is None:
            return "policy"
        if not isinstance(document.value, dict):
            return None
        return "tests" if "tests" in document.value else "policy" if {"rules", "policies"} & set(document.value) else None

    def add_tests(self, file: str) -> None:
        if file in self.seen:
            return
        self.seen.add(file)
        tests, findings, sources = read_tests(file)
        self.note(findings, sources)
        if tests is None or not self.add_policy(tests.policies):
            return
        self.note(list(strangers(tests, self.policies[tests.policies])), sources)
        setting = self.setting(tests)
        if setting is not None:
            self.suites[tests.policies].append((tests, setting))

    def add_policy(self, files: tuple[str, ...]) -> bool:
        """Loads a policy once; whether it can be used."""
        if files not in self.suites:
            policy, findings, sources = read_policy(*files)
            self.suites[files] = []
            self.note(findings, sources)
            if policy is not None:
                self.policies[files] = policy
        return files in self.policies

    def setting(self, tests: PolicyTests) -> Setting | None:
        tools, prompt = tests.tools, None
        if tests.task is not None:
            from agentgate.tools import open_toolbox

            try:
                task = load_task(tests.task)
                with open_toolbox(task, environ=self.environ) as toolbox:
                    tools, prompt = [tool.definition for tool in toolbox.tools], task.prompt
            except FileError as problem:
                if not problem.findings:
                    raise
                self.note(list(problem.findings), problem.sources)
                return None
        return Setting(None if tools is None else ToolSet(tools), prompt, tests.workdir, tests.links)

    def note(self, findings: Sequence[Finding], sources: Mapping[str, Sequence[str]]) -> None:
        self.sources.update(sources)
        known = set(self.findings)
        self.findings.extend(finding for finding in findings if finding.severity is Severity.ERROR and finding not in known)

    def finished(self) -> list[Suite]:
        if self.findings:
            sources = {file: tuple(lines) for file, lines in self.sources.items()}
            raise file_error(in_order(self.findings, list(sources)), sources)
        return [Suite(files, self.policies[files], tuple(tests)) for files, tests in self.suites.items()]
