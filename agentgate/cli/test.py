"""`agentgate test`: runs the tests of policies, and tells what they leave out."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from agentgate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgate.cases import SuiteResult
    from agentgate.policy_tests import Case, PolicyTest, PolicyTests


class Format(StrEnum):
    """How results are shown."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def run_tests(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Policies, NAME.test.yaml files, and folders of both.", show_default=False)
    ],
    only: Annotated[str | None, typer.Option("-k", metavar="TEXT", help="Only cases whose file, test or case name has TEXT in it.")] = None,
    min_coverage: Annotated[
        float | None,
        typer.Option(
            "--min-coverage", metavar="PERCENT", min=0, max=100, help="Exit 1 where less of a policy's rules or outcomes is covered."
        ),
    ] = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="text; json: one object; junit: for CI systems.")] = Format.TEXT,
) -> None:
    """Runs policy tests: what strict.test.yaml says is compared with what strict.yaml decides. Executes nothing.

    Examples in rules count as tests. Covered are rules that matched, and outcomes: rules that matched and that did not, conditions that
    held and that did not, limits that were reached. Exits 1 where a test fails or less than --min-coverage is covered, 2 for a bad file.
    """
    if only is not None and min_coverage is not None:
        raise UsageError("`-k` leaves tests out, so coverage says nothing", help="leave `--min-coverage` or `-k` out")
    from agentgate.cases import run_suite
    from agentgate.output.sink import Sink
    from agentgate.suites import load_suites

    wanted = None if only is None else _chosen(only)
    results = [run_suite(suite, wanted) for suite in load_suites(files)]
    if only is not None:
        results = [result for result in results if result.files]
        if not results:
            raise UsageError(
                f"no test has `{only}` in its name", help="`-k` looks at names of files, tests and cases, whatever their letter case"
            )
    out = Sink(sys.stdout)
    out.write(_shown(results, format, min_coverage, filtered=only is not None, ascii=out.ascii))
    out.check()
    low = min_coverage is not None and any(result.coverage.percent() < min_coverage for result in results)
    raise typer.Exit(1 if low or any(result.failed for result in results) else 0)


def _chosen(text: str) -> Callable[[PolicyTests, PolicyTest, Case], bool]:
    plain = text.casefold()

    def chosen(tests: PolicyTests, test: PolicyTest, case: Case) -> bool:
        return any(plain in name.casefold() for name in (tests.file, test.name, case.name or ""))

    return chosen


def _shown(results: list[SuiteResult], format: Format, min_coverage: float | None, *, filtered: bool, ascii: bool) -> str:
    if format is Format.TEXT:
        from agentgate.output.test_report import as_text

        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return as_text(results, min_coverage, filtered=filtered, ascii=ascii, color=color)
    if format is Format.JSON:
        from agentgate.output.test_report import as_json

        return as_json(results, filtered=filtered)
    from agentgate.output.junit import as_junit

    return as_junit(results, min_coverage)
