"""`agentgate check`: everything that is wrong, or unwise, in policy and task files."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agentgate.checking import Checked


class Format(StrEnum):
    """How findings are shown."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


def check(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE...", help="Policies and tasks; `-` is standard input.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help="Check the policies against this task's tools, which are imported.")
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="How to show findings: text, or github in a GitHub workflow.", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings too.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what is safe in the files: misspelt keys, `(?i)` and `(?s)` in patterns.")
    ] = False,
    codes: Annotated[bool, typer.Option("--codes", help="Explain every code that a finding can have, and exit.")] = False,
) -> None:
    """Says everything that is wrong or unwise in policy and task files. Never touches the network.

    Exit codes: 0 no errors (with --strict: no warnings either), 1 findings, 2 a file is missing or cannot be read.
    """
    from agentgate.errors import UsageError
    from agentgate.output.errors import print_error
    from agentgate.output.safe import safe
    from agentgate.output.sink import Sink

    shown = format or (Format.GITHUB if os.environ.get("GITHUB_ACTIONS") == "true" else Format.TEXT)
    out = Sink(sys.stdout)
    if codes:
        from agentgate.output.codes import codes_as_json, codes_as_text

        out.write(codes_as_json() if shown is Format.JSON else codes_as_text())
        out.check()
        return
    if not files:
        raise UsageError("no file is given", help="name a policy or a task, or `-` for standard input")
    from agentgate.checking import check_files

    checks = check_files(files, task=task, fix=fix)
    for mended in (finding for one in checks.files for finding in one.mended):
        sys.stderr.write(f"mended {safe(str(mended.place))}: {mended.code}: {safe(mended.message)}\n")
    out.write(_text(checks.files, shown))
    for error in checks.errors:
        print_error(error)
    out.check()
    failed = any(one.failed(strict=strict) for one in checks.files)
    raise typer.Exit(max((error.exit_code for error in checks.errors), default=int(failed)))


def _text(checked: list[Checked], format: Format) -> str:
    from agentgate.output.findings import render, summary, text

    if format is Format.TEXT:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return "".join(text(one.findings, one.sources, color=color) + summary(one.file, one.findings) + "\n" for one in checked)
    from agentgate.output.codes import summaries

    return render([finding for one in checked for finding in one.findings], format.value, summaries=summaries())
