"""`agentgate check`: everything that is wrong, or unwise, in policy and task files."""

from __future__ import annotations

from typing import Annotated

import typer

from agentgate.cli.checks import Format, check_and_show


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
    raise typer.Exit(check_and_show(files or [], task=task, format=format, strict=strict, fix=fix, codes=codes))
